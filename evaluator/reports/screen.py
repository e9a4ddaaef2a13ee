"""The leaderboard on screen: figures with arrows, and the change against the baseline on the same videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.text import shown
from evaluator.metrics.names import FIGURES, HEADINGS, TABLE, headings
from evaluator.reports.leaderboard import drops_in, groups, number, own_figures, whole
from evaluator.reports.published import PROTOCOL, details, is_published, published_rows, sources
from evaluator.reports.reference import NONE, NOTE, is_reference, reference_row
from evaluator.runs import Run, compare_runs, find_rows
from evaluator.testsets import CLUSTERS
from evaluator.time_order import ARROWS, TITLES, drop_parts
from evaluator.training_data import UNKNOWN

BASELINES = ("baseline", "None")


def baseline_figures(rows: Sequence[Mapping[str, str]]) -> list[dict[str, float]]:
    """For each row, the figures to compare it with: the mean of the baseline rows with its dataset, model and videos.

    Empty if there is no such row, or if the row itself is a baseline.
    """
    keys = [(row["dataset"], row["model"], letter) for row, letter in zip(rows, groups(rows), strict=True)]
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row, key in zip(rows, keys, strict=True):
        if row["method"] in BASELINES:
            for name in (*HEADINGS, *own_figures([row])):
                value = number(row.get(name, ""))
                if value is not None:
                    values.setdefault(key, {}).setdefault(name, []).append(value)
    means = {key: {name: sum(v) / len(v) for name, v in named.items()} for key, named in values.items()}
    return [{} if row["method"] in BASELINES else means.get(key, {}) for row, key in zip(rows, keys, strict=True)]


def mixed_datasets(rows: Sequence[Mapping[str, str]]) -> set[str]:
    """Datasets with rows that were measured on different videos."""
    found: dict[str, set[str]] = {}
    for row, letter in zip(rows, groups(rows), strict=True):
        found.setdefault(row["dataset"], set()).add(letter)
    return {dataset for dataset, letters in found.items() if len(letters) > 1}


def shown_figures(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The figures to show: those of the papers always, others if any row has them."""
    names = (*TABLE, *own_figures(rows))
    return [name for name in names if name in FIGURES or any(row.get(name) for row in rows)]


