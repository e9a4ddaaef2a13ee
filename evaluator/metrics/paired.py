"""Two models on the same videos: exact McNemar test, and the difference with its paired bootstrap interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.intervals import replicates
from evaluator.metrics.outcomes import Part


@dataclass(frozen=True)
class Comparison:
    """Model A against model B on one figure.

    Attributes:
        difference: A minus B, percent points.
        low, high: ends of its 95 % interval; paired bootstrap over ``sources``.
        only_a, only_b: number of videos (or pairs) that only A, or only B, has right. p: two-sided p value of the exact
        McNemar test. It assumes that videos are independent: if ``n`` is larger than ``sources``, it is too small; then
        use the interval. n: number of videos scored by both. sources: number of source videos among them, or of other
        units in the parts' ``sources``. dropped: number of videos that only one of the two scored.
    """

    difference: float
    low: float
    high: float
    only_a: int
    only_b: int
    p: float
    n: int
    sources: int
    dropped: int


def compare(a: Sequence[Part], b: Sequence[Part], name: str, seed: int = 0) -> Comparison:
    """Compare two models on one figure, joined by id.

    Args:
        a, b: the parts of the figure (for example background sets) for each model, in the same order. name: the name of
        the figure; the bootstrap depends on it and on ``seed``.

    Raises:
        BenchError: the parts differ, or there is no common video.
    """
    if len(a) != len(b):
        raise BenchError(
            f"{name}: one model was scored on {len(a)} sets, the other on {len(b)}; score both on the same"
        )
    differences, only_a, only_b, dropped = [], 0, 0, 0
    for left, right in zip(a, b, strict=True):
        place = {video_id: k for k, video_id in enumerate(right.ids)}
        both = [(k, place[i]) for k, i in enumerate(left.ids) if i in place]
        if not both:
            raise BenchError(f"{name}: the two models have no video in common; score both on the same benchmark")
        at, where = (list(side) for side in zip(*both, strict=True))
        delta = left.outcomes[at] - right.outcomes[where]
        only_a, only_b = only_a + int((delta > 0).sum()), only_b + int((delta < 0).sum())
        dropped += len(left.ids) + len(right.ids) - 2 * len(both)
        differences.append(Part([left.ids[k] for k in at], delta, [left.sources[k] for k in at]))
    low, high = np.quantile(replicates(differences, name, seed), [0.025, 0.975])
    return Comparison(
        difference=100 * float(np.mean([part.outcomes.mean() for part in differences])),
        low=100 * float(low),
        high=100 * float(high),
        only_a=only_a,
        only_b=only_b,
        p=mcnemar(only_a, only_b),
        n=sum(len(part.ids) for part in differences),
        sources=len({s for part in differences for s in part.sources}),
        dropped=dropped,
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p value of the exact McNemar test: a binomial test of the discordant pairs (Fay 2010)."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
