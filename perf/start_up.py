"""CPU seconds until a command can start: a build until its first video, and `bench --help`.

python perf/start_up.py

A build of one small video stops when it asks its mask source for the first mask; what its process has used until then
is the time: Python's own start, imports, options, the dataset's list, the protocol. The worker is a fork of this
process, so that nothing is imported twice; here it is the same process. The three largest libraries that a build cannot
do without (numpy, OpenCV, PyAV), and the two of its options (typer, pydantic), are measured too, as the least that is
possible.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import NotMeasured, Row, interleaved, run, show

GOAL = 0.3
FIRST = """
import os, sys, time

class Masks:
    def __init__(self, path, root):
        pass

    def describe(self):
        return {"kind": "first"}

    def track(self, video, height, width):
        print("USED", time.process_time(), len(sys.modules), flush=True)
        os._exit(0)
"""


def start_of_a_build(folder: Path, root: Path) -> tuple[float, int]:
    """CPU seconds of a build until its first video, and how many modules it has imported."""
    (folder / "first.py").write_text(FIRST)
    build = ["build", "scuba", "--dataset", "synthactions", "--root", root, "--split", "test", "--masks", "first:Masks"]
    command = [sys.executable, "-m", "albar_bench", *build, "--workers", "1", "--out", folder / "scuba"]
    places = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    places |= {"BENCH_APART": "0"}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=folder, env=places)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("USED ")]
    if not lines:
        raise NotMeasured(f"the build failed: {(done.stderr.strip() or done.stdout.strip())[-200:]}")
    return float(lines[0][1]), int(lines[0][2])


def rows(clips: Path | None = None, rounds: int = 7) -> Iterator[Row]:
    """Two rows; ``clips`` are not needed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = [sys.executable, "-c"]
        videos = folder / "synthactions"
        render = ["data", "render", "--out", videos, "--train", 0, "--test", 1, "--frames", 4, "--workers", 1]
        run([sys.executable, "-m", "albar_bench", *render])
        start_of_a_build(folder, videos)  # compiles modules, and fills the cache of digests
        build, modules = list[float](), 0

        def started() -> None:
            nonlocal modules
            used, modules = start_of_a_build(folder, videos)
            build.append(used)

        found = interleaved(
            {
                "build": started,
                "least": lambda: run([*python, "import numpy, cv2, av"]),
                "options": lambda: run([*python, "import numpy, cv2, av, typer; from pydantic import TypeAdapter"]),
                "help": lambda: run([sys.executable, "-m", "albar_bench", "--help"]),
            },
            rounds,
        )
    middle = {side: sorted(found.seconds[side])[rounds // 2] for side in ("least", "options")}
    note = (
        f"{modules} modules; numpy, OpenCV and PyAV alone take {middle['least']:.2f} s, with typer and pydantic "
        f"{middle['options']:.2f} s"
    )
    yield Row("start of a build", "", tuple(build[-rounds:]), GOAL, at_most=True, unit="s", note=note)
    yield Row("bench --help", "", tuple(found.seconds["help"]), unit="s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    show(rows(None, parser.parse_args().rounds))


if __name__ == "__main__":
    main()
