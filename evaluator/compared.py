"""The table of `bench compare` on screen and as a picture: mean ± standard deviation over seeds."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark_builder.errors import BenchError
from evaluator.leaderboard import number
from evaluator.show import BASELINES, HEADINGS, print_table
from evaluator.sweep import COLUMNS


def read_compared(path: Path) -> list[dict[str, str]]:
    """Rows of compare.csv as text. BenchError if it is none."""
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames != COLUMNS:
                raise BenchError(f"{path}: not a table of `bench compare`; give its compare.csv")
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: cannot be read ({error}); give a compare.csv of `bench compare`") from None


def show_compared(path: Path, console: Console | None = None) -> None:
    """Print compare.csv."""
    print_table(compared_table(read_compared(path)), console)


def compared_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """A row a method; in brackets the change of the mean against the baseline's."""
    names = [name for name in HEADINGS if any(row[f"{name}_mean"] for row in rows)]
    base = next((row for row in rows if row["method"] in BASELINES), None)
    seeds = sorted({row["seeds"] for row in rows})
    table = Table(title=f"Percent, mean ± standard deviation over {' or '.join(seeds)} seeds", caption_justify="left")
    table.add_column("Method", overflow="fold")
    for heading, arrow in (HEADINGS[name] for name in names):
        table.add_column(f"{heading} {arrow}", justify="right", min_width=8)
    for row in rows:
        table.add_row(row["method"], *(_cell(row, name, base if row is not base else None) for name in names))
    table.caption = "↑ higher is better, ↓ lower is better; (change against the baseline)."
    return table


def _cell(row: Mapping[str, str], name: str, base: Mapping[str, str] | None) -> str:
    mean, sd = number(row[f"{name}_mean"]), number(row[f"{name}_sd"])
    if mean is None:
        return "–"
    text = f"{mean:.1f}" + (f" ± {sd:.1f}" if sd is not None else "")
    against = number(base[f"{name}_mean"]) if base is not None else None
    if against is not None:
        change = mean - against
        good = (change > 0) == (HEADINGS[name][1] == "↑")
        colour = "dim" if abs(change) < 0.05 else "green" if good else "red"
        text += f" [{colour}]({change:+.1f})[/{colour}]"
    return text
