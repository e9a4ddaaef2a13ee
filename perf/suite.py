"""The seconds of the checks of CI: ruff, mypy and the tests, on all cores, as `make check` and `make test` run them.

python perf/suite.py
"""

import os
import sys
import time
from collections.abc import Iterator
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
            for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
                run([*python, *command])
            more = {"BENCH_CLIPS": str(clips)} if clips else {}
            run([*python, "pytest", "-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"], **more)
            spent.append(time.perf_counter() - began)
    finally:
        os.chdir(here)
    note = f"{(cpu_seconds() - used) / rounds:.0f} CPU seconds"
    yield Row("the test suite with CI's checks", "", tuple(spent), GOAL, at_most=True, unit="s", note=note)


if __name__ == "__main__":
    show(rows())
