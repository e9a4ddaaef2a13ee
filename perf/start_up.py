"""CPU seconds until a command can start: what a build imports, and `bench --help`.

python perf/start_up.py

A build of one small video runs once in one process, which then lists every module that it has loaded. A new Python
that imports these modules and does nothing else is what is measured; its own start counts. The three largest libraries
that a build cannot do without (numpy, OpenCV, PyAV) are measured in the same way, as the least that is possible.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import NotMeasured, Row, interleaved, run, show

GOAL = 0.3
LISTED = """
import os, sys
at_first = set(sys.modules)
os.environ["BENCH_APART"] = "0"
from albar_bench.__main__ import main
sys.argv = ["bench", *sys.argv[1:]]
try:
    main()
except SystemExit as done:
    if done.code:
        raise
print("\\nLOADED", *[name for name in sys.modules if name not in at_first])
"""
IMPORTING = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:  # a name that is no module of its own, as six.moves
        pass
"""


def loaded_by_a_build(folder: Path) -> list[str]:
    """Names of the modules that a build has loaded at its end."""
    bench = [sys.executable, "-m", "albar_bench"]
    root = folder / "synthactions"
    run([*bench, "data", "render", "--out", root, "--train", 0, "--test", 1, "--frames", 4, "--workers", 1])
    build = ["build", "scuba", "--dataset", "synthactions", "--root", root, "--split", "test", "--per-video", 1]
    command = [sys.executable, "-c", LISTED, *build, "--workers", 1, "--out", folder / "scuba"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    if done.returncode or not lines:
        raise NotMeasured(f"the build failed: {(done.stderr.strip() or done.stdout.strip())[-200:]}")
    return lines[-1].split()[1:]


def rows(clips: Path | None = None, rounds: int = 7) -> Iterator[Row]:
    """Two rows; ``clips`` are not needed."""
    with tempfile.TemporaryDirectory() as name:
        modules = loaded_by_a_build(Path(name))
        python = [sys.executable, "-c", IMPORTING]
        found = interleaved(
            {
                "build": lambda: run([*python, *modules]),
                "least": lambda: run([*python, "numpy", "cv2", "av"]),
                "help": lambda: run([sys.executable, "-m", "albar_bench", "--help"]),
            },
            rounds,
        )
    build, least, help_ = (tuple(found.seconds[side]) for side in ("build", "least", "help"))
    note = f"{len(modules)} modules; numpy, OpenCV and PyAV alone take {sorted(least)[len(least) // 2]:.2f} s"
    yield Row("import time of a build", "", build, GOAL, at_most=True, unit="s", note=note)
    yield Row("bench --help", "", help_, unit="s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    show(rows(None, parser.parse_args().rounds))


if __name__ == "__main__":
    main()
