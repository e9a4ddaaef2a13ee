"""Bars with error bars: one panel per figure, one row per method, the numbers in a column of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluator.figures.entries import blocks, figures_of, notes_of
from evaluator.figures.style import GRID, INK, SIZE, SMALL, SOFT, bare, error_bars, name, note_below, page, write
from evaluator.reports.palette import Look, looks
from evaluator.reports.published import is_published
from evaluator.reports.seeds import Entry, Mean, display_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, HEAD = 0.2, 0.62  # inches: a row of bars; a panel's title and axis
NAME = 30  # characters of a name: the bars need the room
_LETTER = 0.54 * SIZE / 72  # inches, a letter of DejaVu Sans


def draw_bars(
    entries: Sequence[Entry], wanted: Sequence[str] = (), width: float = 6.9, title: str = "", notes: Sequence[str] = ()
) -> "Figure":
    """Draw bars of each figure, 0 to 100 percent.

    Numbers are at the right of every panel, outside of the bars, so that no error bar covers one. Entries that were
    measured on other videos are below a heading of their own.

    Args:
        entries: from the first row to the last.
        wanted: figures, by name; none for the main ones.
        width: inches.
        title: above the figure.
        notes: lines below it, after those on the error bars.

    Raises:
        BenchError: a figure is not in the entries.
    """
    shown = figures_of(entries, wanted)
    grouped = blocks(entries, shown)
    ordered = [one for group in grouped.values() for one in group]
    named = dict(zip(map(id, ordered), display_names(ordered), strict=True))
    known = looks(one.method for one in ordered)
    rows: list[tuple[str, Entry | None]] = []
    for heading, group in grouped.items():
        rows += [(heading, None)] if len(grouped) > 1 else []
        rows += [(named[id(one)], one) for one in group]
    longest = max(len(name(text, NAME)) for text, _ in rows) * _LETTER + 0.15
    values = {n: [_text(one.figures.get(n)) for one in ordered] for n in shown}
    column = {n: max(map(len, texts)) * _LETTER + 0.08 for n, texts in values.items()}
    # Panels per line: as many as leave every bar an inch at least, and lines of about the same length.
    room = max(1, int((width - longest) / (0.8 + max(column.values()))))
    lines = -(-len(shown) // room)
    per_line = -(-len(shown) // lines)
    tall = len(rows) * ROW
    figure = page(width, lines * (tall + HEAD) + 0.3 * bool(title) + 0.35)
    grid = figure.subplots(lines, per_line, squeeze=False)
    inside = (width - longest) / per_line  # inches, of a panel with its numbers
    for k, axes in enumerate(grid.flat):
        if k >= len(shown):
            axes.set_axis_off()
            continue
        figure_name, heading = list(shown.items())[k]
        bar = max(0.4, inside - column[figure_name] - 0.12)
        limit = 100 * (bar + column[figure_name]) / bar
        _panel(axes, rows, figure_name, known, limit)
        axes.set_title(heading, fontsize=SIZE, fontweight="bold", color=INK, loc="left", pad=4)
        axes.set_yticks(
            range(len(rows)), [name(text, NAME) for text, _ in rows] if k % per_line == 0 else [], fontsize=SIZE
        )
        for tick, (_, one) in zip(axes.get_yticklabels(), rows, strict=False):
            tick.set_fontweight("normal" if one else "bold")
        axes.tick_params(axis="y", length=0)
    if title:
        figure.suptitle(name(title, 110), fontsize=SIZE + 1, fontweight="bold", x=0.01, ha="left")
    note_below(figure, ["Percent. " + " ".join([*notes_of(ordered, shown), *notes])], width)
    return figure


def _panel(
    axes: "Axes", rows: Sequence[tuple[str, Entry | None]], figure: str, known: dict[str, Look], limit: float
) -> None:
    axes.set(xlim=(0, limit), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "", "50", "", "100"])
    axes.vlines([25, 50, 75, 100], -0.6, len(rows) - 0.4, color=GRID, linewidth=0.6, zorder=0)
    bare(axes, "left")
    for y, (_, one) in enumerate(rows):
        if one is not None:
            mean = one.figures.get(figure)
            write(axes, limit, y, _text(mean), ha="right", va="center", color=INK if mean else SOFT)
    drawn = [(y, one, one.figures[figure]) for y, (_, one) in enumerate(rows) if one and figure in one.figures]
    places = [y for y, _, _ in drawn]
    faces, edges, hatches = [], [], []
    for _, one, _ in drawn:
        look, paper = known[one.method], is_published(one.rows[0])
        faces.append("white" if paper else look.colour)
        edges.append(look.colour if paper else "white")
        hatches.append(look.hatch * 2 if paper else look.hatch)
    values = [mean.value for _, _, mean in drawn]
    axes.barh(places, values, 0.68, color=faces, edgecolor=edges, hatch=hatches, linewidth=0.8, zorder=2)
    error_bars(axes, [mean.ends for _, _, mean in drawn], places)
    axes.tick_params(axis="x", labelsize=SMALL)


def _text(mean: Mean | None) -> str:
    if mean is None:
        return "–"
    return f"{mean.value:.1f}" + (f" ± {mean.sd:.1f}" if mean.sd is not None else "")