def with_references(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows, each followed by its stillness detector where it has one (:mod:`evaluator.reports.reference`)."""
    return [one for row in rows for one in (row, reference_row(row)) if one is not None]


def scene_notes(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A line if rows that were measured on the same videos have different true scenes, so Scene is not comparable."""
    found: dict[tuple[str, str], set[str]] = {}
    for row, letter in zip(rows, groups(rows), strict=True):
        if row.get("scene"):
            found.setdefault((row["dataset"], letter), set()).add(row.get("scene_truth", ""))
    heading, differ = (
        HEADINGS["scene"][0],
        sorted({truth for told in found.values() if len(told) > 1 for truth in told}),
    )
    return [f"{heading}: true scenes differ ({', '.join(differ)}): not comparable."] if differ else []


def trained_on(row: Mapping[str, str]) -> str:
    """What the model of a row was trained on; ``unknown`` if no one said it, empty for rows that are no models here."""
    return "" if is_published(row) or is_reference(row) else row.get("trained_on") or UNKNOWN


def leaderboard_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """The leaderboard as a rich table. If rows of a dataset were measured on different videos, rows get letters.

    ``Trained on`` is a column where models differ, else a line below the table.
    """
    letters, mixed = groups(rows), mixed_datasets(rows)
    # Values that are the same in all rows are in the title, so that the figures fit in 80 columns.
    own = [row for row in rows if not is_published(row)] or list(rows)
    candidates = {c: {row[c] for row in (own if c == "protocol" else rows)} for c in ("dataset", "model", "protocol")}
    naming = [c for c in ("dataset", "method", "model", "protocol") if c == "method" or len(candidates[c]) > 1]
    common = [next(iter(values)) for c, values in candidates.items() if c not in naming and any(values)]
    title = literal(f"Leaderboard{' of ' + ', '.join(common) if common else ''}, percent", "table.title")
    notes = ["↑ higher is better, ↓ lower is better; (change against the baseline)."]
    table = Table(title=title, caption_justify="left")
    for column in naming:
        table.add_column(column.capitalize(), overflow="fold")
    data = [trained_on(row) for row in rows]
    told = list(dict.fromkeys(filter(None, data)))
    if len(told) > 1:
        table.add_column("Trained on", overflow="fold", max_width=24)
    elif told:
        notes.append(f"Trained on: {told[0]}.")
    names = shown_figures(rows)
    known = headings(own_figures(rows))
    for heading, arrow in (known[name] for name in names):
        table.add_column(f"{heading} {arrow}", justify="right", min_width=8)
    if mixed:
        table.add_column("Videos")
        notes.append("Rows with different letters under Videos were not measured on the same videos: not comparable.")
    notes += scene_notes(rows)
    if "dataset" in naming:
        notes.append("Rows of different data sets were not measured on the same videos: not comparable.")
    if any(is_published(row) for row in rows):
        notes.append(f"† {PROTOCOL}; measured by the authors on their own videos: not comparable digit by digit.")
        notes += sources(rows)
    if any(map(is_reference, rows)):
        notes.append(NOTE)
    against = baseline_figures(rows)
    for row, letter, base, data_of in zip(rows, letters, against, data, strict=True):
        named = [f"{row[c]} †" if c == "method" and is_published(row) else row[c] for c in naming]
        cells = [_cell(row, name, known[name][1], base) for name in names]
        mark = [letter if row["dataset"] in mixed else ""] if mixed else []
        said = [literal(data_of)] if len(told) > 1 else []
        style = "dim" if is_reference(row) else None
        table.add_row(*map(literal, named), *said, *cells, *mark, style=style)
    table.caption = Text("\n".join(map(shown, notes)), "table.caption")
    return table


@dataclass(frozen=True)
class ShownDrop:
    """A drop in a leaderboard, for tables.

    Attributes:
        method, model: the row's. time, figure: headings. arrow: which way is good. points, low, high: percent points.
        n, missing: numbers of videos.
    """

    method: str
    model: str
    time: str
    arrow: str
    figure: str
    points: float
    low: float | None
    high: float | None
    n: int
    missing: int


def shown_drops(rows: Sequence[Mapping[str, str]]) -> list[ShownDrop]:
    """Every drop in the rows of a leaderboard."""
    found, known = [], headings(own_figures(rows))
    for row in rows:
        for name in drops_in(name for name, cell in row.items() if cell):
            (time, figure), points = drop_parts(name) or ("", ""), number(row[name])
            if points is not None:
                ends = number(row.get(f"{name}_low", "")), number(row.get(f"{name}_high", ""))
                counts = whole(row.get(f"n_{name}", "")), whole(row.get(f"missing_{name}", ""))
                heading = known.get(figure, (figure, ""))[0]
                said = row["method"], row["model"], TITLES[time], ARROWS[time], heading
                found.append(ShownDrop(*said, points, *ends, *counts))
    return found


def drop_table(rows: Sequence[Mapping[str, str]]) -> Table | None:
    """What models lose when frames are in another order, as a rich table; None if it was not measured."""
    found = shown_drops(rows)
    if not found:
        return None
    table = Table(title="Drop in another order of frames, percent points", caption_justify="left")
    table.caption = Text(TIME_NOTE, "table.caption")
    for heading in ("Method", "Model", "Clips", "Figure", "Drop", "95 % interval", "n"):
        table.add_column(heading, justify="right" if heading in ("Drop", "95 % interval", "n") else "left")
    for d in found:
        interval = "" if d.low is None or d.high is None else f"{d.low:+.2f} … {d.high:+.2f}"
        scored = f"{d.n} of {d.n + d.missing}" if d.missing else str(d.n)
        named = map(literal, (d.method, d.model, f"{d.time} {d.arrow}", d.figure))
        table.add_row(*named, f"{d.points:+.2f}", interval, scored)
    return table


TIME_NOTE = (
    "Plain minus changed clips, the same videos. A model that reads motion loses by one frame, shuffled and (where "
    "classes have a direction) reversed ↑; a still background should cost it little ↓."
)


def show(
    paths: Sequence[Path], console: Console | None = None, published: str | None = None, reference: bool = False
) -> None:
    """Print leaderboards as one table.

    Args:
        paths: leaderboard files, ``--out`` folders of `bench eval`, or records in their ``results/``.
        console: where to print.
        published: a table of published figures to show as well, e.g. ``hmdb51``.
        reference: also show the stillness detector of each row, see :mod:`evaluator.reports.reference`.
    """
    rows = find_rows(paths) + (published_rows(published) if published else [])
    shown_rows = with_references(rows) if reference else rows
    print_table(leaderboard_table(shown_rows), console)
    if reference and not any(map(is_reference, shown_rows)):
        (console or Console()).print(NONE)
    drops = drop_table(rows)
    if drops is not None:
        print_table(drops, console)
    for title, columns, cells in details(published) if published else []:
        table = Table(title=literal(title, "table.title"))
        for heading in columns:
            table.add_column(literal(heading), justify="right" if heading[-1] in "↑↓" else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(literal, row))
        print_table(table, console)


def show_comparison(a: Run, b: Run, console: Console | None = None, cluster: str = "source") -> None:
    """Print A minus B for every figure that both have: difference, 95 % interval (``cluster`` as in
    :func:`~evaluator.runs.compare_runs`), exact McNemar test."""
    compared = compare_runs(a, b, cluster=cluster)
    table = Table(title=literal(f"{a.name} minus {b.name}, percentage points", "table.title"))
    for heading in (
        "Figure",
        "Difference",
        "95 % interval",
        "only A right",
        "only B right",
        "McNemar p",
        "n",
        CLUSTERS[cluster],
    ):
        table.add_column(heading, justify="left" if heading == "Figure" else "right")
    correlated, known = False, headings(a.record.own_arrows)
    for name, c in compared.items():
        heading, arrow = known[name]
        correlated |= c.n > c.sources
        interval = f"{c.low:+.2f} … {c.high:+.2f}"
        p = f"{c.p:.2g}" + ("*" if c.n > c.sources else "")
        cells = [f"{c.difference:+.2f}", interval, str(c.only_a), str(c.only_b), p, str(c.n), str(c.sources)]
        table.add_row(f"{heading} {arrow}", *cells)
    if correlated:
        table.caption = (
            f"* more videos than {CLUSTERS[cluster]}: McNemar's test assumes independent videos; use the interval."
        )
    print_table(table, console)


def literal(text: object, style: str = "") -> Text:
    """A name as literal text: brackets are not read as markup, and control characters are shown, not executed."""
    return Text(shown(text), style)


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table; into a file or pipe, without shortening it."""
    console = console or Console()
    if not console.is_terminal:  # a file or a pipe has no width, so nothing is cut off
        console.width = max(
            console.width, console.measure(table, options=console.options.update(max_width=400)).maximum
        )
    console.print(table)


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, float]) -> Text:
    value = number(row.get(name, ""))
    if value is None:
        return Text("–")
    text = Text(f"{value:.2f}")
    if name in base:
        text.append_text(change_text(value - base[name], arrow, 2))
    missing = whole(row.get(f"missing_{name}", ""))
    if missing:
        scored = whole(row[f"n_{name}"])
        text.append(f" {scored} of {scored + missing}", "yellow")
    return text


def change_text(change: float, arrow: str, digits: int) -> Text:
    """A change in brackets, green if it is an improvement; ``arrow`` says whether high or low is better."""
    good = (change > 0) == (arrow == "↑")
    colour = "dim" if abs(change) < 0.5 / 10**digits else "green" if good else "red"
    return Text(f" ({change:+.{digits}f})", colour)
