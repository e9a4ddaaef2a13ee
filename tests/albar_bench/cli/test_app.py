"""The list of commands: its groups, the version, and names with a typing error."""

import re
import tomllib
from pathlib import Path

import yaml
from typer.testing import CliRunner

import albar_bench
from albar_bench.cli.app import COMMANDS, PANELS, app
from benchmark_builder.benchmark.manifest import versions
from evaluator.records import version

ROOT = Path(__file__).parents[3]


def test_every_command_is_in_one_group() -> None:
    placed = [name for names in PANELS.values() for name in names]
    assert sorted(placed) == sorted(COMMANDS)
    said = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["--help"]).output
    assert re.findall(r"╭─ (\w+) ", said) == ["Options", *PANELS]


def test_the_version_is_set_in_one_place() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"albar-bench {albar_bench.__version__}\n")
    assert version() == versions()["albar-bench"] == albar_bench.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == albar_bench.__version__  # the format needs it there, too
    assert f"\n## {albar_bench.__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "benchmark_builder.version.__version__"}


def test_a_typing_error_gets_a_suggestion() -> None:
    for words, meant in ((["trian"], "train"), (["data", "inspct"], "inspect"), (["weights", "lst"], "list")):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2 and f"Did you mean '{meant}'" in done.output


def test_several_values_after_an_option_that_takes_one_are_explained() -> None:
    runner = CliRunner(env={"COLUMNS": "200"})
    for words, hint in (
        (["eval", "x.ckpt", "--clip", "frames=4", "stride=2"], "--clip frames=4 --clip stride=2"),
        (["train", "albar", "--set", "gp=1", "adv=2"], "--set gp=1 --set adv=2"),
        (["build", "scuba", "--only", "a", "b c"], "--only a --only 'b c'"),
    ):
        done = runner.invoke(app, words)
        assert done.exit_code == 2 and f"takes one value; give it once per value: {hint}" in done.output, done.output
    done = runner.invoke(app, ["build", "scuba", "extra"])
    assert done.exit_code == 2 and "Got unexpected extra argument" in done.output and "takes one" not in done.output
