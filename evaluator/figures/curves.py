"""Training curves: a panel per value of metrics.csv, a line per method, thin lines for its seeds."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import shown
from evaluator.figures.runs import Curve
from evaluator.figures.style import GRID, INK, SIZE, SMALL, SOFT, bare, marker, name, page
from evaluator.reports.palette import DASHES, Look, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

TITLES = {
    "loss": "Loss", "ce": "Cross-entropy, training clips", "val_acc": "Validation accuracy, percent",
    "val_still_acc": "Accuracy on their stills, percent", "val_scene_acc": "Accuracy of scenes, percent",
    "lr": "Learning rate", "gradient": "Norm of the gradient", "clips_per_second": "Clips per second",
    "seconds": "Seconds per epoch",
}  # fmt: skip
USUAL = ("ce", "val_acc", "val_still_acc")
PERCENT = ("val_acc", "val_still_acc", "val_scene_acc")


def draw_curves(runs: Sequence[Curve], wanted: Sequence[str] = (), width: float = 6.9, title: str = "") -> "Figure":
    """Draw the values of runs over epochs.

    Runs whose settings differ in nothing but the seed share a line, the mean over the seeds that have the epoch.

    Args:
        runs: the runs.
        wanted: columns of metrics.csv; none for cross-entropy, accuracy on the validation part, and on stills of it.
        width: inches.
        title: above the figure.

    Raises:
        BenchError: no run has a column that is wanted; the error lists those that there are.
    """
    there = list(dict.fromkeys(column for run in runs for column, points in run.values.items() if points))
    for column in wanted:
        if column not in there:
            raise BenchError(f"--figures {column}: not in metrics.csv; choose from {', '.join(map(shown, there))}")
    columns = list(wanted) or [c for c in USUAL if c in there] or there[:3]
    if not columns:
        raise BenchError(f"{runs[0].folder}: no epoch is finished yet; draw it later")
    groups: dict[str, list[Curve]] = {}
    for run in runs:
        groups.setdefault(run.same, []).append(run)
    named = _names(list(groups.values()))
    known = looks(group[0].method for group in groups.values())
    styles = _apart([known[group[0].method] for group in groups.values()])
    per_line = min(len(columns), max(1, int(width / 2.1)))
    lines = -(-len(columns) // per_line)
    legend = max(1, int(width / (0.45 + 0.085 * max(len(text) for text in named))))
    below = 0.17 * -(-len(named) // legend) + 0.3
    figure = page(width, lines * min(2.2, 0.95 * width / per_line) + below + 0.3 * bool(title))
    grid = figure.subplots(lines, per_line, squeeze=False)
    handles = []
    for k, axes in enumerate(grid.flat):
        if k >= len(columns):
            axes.set_axis_off()
            continue
        handles = [_line(axes, columns[k], group, styles[j], j) for j, group in enumerate(groups.values())]
        axes.set_title(name(TITLES.get(columns[k], columns[k]), 40), fontsize=SIZE, loc="left", color=INK)
        axes.set_xlabel("epoch", fontsize=SMALL, color=INK)
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if columns[k] in PERCENT:
            axes.set_ylim(-2, 102)
        bare(axes, "left", "bottom")
    several = any(len(group) > 1 for group in groups.values())
    made = figure.legend(
        handles, ["name"] * len(handles), loc="outside lower left", ncols=legend, frameon=False, fontsize=SMALL,
        handlelength=3.2, columnspacing=1.2, alignment="left", title_fontsize=SMALL,
        title="Thick lines: means over seeds; thin lines: single seeds." if several else None,
    )  # fmt: skip
    made.get_title().set_color(SOFT)
    for text, own in zip(made.get_texts(), named, strict=True):  # matplotlib leaves out names that begin with _
        text.set_text(own)
    if title:
        figure.suptitle(name(title, 110), fontsize=SIZE + 1, fontweight="bold", x=0.01, ha="left")
    return figure


def _line(axes: "Axes", column: str, group: Sequence[Curve], look: Look, turn: int) -> "Line2D":
    dashes = (0, look.dashes) if look.dashes else "-"
    for run in group if len(group) > 1 else ():
        points = run.values.get(column, ())
        axes.plot(*_across(points), color=look.colour, linewidth=0.5, alpha=0.45, linestyle=dashes)
    mean = mean_curve(group, column)
    every = max(1, len(mean) // 6)
    (line,) = axes.plot(
        *_across(mean), color=look.colour, linewidth=1.3, linestyle=dashes, marker=marker(look), markersize=4,
        markevery=(turn % every, every), markeredgecolor="white", markeredgewidth=0.4,
    )  # fmt: skip
    return line


def mean_curve(group: Sequence[Curve], column: str) -> tuple[tuple[float, float], ...]:
    """(epoch, value) of a column, the mean over the runs that have the epoch."""
    by_epoch: dict[float, list[float]] = {}
    for run in group:
        for epoch, value in run.values.get(column, ()):
            by_epoch.setdefault(epoch, []).append(value)
    return tuple((epoch, fmean(values)) for epoch, values in sorted(by_epoch.items()))


def _apart(chosen: Sequence[Look]) -> list[Look]:
    """Looks for lines: those of one method (of several networks) get other dashes each."""
    made: list[Look] = []
    for one in chosen:
        before = sum(other.place == one.place for other in made)
        made.append(replace(one, dashes=DASHES[(DASHES.index(one.dashes) + before) % len(DASHES)]) if before else one)
    return made


def _across(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _names(groups: Sequence[Sequence[Curve]]) -> list[str]:
    """The method's name of each group; with the model, or else the folder, where several groups have the method."""
    named = [group[0].method for group in groups]
    for k, group in enumerate(groups):
        alike = [other[0] for other in groups if other[0].method == group[0].method]
        if len(alike) > 1:
            models = [other.model for other in alike]
            apart = models.count(group[0].model) == 1 and group[0].model
            named[k] = f"{group[0].method}, {group[0].model if apart else group[0].folder.resolve().name}"
    return [
        name(text, 40) + (f", {len(group)} seeds" if len(group) > 1 else "")
        for text, group in zip(named, groups, strict=True)
    ]
