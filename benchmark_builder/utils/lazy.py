"""Names of a package that are imported on first use, so that importing the package is fast."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def exports(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its name, ``__name__``.
        places: exported name -> the module that defines it.
    """

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(places[name]), name)

    return find, lambda: sorted(places)
