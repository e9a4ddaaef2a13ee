"""Makers that fail in every way, in a module that worker processes import quickly."""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError, LeftOut


def _raise(error: BaseException) -> None:
    raise error


WAYS: dict[str, Callable[[], Any]] = {
    "exits": lambda: os._exit(7),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    "sys.exit": lambda: _raise(SystemExit(3)),
    "value": lambda: _raise(ValueError("odd\nvalue")),
    "memory": lambda: _raise(MemoryError()),
    "system": lambda: _raise(OSError(28, "No space left on device", "/full/disk")),
    "left out": lambda: _raise(LeftOut("nothing there")),
    "bad": lambda: _raise(BenchError("bad input")),
    "unsent": lambda: lambda: None,
}


@dataclass(frozen=True)
class Maker:
    """Does what the item says; returns any other item with the id of the process."""

    def make(self, item: Any) -> Any:
        return WAYS[item]() if isinstance(item, str) and item in WAYS else (item, os.getpid())


@dataclass(frozen=True)
class Once:
    """Ends its process at an item's first try, as if other workers used the memory. ``folder``: notes of the tries."""

    folder: Path

    def make(self, item: str) -> str:
        tried = self.folder / item
        if item == "greedy" and not tried.exists():
            tried.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item


@dataclass(frozen=True)
class Slow:
    """Works for a long time on items other than 0; writes its process id into ``folder``."""

    folder: Path

    def make(self, item: int) -> int:
        if item == 0:
            return item
        (self.folder / f"pid{os.getpid()}").touch()
        time.sleep(60)
        return item


@dataclass
class Unstartable:
    """Cannot be unpickled: this raises an error or ends the process."""

    dies: bool

    def __setstate__(self, state: dict) -> None:
        if state["dies"]:
            os._exit(4)
        raise ImportError("no module named 'weights'")

    def make(self, item: Any) -> Any:
        return item


@dataclass(frozen=True)
class EndsAgent(Once):
    """As :class:`Once`; at the item ``end`` it ends the process that started its process."""

    def make(self, item: Any) -> Any:
        if item == "end":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(5)
        return super().make(item) if item == "greedy" else item


@dataclass(frozen=True)
class Noted:
    """Takes some seconds for an item; returns the id of the process."""

    seconds: float

    def make(self, item: Any) -> str:
        time.sleep(self.seconds)
        return str(os.getpid())


class EndingFile(type(Path())):  # type: ignore[misc]
    """A file that ends the process that opens it, if that is a worker."""

    def __fspath__(self) -> str:
        if multiprocessing.parent_process() is not None:
            os._exit(7)
        return super().__str__()

    __str__ = __fspath__
