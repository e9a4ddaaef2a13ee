"""What the report draws: bars per test set, scatter charts, training curves, ConflFG as a matrix, and its downloads."""

import base64
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from benchmark_builder.kinds import own_about
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pictures import svg_text
from benchmark_builder.utils.text import csv_text
from evaluator.figures.bars import draw_bars
from evaluator.figures.confusion import ALL, Answers, draw_confusion
from evaluator.figures.curves import PERCENT, TITLES, USUAL, draw_curves, mean_curve
from evaluator.figures.entries import blocks
from evaluator.figures.runs import Curve, folder_of, read_curve
from evaluator.figures.scatter import AXES, MOST_BARS, draw_scatter
from evaluator.metrics.names import ARROW, NAMES
from evaluator.reports.leaderboard import columns_of
from evaluator.reports.merged_runs import Group
from evaluator.reports.palette import Look
from evaluator.reports.published import is_published
from evaluator.reports.seeds import Entry, Mean
from evaluator.reports.svg import Line, Spot, hue, line_chart, scatter, spoken_mean, swatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 24  # classes of the matrix of pairs
MOST_MATRICES = 12  # models in the file of ConflFG matrices: of many, it would be most of the page
_SCATTER = "IID accuracy against contrasted accuracy, with error bars; the leaderboard has the same figures"


def scatters(
    entries: Sequence[Entry], names: Mapping[int, str], looks: Mapping[str, Look], numbers: Mapping[int, int]
) -> list[dict[str, object]]:
    """One chart per collection of test videos, with its legend.

    Args:
        entries: the leaderboard, in its order.
        names: id of an entry -> its name.
        looks: method -> its look.
        numbers: id of an entry -> its rank.
    """
    drawn = [one for one in entries if "iid" in one.figures and "contra_acc" in one.figures]
    made: list[dict[str, object]] = []
    for title, group in blocks(drawn, AXES).items():
        spots = [
            Spot(numbers[id(one)], names[id(one)], looks[one.method], one.figures["iid"], one.figures["contra_acc"],
                 is_published(one.rows[0]))
            for one in group
        ]  # fmt: skip
        legend = [
            {"number": s.number, "name": s.name, "key": swatch(s.look, s.published), "x": s.x.value, "y": s.y.value}
            for s in spots
        ]
        chart = scatter(spots, "IID, percent", "contrasted accuracy, percent", f"{title}: {_SCATTER}")
        made.append({"title": title, "chart": chart, "legend": legend, "barred": len(spots) <= MOST_BARS})
    return made


def set_bars(groups: Sequence[Group], looks: Mapping[str, Look]) -> list[dict[str, object]]:
    """Bars of every test set: ``heading``, and ``rows`` with name, key, value, ends and words."""
    table: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    said = {kind: (NAMES[kind], arrow) for kind, arrow in ARROW.items()}
    for group in groups:
        for kind, own in group.runs[0].record.kinds.items():
            known = own_about(kind, own, str(group.runs[0].path))
            said.setdefault(kind, (known.title, known.arrow))
    for kind in said:
        for group in groups:
            tops: dict[tuple[str, str, str], list[Mean]] = {}
            for run in group.runs:
                for s in (s for s in run.record.sets if s.kind == kind):
                    one = Mean(s.top1.percent, None, s.top1.low, s.top1.high, s.top1.n, s.top1.missing, 1)
                    tops.setdefault((kind, s.name, s.digest), []).append(one)
            for key, means in tops.items():
                mean = _mean(means)
                low, high = mean.ends or (None, None)
                table.setdefault(key, []).append({
                    "name": group.name, "key": swatch(looks[group.entry.method]), "value": mean.value,
                    "hue": hue(looks[group.entry.method]), "sd": mean.sd, "words": spoken_mean(mean),
                    "low": None if low is None else max(0.0, low), "high": None if high is None else min(100.0, high),
                })  # fmt: skip
    doubled = [name for _, name, _ in table]
    made: list[dict[str, object]] = []
    for (kind, name, digest), rows in table.items():
        apart = f" [{digest[:6]}]" if doubled.count(name) > 1 else ""
        made.append({"heading": f"{' '.join(said[kind])}  {name}{apart}", "rows": rows})
    return made


