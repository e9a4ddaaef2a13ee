"""Records of the command lines that made something.

Code that is called from Python records none. What is built must have
equal bytes however it was made: with other workers, in parts, after a kill, in another folder. So the commands of a
folder are not in it, but in the user's cache, by the digest of its main table (a manifest, the record of a render or of
a run); copies of the folder find them, too.
"""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from benchmark_builder.utils.argv import current
from benchmark_builder.utils.digests import cache_folder
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, sha256_file, write_json
from benchmark_builder.utils.records import FileRecord, Record, Says, Text
from benchmark_builder.version import __version__

MOST = 100  # commands kept of a table


class Command(Record):
    """One command: as typed, quoted for a shell; the version of the toolkit that ran it."""

    command: Annotated[str, Says("text of at most 100000 characters", lambda v: isinstance(v, str) and len(v) <= 10**5)]
    version: Text = ""


class CommandsRecord(FileRecord):
    """The commands that have made equal tables, in order."""

    WHAT: ClassVar[str] = "a record of commands"

    commands: Annotated[list[Command], Says(f"a list of at most {MOST} commands", lambda v: len(v) <= MOST)] = Field(
        default_factory=list[Command]
    )


def record_command(table: Path) -> None:
    """Add the command of this process to those that made a table, if it is not the last one. Without a cache that can
    be written, it is not recorded."""
    command = current()
    if not command:
        return
    known = recorded_commands(table)
    if known and known[-1].command == command:
        return
    kept = [*known, Command(command=command, version=__version__)][-MOST:]
    with suppress(OSError):
        write_json(_place(table), {"format": CommandsRecord.FORMAT, "commands": [c.plain() for c in kept]})


def _place(table: Path) -> Path:
    return cache_folder() / "commands" / f"{sha256_file(table)}.json"


def recorded_commands(table: Path) -> list[Command]:
    """The commands that made a table, by its digest; empty if they are not known on this machine."""
    if not table.is_file():
        return []
    path = _place(table)
    try:
        return CommandsRecord.of(read_json(path, "record of commands", "delete it"), path, "delete it").commands
    except BenchError:
        return []
