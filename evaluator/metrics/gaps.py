"""The gap between groups of videos: the largest figure minus the smallest, with an interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.metrics.intervals import REPLICATES, group_replicates
from evaluator.metrics.outcomes import Part, figure


@dataclass(frozen=True)
class Gap:
    """The largest minus the smallest figure of groups.

    Attributes:
        percent: the difference, percent points, 0..100.
        low, high: ends of its interval, percent points, 0..100.
        largest, smallest: the two groups.
    """

    percent: float
    low: float
    high: float
    largest: str
    smallest: str


def gap(groups: Mapping[str, Sequence[Part]], name: str, seed: int = 0, level: float = 0.95) -> Gap | None:
    """The gap between groups.

    The interval is for the gap between the groups' true figures, whichever two these are. The largest of several
    measured figures is too large by chance, so the interval is simultaneous over all pairs: with d_ij the measured
    difference of two groups and s_ij its bootstrap standard error, q is the ``level`` quantile of the largest
    ``|d*_ij - d_ij| / s_ij`` over the pairs of a replicate (max-T, as in Westfall & Young 1993), at least that of the
    normal distribution. The ends are the largest ``d_ij - q s_ij`` (at least 0) and the largest ``d_ij + q s_ij``. If
    all pairs are within ``q s_ij`` of the truth, the true gap is between these ends, so the interval covers it in at
    least ``level`` of all samples. With one pair it is the usual interval of a difference, cut at 0.

    Sources are drawn whole, for all groups together, as :func:`~evaluator.metrics.intervals.replicates` does. The
    resamples of a group of one source, or of equal outcomes, do not vary; such a group gets the variance of Agresti and
    Coull (1998), with two successes and two failures added to its sources.

    Args:
        groups: group -> its parts, as in :func:`~evaluator.metrics.outcomes.figure`.
        name: the name of the figure; the draw depends on it and on ``seed``.
        level: level of the interval, 0..1.

    Returns:
        None if there are fewer than two groups.
    """
    names = list(groups)
    if len(names) < 2:
        return None
    from scipy.stats import norm

    values = np.array([figure(groups[n]).percent / 100 for n in names])
    drawn = group_replicates([groups[n] for n in names], name, seed, REPLICATES)
    added = [_variance(groups[n], v, d) for n, v, d in zip(names, values, drawn, strict=True)]
    first, second = np.triu_indices(len(names), 1)
    observed = values[first] - values[second]
    off = drawn[first] - drawn[second] - observed[:, None]  # NaN where a group was not drawn
    count = np.maximum((~np.isnan(off)).sum(1), 1)
    variance = np.nansum(off**2, 1) / count + np.array(added)[first] + np.array(added)[second]
    error = np.sqrt(variance)
    largest = np.nanmax(np.abs(off) / error[:, None], axis=0, initial=0, where=~np.isnan(off))
    q = max(float(np.quantile(largest, level)), float(norm.ppf((1 + level) / 2)))
    top = int(values.argmax())
    bottom = len(values) - 1 - int(values[::-1].argmin())  # the last one, so that equal groups are still two groups
    return Gap(
        percent=100 * float(values[top] - values[bottom]),
        low=100 * max(0.0, float((np.abs(observed) - q * error).max())),
        high=100 * min(1.0, float((np.abs(observed) + q * error).max())),
        largest=names[top],
        smallest=names[bottom],
    )


def _variance(parts: Sequence[Part], value: float, drawn: np.ndarray) -> float:
    """The variance of a group whose resamples do not vary; 0 for all others, whose resamples tell it."""
    if np.nanstd(drawn) > 1e-12:
        return 0.0
    sources = len({s for part in parts for s in part.sources})
    share = (value * sources + 2) / (sources + 4)
    return share * (1 - share) / (sources + 4)
