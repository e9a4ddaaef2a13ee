"""The seconds of the checks of CI: ruff, mypy and the tests, at the same time and on all cores, as CI runs them.

python perf/suite.py
"""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import Row, cpu_seconds, run, show

GOAL = 240.0


def rows(clips: Path | None = None, rounds: int = 1) -> Iterator[Row]:
    """Wall seconds, so nothing else should run meanwhile. ``clips``: for the tests on real clips."""
    python, spent, used = [sys.executable, "-m"], [], cpu_seconds()
    here = Path.cwd()
    os.chdir(Path(__file__).parent.parent)
    try:
        for _ in range(rounds):
            began = time.perf_counter()
            more = {"BENCH_CLIPS": str(clips)} if clips else {}
            tests = ["pytest", "-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"]
            with ThreadPoolExecutor() as beside:
                tested = beside.submit(run, [*python, *tests], **more)
                for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
                    run([*python, *command])
                tested.result()
            spent.append(time.perf_counter() - began)
    finally:
        os.chdir(here)
    note = f"{(cpu_seconds() - used) / rounds:.0f} CPU seconds"
    yield Row("the test suite with CI's checks", "", tuple(spent), GOAL, at_most=True, unit="s", note=note)


if __name__ == "__main__":
    show(rows())
