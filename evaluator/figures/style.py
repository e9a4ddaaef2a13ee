"""What all figures share: letters, ink, error bars, markers, and the note below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_builder.utils.pictures import literal, new_figure
from evaluator.reports.palette import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

INK, SOFT, GRID = "#1b1d22", "#595f69", "#d9dce1"
SIZE, SMALL = 8.0, 7.0  # points, of letters; 7 is the least that most journals take
NAME = 44  # characters of a name


def page(width: float, height: float) -> "Figure":
    """An empty figure of ``width`` x ``height`` inches."""
    return new_figure(width, height)


def name(text: str, most: int = NAME) -> str:
    """A name to draw: as it is, in one line, shortened in the middle, where long names of variants are alike."""
    plain = " ".join(literal(text).split())
    if len(plain) <= most:
        return plain
    head = most * 2 // 3
    return f"{plain[:head]}…{plain[len(plain) - (most - head - 1) :]}"


def write(axes: "Axes", x: float, y: float, text: str, **given: Any) -> "Text":
    """Text in an axes, which the layout does not make room for."""
    look: dict[str, Any] = {"fontsize": SIZE, "color": INK, **given}
    made = axes.text(x, y, text, **look)
    made.set_in_layout(False)
    return made


def bare(axes: "Axes", *sides: str) -> None:
    """Leave only the lines at ``sides`` of an axes, and small letters at its ticks."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)
        spine.set_color(SOFT)
    axes.tick_params(labelsize=SMALL, color=SOFT, labelcolor=INK, length=2.5)


def marker(look: Look) -> Any:
    """The marker of a look, as matplotlib takes it."""
    return [*look.corners, look.corners[0]] if look.corners else "o"


def error_bars(
    axes: "Axes",
    ends: Sequence[tuple[float, float] | None],
    places: Sequence[float],
    upright: bool = False,
    bare: bool = False,
) -> None:
    """Thin lines with short ends; by default light at their edges, so that they are visible on any bar.

    Args:
        axes: where to draw.
        ends: of each line, percent; None draws none.
        places: of the lines on the other axis.
        upright: whether they are vertical.
        bare: without the light edge, and behind everything else.
    """
    # A mean ± deviation may be no percentage.
    drawn = [(min(max(e[0], 0), 100), min(max(e[1], 0), 100), at) for e, at in zip(ends, places, strict=True) if e]
    if not drawn:
        return
    low, high, at = map(list, zip(*drawn, strict=True))
    layers = [(0.8, 3.6, SOFT, 1.5)] if bare else [(2.2, 6.0, "white", 4.0), (0.9, 4.6, INK, 4.1)]
    for width, cap, colour, order in layers:
        (axes.vlines if upright else axes.hlines)(at, low, high, colors=colour, linewidths=width, zorder=order)
        x, y = (at + at, low + high) if upright else (low + high, at + at)
        form = "_" if upright else "|"
        axes.plot(x, y, form, color=colour, markersize=cap, markeredgewidth=width, zorder=order)


def note_below(figure: "Figure", notes: Sequence[str], width: float) -> None:
    """Small lines below a figure of ``width`` inches, wrapped."""
    import textwrap

    # A letter of DejaVu Sans is about 0.55 of its size wide.
    letters = max(30, int(width * 72 / (0.55 * SMALL)))
    lines = [line for text in notes for line in textwrap.wrap(literal(text), letters)]
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=SMALL, color=SOFT, x=0.01, ha="left")
