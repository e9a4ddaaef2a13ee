"""The table of `bench compare` on screen: mean ± standard deviation over seeds, or the interval of one seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import numbered_records, read_table
from evaluator.metrics.names import headings
from evaluator.reports.board import change
from evaluator.reports.comparable import BASELINES
from evaluator.reports.compare_columns import COSTS, PARTS, columns_of
from evaluator.reports.formats import print_sheets
from evaluator.reports.leaderboard import OWN, drops_in, number, own_figures, whole
from evaluator.reports.reference import NOTE_OF_MEANS, is_reference, reference_of_means
from evaluator.reports.sheet import Cell, Column, Sheet
from evaluator.time_order import ARROWS, TIME_NOTE, TITLES, drop_parts


def is_compared(path: Path) -> bool:
    """Whether a file is a table of `bench compare`, by the start of its first line."""
    if path.suffix != ".csv" or not path.is_file():
        return False
    with open(path, "rb") as handle:
        return handle.read(len(_START) + 3).removeprefix(b"\xef\xbb\xbf").startswith(_START)


_START = b"method,seeds,"


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


def show_compared(path: Path, console: Console | None = None, form: str = "text") -> None:
    """Print compare.csv in one of :data:`~evaluator.reports.formats.FORMATS`."""
    print_sheets([compared_sheet(read_compared(path))], form, console)


def compared_sheet(rows: Sequence[Mapping[str, str]]) -> Sheet:
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
    costed = any(row["cost"] for row in rows)
    of = base or (rows[0] if rows else None)
    guessing = None if of is None else reference_of_means(of)
    rows = [*rows, guessing] if guessing is not None else rows
    columns = [Column("Method")] + [Column("Cost", True)] * costed
    columns += [Column(" ".join(known[name]), True) for name in names]
    cells = [
        [Cell(row["method"]), *([_cost(row)] if costed else []),
         *(_cell(row, name, known[name][1], None if row is base else base) for name in names)]
        for row in rows
    ]  # fmt: skip
    dim = frozenset(k for k, row in enumerate(rows) if is_reference(row))
    notes = ["↑ higher is better, ↓ lower is better; (change against the baseline)."]
    if any(row[f"{name}_low"] for row in rows for name in names):
        notes.append("[95 % interval over test videos], of one seed; other seeds may differ by more.")
    if costed:
        notes.append("Cost: clips through the network in training, forward and backward, 1: the baseline's.")
    if any(map(drop_parts, names)):
        notes.append(f"Drops are percent points. {TIME_NOTE}")
    if of is not None and guessing is not None:
        notes.append(NOTE_OF_MEANS.format(method=of["method"]))
    data = [["method", "seeds", *COSTS, *(f"{name}_{what}" for name in names for what in PARTS)]]
    data += [[row.get(column, "") for column in data[0]] for row in rows]
    sheet = Sheet(title, columns, cells, dim=dim, notes=notes, data=data)
    return sheet.turned() if len(names) > len(rows) else sheet


def _cost(row: Mapping[str, str]) -> Cell:
    cost = None if is_reference(row) else number(row["cost"])
    return Cell("–" if cost is None else f"{cost:.3g}")


def _drop_headings(rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, str]]:
    """Drop -> heading, and whether a large one is good."""
    known, found = headings(own_figures(rows)), {}
    for name in drops_in(column.removesuffix("_mean") for row in rows for column in row):
        time, figure = drop_parts(name) or ("", "")
        found[name] = f"{known[figure][0]}: drop, {TITLES[time]}", ARROWS[time]
    return found


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, str] | None) -> Cell:
    mean, sd, low, high = (number(row[f"{name}_{what}"]) for what in PARTS)
    if mean is None:
        return Cell("–")
    more = [(f"[{low:.1f}, {high:.1f}]", "dim")] if low is not None and high is not None else []
    against = number(base[f"{name}_mean"]) if base is not None else None
    more += [] if against is None else [change(mean, against, arrow, 1)]
    return Cell(f"{mean:.1f}", "" if sd is None else f"{sd:.1f}", more=tuple(more))
