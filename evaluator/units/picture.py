"""The picture of `bench audit units`: every unit by its two scores, and the number of units of each kind."""

from pathlib import Path

import numpy as np

from benchmark_builder.utils.pictures import literal, new_figure, save_figure
from evaluator.units.factors import KINDS

COLOURS = ("#c23b22", "#3b6ea5", "#7b4fa3", "#999999")  # of static, dynamic, joint, residual


def draw(scores: np.ndarray, kinds: np.ndarray, threshold: float, title: str, path: Path) -> Path:
    """Draw units as points, and their number per kind as bars: PNG, PDF or SVG by suffix.

    Args:
        scores: static and dynamic score of each unit, (2, D).
        kinds: the place of each unit in KINDS, (D,).
        threshold: drawn as two lines.
        title: heading of the picture.
        path: the file to write.
    """
    figure = new_figure(9, 4.2)
    points, bars = figure.subplots(1, 2, width_ratios=(1.3, 1))
    counts = np.bincount(kinds, minlength=len(KINDS))
    for k, kind in enumerate(KINDS):
        own = kinds == k
        points.scatter(*scores[:, own], s=14, color=COLOURS[k], alpha=0.7, linewidths=0, label=kind)
        bars.bar(k, counts[k], color=COLOURS[k])
        bars.text(
            k, counts[k], f"{counts[k]}\n{100 * counts[k] / len(kinds):.0f} %", ha="center", va="bottom", fontsize=8
        )
    points.axvline(threshold, color="#555555", lw=0.8, ls="--")
    points.axhline(threshold, color="#555555", lw=0.8, ls="--")
    low = min(-0.1, float(scores.min()) - 0.05)
    points.set(xlim=(low, 1.05), ylim=(low, 1.05), xlabel="static score (same background, other class)",
               ylabel="dynamic score (same video, other background)", title="units")  # fmt: skip
    points.legend(fontsize=8)
    bars.set(xticks=range(len(KINDS)), xticklabels=KINDS, ylabel="units", ylim=(0, 1.25 * max(1, int(counts.max()))),
             title=f"kinds, threshold {threshold:g}")  # fmt: skip
    for axes in (points, bars):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(literal(title[:120]), fontsize=10)
    return save_figure(figure, path)
