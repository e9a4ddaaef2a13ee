"""The table of `bench compare` on screen: mean ± standard deviation over seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import numbered_records, read_table
from evaluator.compare_methods import columns_of
from evaluator.metrics.names import headings
from evaluator.reports.leaderboard import OWN, number, own_figures, whole
from evaluator.reports.screen import BASELINES, change_text, literal, print_table


def read_compared(path: Path) -> list[dict[str, str]]:
    """Rows of compare.csv as text. Raises BenchError if the file is not such a table."""
    fix = "give a compare.csv that `bench compare` has written"
    names, records = read_table(path, "table of `bench compare`", fix)
    own = own_figures({OWN: record[-1]} for record in records) if names[-1:] == [OWN] else {}
    columns = columns_of(own)
    if names[:2] != columns[:2] or not set(names) <= set(columns) or len(set(names)) < len(names):
        raise BenchError(f"{path}: columns are not those of a table of `bench compare` ({', '.join(columns)}); {fix}")
    rows = []
    for line, given in numbered_records(path, names, "table of `bench compare`", fix):
        row = dict.fromkeys(columns, "") | given  # a table from before a kind was added has no figures of it
        where = f"{path}, line {line}: "
        whole(row["seeds"], f"{where}seeds")
        for name in columns[2:]:
            if name != OWN:
                number(row[name], f"{where}{name}", 0.0, 100.0)
        rows.append(row)
    return rows


def show_compared(path: Path, console: Console | None = None) -> None:
    """Print compare.csv."""
    print_table(compared_table(read_compared(path)), console)


def compared_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """One row per method; in brackets is the difference of the mean from the baseline's."""
    known = headings(own_figures(rows))
    names = [name for name in known if any(row[f"{name}_mean"] for row in rows)]
    base = next((row for row in rows if row["method"] in BASELINES), None)
    seeds = sorted({row["seeds"] for row in rows})
    title = literal(f"Percent, mean ± standard deviation over {' or '.join(seeds)} seeds", "table.title")
    table = Table(title=title, caption_justify="left")
    table.add_column("Method", overflow="fold")
    for heading, arrow in (known[name] for name in names):
        table.add_column(f"{heading} {arrow}", justify="right", min_width=8)
    for row in rows:
        against = base if row is not base else None
        table.add_row(literal(row["method"]), *(_cell(row, name, known[name][1], against) for name in names))
    table.caption = "↑ higher is better, ↓ lower is better; (change against the baseline)."
    return table


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, str] | None) -> Text:
    mean, sd = number(row[f"{name}_mean"]), number(row[f"{name}_sd"])
    if mean is None:
        return Text("–")
    text = Text(f"{mean:.1f}" + (f" ± {sd:.1f}" if sd is not None else ""))
    against = number(base[f"{name}_mean"]) if base is not None else None
    return text if against is None else text.append_text(change_text(mean - against, arrow, 1))
