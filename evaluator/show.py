"""The leaderboard on screen: figures with arrows, and the change against the baseline measured on the same videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluator.leaderboard import groups, number
from evaluator.published import PROTOCOL, is_published, published_rows
from evaluator.results import FIGURES
from evaluator.runs import Run, compare_runs, find_rows
from evaluator.testsets import CLUSTERS

# Headings, and which way is good.
HEADINGS = {
    "iid": ("IID", "↑"),
    "avg_scuba": ("Avg SCUBA", "↑"),
    "avg_scufo": ("Avg SCUFO", "↓"),
    "conflfg": ("ConflFG", "↑"),
    "contra_acc": ("Contra. Acc.", "↑"),
    "avg_shaken": ("Avg shaken", "↓"),
    "contra_shaken": ("Contra. shaken", "↑"),
    "conflfg_donor": ("ConflFG donor", "↓"),
    "unbiased_scuba": ("SCUBA unbiased", "↑"),
}
BASELINES = ("baseline", "None")


def baseline_figures(rows: Sequence[Mapping[str, str]]) -> list[dict[str, float]]:
    """For each row the figures to compare it with: the mean of the baseline rows of its dataset, model and videos.

    Empty where there is no such row, or where the row is a baseline itself.
    """
    letters = groups(rows)
    keys = [(row["dataset"], row["model"], letter) for row, letter in zip(rows, letters, strict=True)]
    result = []
    for row, key in zip(rows, keys, strict=True):
        found: dict[str, float] = {}
        if row["method"] not in BASELINES:
            same = [r for r, k in zip(rows, keys, strict=True) if k == key and r["method"] in BASELINES]
            for name in HEADINGS:
                values = [v for v in (number(r[name]) for r in same) if v is not None]
                if values:
                    found[name] = sum(values) / len(values)
        result.append(found)
    return result


def shown_figures(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The published figures always; of the further ones those that some row has."""
    return [name for name in HEADINGS if name in FIGURES or any(row.get(name) for row in rows)]


def leaderboard_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """The leaderboard as a rich table. Rows of a dataset that were measured on different videos get letters."""
    letters = groups(rows)
    mixed = {
        row["dataset"]
        for row, letter in zip(rows, letters, strict=True)
        for other, another in zip(rows, letters, strict=True)
        if row["dataset"] == other["dataset"] and letter != another
    }
    # What all rows share stands in the title, so that the figures fit a terminal of 80 columns.
    own = [row for row in rows if not is_published(row)] or list(rows)
    candidates = {c: {row[c] for row in (own if c == "protocol" else rows)} for c in ("dataset", "model", "protocol")}
    naming = [c for c in ("dataset", "method", "model", "protocol") if c == "method" or len(candidates[c]) > 1]
    common = [next(iter(values)) for c, values in candidates.items() if c not in naming and any(values)]
    title = f"Leaderboard{' of ' + ', '.join(common) if common else ''}, percent"
    notes = ["↑ higher is better, ↓ lower is better; (change against the baseline)."]
    table = Table(title=title, caption_justify="left")
    for column in naming:
        table.add_column(column.capitalize(), overflow="fold")
    names = shown_figures(rows)
    for heading, arrow in (HEADINGS[name] for name in names):
        table.add_column(f"{heading} {arrow}", justify="right", min_width=8)
    if mixed:
        table.add_column("Videos")
        notes.append("Rows with different letters under Videos were not measured on the same videos: not comparable.")
    if "dataset" in naming:
        notes.append("Rows of different data sets were not measured on the same videos: not comparable.")
    if any(is_published(row) for row in rows):
        notes.append(f"† {PROTOCOL}; measured by the authors on their own videos: not comparable digit by digit.")
    against = baseline_figures(rows)
    for row, letter, base in zip(rows, letters, against, strict=True):
        named = [f"{row[c]} †" if c == "method" and is_published(row) else row[c] for c in naming]
        cells = [_cell(row, name, base) for name in names]
        mark = [letter if row["dataset"] in mixed else ""] if mixed else []
        table.add_row(*named, *cells, *mark)
    table.caption = "\n".join(notes)
    return table


def show(paths: Sequence[Path], console: Console | None = None, published: str | None = None) -> None:
    """Print leaderboards as one table.

    Args:
        paths: leaderboard files, ``--out`` folders of `bench eval`, or records in their ``results/``.
        console: where to print.
        published: a table of published figures to show as well, e.g. ``hmdb51``.
    """
    rows = find_rows(paths) + (published_rows(published) if published else [])
    print_table(leaderboard_table(rows), console)


def show_comparison(a: Run, b: Run, console: Console | None = None, cluster: str = "source") -> None:
    """Print A minus B for every figure both have: difference, 95 % interval (``cluster`` as for
    :func:`~evaluator.runs.compare_runs`), exact McNemar test."""
    compared = compare_runs(a, b, cluster=cluster)
    table = Table(title=f"{a.name} minus {b.name}, percent points")
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
    correlated = False
    for name, c in compared.items():
        heading, arrow = HEADINGS[name]
        correlated |= c.n > c.sources
        interval = f"{c.low:+.2f} … {c.high:+.2f}"
        p = f"{c.p:.2g}" + ("*" if c.n > c.sources else "")
        cells = [f"{c.difference:+.2f}", interval, str(c.only_a), str(c.only_b), p, str(c.n), str(c.sources)]
        table.add_row(f"{heading} {arrow}", *cells)
    if correlated:
        known = CLUSTERS[cluster]
        table.caption = f"* more videos than {known}: McNemar takes them for independent; go by the interval."
    print_table(table, console)


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table whole, whatever the width of a file or pipe."""
    console = console or Console()
    if not console.is_terminal:  # a file or a pipe has no width: cut nothing off
        console.width = max(
            console.width, console.measure(table, options=console.options.update(max_width=400)).maximum
        )
    console.print(table)


def _cell(row: Mapping[str, str], name: str, base: Mapping[str, float]) -> str:
    value = number(row[name])
    if value is None:
        return "–"
    text = f"{value:.2f}"
    if name in base:
        change = value - base[name]
        good = (change > 0) == (HEADINGS[name][1] == "↑")
        colour = "dim" if abs(change) < 0.005 else "green" if good else "red"
        text += f" [{colour}]({change:+.2f})[/{colour}]"
    missing = int(row.get(f"missing_{name}") or 0)
    if missing:
        scored = int(row[f"n_{name}"])
        text += f" [yellow]{scored} of {scored + missing}[/yellow]"
    return text
