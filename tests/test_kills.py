"""A command that is killed at any moment goes on: the same command again ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill_everywhere.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def kill_everywhere(scenario: str, folder: Path, first: int, stride: int) -> dict:
    env = {**os.environ, "BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), scenario, str(folder), str(first), str(stride)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tried"] > 8 and not found["wrong"], done.stderr
    return found


@pytest.mark.parametrize("scenario", ["extend", "scufo", "segment", "import", "merge", "render", "othersettings"])
def test_a_kill_at_the_first_steps_and_at_some_others(scenario: str, tmp_path: Path) -> None:
    kill_everywhere(scenario, tmp_path, 10, 23)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    ["buildvirtual", "buildframes", "buildvideo", "extend", "scufo", "segment", "import", "export", "merge", "render",
     "othersettings"],
)  # fmt: skip
def test_a_kill_at_every_step(scenario: str, tmp_path: Path) -> None:
    found = kill_everywhere(scenario, tmp_path, 10_000, 1)
    assert found["tried"] == found["steps"]
