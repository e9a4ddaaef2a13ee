"""Pictures of a video: annotated segments and the best predictions as bars over time."""

from pathlib import Path

import numpy as np

from benchmark_builder.utils.pictures import literal, new_figure, save_figure
from benchmark_builder.utils.registry import safe_name
from evaluator.downstream.localize.metrics import Spans
from evaluator.downstream.localize.truth import Truth

# Okabe and Ito's colours, which colour-blind readers can tell apart; names are written on the bars, too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
MOST = 12  # predictions of a video


def draw_videos(truth: Truth, predictions: Spans, count: int, folder: Path, title: str) -> list[Path]:
    """Draw some videos with annotated segments, evenly from all of them: ``folder/ID.png``.

    Args:
        truth: annotated segments.
        predictions: those of one seed.
        count: number of videos.
        folder: where the pictures go.
        title: heading of each picture.
    """
    annotated = list(dict.fromkeys(v for v in truth.spans.videos if v in truth.videos))
    chosen = [annotated[k] for k in np.unique(np.linspace(0, len(annotated) - 1, min(count, len(annotated))).round()
                                              .astype(int))] if count else []  # fmt: skip
    return [
        _draw(truth, predictions, video, folder / f"{safe_name(video)[:100] or 'video'}.png", title) for video in chosen
    ]


def _draw(truth: Truth, predictions: Spans, video: str, path: Path, title: str) -> Path:
    assert predictions.scores is not None
    own = _of(truth.spans, video)
    said = _of(predictions, video)
    said = said[np.argsort(-predictions.scores[said], kind="stable")][:MOST]
    colour = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(truth.classes)}
    labels = list(dict.fromkeys(truth.spans.labels[k] for k in own))
    rows = [(truth.spans, k, labels.index(truth.spans.labels[k]), f"{truth.spans.labels[k]}") for k in own]
    first = len(labels)
    rows += [(predictions, k, first + n, f"{predictions.labels[k]}  {predictions.scores[k]:.2f}")
             for n, k in enumerate(said)]  # fmt: skip
    figure = new_figure(9, 1.2 + 0.27 * (first + len(said)))
    axes = figure.subplots()
    # Predictions of others may be far outside; they must not decide what is seen.
    end = truth.videos.get(video) or max(truth.spans.times[own, 1].max(), 1e-3)
    for spans, k, row, text in rows:
        start, stop = spans.times[k].clip(0, end)
        axes.barh(row, stop - start, left=start, height=0.8, color=colour.get(spans.labels[k], COLOURS[-1]),
                  alpha=1.0 if spans is truth.spans else 0.55, edgecolor="black", linewidth=0.6)  # fmt: skip
        right = start > end / 2
        axes.text(start if right else stop, row, f" {literal(text[:40])} ", va="center", fontsize=7,
                  ha="right" if right else "left")  # fmt: skip
    axes.axhline(first - 0.5, color="black", linewidth=0.8)
    middle = [(first - 1) / 2] + ([first + (len(said) - 1) / 2] if len(said) else [])
    axes.set_yticks(middle, ["annotated", f"predicted\n(best {len(said)})"][: len(middle)], fontsize=8)
    axes.set_ylim(max(first + len(said), 1) - 0.5, -0.5)
    axes.set_xlim(0, end)
    axes.set_xlabel("time, seconds", fontsize=8)
    axes.tick_params(labelsize=8, left=False)
    figure.suptitle(literal(f"{video}: {title}"[:160]), fontsize=9)
    return save_figure(figure, path)


def _of(spans: Spans, video: str) -> np.ndarray:
    return np.flatnonzero(np.array(spans.videos, dtype=object) == video)
