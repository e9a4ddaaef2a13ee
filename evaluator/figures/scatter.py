"""Two figures against each other, by default IID and contrasted accuracy: a point per method, named next to it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark_builder.utils.fonts import fitted
from evaluator.figures.entries import blocks, figures_of, notes_of
from evaluator.figures.labels import leader, place_labels
from evaluator.figures.style import GRID, INK, SIZE, SMALL, SOFT, bare, error_bars, marker, name, note_below, page
from evaluator.reports.palette import looks
from evaluator.reports.published import is_published
from evaluator.reports.seeds import Entry, display_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = ("iid", "contra_acc")
NAME, MOST_NAMED = 26, 16  # characters of a name; more points than this are numbered, with a list at the right
MOST_BARS = 24  # of more points, error bars hide the points
_RADIUS = 3.4  # points, of a marker


def limits(values: Sequence[float], least: float = 10.0, step: float = 5.0) -> tuple[float, float]:
    """The range of an axis that shows percentages closely: a part of 0..100 that ends at multiples of ``step``.

    Args:
        values: what must be inside, with a margin.
        least: the smallest range, percent points.
        step: percent points.
    """
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), (least - (high - low)) / 2, 1.0)
    bottom = max(0.0, step * ((low - margin) // step))
    top = min(100.0, step * -(-(high + margin) // step))
    return bottom, top


def draw_scatter(
    entries: Sequence[Entry],
    wanted: Sequence[str] = (),
    width: float = 4.6,
    title: str = "",
    full: bool = False,
    notes: Sequence[str] = (),
) -> "Figure":
    """Draw a panel per collection of test videos; axes show the range of the points.

    Args:
        entries: the points; those without one of the two figures are left out.
        wanted: the figure at the bottom and the one at the left; none for :data:`AXES`.
        width: inches, of the figure.
        title: above the figure.
        full: axes from 0 to 100 instead.
        notes: lines below it.

    Raises:
        BenchError: no entry has both figures, or there is no figure of such a name.
    """
    from benchmark_builder.utils.errors import BenchError

    if len(wanted) not in (0, 2):
        raise BenchError(f"--figures {' '.join(wanted)}: a scatter chart takes two, such as --figures iid contra_acc")
    x, y = wanted or AXES
    drawn = [one for one in entries if x in one.figures and y in one.figures]
    if not drawn:
        raise BenchError(f"--figures {x} {y}: no row has both; choose others with --figures, or score those test sets")
    shown, grouped = figures_of(drawn, (x, y)), blocks(drawn, (x, y))
    ordered = [one for group in grouped.values() for one in group]
    names, known = display_names(ordered), looks(one.method for one in ordered)
    numbered, barred = len(ordered) > MOST_NAMED, len(ordered) <= MOST_BARS
    side = 0.8 * width if len(grouped) == 1 else 0.7 * width
    listed = [f"{k}  {name(text)}" for k, text in enumerate(names, 1)] if numbered else []
    tall = max(side * len(grouped), 0.155 * len(listed) + 0.5) + 0.3 * bool(title) + 0.35
    figure = page(width + (2.3 if listed else 0.0), tall)
    panels = figure.subplots(len(grouped), 1, squeeze=False)[:, 0]
    first, later = 0, []
    for axes, (heading, group) in zip(panels, grouped.items(), strict=True):
        across, up = [one.figures[x] for one in group], [one.figures[y] for one in group]
        if barred:
            error_bars(axes, [a.ends for a in across], [b.value for b in up], bare=True)
            error_bars(axes, [b.ends for b in up], [a.value for a in across], upright=True, bare=True)
        for one in group:
            look, paper = known[one.method], is_published(one.rows[0])
            a, b = one.figures[x], one.figures[y]
            axes.plot(
                a.value, b.value, marker=marker(look), markersize=2 * _RADIUS, zorder=5, linewidth=0,
                markerfacecolor="white" if paper else look.colour, markeredgewidth=0.9 if paper else 0.4,
                markeredgecolor=look.colour if paper else "white",
            )  # fmt: skip
        if full:
            axes.set(xlim=(0, 100), ylim=(0, 100))
        else:
            ends = [[v for one in group for v in (one.figures[n].value, *(one.figures[n].ends or ()))] for n in (x, y)]
            axes.set(xlim=limits(ends[0]), ylim=limits(ends[1]))
        axes.set_ylabel(f"{shown[y]}, percent", fontsize=SIZE, color=INK)
        axes.set_xlabel(f"{shown[x]}, percent", fontsize=SIZE, color=INK)
        axes.grid(color=GRID, linewidth=0.6, zorder=0)
        axes.set_axisbelow(True)
        bare(axes, "left", "bottom")
        if len(grouped) > 1:
            axes.set_title(name(heading, 60), fontsize=SIZE, fontweight="bold", loc="left")
        texts = [str(k + 1) if numbered else name(names[k], NAME) for k in range(first, first + len(group))]
        later.append((axes, group, texts))
        first += len(group)
    if title:
        figure.suptitle(name(title, 90), fontsize=SIZE + 1, fontweight="bold", x=0.01, ha="left")
    if listed:
        panels[0].annotate(
            "\n".join(listed),
            (1.03, 1),
            xycoords="axes fraction",
            va="top",
            fontsize=SMALL,
            color=INK,
            linespacing=1.35,
        )
    of_bars = notes_of(ordered, shown) if barred else ["Error bars are left out, since there are many points."]
    note_below(figure, [" ".join([*of_bars, *notes])], figure.get_figwidth())
    with fitted(figure):
        figure.draw_without_rendering()  # the layout decides where points are, and so where there is room for labels
    figure.set_layout_engine("none")
    for axes, group, texts in later:
        _label(axes, [(one.figures[x].value, one.figures[y].value) for one in group],
               [(one.figures[x].ends, one.figures[y].ends) if barred else (None, None) for one in group],
               texts)  # fmt: skip
    return figure


def _label(
    axes: "Axes",
    points: Sequence[tuple[float, float]],
    ends: Sequence[tuple[tuple[float, float] | None, tuple[float, float] | None]],
    texts: Sequence[str],
) -> None:
    """Write labels where they cover nothing. A label without room is left out only if the whole panel is full."""
    size = SMALL if len(texts) > MOST_NAMED // 2 else SIZE
    drawn = [axes.text(0, 0, text, fontsize=size, color=INK, va="bottom", ha="left", zorder=6) for text in texts]
    renderer, to_pixels = axes.figure.canvas.get_renderer(), axes.transData.transform  # type: ignore[attr-defined]
    pixel = axes.figure.dpi / 72
    with fitted(axes.figure):  # type: ignore[arg-type]
        sizes = [(box.width, box.height) for box in (text.get_window_extent(renderer) for text in drawn)]
    at = [tuple(to_pixels(point)) for point in points]
    lines = []
    for (x, y), (across, upright) in zip(points, ends, strict=True):
        corners = [((across[0], y), (across[1], y))] if across else []
        corners += [((x, upright[0]), (x, upright[1]))] if upright else []
        for low, high in corners:
            (x0, y0), (x1, y1) = to_pixels(low), to_pixels(high)
            lines.append((x0 - 2, y0 - 2, x1 + 2, y1 + 2))
    box = axes.get_window_extent(renderer)
    found = place_labels(at, sizes, (_RADIUS + 1) * pixel, (box.x0, box.y0, box.x1, box.y1), lines)
    back = axes.transData.inverted().transform
    for text, point, place in zip(drawn, at, found, strict=True):
        text.set_in_layout(False)
        if place is None:
            text.remove()
            continue
        text.set_position(tuple(back(place[:2])))
        way = leader(point, place, (_RADIUS + 1) * pixel)
        if way:
            (x0, y0), (x1, y1) = back(way[:2]), back(way[2:])
            axes.plot([x0, x1], [y0, y1], color=SOFT, linewidth=0.6, zorder=3)
