"""Predictions compared with the truth: figures, classes, and what is missing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.downstream.localize import metrics
from evaluator.downstream.localize.metrics import FIGURES, THRESHOLDS, ClassMatches
from evaluator.downstream.localize.predictions import Predictions
from evaluator.downstream.localize.truth import Truth


@dataclass(frozen=True)
class SeedScore:
    """The figures of one file of predictions.

    Attributes:
        seed: its seed, or its place among the given files. figures: ``map`` and ``map@T``, 0..1.
        classes: annotated classes. precision: AP, float64 (classes, thresholds).
        missing: annotated videos without any prediction.
        predictions: what was read. matches: which predictions are right.
    """

    seed: int
    figures: dict[str, float]
    classes: list[str]
    precision: np.ndarray
    missing: list[str]
    predictions: Predictions
    matches: dict[str, ClassMatches]


def score(truth: Truth, predictions: Predictions, seed: int = 0, videos: Sequence[str] = ()) -> SeedScore:
    """Compare predictions with the truth.

    Args:
        truth: annotated segments.
        predictions: of the same videos.
        seed: for the record.
        videos: ids that come first in the numbering of the videos in ``matches``.
    """
    matches = metrics.match(truth.spans, predictions.spans, videos=videos)
    names, precision = metrics.table(matches)
    said = set(predictions.spans.videos)
    missing = [v for v in truth.videos if v not in said]
    return SeedScore(seed, metrics.figures(precision), names, precision, missing, predictions, matches)


def score_all(truth: Truth, given: Sequence[tuple[int, Predictions]]) -> tuple[list[SeedScore], dict[str, list[float]]]:
    """The scores of several seeds, and the 95 % interval over videos of their mean: figure -> [low, high]."""
    ids = list(dict.fromkeys([*truth.videos, *(v for _, p in given for v in p.spans.videos)]))
    scores = [score(truth, predictions, seed, ids) for seed, predictions in given]
    drawn = [metrics.replicates(s.matches, ids) for s in scores]
    interval = {}
    for name in FIGURES:
        low, high = np.nanquantile(np.mean([d[name] for d in drawn], axis=0), [0.025, 0.975])
        interval[name] = [float(low), float(high)]
    return scores, interval


def class_rows(truth: Truth, scores: Sequence[SeedScore]) -> list[dict[str, object]]:
    """One row per annotated class: annotated segments, predictions (mean over seeds), AP (mean over seeds)."""
    annotated = Counter(truth.spans.labels)
    said = [Counter(s.predictions.spans.labels) for s in scores]
    precision = np.mean([s.precision for s in scores], axis=0)
    rows = []
    for k, name in enumerate(scores[0].classes):
        each = {f"map@{t:g}": f"{p:.9g}" for t, p in zip(THRESHOLDS, precision[k], strict=True)}
        count = float(np.mean([c[name] for c in said]))
        rows.append({"class": name, "annotated": annotated[name], "predictions": f"{count:g}",
                     "map": f"{precision[k].mean():.9g}", **each})  # fmt: skip
    return rows
