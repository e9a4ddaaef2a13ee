"""What changes per class between two models: an arrow per class, the largest gain first."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from benchmark_builder.utils.errors import BenchError
from evaluator.figures.entries import MAIN
from evaluator.figures.models import Model
from evaluator.figures.style import GRID, INK, SIZE, SMALL, SOFT, bare, marker, name, note_below, page, write
from evaluator.metrics.names import headings
from evaluator.reports.leaderboard import own_figures
from evaluator.reports.palette import looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 0.18  # inches
_CLASS = 34  # characters of a class's name


def draw_classes(models: Sequence[Model], wanted: Sequence[str] = (), width: float = 5.2, title: str = "") -> "Figure":
    """Draw the figure of every class: from the first model to the second.

    Args:
        models: two models that were scored on the same videos.
        wanted: one figure; none for contrasted accuracy, or the first of the main figures that both have per class.
        width: inches.
        title: above the figure.

    Raises:
        BenchError: not two models, they were measured on other videos, or have no such figure per class.
    """
    if len(models) != 2:
        found = f": {', '.join(name(m.name, 30) for m in models[:6])}" if models else ""
        raise BenchError(f"figure classes compares two models, these results have {len(models)}{found}; name the "
                         "records of two alone, such as results/*-baseline-*.json results/*-albar-*.json")  # fmt: skip
    digests = [{s.digest for record in model.records for s in record.sets} for model in models]
    if digests[0] != digests[1]:
        raise BenchError(f"{models[0].name} and {models[1].name} were not measured on the same videos; score both "
                         "on the same benchmarks")  # fmt: skip
    if len(wanted) > 1:
        raise BenchError(f"--figures {' '.join(wanted)}: the change per class is drawn for one figure; name one")
    tables = [class_tables(model) for model in models]
    there = [n for n in tables[0] if n in tables[1]]
    chosen = wanted[0] if wanted else next((n for n in ("contra_acc", *MAIN) if n in there), "".join(there[:1]))
    if chosen not in there:
        choose = f"choose from {', '.join(there)}" if there else "score both on the same benchmarks"
        raise BenchError(f"--figures {chosen}: not measured per class for both models; {choose}")
    before, after = tables[0][chosen], tables[1][chosen]
    classes = sorted((c for c in before if c in after), key=lambda c: (before[c][0] - after[c][0], c))
    if not classes:
        raise BenchError(f"--figures {chosen}: the two models have no class in common")
    fewest = min(min(before[c][1], after[c][1]) for c in classes)
    heading, arrow = headings(own_figures(models[0].entry.rows))[chosen]
    overall = [model.entry.figures.get(chosen) for model in models]
    rows = [(c, before[c][0], after[c][0]) for c in classes]
    if overall[0] and overall[1]:
        rows = [("all videos", overall[0].value, overall[1].value), *rows]
    known = looks(model.entry.method for model in models)
    column = 0.55
    figure = page(width, _ROW * len(rows) + 1.15 + 0.3 * bool(title))
    axes = figure.subplots()
    inside = max(1.0, width - 0.2 - 0.062 * max(len(name(c, _CLASS)) for c in classes))
    limit = 100 * inside / max(0.5, inside - column)
    axes.set(xlim=(-2, limit), ylim=(len(rows) - 0.4, -0.6))
    axes.vlines([0, 25, 50, 75, 100], -0.6, len(rows) - 0.4, color=GRID, linewidth=0.6, zorder=0)
    for y, (_, a, b) in enumerate(rows):
        axes.plot([a, b], [y, y], color=SOFT, linewidth=1.1, zorder=1)
        better = (b > a) == (arrow == "↑")
        weight = "normal" if abs(b - a) < 0.05 or better else "bold"
        write(axes, limit, y, f"{b - a:+.1f}".replace("-", "−"), ha="right", va="center", fontweight=weight)
    handles = []
    for k, model in enumerate(models):
        look = known[model.entry.method]
        same = models[0].entry.method == models[1].entry.method and k == 0
        (points,) = axes.plot(
            [row[1 + k] for row in rows], range(len(rows)), linewidth=0, marker=marker(look), markersize=6,
            zorder=2 + k, markerfacecolor="white" if same else look.colour,
            markeredgecolor=look.colour if same else "white",
            markeredgewidth=0.9 if same else 0.4,
        )  # fmt: skip
        handles.append(points)
    if len(rows) > len(classes):
        axes.axhline(0.5, color=SOFT, linewidth=0.6)
    axes.set_yticks(range(len(rows)), [name(c, _CLASS) for c, _, _ in rows], fontsize=SIZE)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100"])
    bare(axes, "bottom")
    axes.tick_params(axis="y", length=0, labelsize=SIZE)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.set_xlabel(f"{heading} {arrow}, percent", fontsize=SIZE, color=INK)
    legend = figure.legend(handles, ["name"] * 2, loc="outside upper left", ncols=2, frameon=False, fontsize=SIZE,
                           alignment="left", title=name(title, 90) if title else None)  # fmt: skip
    legend.get_title().set(fontsize=SIZE + 1, fontweight="bold")
    for text, model in zip(legend.get_texts(), models, strict=True):
        text.set_text(name(model.name, 40))
    notes = [f"Right: the second minus the first, percent points; bold: worse. At least {fewest} videos per class, "
             f"where one video is {100 / fewest:.1f} points."]  # fmt: skip
    seeds = [len(model.records) for model in models]
    notes += [f"Means over {' and '.join(map(str, seeds))} seeds."] if max(seeds) > 1 else []
    note_below(figure, [" ".join(notes)], width)
    return figure


def class_tables(model: Model) -> dict[str, dict[str, tuple[float, int]]]:
    """Figure -> class -> its mean over seeds, percent, and the number of videos; of classes that all seeds have."""
    found: dict[str, dict[str, tuple[float, int]]] = {}
    records = model.records
    for class_name, cells in records[0].per_class.items():
        for figure in cells:
            shares = [record.per_class.get(class_name, {}).get(figure) for record in records]
            known = [share for share in shares if share is not None and share.n]
            if len(known) == len(records):
                found.setdefault(figure, {})[class_name] = fmean(s.percent for s in known), min(s.n for s in known)
    return found
