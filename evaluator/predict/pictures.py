"""The picture of `bench predict`: a row per version of a video, frames on the left, bars of the top classes right."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark_builder.utils.pictures import literal, new_figure, save_figure
from evaluator.predict.answers import OfVersion, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST, OTHER = "#2f6fb3", "#b9bec5"  # of the answer for the plain video, and of other classes
TRACK, CHANGED = "#f1f3f5", "#b3401f"  # 100 percent; of another answer
INK, SOFT = "#22262b", "#6a727c"
GAP = 0.06  # between frames, as a share of their side
NAME = 26  # characters of a class name
BARS = 5
_WIDE, _SIDE = 4.4, 1.22  # inches: the bars; a frame
_ROW, _HEAD, _FOOT = 1.55, 0.62, 0.23  # inches: a row, the title, a line of the verdict


def draw_prediction(one: "Prediction", clips: Sequence[np.ndarray], out: Path, columns: int = 6) -> Path:
    """Draw the picture of one video, PNG.

    Args:
        one: the answers; at least one version.
        clips: of each version, the frames to show: uint8 (T, S, S, 3) RGB.
        out: the file.
        columns: frames per row.
    """
    rows = len(one.versions)
    width = columns * _SIDE + 0.4 + _WIDE
    # A number and its % stay on one line.
    words = textwrap.wrap(literal(one.verdict).replace(" %", "\N{NO-BREAK SPACE}%"), int(width * 13.2))
    foot = _FOOT * len(words) + 0.25
    height = _HEAD + rows * _ROW + foot
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # every place is computed here, so that no text overlaps
    said = f"true class: {one.label}" if one.label else ""
    figure.text(0.15 / width, 1 - 0.36 / height, literal(one.path.name)[:90], size=14, weight="bold", color=INK)
    figure.text(1 - 0.15 / width, 1 - 0.36 / height, literal(said), size=10, color=SOFT, ha="right")
    for k, (version, clip) in enumerate(zip(one.versions, clips, strict=True)):
        bottom = foot + (rows - 1 - k) * _ROW
        below, tall = (bottom + 0.08) / height, (_ROW - 0.38) / height
        left = figure.add_axes((0.15 / width, below, columns * _SIDE / width, tall))
        _frames(left, clip, columns)
        head = (bottom + _ROW - 0.22) / height
        figure.text(0.15 / width, head, literal(version.title), size=10.5, color=INK)
        if not version.same:
            figure.text((width - 0.55) / width, head, "another answer", size=9.5, color=CHANGED, ha="right")
        start = columns * _SIDE + 0.4 + 1.95
        right = figure.add_axes((start / width, below, (width - start - 0.55) / width, tall))
        _bars(right, version)
    for k, line in enumerate(words):
        place = foot - 0.22 - k * _FOOT
        figure.text(0.15 / width, place / height, line, size=10, color=INK)
    return save_figure(figure, out)


def _frames(axes: "Axes", frames: np.ndarray, columns: int) -> None:
    """Frames of the clip, evenly spaced in time, in a row."""
    picks = np.linspace(0, len(frames) - 1, columns).round().astype(int)
    side = frames.shape[1]
    gap = max(1, round(GAP * side))
    sheet = np.full((side, columns * (side + gap) - gap, 3), 255, np.uint8)
    for k, pick in enumerate(picks):
        sheet[:, k * (side + gap) : k * (side + gap) + side] = frames[pick]
    axes.imshow(sheet, interpolation="nearest" if side < 100 else "antialiased")
    axes.set_anchor("W")
    axes.axis("off")


def _bars(axes: "Axes", version: "OfVersion") -> None:
    """The top classes, and the answer for the plain video if it is not among them."""
    shown = version.top[:BARS]
    first = version.first_answer
    if first.class_name not in [a.class_name for a in shown]:
        shown = [*shown[: BARS - 1], first]
    for place, answer in enumerate(shown):
        mine = answer.class_name == first.class_name
        axes.barh(place, 100, height=0.72, color=TRACK)
        axes.barh(place, answer.percent, height=0.72, color=FIRST if mine else OTHER)
        axes.text(answer.percent + 1.5, place, f"{answer.percent:.1f} %", va="center", size=8.5, color=INK)
    axes.set_yticks(range(len(shown)), [_short(a.class_name) for a in shown], size=9, color=INK)
    for tick, answer in zip(axes.get_yticklabels(), shown, strict=True):
        tick.set_fontweight("bold" if answer.class_name == first.class_name else "normal")
    axes.set_ylim(BARS - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(OTHER)


def _short(name: str) -> str:
    text = literal(name)
    return text if len(text) <= NAME else f"{text[: NAME - 1]}…"
