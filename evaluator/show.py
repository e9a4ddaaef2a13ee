"""The leaderboard on screen: figures with arrows, and the change against the baseline measured on the same videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluator.leaderboard import groups, number, read_leaderboard
from evaluator.results import FIGURES

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
    table = Table(title="Leaderboard, percent. ↑ higher is better, ↓ lower is better; (change against the baseline)")
    for heading in ("Dataset", "Method", "Model"):
        table.add_column(heading, overflow="fold")
    names = shown_figures(rows)
    for heading, arrow in (HEADINGS[name] for name in names):
        table.add_column(f"{heading} {arrow}", justify="right", no_wrap=True)
    if mixed:
        table.add_column("Videos")
        table.caption = "Rows with different letters under Videos were not measured on the same videos: not comparable."
    against = baseline_figures(rows)
    for row, letter, base in zip(rows, letters, against, strict=True):
        cells = [_cell(row, name, base) for name in names]
        mark = [letter if row["dataset"] in mixed else ""] if mixed else []
        table.add_row(row["dataset"], row["method"], row["model"], *cells, *mark)
    return table


def show(paths: Sequence[Path], console: Console | None = None) -> None:
    """Print the leaderboards at ``paths`` as one table."""
    rows = [row for path in paths for row in read_leaderboard(path)]
    (console or Console()).print(leaderboard_table(rows))


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
