"""Pictures of the scores over time, with the annotated segments.

AUC and AP depend on the order of all scores, not on their size: a head may be right with scores that all look like 0.
So the pictures also show the rank of each score among those of all test frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark_builder.utils.pictures import literal, new_figure, save_figure
from evaluator.features.folder import FeatureVideo

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

PER_PAGE, COLUMNS = 12, 2
# Okabe and Ito's colours, which colour-blind readers can tell apart; segments are also hatched.
SCORE, SEGMENT, RANK = "#0072b2", "#e69f00", "#333333"


@dataclass(frozen=True)
class Curve:
    """A video and its scores: float64 (seeds, frames)."""

    video: FeatureVideo
    scores: np.ndarray


def draw_curves(curves: Sequence[Curve], how: str, folder: Path, title: str) -> list[Path]:
    """Draw the curves, videos with annotated segments first.

    Args:
        curves: one per test video.
        how: ``pages`` (:data:`PER_PAGE` videos on each), ``videos`` (a picture per video) or ``none``.
        folder: where the pictures go.
        title: heading of each picture.

    Returns:
        The pictures: ``page-01.png`` …, or ``ID.png``.
    """
    if how == "none":
        return []
    ordered = sorted(curves, key=lambda curve: not curve.video.segments)
    everything = np.sort(np.concatenate([curve.scores.mean(0) for curve in curves]))
    step = PER_PAGE if how == "pages" else 1
    parts = [ordered[k : k + step] for k in range(0, len(ordered), step)]
    digits = max(2, len(str(len(parts))))
    names = [f"page-{k:0{digits}}" if how == "pages" else part[0].video.id for k, part in enumerate(parts, 1)]
    return [_page(part, everything, folder / f"{name}.png", title) for part, name in zip(parts, names, strict=True)]


def _page(curves: Sequence[Curve], everything: np.ndarray, path: Path, title: str) -> Path:
    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = new_figure(6.5 * columns, 0.9 + 1.7 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, curve in zip(axes, curves, strict=False):
        _draw(place, curve, everything)
    for place in axes[len(curves) :]:
        place.set_visible(False)
    for place in axes[: len(curves)][-columns:]:
        place.set_xlabel("time, seconds", fontsize=8)
    labelled: dict[str, Artist] = {}
    for place in axes[: len(curves)]:
        labelled |= dict(zip(*reversed(place.get_legend_handles_labels()), strict=True))
    figure.legend(list(labelled.values()), list(labelled), loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(literal(title[:160]), fontsize=10)
    return save_figure(figure, path)


def _draw(axes: "Axes", curve: Curve, everything: np.ndarray) -> None:
    video, scores = curve.video, curve.scores
    for segment in video.segments:
        axes.axvspan(
            segment.start_frame / video.fps, segment.end_frame / video.fps, facecolor=SEGMENT, alpha=0.35, hatch="///",
            edgecolor="#8a6000", linewidth=0, label="annotated segment",
        )  # fmt: skip
    changes = np.flatnonzero(np.append(True, (np.diff(scores, axis=1) != 0).any(0)))
    edges = np.append(changes, scores.shape[1]) / video.fps
    mean = scores.mean(0)[changes]
    if len(scores) > 1:
        low, high = scores.min(0)[changes], scores.max(0)[changes]
        axes.fill_between(
            edges, np.append(low, low[-1]), np.append(high, high[-1]), step="post", color=SCORE, alpha=0.25,
            linewidth=0, label="smallest to largest of the seeds",
        )  # fmt: skip
    axes.step(edges, np.append(mean, mean[-1]), where="post", color=SCORE, linewidth=1.2, label="anomaly score")
    # Scores of others may have any size: then ranks are drawn between the smallest and the largest.
    plain = everything[0] >= 0 and everything[-1] <= 1
    bottom, top = (0.0, 1.0) if plain else (float(everything[0]), float(everything[-1]))
    rank = (np.searchsorted(everything, mean) + np.searchsorted(everything, mean, "right")) / (2 * len(everything))
    height = bottom + (top - bottom) * np.append(rank, rank[-1])
    axes.step(
        edges, height, where="post", color=RANK, linewidth=0.7, linestyle=":",
        label="its rank among all test frames (lowest to highest)",
    )  # fmt: skip
    margin = 0.02 * (top - bottom) or 1.0
    axes.set(xlim=(0, edges[-1]), ylim=(bottom if plain else bottom - margin, top + margin))
    axes.set_title(literal(f"{video.id} · {video.label or 'no label'}"[:90]), fontsize=8, loc="left")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
