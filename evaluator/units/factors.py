"""How many units of a network are static, dynamic, joint or residual (Kowal et al., CVPR 2022).

"A Deeper Dive Into What Deep Spatiotemporal Networks Encode": two videos that share one factor alone have features in
common where the network encodes this factor. For the pairs (a, b) of a factor f, with m_f the mean of all their
features::

    cov_f,d = mean over pairs of (a_d − m_f,d) (b_d − m_f,d)        for unit d of D
    score_f = Σ_d cov_f,d / V
    share_f = exp(score_f) / (exp(score_static) + exp(score_dynamic) + exp(1))

V is the total variance of the features of all pairs, around the mean of all pairs, and 1 is the score of the residual
factor. The paper's number of units of a factor is D · share_f, rounded down; the residual gets the rest. Of single
units::

    unit score_f,d = cov_f,d / (variance of unit d in the pairs of f)

and a unit is joint if both scores are above a threshold (0.5 in the authors' code), static or dynamic if one of them
is, otherwise residual.

Here and there:

- The paper makes pairs by style transfer and by shuffled frames. Here a SCUBA benchmark has them: videos of one source
  with different backgrounds (dynamic), videos of different classes on one background (static).
- Both factors count alike in V, whatever their number of pairs; in the paper both have equally many.
- share_f is 1 / (2 + e) = 21 % for a factor that the network does not encode at all, and 42 % for the only one that it
  encodes. So it must be read next to the shuffled baseline, and the scores, which are 0 and 1 there, say more.
- A unit that does not vary has no unit score in the paper and is counted nowhere; here it is residual.

With G equally frequent backgrounds, features that are a function of the background alone have a dynamic score of
−1 / (G − 1), since the two backgrounds of a pair always differ; it is near 0 for many backgrounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from benchmark_builder.utils.rng import generator

FACTORS = ("static", "dynamic")
KINDS = ("static", "dynamic", "joint", "residual")
_CELLS = 4_000_000  # number of weights drawn at once: 32 MB


@dataclass(frozen=True)
class Pairs:
    """Pairs of videos that share one factor.

    Attributes:
        first, second: places of the two videos, int64 (n,).
        shared: what each pair shares, as a number from 0: a source video or a background; int64 (n,).
        possible: number of pairs that the benchmark has; more than n if pairs were drawn.
    """

    first: np.ndarray
    second: np.ndarray
    shared: np.ndarray
    possible: int

    def __len__(self) -> int:
        return len(self.first)

    @property
    def groups(self) -> int:
        """Number of source videos or backgrounds that pairs share."""
        return len(np.unique(self.shared))


@dataclass(frozen=True)
class Moments:
    """Means over the pairs of a factor, float64, each (D,) or (replicates, D).

    Attributes:
        mean: of both members. square: of the squares of both. product: of the products of the two.
    """

    mean: np.ndarray
    square: np.ndarray
    product: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """cov_f,d."""
        return self.product - self.mean**2

    @property
    def variance(self) -> np.ndarray:
        """The variance of each unit in the pairs of the factor."""
        return self.square - self.mean**2


def pairs_of(groups: Sequence[str], differ: Sequence[str], most: int, seed: int = 0, name: str = "") -> Pairs:
    """Pairs of videos of the same group.

    Args:
        groups: the group of each video; a video with an empty one is in no pair.
        differ: a property of each video, in which the two of a pair differ.
        most: maximum number of pairs; from more, they are drawn without replacement.
        seed, name: of the draw.
    """
    at = sorted((k for k, group in enumerate(groups) if group), key=lambda k: (groups[k], differ[k], k))
    if not at:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
    place = np.array(at, np.int64)
    group = np.unique([groups[k] for k in at], return_inverse=True)[1]
    value = np.unique([differ[k] for k in at], return_inverse=True)[1]
    # In this order, the partners of a video that were not counted before follow its value, up to the group's end.
    blocks = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(value) != 0)])
    ends = np.r_[blocks[1:], len(at)]
    start = ends[np.searchsorted(blocks, np.arange(len(at)), side="right") - 1]
    partners = np.searchsorted(group, group, side="right") - start
    before = np.cumsum(partners) - partners
    possible = int(partners.sum())
    chosen = np.arange(min(possible, most))
    if possible > most:
        rng = generator(seed, name, "units/pairs")
        chosen = np.sort(rng.choice(possible, most, replace=False, shuffle=False))
    first = np.searchsorted(before + partners, chosen, side="right")
    second = start[first] + chosen - before[first]
    return Pairs(place[first], place[second], group[first], possible)


def centred(features: np.ndarray) -> np.ndarray:
    """Features, (N, D), as float64 around their mean: sums of squares then lose no digits."""
    exact = features.astype(np.float64)
    return exact - exact.mean(0)


def constant_units(features: np.ndarray) -> np.ndarray:
    """Which units, bool (D,), do not vary beyond the rounding of float32 in these features, (N, D)."""
    exact = features.astype(np.float64)
    return np.ptp(exact, axis=0) <= 8 * np.finfo(np.float32).eps * np.abs(exact).max(0)


def moments(x: np.ndarray, pairs: Pairs, weights: np.ndarray | None = None) -> Moments:
    """Means over pairs.

    Args:
        x: features, float64 (N, D), centred.
        weights: (replicates, n), how often each pair counts in each replicate; None: each once, and no first axis.
    """
    a, b = x[pairs.first], x[pairs.second]
    values = ((a + b) / 2, (a * a + b * b) / 2, a * b)
    if weights is None:
        return Moments(*(v.mean(0) for v in values))
    each = weights / weights.sum(1, keepdims=True)
    return Moments(*(each @ v for v in values))


def total_variance(by_factor: Sequence[Moments]) -> np.ndarray:
    """V, a number."""
    mean = np.mean([m.mean for m in by_factor], 0)
    total: np.ndarray = (np.mean([m.square for m in by_factor], 0) - mean**2).sum(-1)
    return total


def scores(by_factor: Sequence[Moments]) -> np.ndarray:
    """score_f of each factor, (F,); NaN if the features do not vary."""
    total = total_variance(by_factor)
    return np.array([_ratio(m.covariance.sum(), total) for m in by_factor])


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def shares(found: np.ndarray) -> np.ndarray:
    """share_f of scores, (F, …), the residual's last: (F + 1, …)."""
    powers = np.exp(np.concatenate([found, np.ones((1, *found.shape[1:]))]))
    return powers / powers.sum(0)


