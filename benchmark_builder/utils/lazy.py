"""Fast imports: names of a package that are imported on first use; many modules at once."""

import gc
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def many_imports() -> Iterator[None]:
    """For code that imports many modules: Python does not look for garbage among their objects, then or later.

    Modules make hundreds of thousands of objects and no garbage; looking for it takes a fifth of the time. For the
    command line, which knows that there is nothing else in memory.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
