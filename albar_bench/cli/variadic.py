"""Options with several values after one name: ``--benchmarks A B C``."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from typer.core import TyperOption

from albar_bench.cli.tree import PlainCommand

Belongs = Callable[[str], bool]


def is_benchmark(word: str) -> bool:
    """Whether a word names a benchmark: ``iid:DATASET``, a built folder, or a folder of built folders."""
    if word.startswith("iid:"):
        return True
    folder = Path(word)
    try:
        below = [folder, *(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())]
    except (OSError, ValueError):
        return False
    return any((place / name).is_file() for place in below for name in ("manifest.csv", "protocol.json"))


def is_list(word: str) -> bool:
    """Whether a word can name a list file: its suffix is not one that only predictions have."""
    return Path(word).suffix.lower() not in (".pkl", ".pickle", ".json", ".parquet", ".npy", ".tsv")


def is_questions(word: str) -> bool:
    """Whether a word names a folder of `bench export --layout qa`."""
    try:
        return (Path(word) / "qa.json").is_file()
    except (OSError, ValueError):
        return False


def is_order(word: str) -> bool:
    """Whether a word is an order of `bench eval --time`."""
    return word in ("one-frame", "shuffled", "reversed", "frozen-background")


def is_slices(word: str) -> bool:
    """Whether a word names a built-in source of slices, or a file whose first line has the columns of one."""
    from evaluator.parts import SLICES

    if word.partition(":")[0] in SLICES.shipped:
        return True
    try:
        with open(word, encoding="utf-8", errors="replace") as file:
            first = file.readline(1000).lower()
    except (OSError, ValueError):
        return False
    return all(name in first for name in ("id", "attribute", "value"))


def is_figure(word: str) -> bool:
    """Whether a word can name a figure: there is no such file or folder."""
    try:
        return not Path(word).exists()
    except (OSError, ValueError):
        return True


def is_anything(word: str) -> bool:
    """Any word belongs to the option."""
    return True


class VariadicCommand(PlainCommand):
    """Rewrites ``--name A B C`` as ``--name A --name B --name C`` before parsing.

    Such an option would also consume arguments of the command that follow it (``--benchmarks DIR model.ckpt``). If
    arguments would be missing, the last values that do not belong to the option become arguments. The option always
    keeps at least one value, and values that belong to it (for example an existing benchmark).
    """

    names: ClassVar[Mapping[str, Belongs]] = {}
    needed: ClassVar[Mapping[str, str]] = {}  # parameter -> the option with which it may be missing

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for p in self.params:
            if option := self.needed.get(p.name or ""):
                p.required = not any(word.split("=", 1)[0] == option for word in args)
        return super().parse_args(ctx, self.spread(args))

    def spread(self, args: list[str]) -> list[str]:
        """The words with the name of the option in front of each value."""
        owners = self._owners(args)
        first = owners[1:]  # what follows each word, as it was typed
        arguments = [p for p in self.params if p.param_type_name == "argument"]
        least = sum(max(1, p.nargs) for p in arguments if p.required)
        most = len(args) if any(p.nargs < 0 for p in arguments) else sum(p.nargs for p in arguments)
        given = owners.count("")
        groups = sorted({owner for owner in owners if owner in self.names}, key=lambda o: -_last(owners, o))
        for name in groups:
            if given >= least:
                break
            for k in self._left(args, owners, name, least - given, most - given):
                owners[k] = ""
                given += 1
        words: list[str] = []
        for k, (word, owner) in enumerate(zip(args, owners, strict=True)):
            if owner in self.names:
                words += [owner, word]
            elif owner != _OPTION or word not in self.names or first[k : k + 1] != [word]:
                words.append(word)  # a name without a value is kept, so that the parser reports it
        return words

    def _owners(self, args: list[str]) -> list[str]:
        """What each word is: ``""`` an argument, the name of the variadic option that takes it, or part of others."""
        valued = {n for p in self.params if isinstance(p, TyperOption) and not p.is_flag for n in p.opts}
        owners: list[str] = []
        current, values = "", 0
        for k, word in enumerate(args):
            if word == "--":
                return [*owners, _OPTION, *[""] * (len(args) - k - 1)]
            if values:
                owners.append(_OPTION)
                values -= 1
            elif word.startswith("-") and word != "-":
                current = word if word in self.names else ""
                values = int(word in valued and not current)
                owners.append(_OPTION)
            else:
                owners.append(current)
        return owners

    def _left(self, args: list[str], owners: list[str], name: str, least: int, most: int) -> list[int]:
        """Places of values of an option that are left to the arguments, at least so many if there are, in order."""
        places = [k for k, owner in enumerate(owners) if owner == name]
        foreign = [k for k in places if not self.names[name](args[k])]
        found: list[int] = []
        for k in reversed(places):  # the last values that do not belong to it
            if k not in foreign or len(found) == most or len(found) == len(places) - 1:
                break
            found.append(k)
        # Then earlier ones, if they exist: a name with a typing error is not an argument.
        others = [k for k in foreign if k not in found and _exists(args[k])]
        while len(found) < least and others and len(found) < len(places) - 1:
            found.append(others.pop())
        if len(found) < least and self.names[name] is is_list and len(places) > 1:
            found = places[-1:]  # a list can have any name, so the last word is the predictions
        return sorted(found)


_OPTION = "\0option"


def _last(owners: list[str], name: str) -> int:
    return max(k for k, owner in enumerate(owners) if owner == name)


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def variadic(_needed: Mapping[str, str] | None = None, **names: Belongs) -> type[VariadicCommand]:
    """A command class whose options ``--name`` take several values.

    ``names``: name -> whether a value belongs to it whatever else is missing. ``_needed``: parameter -> the option
    with which it may be missing; without that option it is required.
    """
    options = {f"--{name}": belongs for name, belongs in names.items()}
    return type("Variadic", (VariadicCommand,), {"names": options, "needed": dict(_needed or {})})