def _mean(means: Sequence[Mean]) -> Mean:
    if len(means) == 1:
        return means[0]
    values = [mean.value for mean in means]
    counts = min(mean.n for mean in means), max(mean.missing for mean in means)
    return Mean(fmean(values), stdev(values), None, None, *counts, len(means))


def found_curves(groups: Sequence[Group]) -> tuple[list[tuple[Group, list[Curve]]], int]:
    """The training runs of checkpoints that are still on this machine; and how many were not found."""
    found, lost = [], 0
    for group in groups:
        curves = []
        for run in group.runs:
            record = run.record
            folder = folder_of(record.checkpoint, record.checkpoint_sha256, run.path) if record.checkpoint else None
            try:
                curves += [read_curve(folder)] if folder else []
            except BenchError:  # a damaged table of epochs must not stop the page
                folder = None
            lost += bool(record.checkpoint) and folder is None
        if any(points for curve in curves for points in curve.values.values()):
            found.append((group, curves))
    return found, lost


def curve_charts(found: Sequence[tuple[Group, list[Curve]]], looks: Mapping[str, Look]) -> list[dict[str, str]]:
    """A chart per value: ``title`` and ``chart``."""
    made = []
    for column in USUAL:
        lines = [
            Line(group.name, looks[group.entry.method], points)
            for group, curves in found
            if (points := mean_curve(curves, column))
        ]
        if lines:
            chart = line_chart(lines, f"{TITLES[column]}, epoch by epoch", column in PERCENT)
            made.append({"title": TITLES[column], "chart": chart})
    return made


def answer_matrix(answers: Answers) -> list[dict[str, object]]:
    """Rows of the matrix of answers: ``name``, number of videos ``n``, and three ``shares`` in percent."""
    rows: list[dict[str, object]] = []
    for name in [ALL, *answers.actors] if len(answers.actors) > 1 else answers.actors:
        counts = answers.of_actor(None if name is ALL else name)
        total = int(counts.sum())
        shares = [100 * int(count) / total if total else None for count in counts]
        rows.append({"name": name, "n": total, "shares": shares})
    return rows


def pair_matrix(answers: Answers) -> dict[str, object] | None:
    """Classes, and per class of the actor a row of (share of the still's class or None, videos); None: too many."""
    classes = sorted({name for pair in answers.counts for name in pair})
    if len(classes) > MOST_PAIRS:
        return None
    rows = []
    for actor in answers.actors:
        cells: list[tuple[float | None, int]] = []
        for still in classes:
            three = answers.counts.get((actor, still), (0, 0, 0))
            cells.append((100 * three[1] / sum(three) if sum(three) else None, sum(three)))
        rows.append((actor, cells))
    return {"classes": classes, "rows": rows}


def downloads(
    rows: Sequence[Mapping[str, str]],
    entries: Sequence[Entry],
    answers: Sequence[Answers],
    curves: Sequence[tuple[Group, list[Curve]]],
) -> dict[str, list[tuple[str, str, str]]]:
    """Section -> its files as (label, name of the file, data URI): the table as CSV, the figures of `bench figure`."""
    columns = columns_of(rows)
    table = csv_text([columns, *([row.get(column, "") for column in columns] for row in rows)])
    made = {"leaderboard": [("CSV", "leaderboard.csv", _uri("text/csv;charset=utf-8", table))]}

    def add(section: str, name: str, draw: Callable[[], "Figure"], label: str = "SVG") -> None:
        made.setdefault(section, []).append((label, f"{name}.svg", _uri("image/svg+xml", svg_text(draw()))))

    add("leaderboard", "bars", lambda: draw_bars(entries))
    if any("iid" in one.figures and "contra_acc" in one.figures for one in entries):
        add("bias", "scatter", lambda: draw_scatter(entries))
    if answers:
        label = f"SVG of the first {MOST_MATRICES}" if len(answers) > MOST_MATRICES else "SVG"
        add("conflfg", "conflfg", lambda: draw_confusion(answers[:MOST_MATRICES]), label)
    if curves:
        add("curves", "curves", lambda: draw_curves([curve for _, own in curves for curve in own]))
    return made


def _uri(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode('utf-8')).decode('ascii')}"
