"""docs/extending.md: every example there is written to a file and run."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from localizers import localization_folder
from planted import planted_folder
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils import pool
from evaluator.reports.leaderboard import read_leaderboard

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]}
RUN = [name for name, text in SECTIONS.items() if "```sh" in text]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The current folder of the page: the files of its examples, and a small render in data/synthactions."""
    folder = tmp_path_factory.mktemp("extending")
    for text in SECTIONS.values():
        for language, block in re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL):
            name = re.match(r"# (\S+\.\w+)\n", block)
            if language in ("python", "toml") and name:
                (folder / name[1]).write_text(block, encoding="utf-8")
    planted_folder(folder / "features" / "ucf-crime", train=4, test=2)
    localization_folder(folder / "features" / "thumos14")
    render_dataset(folder / "data" / "synthactions", SynthSettings(size=32, frames=4, train=16, test=8), 1)
    return folder


@pytest.mark.parametrize("section", RUN)
def test_an_example_runs(
    section: str, folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(folder)
    if "--workers 2" not in SECTIONS[section]:
        request.getfixturevalue("quick_workers")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("BENCH_TRUST", "")
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(pool, "default_workers", lambda: 1)  # the example of --workers 2 shows that workers import, too
    commands = "".join(re.findall(r"```sh\n(.*?)```", SECTIONS[section], flags=re.DOTALL)).splitlines()
    for command in commands:
        words = shlex.split(command)
        trust = words.pop(0).partition("=") if "=" in words[0] else ("BENCH_TRUST", "=", "")
        monkeypatch.setenv(trust[0], trust[2])
        assert words[0] == "bench"
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, f"{command}: {done.exception!r}\n{done.output}"
        said = done.output
    for name in [n for n in sys.modules if n.startswith("my_")]:
        monkeypatch.delitem(sys.modules, name)
    if section == "Network":
        rows = read_leaderboard(Path("results") / "leaderboard.csv")
        assert {row["model"] for row in rows} == {"my_models.Tiny", "Tiny"}
    elif section == "Training method":
        assert Path("runs/synthactions-my_methods.Smooth-s0/model.ckpt").is_file()
    elif section == "Dataset":
        assert len(said.splitlines()) == 1 + 16 + 8 + 8, "a row for each video of the render"
    elif section == "Layout":
        refused = CliRunner().invoke(app, ["verify", "built/arrays"], env={"BENCH_TRUST": ""})
        assert refused.exit_code, "a benchmark alone chooses no module"


OPTIONS = ("train", "--model", "--dataset", "--masks", "--backgrounds", "--layout", "--protocol", "--head")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_part_has_an_example(option: str) -> None:
    assert any(f"{option} my_" in text for text in SECTIONS.values())
