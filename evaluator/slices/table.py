"""Reads the sources of slices that a user names: csv files, built-in sources, and ``package.module:Name``.

A source is a function ``read(request)`` that returns a list of attributes; :data:`evaluator.parts.SLICES` lists them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from evaluator.parts import SLICES
from evaluator.slices.attributes import Attribute, read_attributes
from evaluator.testsets import TestSet


@dataclass(frozen=True)
class Request:
    """What a built-in source is asked for.

    Attributes:
        word: what the user gave, for messages.
        argument: the text after the name and a colon; None if there is none.
        sets: the test sets that are scored.
        quantiles: into how many groups of equal size numbers are divided.
    """

    word: str
    argument: str | None
    sets: Sequence[TestSet]
    quantiles: int = 4

    def file(self, what: str) -> Path:
        """The argument as a path. Raises BenchError if there is none."""
        if not self.argument:
            raise BenchError(f"--slices {self.word}: needs {what}; give --slices {self.word.partition(':')[0]}:FILE")
        return Path(self.argument)


def read_slices(words: Sequence[str], sets: Sequence[TestSet], quantiles: int = 4) -> list[Attribute]:
    """The attributes of all sources that a user named.

    Args:
        words: csv files, or ``NAME[:ARGUMENT]`` of :data:`~evaluator.parts.SLICES`.
        sets: the test sets that are scored.
        quantiles: number of groups for numbers.

    Raises:
        BenchError: a source is unknown, its file is missing or wrong, it has nothing for these test sets, or two
            attributes have the same name.
    """
    found: list[Attribute] = []
    for word in words:
        if _is_file(word):
            found += read_attributes(Path(word))
            continue
        part = SLICES.find(word)
        made = part.part(Request(word, part.argument, sets, quantiles))
        if not isinstance(made, (list, tuple)) or not all(isinstance(a, Attribute) for a in made):
            raise BenchError(f"--slices {word}: its source returned no list of attributes; return Attribute objects")
        found += made
    names = [a.name for a in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BenchError(f"--slices: two sources have an attribute {twice!r}; rename one, or give one of them")
    return found


def check_slices(words: Sequence[str]) -> None:
    """Raise BenchError before any work if a source is unknown or a csv file is wrong."""
    for word in words:
        if _is_file(word):
            read_attributes(Path(word))
        else:
            SLICES.find(word)


def _is_file(word: str) -> bool:
    """Whether a word is a csv file rather than the name of a source. Raises BenchError if it is neither."""
    if word.partition(":")[0] in SLICES:
        return False
    try:
        if Path(word).is_file() or Path(word).suffix.lower() in (".csv", ".tsv", ".txt"):
            return True
    except (OSError, ValueError):  # a name that no file can have
        pass
    if ":" not in word:
        raise BenchError(f"--slices {word}: neither a file nor a source of slices; {SLICES.choices()}")
    return False
