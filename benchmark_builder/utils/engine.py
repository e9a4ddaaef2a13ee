"""Where items are processed: on this machine (``local``), or on every machine of a Ray cluster (``ray``).

:func:`run` is what every command calls. Which engine it uses is said in :mod:`benchmark_builder.utils.engine_choice`.
Ray is imported only if it is chosen.
"""

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_builder.utils.engine_choice import ENGINES, VARIABLE, Engine, current, engine_name, gpu_share, using
from benchmark_builder.utils.errors import BenchError

if TYPE_CHECKING:  # settings need this module for --help, which loads no library
    from benchmark_builder.utils.pool import Item, Maker, Result

__all__ = ["ENGINES", "VARIABLE", "Engine", "current", "engine_name", "gpu_share", "run", "using"]


def run(
    maker: "Maker[Item, Result]",
    items: "Iterable[Item]",
    workers: int,
    apart: bool = False,
    shared: Sequence[Path] = (),
) -> "Generator[tuple[Item, Result | BenchError], None, None]":
    """Yield ``(item, result or BenchError)`` in order of completion, as :func:`~benchmark_builder.utils.pool.run` does.

    Args:
        maker, items, apart: as there.
        workers: processes on this machine. A cluster has as many as :class:`Engine` says.
        shared: folders that the items write to, which every machine must see.

    Raises:
        BenchError: worker processes end while they start; the cluster cannot be reached, its machines differ from this
            one, or it has no room for an item.
    """
    chosen = current()
    if chosen.local:
        from benchmark_builder.utils import pool

        yield from pool.run(maker, items, workers, apart)
        return
    from benchmark_builder.utils.cluster import run as run_on_cluster

    yield from run_on_cluster(chosen, maker, items, shared)
