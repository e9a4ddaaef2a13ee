"""Several settings of one method in one comparison: ``albar``, ``albar:gp=0``, ``albar:adv=2,ent=0``.

What follows the method are settings of it (as `bench train METHOD --set`), or of its runs: those of :data:`OF_A_RUN`.
One variant has one name, however it is written: settings are sorted, and values have one form. Runs, rows and records
have this name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from albar.parts import METHODS
from albar.training.recipe import Recipe
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import pairs
from benchmark_builder.utils.registry import safe_name

# Settings of a run that a variant may change. They are the optimiser's, except lists, and how the method begins.
OF_A_RUN = (*(name for name in Recipe.setting_names() if name != "milestones"), "preset", "tau", "dropout")
LONGEST = 120  # characters of a name: it is part of the names of files


@dataclass(frozen=True)
class Variant:
    """One method with some settings changed.

    Attributes:
        name: as in tables: ``albar:adv=2,ent=0``.
        method: the method's name in :data:`albar.parts.METHODS`, or ``package.module:Name``.
        changes: the settings, sorted by name; of the method or of the run.
    """

    name: str
    method: str
    changes: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The name in file names, which differs between variants: ``albar.adv=2,ent=0``."""
        return re.sub(r"[^-\w.+=,]", "-", self.name.replace(":", "."))

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The changes as settings of the method, and settings of the run.

        Raises:
            BenchError: a name is neither, or both.
        """
        from albar.methods import settings_of

        if not self.changes:
            return {}, {}
        own = [setting.name for setting in settings_of(self.method)]
        for name in self.changes:
            if name not in own and name not in OF_A_RUN:
                known = f"{self.method} has {', '.join(own) or 'none'}; a run has {', '.join(OF_A_RUN)}"
                raise BenchError(f"--methods {self.name}: there is no setting {name}; {known}")
            if name in own and name in OF_A_RUN:
                fix = f"set it in a file for --config: for the method in [method.{self.method}.options]"
                raise BenchError(f"--methods {self.name}: {name} is a setting of {self.method} and of its runs; {fix}")
        method = {name: value for name, value in self.changes.items() if name in own}
        return method, {name: value for name, value in self.changes.items() if name not in own}


def variant(word: str) -> Variant:
    """The variant for a word of ``--methods``: ``METHOD`` or ``METHOD:NAME=VALUE,…``.

    Raises:
        BenchError: an unknown method, a part that is not NAME=VALUE, a name that is given twice, or a very long one.
    """
    method, argument = METHODS.split(word)
    if argument is None:
        return Variant(safe_name(method), method, {})
    parts = argument.split(",")
    flag = f"--methods {word}:"
    changes = pairs(flag, parts)
    if len(changes) < len(parts):
        raise BenchError(f"{flag} a setting is given twice; leave one of them out")
    changes = {name: _one_form(changes[name]) for name in sorted(changes)}
    for name, value in changes.items():
        if not isinstance(value, bool | int | float | str) or value == "":
            raise BenchError(f"{flag} {name} must be a number, a word, true or false; put lists in a file for --config")
    said = ",".join(f"{name}={_text(value)}" for name, value in changes.items())
    found = Variant(f"{safe_name(method)}:{said}", method, changes)
    if len(found.name) > LONGEST:
        raise BenchError(f"{flag} longer than {LONGEST} characters; put settings that all have in a file for --config")
    return found


def _one_form(value: Any) -> Any:
    """A number like 2.0 as 2, as settings take it, too."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
