"""Commands as checked words.

A record may be a stranger's. Commands are made of its settings, never taken from it as text: the command and its
options are this file's, values are numbers or single words, names of parts are those of this toolkit (a name such as
``package.module:Name`` would import code), and every path is the user's own or below the folder that is made.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import flag_of
from benchmark_builder.utils.text import shown

# What may be run: the first words of a command.
KNOWN = (("data", "render"), ("build",), ("train",), ("eval",))
_WORD = re.compile(r"(?!\.(?![0-9]))[A-Za-z0-9_.+][A-Za-z0-9_.+-]{0,99}")


class Underivable(BenchError):
    """A part of a command that a record does not say."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        words: after ``bench``.
        title: what it makes, in words. out: the folder that it fills.
        recorded: how the command was typed at the time, for people; it is never run.
        config: settings that are written to ``config_file`` before the command runs.
    """

    words: tuple[str, ...]
    title: str
    out: Path
    recorded: str = ""
    config: str = ""
    config_file: Path | None = None

    def __post_init__(self) -> None:
        if not any(self.words[: len(known)] == known for known in KNOWN):
            raise BenchError(f"bench {shown(' '.join(self.words[:2]))}: is not run by `bench reproduce`; report this")

    @property
    def line(self) -> str:
        """The command, quoted for a shell."""
        return shlex.join(["bench", *self.words])


@dataclass
class Plan:
    """What leads to a row.

    Attributes:
        steps: the commands, in order.
        unknown: what cannot be derived, one line each; then the plan cannot be run.
        notes: what a user should know.
        checkpoint: of the trained network, if one is trained. sha256: its recorded digest.
        benchmarks: name of a test set -> (folder that is made, recorded digest of its manifest).
        results: the folder of the new results.
    """

    steps: list[Step] = field(default_factory=list[Step])
    unknown: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    checkpoint: Path | None = None
    sha256: str = ""
    benchmarks: dict[str, tuple[Path, str]] = field(default_factory=dict[str, tuple[Path, str]])
    results: Path | None = None

    def note(self, line: str) -> None:
        """Add a note, once."""
        if line not in self.notes:
            self.notes.append(line)

    def add(self, step: Step) -> None:
        """Add a step, unless one fills the same folder already."""
        if all(known.out != step.out for known in self.steps):
            self.steps.append(step)


def word(value: object, what: str) -> str:
    """A value as one word of a command line.

    Raises:
        Underivable: it is not a number, a switch or a single word: it may be a path, or name code.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise Underivable(f"{what}: {shown(repr(value))[:80]} in the record is a path or no plain value; give your own")


def part(value: object, what: str, known: object) -> str:
    """The name of a part of this toolkit. Raises Underivable if it is not one of ``known``, a container of names."""
    if not isinstance(value, str) or value not in known:  # type: ignore[operator]
        raise Underivable(f"{what} {shown(repr(value))[:80]}: is not part of this toolkit; its code is not run")
    return value


def options(values: Mapping[str, object]) -> list[str]:
    """Settings as options: ``--name value``; a switch is ``--name`` or ``--no-name``; None is left out."""
    words: list[str] = []
    for name, value in values.items():
        flag = flag_of(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, Path):
            words += [flag, str(value)]
        elif value is not None:
            words += [f"{flag}={word(value, flag)}"] if str(value).startswith("-") else [flag, word(value, flag)]
    return words


def toml(values: Mapping[str, object], above: str = "") -> str:
    """Settings as TOML lines; tables become dotted keys. Raises Underivable if a value is no plain one."""
    lines: list[str] = []
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z0-9_]{1,60}", name):
            raise Underivable(f"{shown(repr(name))[:80]}: is no name of a setting")
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            lines.append(toml(value, f"{key}."))
        elif isinstance(value, (list, tuple)):
            lines.append(f"{key} = [{', '.join(_plain(v, key) for v in value)}]\n")
        elif value is not None:
            lines.append(f"{key} = {_plain(value, key)}\n")
    return "".join(lines)


def _plain(value: object, what: str) -> str:
    said = word(value, what)
    return said if isinstance(value, (bool, int, float)) else f'"{said}"'
