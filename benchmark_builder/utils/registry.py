"""Parts by name: those of this toolkit, those of installed packages, and the user's own as ``package.module:Name``.

For every option that takes a name (``--masks``, ``--model``, ``bench train METHOD`` …), the text before the first colon
is looked up in the registered names. If it is not registered, the word is read as ``module:Name`` or
``module:Name:ARGUMENT``. Modules are found as usual in Python; the current folder is searched last, so that a file
there cannot replace an installed module.

An installed package adds names with entry points of the groups ``albar_bench.methods``, ``.models``, ``.datasets``,
``.masks``, ``.backgrounds``, ``.layouts``, ``.kinds``, ``.slices``, ``.heads`` and ``.localizers``.

Only names that the user gives (on the command line, in Python, in a file passed with ``--config`` or ``--protocol``)
are looked up with :meth:`Registry.find`. Names in benchmarks, checkpoints and results may come from others: they must
be registered (``name in registry``), so that no file chooses a module that is imported.
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
    """The part for a word.

    Attributes:
        name: the registered name, or ``module:Name``.
        part: the object: a class, a function or a module.
        argument: the text after the name and a colon; None if there is none.
    """

    name: str
    part: Any
    argument: str | None


@dataclass(frozen=True)
class Registry:
    """The parts of one type.

    Attributes:
        what: the name of the type in messages, such as ``mask source``.
        option: the option that takes the name, such as ``--masks``.
        group: the group of entry points, such as ``masks`` for ``albar_bench.masks``.
        shipped: name -> ``module:Name``, or ``module`` if the part is a whole module. A part is imported on first use.
        about: name -> text for `--help` instead of the name.
    """

    what: str
    option: str
    group: str
    shipped: Mapping[str, str]
    about: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every registered name: those of this toolkit in their order, then those of installed packages."""
        added = (point.name for point in _points(f"albar_bench.{self.group}"))
        return [*self.shipped, *sorted(set(added) - self.shipped.keys())]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        """Whether it is a registered name, without an argument."""
        return name in self.shipped or name in self.names()

    def split(self, word: str) -> tuple[str, str | None]:
        """The name in a word, and the argument after it, None if there is none. Nothing is imported."""
        name, colon, argument = word.partition(":")
        if name not in self:
            attribute, colon, argument = argument.partition(":")
            if not _dotted(name) or not _dotted(attribute):
                raise BenchError(f"{self.option} {word}: no such {self.what}; {self.choices()}")
            name = f"{name}:{attribute}"
        return name, argument if colon else None

    def kind(self, word: str) -> str:
        """The name in a word, as recorded in tables and protocol.json; for an invalid word, its beginning."""
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
        """Every name with its explanation, for `--help`.

        Names of installed packages are looked up only for `--help`, since that takes time.
        """
        names = self.names() if "--help" in sys.argv else self.shipped
        return between.join([*(self.about.get(name, name) for name in names), "or package.module:Name"])

    def choices(self) -> str:
        """The valid names, for messages."""
        return f"choose from {', '.join(self.names())}, or give your own as package.module:Name"

    def find(self, word: str) -> Found:
        """The part for a word given by the user.

        Raises:
            BenchError: the name is unknown (the message lists the names), or the module cannot be imported or does not
                define the name.
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
        except (Exception, SystemExit) as error:  # importing a user's module may raise any exception
            file = getattr(sys.modules.get(place.partition(":")[0]), "__file__", None)
            where = f", in {file}" if file and isinstance(error, AttributeError) else ""
            raise BenchError(
                f"{self.option} {name}: cannot be imported ({type(error).__name__}: {first_line(error)}{where}); check "
                "the name, or fix the module"
            ) from error

    def trusted(self, name: str) -> Found:
        """The part for a name in a file from others.

        A name that is not registered is imported only if the user named it in this run, or trusts it: the environment
        variable ``BENCH_TRUST`` lists trusted names, separated by commas.

        Raises:
            BenchError: the name is unknown or not trusted.
        """
        if self.split(name)[0] not in (*self, *_trusted()):
            raise BenchError(f"{self.what} {name}: is not part of this toolkit; if you know and trust this module, set "
                             f"{TRUST}={name}")  # fmt: skip
        return self.find(name)

    def _place(self, name: str) -> str:
        """``module:Name`` for a name."""
        if name in self.shipped:
            return self.shipped[name]
        return next((p.value for p in _points(f"albar_bench.{self.group}") if p.name == name), name)


def safe_name(word: str) -> str:
    """A name for use in file names, tables and pages: ``my.methods:Mine`` becomes ``my.methods.Mine``.

    Registered names do not change.
    """
    return re.sub(r"[^\w.+-]", "-", word.replace(":", ".")).lstrip(".")


def is_class_with(part: object, *methods: str) -> bool:
    """Whether a part is a class with these methods; checked before it is called."""
    return isinstance(part, type) and all(callable(getattr(part, name, None)) for name in methods)


def first_line(error: BaseException) -> str:
    """The first line of the message of an exception."""
    return (str(error).splitlines() or [""])[0]


def search_here_last() -> None:
    """Make Python search the current folder for modules, after all other places.

    ``python -m`` puts the current folder first, where a user's ``evaluator.py`` would replace this toolkit's package.
    Editable installs are searched even later, so the packages of this toolkit are imported first.
    """
    for name in ("albar", "evaluator", "manifests"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    here = Path.cwd()
    sys.path[:] = [p for p in sys.path if p and Path(p).absolute() != here] + [str(here)]


def _trusted() -> list[str]:
    return os.environ.get(TRUST, "").split(",")


def _trust(name: str) -> None:
    """Record a name given by the user; worker processes inherit it."""
    if name not in _trusted():
        os.environ[TRUST] = ",".join(filter(None, [*_trusted(), name]))


def _load(place: str) -> object:
    module, _, attribute = place.partition("[")[0].strip().partition(":")  # an entry point may have extras in brackets
    found: Any = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def _dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


@functools.cache
def _points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=group))
