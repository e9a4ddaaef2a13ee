"""95 % intervals and paired tests that respect that variants of one source video are not independent samples."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark_builder.utils.rng import generator
from evaluator.metrics.outcomes import Figure, Part, figure

REPLICATES = 2000
_CELLS = 4_000_000  # counts drawn at once: 32 MB


def with_interval(parts: Sequence[Part], name: str, seed: int = 0, level: float = 0.95, n: int = REPLICATES) -> Figure:
    """:func:`~evaluator.metrics.outcomes.figure` with the ends of its interval.

    The percentile interval of :func:`replicates`; at 0 and 100 % Clopper and Pearson's (1934), a sample a source.

    Args:
        parts: as for ``figure``; a source that occurs in several parts is drawn into or out of all of them at once.
        name: what the figure is called; owns the draw together with ``seed``.
        level: of the interval, 0..1.
        n: bootstrap replicates.
    """
    value = figure(parts)
    tail = (1 - level) / 2
    low, high = np.quantile(replicates(parts, name, seed, n), [tail, 1 - tail])
    # No resample of all-wrong or all-right outcomes varies; there the exact binomial end for as many sources applies.
    width = 1 - tail ** (1 / len({s for part in parts for s in part.sources}))
    if value.percent == 0:
        high = width
    elif value.percent == 100:
        low = 1 - width
    return replace(value, low=100 * float(low), high=100 * float(high))


def replicates(parts: Sequence[Part], name: str, seed: int = 0, n: int = REPLICATES) -> np.ndarray:
    """Cluster bootstrap (Davison & Hinkley 1997, section 3.8): whole sources are drawn with replacement.

    Returns:
        float64 (n,): the mean over parts of the share of 1s, 0..1, once a replicate. A part none of whose sources was
        drawn (a class with few videos, say) does not count in that replicate.
    """
    sources = sorted({s for part in parts for s in part.sources})
    place = {s: k for k, s in enumerate(sources)}
    hits, sizes = np.zeros((2, len(parts), len(sources)))
    for p, part in enumerate(parts):
        at = [place[s] for s in part.sources]
        np.add.at(hits[p], at, part.outcomes)
        np.add.at(sizes[p], at, 1.0)
    rng = generator(seed, name, "bootstrap")
    chance = np.full(len(sources), 1 / len(sources))
    step = max(1, _CELLS // len(sources))
    found = []
    for start in range(0, n, step):
        drawn = rng.multinomial(len(sources), chance, size=min(step, n - start)).astype(float)
        counts = drawn @ sizes.T
        shares = np.divide(drawn @ hits.T, counts, out=np.zeros_like(counts), where=counts > 0)
        found.append(shares.sum(1) / (counts > 0).sum(1))
    return np.concatenate(found)
