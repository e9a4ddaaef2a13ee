"""Every `--help` has an example, and every example is a command line that its command takes."""

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from albar_bench.cli import options
from albar_bench.cli.app import app


class Taken(Exception):
    """The options were read and checked; the command would start now."""


def nodes(command: Any = None, words: str = "bench") -> list[tuple[str, Any]]:
    """Every group and command with its words."""
    command = command or typer.main.get_command(app)
    found = [(words, command)]
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        found += nodes(command.get_command(None, name), f"{words} {name}")
    return found


def examples(help_text: str) -> list[str]:
    """The commands in the paragraphs that begin with Example."""
    paragraphs = [" ".join(p.split()) for p in help_text.split("\n\n")]
    return [e for p in paragraphs if p.startswith("Example") for e in re.findall(r"`(bench [^`]+)`", p)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Calls a command line up to where its command would start."""

    def stop(values: Any) -> Any:
        raise Taken

    monkeypatch.setattr(options, "_engine", stop)  # what a command calls between its options and its work
    # What follows > is the shell's.
    return lambda line: CliRunner().invoke(app, shlex.split(line.partition(" > ")[0])[1:])


@pytest.mark.parametrize(("words", "command"), [pytest.param(*it, id=it[0]) for it in nodes()])
def test_every_help_has_examples_that_parse(words: str, command: Any, run: Callable[[str], Any]) -> None:
    own = [e for e in examples(command.help or "") if f"{e} ".startswith(f"{words} ")]
    assert own, f"{words} --help: no paragraph begins with 'Example: `{words} …`'"
    for example in own:
        done = run(example)
        helped = example.endswith("--help") and done.exit_code == 0
        assert helped or isinstance(done.exception, Taken), f"{example}: {done.output}{done.exception!r}"


@pytest.mark.parametrize(
    "example", ["bench train albar --epoch 3", "bench eval", "bench verify d --workers 0", "bench nothing"]
)
def test_a_wrong_example_would_be_found(example: str, run: Callable[[str], Any]) -> None:
    assert not isinstance(run(example).exception, Taken)


def test_examples_are_shown() -> None:
    for words in (["--help"], ["build", "--help"], ["build", "scufo", "--help"]):
        shown = CliRunner(env={"COLUMNS": "140"}).invoke(app, words).output
        assert f"Example: bench {' '.join(words[:-1])}" in shown
