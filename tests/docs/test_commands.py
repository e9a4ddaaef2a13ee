"""Every command line in the documentation is one that its command takes. (docs/extending.md has tests of its own.)"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from albar_bench.cli import options
from albar_bench.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if p.name != "extending.md"]


class Taken(Exception):
    """The options were read and checked; the command would start now."""


def stop(values: Any) -> Any:
    raise Taken


def lines(text: str) -> list[str]:
    """The command lines in the blocks of code of a page."""
    text = re.sub(r" *\\\n\s*", " ", text)
    blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    return re.findall(r"^bench .+$", "\n".join(blocks), re.MULTILINE)


def refused(line: str) -> str:
    """Why a command line is not taken; empty if it is. What is behind a pipe or redirection is not looked at."""
    words = shlex.split(line, comments=True)[1:]
    end = next((i for i, word in enumerate(words) if word in (">", "|", "&&")), len(words))
    done = CliRunner().invoke(app, words[:end])
    taken = isinstance(done.exception, Taken) or (done.exit_code == 0 and "--help" in words)
    return "" if taken else f"{line}: {done.output}{done.exception!r}"


@pytest.mark.parametrize("page", [page for page in PAGES if lines(page.read_text("utf-8"))], ids=lambda page: page.name)
def test_commands_are_taken(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_engine", stop)  # what a command calls between its options and its work
    assert [why for line in lines(page.read_text("utf-8")) if (why := refused(line))] == []


def test_a_wrong_command_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_engine", stop)
    text = "```sh\nbench eval MODEL \\\n  --bench x\n```\n\n    bench verify DIR --workers 0   # no\n\nbench text\n"
    assert len(lines(text)) == 2 and all(refused(line) for line in lines(text))
