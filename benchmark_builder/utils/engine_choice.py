"""Which engine processes items: this machine (``local``), or every machine of a Ray cluster (``ray``).

The engine is a setting of the process (:func:`using`, ``$BENCH_ENGINE``), not an argument of functions, since it never
changes a result.
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from benchmark_builder.utils.errors import BenchError

VARIABLE = "BENCH_ENGINE"
ENGINES = "local, ray (the cluster of this machine), or ray:HOST:PORT (the address that `ray start --head` prints)"
_ADDRESS = re.compile(r"ray(:auto|:[\w.-]+:\d{1,5}|:\[[\da-fA-F:]+\]:\d{1,5})?")


@dataclass(frozen=True)
class Engine:
    """An engine, and what each item needs from a machine.

    Attributes:
        name: ``local``, ``ray``, or ``ray:HOST:PORT``. ``ray`` is the cluster that runs on this machine or that
            ``$RAY_ADDRESS`` names; if there is none, Ray is started on this machine for the command.
        cpus: cores per process; None: one.
        gpus: GPUs per process: a whole number, or a share of one, so that several processes use the same GPU; None:
            none, and processes see no GPU.
        memory: gigabytes (1e9 bytes) per process; None: not considered.
        workers: the largest number of processes per machine; None: as many as fit.
    """

    name: str = "local"
    cpus: float | None = None
    gpus: float | None = None
    memory: float | None = None
    workers: int | None = None

    @property
    def local(self) -> bool:
        return self.name == "local"

    @property
    def address(self) -> str | None:
        """The address of the cluster; None if only ``ray`` was given."""
        return self.name.partition(":")[2] or None

    @property
    def needs(self) -> dict[str, float]:
        """What a process needs, by Ray's names for resources: cores, GPUs, bytes of memory."""
        needs = {"CPU": self.cpus if self.cpus is not None else 1.0, "GPU": self.gpus or 0.0}
        return needs | {"memory": (self.memory or 0.0) * 1e9}


def engine_name(text: str) -> str:
    """The name of an engine, as a user gives it. Raises ValueError if there is none of this name."""
    if text != "local" and not _ADDRESS.fullmatch(text):
        raise ValueError(text)
    return text


def gpu_share(value: float) -> float:
    """GPUs per process, as a user gives them. Raises ValueError if it is above 1 and not a whole number, or tiny."""
    if (value > 1 and not math.isclose(value, round(value))) or 0 < value < 0.001:
        raise ValueError(value)
    return value


_chosen: ContextVar[Engine | None] = ContextVar("engine", default=None)


def current() -> Engine:
    """The engine of :func:`using`, else of ``$BENCH_ENGINE``, else ``local``.

    Raises:
        BenchError: ``$BENCH_ENGINE`` names no engine.
    """
    chosen = _chosen.get()
    return chosen if chosen is not None else Engine(_default())


def _default() -> str:
    said = os.environ.get(VARIABLE) or "local"
    try:
        return engine_name(said)
    except ValueError:
        raise BenchError(f"{VARIABLE}={said[:100]}: is no engine; give {ENGINES}") from None


@contextmanager
def using(
    name: str | None = None,
    *,
    cpus: float | None = None,
    gpus: float | None = None,
    memory: float | None = None,
    workers: int | None = None,
) -> Iterator[Engine]:
    """Context manager: process items with this engine. ``name``: None for ``$BENCH_ENGINE``; the others as in
    :class:`Engine`.

    Raises:
        BenchError: there is no such engine.
    """
    try:
        chosen = Engine(engine_name(name) if name is not None else _default(), cpus, gpus, memory, workers)
    except ValueError:
        raise BenchError(f"--engine {name}: is no engine; give {ENGINES}") from None
    if chosen.local and any(value is not None for value in (cpus, gpus, memory)):
        given = next(n for n, v in {"cpus": cpus, "gpus": gpus, "memory": memory}.items() if v is not None)
        raise BenchError(f"--engine-{given}: is only for --engine ray; leave it out")
    token = _chosen.set(chosen)
    try:
        yield chosen
    finally:
        _chosen.reset(token)
