"""Parts by name: those that ship, those that installed packages add, and one's own as ``package.module:Name``.

Wherever a name is taken (``--masks``, ``--model``, ``bench train METHOD`` …), the part before the first colon is looked
up among the registered names. If it is none of them, the word is read as ``module:Name`` or ``module:Name:ARGUMENT``.
Modules are found as Python finds them; the current folder is searched last, so that a file there replaces nothing.

An installed package adds names by entry points of the groups ``albar_bench.methods``, ``.models``, ``.datasets``,
``.masks``, ``.backgrounds``, ``.layouts`` and ``.kinds``.
"""

import functools
import importlib
import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError


@dataclass(frozen=True)
class Found:
    """What a word names.

    Attributes:
        name: the registered name, or ``module:Name``.
        part: the object itself: a class, a function, a module, whatever the registry holds.
        argument: what follows the name after a colon; None where nothing does.
    """

    name: str
    part: Any
    argument: str | None


@dataclass(frozen=True)
class Registry:
    """The parts of one sort.

    Attributes:
        what: what one of them is called in messages, such as ``mask source``.
        option: the option that takes the name, such as ``--masks``.
        group: the entry points that add to it, such as ``masks`` for ``albar_bench.masks``.
        shipped: name -> ``module:Name``, or ``module`` where the part is a whole module. Nothing is imported before it
            is asked for.
    """

    what: str
    option: str
    group: str
    shipped: Mapping[str, str]

    def names(self) -> list[str]:
        """Every registered name: the shipped ones in their order, then those of installed packages."""
        added = (point.name for point in _points(f"albar_bench.{self.group}"))
        return [*self.shipped, *sorted(set(added) - self.shipped.keys())]

    def holds(self, word: str) -> bool:
        """Whether the word, up to its first colon, is a registered name."""
        return word.partition(":")[0] in self.names()

    def find(self, word: str) -> Found:
        """The part that a word names.

        Raises:
            BenchError: no such name (the message lists them), or the module cannot be imported or lacks the name.
        """
        name, colon, argument = word.partition(":")
        if name in self.shipped:
            return Found(name, _load(self.shipped[name]), argument if colon else None)
        for point in _points(f"albar_bench.{self.group}"):
            if point.name == name:
                return Found(name, self._own(point.value), argument if colon else None)
        module, _, rest = word.partition(":")
        attribute, colon, argument = rest.partition(":")
        if not _dotted(module) or not _dotted(attribute):
            raise BenchError(
                f"{self.option} {word}: no such {self.what}; choose from {', '.join(self.names())}, or name one of "
                "your own as package.module:Name"
            )
        return Found(f"{module}:{attribute}", self._own(f"{module}:{attribute}"), argument if colon else None)

    def _own(self, place: str) -> Any:
        """A part from outside this toolkit, whose import may raise anything."""
        search_here_last()
        try:
            return _load(place)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise BenchError(
                f"{self.option} {place}: cannot be imported ({type(error).__name__}: {reason}); check the name, or fix "
                "the module"
            ) from error


def search_here_last() -> None:
    """Let Python find modules in the current folder, after everything else.

    ``python -m`` puts the current folder first, where a user's ``evaluator.py`` would replace this toolkit's package.
    """
    here = Path.cwd()
    sys.path[:] = [p for p in sys.path if p and Path(p).absolute() != here] + [str(here)]


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def _dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


@functools.cache
def _points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=group))
