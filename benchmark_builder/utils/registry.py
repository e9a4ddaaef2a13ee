"""Parts by name: those that ship, those that installed packages add, and one's own as ``package.module:Name``.

Wherever a name is taken (``--masks``, ``--model``, ``bench train METHOD`` …), the part before the first colon is looked
up among the registered names. If it is none of them, the word is read as ``module:Name`` or ``module:Name:ARGUMENT``.
Modules are found as Python finds them; the current folder is searched last, so that a file there replaces nothing.

An installed package adds names by entry points of the groups ``albar_bench.methods``, ``.models``, ``.datasets``,
``.masks``, ``.backgrounds``, ``.layouts`` and ``.kinds``.

Only names that the user gives (on the command line, in Python, in a file passed with ``--config`` or ``--protocol``)
are looked up with :meth:`Registry.find`. Names read from benchmarks, checkpoints and results come from others: they
must be registered ones (``name in registry``), so that no file chooses a module that is imported.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError

TRUST = "BENCH_TRUST"


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
        about: name -> what `--help` says instead of the name alone.
    """

    what: str
    option: str
    group: str
    shipped: Mapping[str, str]
    about: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every registered name: the shipped ones in their order, then those of installed packages."""
        added = (point.name for point in _points(f"albar_bench.{self.group}"))
        return [*self.shipped, *sorted(set(added) - self.shipped.keys())]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        """Whether it is a registered name, alone."""
        return name in self.shipped or name in self.names()

    def split(self, word: str) -> tuple[str, str | None]:
        """The name in a word, and the argument after it; None where there is none. Nothing is imported."""
        name, colon, argument = word.partition(":")
        if name not in self:
            attribute, colon, argument = argument.partition(":")
            if not _dotted(name) or not _dotted(attribute):
                raise BenchError(f"{self.option} {word}: no such {self.what}; {self.choices()}")
            name = f"{name}:{attribute}"
        return name, argument if colon else None

    def kind(self, word: str) -> str:
        """The name in a word as tables and protocol.json record it; of a word that names nothing, its beginning."""
        try:
            return self.split(word)[0]
        except BenchError:
            return word.partition(":")[0]

    def names_one(self, word: str) -> bool:
        """Whether a word is a registered name or ``module:Name``."""
        try:
            return bool(self.split(word))
        except BenchError:
            return False

    def help(self, between: str = ", ") -> str:
        """Every name with what is known about it, for `--help`. Those of installed packages are looked up only if help
        is asked for, since that takes time."""
        names = self.names() if "--help" in sys.argv else self.shipped
        return between.join([*(self.about.get(name, name) for name in names), "or package.module:Name"])

    def choices(self) -> str:
        """What may be named instead, for messages."""
        return f"choose from {', '.join(self.names())}, or name one of your own as package.module:Name"

    def find(self, word: str) -> Found:
        """The part that a word of the user's names.

        Raises:
            BenchError: no such name (the message lists them), or the module cannot be imported or lacks the name.
        """
        name, argument = self.split(word)
        place = self._place(name)
        if name in self.shipped:
            return Found(name, _load(place), argument)
        search_here_last()
        try:
            found = Found(name, _load(place), argument)
            if name == place:
                _trust(name)
            return found
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # the import of a module from outside may raise anything
            file = getattr(sys.modules.get(place.partition(":")[0]), "__file__", None)
            where = f", in {file}" if file and isinstance(error, AttributeError) else ""
            raise BenchError(
                f"{self.option} {name}: cannot be imported ({type(error).__name__}: {first_line(error)}{where}); check "
                "the name, or fix the module"
            ) from error

    def trusted(self, name: str) -> Found:
        """The part of a name that a file of others gives. One that is not registered is imported only if the user has
        named it in this run, or trusts it: the environment variable ``BENCH_TRUST`` lists such names, with commas.

        Raises:
            BenchError: no such name, or one that is not trusted.
        """
        if self.split(name)[0] not in (*self, *_trusted()):
            raise BenchError(f"{self.what} {name}: is no part of this toolkit; if you know and trust that module, set "
                             f"{TRUST}={name}")  # fmt: skip
        return self.find(name)

    def _place(self, name: str) -> str:
        """``module:Name`` of a name."""
        if name in self.shipped:
            return self.shipped[name]
        return next((p.value for p in _points(f"albar_bench.{self.group}") if p.name == name), name)


def safe_name(word: str) -> str:
    """A name as a part of file names, tables and pages: ``my.methods:Mine`` becomes ``my.methods.Mine``.

    Registered names stay as they are.
    """
    return re.sub(r"[^\w.+-]", "-", word.replace(":", ".")).lstrip(".")


def is_class_with(part: Any, *methods: str) -> bool:
    """Whether a part is a class that has these methods; asked before it is called, whatever it is."""
    return isinstance(part, type) and all(callable(getattr(part, name, None)) for name in methods)


def first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return (str(error).splitlines() or [""])[0]


def search_here_last() -> None:
    """Let Python find modules in the current folder, after everything else.

    ``python -m`` puts the current folder first, where a user's ``evaluator.py`` would replace this toolkit's package.
    An editable install is searched even later, so this toolkit's packages are imported before.
    """
    for name in ("albar", "evaluator", "manifests"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    here = Path.cwd()
    sys.path[:] = [p for p in sys.path if p and Path(p).absolute() != here] + [str(here)]


def _trusted() -> list[str]:
    return os.environ.get(TRUST, "").split(",")


def _trust(name: str) -> None:
    """Keep what the user has named; worker processes inherit it."""
    if name not in _trusted():
        os.environ[TRUST] = ",".join(filter(None, [*_trusted(), name]))


def _load(place: str) -> Any:
    module, _, attribute = place.partition("[")[0].strip().partition(":")  # an entry point may name extras in brackets
    found: Any = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def _dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


@functools.cache
def _points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=group))
