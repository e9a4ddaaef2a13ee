"""95 % intervals and paired tests; variants of one source video are not treated as independent samples."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark_builder.utils.rng import generator
from evaluator.metrics.outcomes import Figure, Part, figure

REPLICATES = 2000
_CELLS = 4_000_000  # number of counts drawn at once: 32 MB


def with_interval(parts: Sequence[Part], name: str, seed: int = 0, level: float = 0.95, n: int = REPLICATES) -> Figure:
    """:func:`~evaluator.metrics.outcomes.figure` with the limits of its interval.

    The percentile interval of :func:`replicates`; at 0 and 100 % the interval of Clopper and Pearson (1934), with one
    sample per source.

    Args:
        parts: as in ``figure``; a source in several parts is drawn for all of them together.
        name: the name of the figure; the draw depends on it and on ``seed``.
        level: level of the interval, 0..1.
        n: number of bootstrap replicates.
    """
    value = figure(parts)
    tail = (1 - level) / 2
    low, high = np.quantile(replicates(parts, name, seed, n), [tail, 1 - tail])
    # Resamples of all-wrong or all-right outcomes do not vary; then the exact binomial limit for this number of sources
    # is used.
    width = 1 - tail ** (1 / len({s for part in parts for s in part.sources}))
    if value.percent == 0:
        high = width
    elif value.percent == 100:
        low = 1 - width
    return replace(value, low=100 * float(low), high=100 * float(high))


def replicates(parts: Sequence[Part], name: str, seed: int = 0, n: int = REPLICATES) -> np.ndarray:
    """Cluster bootstrap (Davison & Hinkley 1997, section 3.8): sources are drawn with replacement, with all their
    videos.

    Returns:
        float64 (n,): the mean over parts of the share of 1s, 0..1, per replicate. A part without a drawn source (for
            example a class with few videos) is ignored in this replicate.
    """
    found: np.ndarray = group_replicates([parts], name, seed, n)[0]
    return found


def group_replicates(groups: Sequence[Sequence[Part]], name: str, seed: int = 0, n: int = REPLICATES) -> np.ndarray:
    """:func:`replicates` of several groups of parts, which share what is drawn.

    Returns:
        float64 (groups, n): per group as in ``replicates``; NaN where none of a group's sources was drawn.
    """
    flat = [part for parts in groups for part in parts]
    sources = sorted({s for part in flat for s in part.sources})
    place = {s: k for k, s in enumerate(sources)}
    hits, sizes = np.zeros((2, len(flat), len(sources)))
    for p, part in enumerate(flat):
        at = [place[s] for s in part.sources]
        np.add.at(hits[p], at, part.outcomes)
        np.add.at(sizes[p], at, 1.0)
    ends = np.cumsum([len(parts) for parts in groups])
    rng = generator(seed, name, "bootstrap")
    chance = np.full(len(sources), 1 / len(sources))
    step = max(1, _CELLS // len(sources))
    found = []
    for start in range(0, n, step):
        drawn = rng.multinomial(len(sources), chance, size=min(step, n - start)).astype(float)
        counts = drawn @ sizes.T
        shares = np.divide(drawn @ hits.T, counts, out=np.zeros_like(counts), where=counts > 0)
        rows = []
        for end, parts in zip(ends, groups, strict=True):
            own = slice(end - len(parts), end)
            used = (counts[:, own] > 0).sum(1)
            rows.append(np.divide(shares[:, own].sum(1), used, out=np.full(len(used), np.nan), where=used > 0))
        found.append(np.stack(rows))
    return np.concatenate(found, axis=1)
