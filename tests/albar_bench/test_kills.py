"""A command that is killed at any moment goes on: the same command again ends as if nothing had happened.

So does one that was interrupted, or to which the disk refused an operation.
"""

import json
import os
from pathlib import Path

import pytest
from commands import warm

SCRIPT = Path(__file__).parents[1] / "helpers" / "kill_everywhere.py"
QUICK = ("extend", "scufo", "segment", "import", "render", "othersettings", "exportvideos", "fetchweights", "kinds",
         "backgrounds", "exportquestions", "renderlong", "features")  # fmt: skip
ALL = (
    *QUICK,
    "anomaly",
    "localize",
    "corrected",
    "segmentcorrected",
    "buildvirtual",
    "buildframes",
    "buildvideo",
    "export",
    "exportfor",
    "merge",
    "rebuild",
    "importelsewhere",
)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def kill_everywhere(scenario: str, folder: Path, first: int, stride: int, how: str = "kill") -> dict:
    env = {**os.environ, "BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    words = (str(SCRIPT), scenario, str(folder), str(first), str(stride), how)
    done = warm("", *words, env=env, imported=() if scenario == "features" else ("kill_everywhere",))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tried"] and not found["wrong"], done.stderr
    return found


@pytest.mark.parametrize("scenario", QUICK)
def test_a_kill_at_the_first_steps_and_at_some_others(scenario: str, tmp_path: Path) -> None:
    kill_everywhere(scenario, tmp_path, 10, 23)


@pytest.mark.parametrize("how", ["interrupt", "full"])
def test_an_interrupt_and_a_full_disk_at_some_steps(how: str, tmp_path: Path) -> None:
    kill_everywhere("extend", tmp_path, 2, 9, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "interrupt", "full"])
@pytest.mark.parametrize("scenario", ALL)
def test_a_kill_at_every_step(scenario: str, how: str, tmp_path: Path) -> None:
    found = kill_everywhere(scenario, tmp_path, 10_000, 1, how)
    assert found["tried"] == found["steps"]
