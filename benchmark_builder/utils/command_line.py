"""The command line of this process, for records of what was made by it.

The command line of the toolkit says it once; code that is called from Python records none. A folder gets it as
``commands.json`` alongside its tables, whose bytes it never changes: a folder may be finished by another command than
the one that began it.
"""

import importlib.metadata
import shlex
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from benchmark_builder.utils.records import FileRecord, Record, Says, Text

COMMANDS = "commands.json"
MOST = 100  # commands kept of a folder
_said: list[str] = []  # the words after `bench` of this process


def begin(words: list[str]) -> None:
    """Say which command this process runs: the words after ``bench``; empty: none."""
    _said[:] = words


def current() -> str:
    """The command of this process, quoted for a shell; "" if it was not called from the command line."""
    return shlex.join(["bench", *_said]) if _said else ""


class Command(Record):
    """One command: as typed, quoted for a shell; the version of the toolkit that ran it."""

    command: Annotated[str, Says("text of at most 100000 characters", lambda v: isinstance(v, str) and len(v) <= 10**5)]
    version: Text = ""


class CommandsRecord(FileRecord):
    """The commands that have written to a folder, in order."""

    WHAT: ClassVar[str] = "a record of commands"

    commands: Annotated[list[Command], Says(f"a list of at most {MOST} commands", lambda v: len(v) <= MOST)] = Field(
        default_factory=list[Command]
    )


def record_command(folder: Path) -> None:
    """Add the command of this process to the folder's record, if it is not its last one."""
    command = current()
    if not command:
        return
    known = recorded_commands(folder)
    if known and known[-1].command == command:
        return
    new = Command(command=command, version=_version())
    kept = [*known, new][-MOST:]
    write_json(folder / COMMANDS, {"format": CommandsRecord.FORMAT, "commands": [c.plain() for c in kept]})


def _version() -> str:
    try:
        return importlib.metadata.version("albar-bench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def recorded_commands(folder: Path) -> list[Command]:
    """The commands that have written to a folder; empty if it does not say it, or not readably."""
    path = folder / COMMANDS
    try:
        return CommandsRecord.of(read_json(path, "record of commands", "delete it"), path, "delete it").commands
    except BenchError:
        return []
