"""Pooled figures of frames: one curve over the frames of all videos, not a mean over videos.

- ``auc``: area under the ROC curve (scikit-learn's ``roc_auc_score``).
- ``ap``: average precision, Σ (R_k − R_k−1) P_k (``average_precision_score``).
- ``pr_auc``: area under the precision-recall curve by trapezoids, which the public code of RTFM, MGFN and UR-DMU prints
  as AP; it is a little larger where many frames have equal scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted
from evaluator.downstream import need

FIGURES = ("auc", "ap", "pr_auc")
REPLICATES = 2000
_CELLS = 2_000_000  # weights drawn and sorted at once: 16 MB


@dataclass(frozen=True)
class ScoredVideo:
    """The frames of a test video.

    Attributes:
        id: its id. label: its class, None if unknown. normal: whether it is a normal video.
        scores: float64 (frames,). truth: uint8 (frames,), 1 in annotated segments.
    """

    id: str
    label: str | None
    normal: bool
    scores: np.ndarray
    truth: np.ndarray


def pooled(videos: Sequence[ScoredVideo]) -> dict[str, float]:
    """The figures of the frames of all these videos together, 0..1.

    Raises:
        BenchError: scikit-learn is missing, or the frames are all normal or all anomalous.
    """
    metrics = need("sklearn.metrics")
    truth = np.concatenate([v.truth for v in videos]) if videos else np.zeros(0)
    if not truth.any() or truth.all():
        what = "are normal" if not truth.any() else "are in annotated segments"
        raise BenchError(f"all frames ({len(truth)}) of {counted(len(videos), 'test video')} {what}; AUC needs both, "
                         f"add the "
                         "missing videos or their annotations")  # fmt: skip
    scores = np.concatenate([v.scores for v in videos])
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    values = metrics.roc_auc_score(truth, scores), metrics.average_precision_score(truth, scores)
    return dict(zip(FIGURES, (*map(float, values), float(metrics.auc(recall, precision))), strict=True))


def replicates(videos: Sequence[ScoredVideo], seed: int = 0, n: int = REPLICATES) -> dict[str, np.ndarray]:
    """Bootstrap over videos (Davison & Hinkley 1997, section 3.8): a video is drawn with all its frames.

    Videos with annotated frames and videos without are drawn separately, each as many as there are, so that every draw
    has both kinds of frames. The draw depends on ``seed`` and the ids, not on the scores: several seeds of a head share
    it.

    Returns:
        figure -> float64 (n,): the figures of :func:`pooled` of each draw.
    """
    kinds = [np.flatnonzero([bool(v.truth.any()) == kind for v in videos]) for kind in (True, False)]
    rng = generator(seed, "\n".join(v.id for v in videos), "bootstrap")
    weights = np.zeros((n, len(videos)))
    for own in filter(len, kinds):
        weights[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=n)
    sums = _Sums.of(videos)
    step = max(1, _CELLS // len(sums.video))
    parts = [sums.figures(weights[k : k + step]) for k in range(0, n, step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in FIGURES}


@dataclass(frozen=True)
class _Sums:
    """Frames counted per video and score, by falling score.

    Attributes:
        video, positive, negative: (M,): the video, its anomalous and its normal frames of one score.
        ends: last place of each score, (K,).
    """

    video: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, videos: Sequence[ScoredVideo]) -> "_Sums":
        values, counts = [], []
        for own in videos:
            score, place = np.unique(own.scores, return_inverse=True)
            anomalous = np.bincount(place, weights=own.truth, minlength=len(score))
            values.append(score)
            counts.append(np.stack([anomalous, np.bincount(place, minlength=len(score)) - anomalous]))
        score = np.concatenate(values)
        order = np.argsort(-score, kind="stable")
        positive, negative = np.concatenate(counts, axis=1)[:, order]
        video = np.repeat(np.arange(len(videos)), [len(v) for v in values])[order]
        return cls(video, positive, negative, np.flatnonzero(np.append(np.diff(score[order]) != 0, True)))

    def figures(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The figures if video v is there ``weights[:, v]`` times: (n, V) -> figure -> (n,)."""
        each = weights[:, self.video]
        true = np.cumsum(each * self.positive, axis=1)[:, self.ends]
        false = np.cumsum(each * self.negative, axis=1)[:, self.ends]
        more_true, more_false = np.diff(true, axis=1, prepend=0), np.diff(false, axis=1, prepend=0)
        said, all_true = true + false, true[:, -1:]
        precision = np.divide(true, said, out=np.ones_like(true), where=said > 0)
        before = np.concatenate([np.ones((len(true), 1)), precision[:, :-1]], axis=1)  # precision 1 at recall 0
        return {
            "auc": ((true - more_true / 2) * more_false).sum(1) / (all_true[:, 0] * false[:, -1]),
            "ap": (more_true * precision).sum(1) / all_true[:, 0],
            "pr_auc": (more_true * (precision + before) / 2).sum(1) / all_true[:, 0],
        }


def limits(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of replicates."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def by_class(videos: Sequence[ScoredVideo]) -> dict[str, dict[str, float]]:
    """Class -> figures of the videos of this class and all normal videos; classes without annotated frames, or whose
    frames cannot be compared with normal ones, are missing."""
    normal = [v for v in videos if v.normal]
    found = {}
    for label in sorted({v.label for v in videos if v.label is not None and not v.normal}):
        own = [v for v in videos if v.label == label] + normal
        truth = np.concatenate([v.truth for v in own])
        if truth.any() and not truth.all():
            found[label] = pooled(own)
    return found
