"""Mean average precision of temporal action localization, as ActivityNet's and THUMOS14's evaluators compute it.

The figures are those of ``ANETdetection`` in the public code of ActionFormer and TriDet (a test compares them):

- Per class, predictions of all videos are taken in descending order of their scores. One is right if its temporal
  intersection over union (tIoU) with an annotated segment of its class and video, which no better prediction has taken,
  is at least the threshold. Of several such segments, the one with the largest tIoU is taken.
- AP is the area under the interpolated precision: at each recall, the largest precision at this or a larger recall.
- ``map@T`` is the mean of AP over the classes that are annotated; ``map`` the mean over thresholds.

A prediction in a video without annotations is wrong. Predictions of classes that are not annotated do not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.utils.rng import generator

# As the peers compute them: the second is the largest float64 below 0.4.
THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.3, 0.7, 5).tolist())
FIGURES = ("map", "map@0.3", "map@0.4", "map@0.5", "map@0.6", "map@0.7")
DRAWS = 1000


@dataclass(frozen=True)
class Spans:
    """Segments of many videos, one per row.

    Attributes:
        videos: id of the video of each segment. labels: its class.
        times: start and end in seconds, float64 (N, 2).
        scores: float64 (N,), higher is more certain; None for annotations.
    """

    videos: Sequence[str]
    labels: Sequence[str]
    times: np.ndarray
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class ClassMatches:
    """The predictions of one class, best first.

    Attributes:
        videos: index of the video of each prediction, int64 (N,).
        right: bool (thresholds, N).
        annotated: number of annotated segments per video, int64 (videos,).
    """

    videos: np.ndarray
    right: np.ndarray
    annotated: np.ndarray


def tiou(segment: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Temporal intersection over union of one segment (2,) with others (N, 2): float64 (N,), 0..1."""
    overlap = (np.minimum(segment[1], others[:, 1]) - np.maximum(segment[0], others[:, 0])).clip(0)
    union = (others[:, 1] - others[:, 0]) + (segment[1] - segment[0]) - overlap
    return overlap / union


def match(
    truth: Spans, predictions: Spans, thresholds: Sequence[float] = THRESHOLDS, videos: Sequence[str] = ()
) -> dict[str, ClassMatches]:
    """Which predictions are right, for each class that is annotated, in the order of the names.

    Equal scores are taken in the order that numpy's argsort gives, as in the peers' code.

    Args:
        truth: annotated segments; each is longer than 0.
        predictions: with scores.
        thresholds: of tIoU.
        videos: ids that come first in the numbering of the videos.
    """
    assert predictions.scores is not None
    names = {name: k for k, name in enumerate(dict.fromkeys([*videos, *truth.videos, *predictions.videos]))}
    true_video = np.array([names[v] for v in truth.videos], dtype=np.int64)
    said_video = np.array([names[v] for v in predictions.videos], dtype=np.int64)
    true_label, said_label = np.array(truth.labels, dtype=object), np.array(predictions.labels, dtype=object)
    found = {}
    for label in sorted(set(truth.labels)):
        own, said = np.flatnonzero(true_label == label), np.flatnonzero(said_label == label)
        order = said[np.argsort(predictions.scores[said])[::-1]]
        right = _right(
            truth.times[own], true_video[own], predictions.times[order], said_video[order], np.asarray(thresholds)
        )
        annotated = np.bincount(true_video[own], minlength=len(names))
        found[label] = ClassMatches(said_video[order], right, annotated)
    return found


def _right(
    true: np.ndarray, true_video: np.ndarray, said: np.ndarray, said_video: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """bool (thresholds, N): whether each prediction, best first, is right."""
    right = np.zeros((len(thresholds), len(said)), bool)
    places = {int(v): np.flatnonzero(true_video == v) for v in np.unique(true_video)}
    free = np.ones((len(thresholds), len(true)), bool)
    for k, (segment, video) in enumerate(zip(said, said_video.tolist(), strict=True)):
        own = places.get(video)
        if own is None:
            continue
        overlap = tiou(segment, true[own])
        if overlap.max() < thresholds.min():
            continue
        best_first = overlap.argsort()[::-1]
        for t, threshold in enumerate(thresholds):
            for j in best_first:
                if overlap[j] < threshold:
                    break
                if free[t, own[j]]:
                    right[t, k], free[t, own[j]] = True, False
                    break
    return right


def average_precision(right: np.ndarray, weights: np.ndarray, annotated: float) -> np.ndarray:
    """Interpolated average precision.

    Args:
        right: bool (thresholds, N), best first.
        weights: how often each prediction counts, (N,).
        annotated: number of annotated segments, above 0.

    Returns:
        float64 (thresholds,), 0..1.
    """
    if not right.shape[1]:
        return np.zeros(len(right))
    hits = np.cumsum(right * weights, axis=1)
    seen = np.cumsum(weights, dtype=np.float64)
    precision = np.divide(hits, seen, out=np.zeros_like(hits, dtype=np.float64), where=seen > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gain = np.diff(hits, axis=1, prepend=0) / annotated
    return (gain * best).sum(1)


def table(matches: Mapping[str, ClassMatches], draw: np.ndarray | None = None) -> tuple[list[str], np.ndarray]:
    """AP per class and threshold.

    Args:
        matches: of :func:`match`.
        draw: how often each video counts, (videos,); None: once. Classes that are then not annotated are left out.

    Returns:
        The classes, and float64 (classes, thresholds), 0..1.
    """
    names, rows = [], list[np.ndarray]()
    for name, found in matches.items():
        counts = np.ones(len(found.annotated), dtype=np.int64) if draw is None else draw
        annotated = int((found.annotated * counts).sum())
        if annotated:
            names.append(name)
            rows.append(average_precision(found.right, counts[found.videos], annotated))
    count = len(next(iter(matches.values())).right) if matches else len(THRESHOLDS)
    return names, np.array(rows, dtype=np.float64).reshape(len(rows), count)


def figures(precision: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> dict[str, float]:
    """``map`` and ``map@T`` of a table of AP (classes, thresholds)."""
    each = precision.mean(0)
    return {"map": float(each.mean()), **{f"map@{t:g}": float(m) for t, m in zip(thresholds, each, strict=True)}}


def mean_average_precision(
    truth: Spans, predictions: Spans, thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, float]:
    """``map`` and ``map@T``, 0..1; see the module. ``truth`` must not be empty."""
    return figures(table(match(truth, predictions, thresholds))[1], thresholds)


def replicates(matches: Mapping[str, ClassMatches], ids: Sequence[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Bootstrap over videos: a video is drawn with all its segments and predictions.

    Args:
        matches: of :func:`match`. ids: of all its videos.
        seed: of the draw, which depends on it and the ids only: several seeds of a head share it.

    Returns:
        figure -> float64 (:data:`DRAWS`,): the figures of each draw; nan if it has no annotated segment.
    """
    rng = generator(seed, "\n".join(ids), "bootstrap")
    draws = rng.multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=DRAWS)
    rows = np.full((DRAWS, len(FIGURES)), np.nan)
    for k, draw in enumerate(draws):
        names, precision = table(matches, draw)
        if names:
            rows[k] = list(figures(precision).values())
    return dict(zip(FIGURES, rows.T, strict=True))
