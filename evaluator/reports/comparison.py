"""The table of `bench compare` on screen: mean ± standard deviation over seeds, or the interval of one seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import numbered_records, read_table, shown
from evaluator.compare_methods import COSTS, PARTS, columns_of
from evaluator.metrics.names import headings
from evaluator.reports.leaderboard import OWN, drops_in, number, own_figures, whole
from evaluator.reports.reference import NOTE_OF_MEANS, is_reference, reference_of_means
from evaluator.reports.screen import BASELINES, TIME_NOTE, change_text, literal, print_table
from evaluator.time_order import ARROWS, TITLES, drop_parts


def read_compared(path: Path) -> list[dict[str, str]]:
    """Rows of compare.csv as text. Raises BenchError if the file is not such a table."""
    fix = "give a compare.csv that `bench compare` has written"
    names, records = read_table(path, "table of `bench compare`", fix)
    own = own_figures({OWN: record[-1]} for record in records) if names[-1:] == [OWN] else {}
    drops = drops_in(name.removesuffix("_mean") for name in names)
    columns = columns_of(own, drops)
    if names[:2] != columns[:2] or not set(names) <= set(columns) or len(set(names)) < len(names):
        raise BenchError(f"{path}: columns are not those of a table of `bench compare` ({', '.join(columns)}); {fix}")
    lost = {f"{drop}_{what}" for drop in drops for what in PARTS if what != "sd"}
    rows = []
    for line, given in numbered_records(path, names, "table of `bench compare`", fix):
        row = dict.fromkeys(columns, "") | given  # a table from before a kind was added has no figures of it
        where = f"{path}, line {line}: "
        whole(row["seeds"], f"{where}seeds")
        for name in columns[2:]:
            if name in COSTS:
                number(row[name], f"{where}{name}", 0.0)
            elif name != OWN:
                number(row[name], f"{where}{name}", -100.0 if name in lost else 0.0, 100.0)
        rows.append(row)
    return rows


def show_compared(path: Path, console: Console | None = None) -> None:
    """Print compare.csv."""
    print_table(compared_table(read_compared(path)), console)


def compared_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """One row per method, or one row per figure if there are more figures than methods.

    In brackets is the difference of the mean from the baseline's. The last method is the stillness detector of the
    baseline (:mod:`evaluator.reports.reference`), or of the first method if there is no baseline; there is none if no
    stills were scored.
    """
    known = headings(own_figures(rows)) | _drop_headings(rows)
    names = [name for name in known if any(row[f"{name}_mean"] for row in rows)]
    base = next((row for row in rows if row["method"] in BASELINES), None)
    seeds = sorted({row["seeds"] for row in rows}, key=int)
    title = "Percent" + ("" if seeds == ["1"] else f", mean ± standard deviation over {' or '.join(seeds)} seeds")
    table = Table(title=literal(title, "table.title"), caption_justify="left")
    costed = any(row["cost"] for row in rows)
    of = base or (rows[0] if rows else None)
    guessing = None if of is None else reference_of_means(of)
    rows = [*rows, guessing] if guessing is not None else rows
    against = {id(row): base if row is not base else None for row in rows}
    if len(names) > len(rows):
        table.add_column("Figure", overflow="fold")
        for row in rows:
            table.add_column(literal(row["method"]), justify="right", min_width=8)
        if costed:
            table.add_row("Cost", *map(_cost, rows))
        for name in names:
            heading, arrow = known[name]
            table.add_row(f"{heading} {arrow}", *(_cell(row, name, arrow, against[id(row)]) for row in rows))
    else:
        table.add_column("Method", overflow="fold")
        if costed:
            table.add_column("Cost", justify="right")
        for heading, arrow in (known[name] for name in names):
            table.add_column(f"{heading} {arrow}", justify="right", min_width=8)
        for row in rows:
            cells = (_cell(row, name, known[name][1], against[id(row)]) for name in names)
            cost = [_cost(row)] if costed else []
            table.add_row(literal(row["method"]), *cost, *cells, style="dim" if is_reference(row) else None)
    notes = ["↑ higher is better, ↓ lower is better; (change against the baseline)."]
    if any(row[f"{name}_low"] for row in rows for name in names):
        notes.append("[95 % interval over test videos], of one seed; other seeds may differ by more.")
    if costed:
        notes.append("Cost: clips through the network in training, forward and backward, 1: the baseline's.")
    if any(map(drop_parts, names)):
        notes.append(f"Drops are percent points. {TIME_NOTE}")
    if of is not None and guessing is not None:
        notes.append(NOTE_OF_MEANS.format(method=of["method"]))
    table.caption = Text("\n".join(map(shown, notes)), "table.caption")
    return table


def _cost(row: Mapping[str, str]) -> str:
    cost = None if is_reference(row) else number(row["cost"])
    return "–" if cost is None else f"{cost:.3g}"


def _drop_headings(rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, str]]:
    """Drop -> heading, and whether a large one is good."""
    known, found = headings(own_figures(rows)), {}
    for name in drops_in(column.removesuffix("_mean") for row in rows for column in row):
        time, figure = drop_parts(name) or ("", "")
        found[name] = f"{known[figure][0]}: drop, {TITLES[time]}", ARROWS[time]
    return found


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, str] | None) -> Text:
    mean, sd, low, high = (number(row[f"{name}_{what}"]) for what in PARTS)
    if mean is None:
        return Text("–")
    text = Text(f"{mean:.1f}" + (f" ± {sd:.1f}" if sd is not None else ""))
    if low is not None and high is not None:
        text.append(f" [{low:.1f}, {high:.1f}]", "dim")
    against = number(base[f"{name}_mean"]) if base is not None else None
    return text if against is None else text.append_text(change_text(mean - against, arrow, 1))