def unit_scores(by_factor: Sequence[Moments], constant: np.ndarray) -> np.ndarray:
    """Unit score_f,d, (F, D); 0 for units that do not vary."""
    made = []
    for m in by_factor:
        varies = ~constant & (m.variance > 0)
        made.append(np.divide(m.covariance, m.variance, out=np.zeros(len(constant)), where=varies))
    return np.stack(made)


def kinds_of(units: np.ndarray, threshold: float) -> np.ndarray:
    """The place in :data:`KINDS` of each unit, int64 (D,), from its scores, (2, D) in the order of :data:`FACTORS`."""
    static, dynamic = units > threshold
    return np.where(static & dynamic, 2, np.where(static, 0, np.where(dynamic, 1, 3)))


def counts_of(units: np.ndarray, threshold: float) -> np.ndarray:
    """Number of units of each of :data:`KINDS`, int64 (4,)."""
    return np.bincount(kinds_of(units, threshold), minlength=len(KINDS))


def intervals(x: np.ndarray, by_factor: Sequence[Pairs]) -> list[tuple[float, float] | None]:
    """95 % interval of each score; None where the pairs of a factor share fewer than two different things.

    The jackknife (Efron & Tibshirani 1993, chapter 11) leaves out one background (static) or source video (dynamic)
    with all its pairs; limits are those of Student's t with one degree of freedom fewer than there are of these. In
    each estimate, cov_f is relative to the variance of the same pairs; how this variance relates to V is kept.
    """
    found: list[tuple[float, float] | None] = []
    whole = [moments(x, pairs) for pairs in by_factor]
    total = total_variance(whole)
    for own, pairs in zip(whole, by_factor, strict=True):
        count = pairs.groups
        if count < 2:
            found.append(None)
            continue
        place = np.unique(pairs.shared, return_inverse=True)[1]
        step = max(1, _CELLS // len(pairs))
        parts = []
        for start in range(0, count, step):
            left_out = np.arange(start, min(start + step, count))
            without = moments(x, pairs, (place != left_out[:, None]).astype(np.float64))
            parts.append(_ratio(without.covariance.sum(-1), without.variance.sum(-1)))
        estimates = np.concatenate(parts)
        error = np.sqrt((count - 1) / count * ((estimates - estimates.mean()) ** 2).sum())
        ratio = own.variance.sum() / total
        reach = float(t.ppf(0.975, count - 1) * error * ratio)
        value = float(own.covariance.sum() / total)
        found.append((value - reach, value + reach) if np.isfinite(reach) else None)
    return found


def shuffled(
    x: np.ndarray, by_factor: Sequence[Pairs], constant: np.ndarray, threshold: float, seed: int, name: str, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the estimates are if pairs share nothing: the features are dealt anew to the videos, n times.

    The pairs stay, so that a video is in as many pairs as before (as in the test of Mantel, 1967).

    Returns:
        scores (F, n) and numbers of units of each of :data:`KINDS` (4, n).
    """
    rng = generator(seed, name, "units/shuffled")
    found, counted = [], []
    for _ in range(n):
        dealt = x[rng.permutation(len(x))]
        these = [moments(dealt, pairs) for pairs in by_factor]
        found.append(scores(these))
        counted.append(counts_of(unit_scores(these, constant), threshold))
    return np.stack(found, 1), np.stack(counted, 1)
