"""The leaderboard on screen: figures with arrows, and the change against the baseline on the same videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import shown
from evaluator.metrics.names import headings
from evaluator.reports.board import BoardOptions, board
from evaluator.reports.board import scene_notes as scene_notes
from evaluator.reports.board import shown_figures as shown_figures
from evaluator.reports.board import trained_on as trained_on
from evaluator.reports.comparable import BASELINES as BASELINES
from evaluator.reports.comparable import baseline_figures as baseline_figures
from evaluator.reports.formats import print_sheets
from evaluator.reports.leaderboard import drops_in, groups, number, own_figures, whole
from evaluator.reports.published import IMPOSSIBLE, details, published_rows
from evaluator.reports.reference import NONE, NOTE, reference_row
from evaluator.reports.seeds import entry, merge_seeds
from evaluator.reports.sheet import Cell, Column, Sheet
from evaluator.runs import WHERE, Run, compare_runs, find_rows
from evaluator.testsets import CLUSTERS
from evaluator.time_order import ARROWS, TITLES, drop_parts
from evaluator.time_order import TIME_NOTE as TIME_NOTE


def mixed_datasets(rows: Sequence[Mapping[str, str]]) -> set[str]:
    """Datasets with rows that were measured on different videos."""
    found: dict[str, set[str]] = {}
    for row, letter in zip(rows, groups(rows), strict=True):
        found.setdefault(row["dataset"], set()).add(letter)
    return {dataset for dataset, letters in found.items() if len(letters) > 1}


def with_references(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows, each followed by its stillness detector where it has one (:mod:`evaluator.reports.reference`)."""
    return [one for row in rows for one in (row, reference_row(row)) if one is not None]


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


def drop_sheet(rows: Sequence[Mapping[str, str]], by_seed: bool = False) -> Sheet | None:
    """What models lose when frames are in another order, as a table; None if it was not measured.

    Seeds are merged as in the leaderboard, unless ``by_seed``; intervals are of single runs.
    """
    columns = [Column(name) for name in ("Method", "Model", *(["Seed"] if by_seed else []), "Clips", "Figure")]
    columns += [Column(name, True) for name in ("Drop", "95 % interval", "n")]
    cells, known = [], headings(own_figures(rows))
    for one in [entry([row]) for row in rows] if by_seed else merge_seeds(rows):
        row = one.rows[0]
        for name, drop in one.figures.items():
            if (parts := drop_parts(name)) is None:
                continue
            (time, figure), spread = parts, "" if drop.sd is None else f"{drop.sd:.2f}"
            interval = "" if drop.low is None or drop.high is None else f"{drop.low:+.2f} … {drop.high:+.2f}"
            scored = f"{drop.n} of {drop.n + drop.missing}" if drop.missing else str(drop.n)
            named = [row["method"], row["model"], *([row["seed"]] if by_seed else []), f"{TITLES[time]} {ARROWS[time]}"]
            named.append(known.get(figure, (figure, ""))[0])
            figures = [Cell(f"{drop.value:+.2f}", spread), Cell(interval), Cell(scored)]
            cells.append([*map(Cell, named), *figures])
    several = any(cell.spread for row in cells for cell in row)
    title = "Drop in another order of frames, percent points" + (", mean ± standard deviation" if several else "")
    return Sheet(title, columns, cells, notes=[TIME_NOTE]) if cells else None


def show(
    paths: Sequence[Path],
    console: Console | None = None,
    published: str | None = None,
    reference: bool = False,
    options: BoardOptions | None = None,
    form: str = "text",
) -> None:
    """Print leaderboards as one table.

    Args:
        paths: leaderboard files, ``--out`` folders of `bench eval`, or records in their ``results/``; tables of
            `bench compare` (``compare.csv``) as they are. May be empty if ``published`` is given.
        console: where to print text.
        published: a table of published figures to show as well, e.g. ``hmdb51``.
        reference: also show the stillness detector of each row, see :mod:`evaluator.reports.reference`.
        options: how rows are ranked, merged and shown.
        form: one of :data:`~evaluator.reports.formats.FORMATS`. csv has the leaderboard alone.

    Raises:
        BenchError: there is no row, or a leaderboard is damaged.
    """
    if not paths and not published:
        raise BenchError(f"no results: {WHERE}, or show published figures with --published TABLE")
    from evaluator.reports.comparison import compared_sheet, is_compared, read_compared

    compared = [path for path in paths if is_compared(path)]
    sheets = [compared_sheet(read_compared(path)) for path in compared]
    paths = [path for path in paths if path not in compared]
    if not paths and not published:
        print_sheets(sheets, form, console)
        return
    rows = find_rows(paths) + (published_rows(published) if published else [])
    if not rows:
        raise BenchError(f"{', '.join(map(str, paths))}: holds no rows; {WHERE}")
    first = board(rows, options, reference)
    if reference and NOTE not in first.notes:
        first = replace(first, notes=[*first.notes, NONE])
    drops = drop_sheet(rows, options is not None and options.by_seed)
    further = [*sheets, *([drops] if drops is not None else []), *map(_detail, details(published) if published else [])]
    print_sheets([first] if form == "csv" else [first, *further], form, console)


def _detail(found: tuple[str, list[str], list[list[str]]]) -> Sheet:
    """Further published figures; what is said of all or some rows is below the table."""
    title, columns, cells = found
    said: dict[str, list[str]] = {}
    for row in cells:
        said.setdefault("; ".join(filter(None, row[-2:])), []).append(row[0])
    rows = [[Cell(cell.removesuffix(" ‡"), mark="‡" * cell.endswith(" ‡")) for cell in row[:-2]] for row in cells]
    notes = [f"‡ {IMPOSSIBLE}."] if any(cell.mark for row in rows for cell in row) else []
    notes += [f"{', '.join(names)}: {source}." for source, names in said.items()]
    return Sheet(title, [Column(name, name[-1] in "↑↓") for name in columns[:-2]], rows, notes=notes)


def show_comparison(
    a: Run, b: Run, console: Console | None = None, cluster: str = "source", form: str = "text"
) -> None:
    """Print A minus B for every figure that both have: difference, 95 % interval (``cluster`` as in
    :func:`~evaluator.runs.compare_runs`), exact McNemar test. ``form`` as in :func:`show`."""
    print_sheets([comparison_sheet(a, b, cluster)], form, console)


def comparison_sheet(a: Run, b: Run, cluster: str = "source") -> Sheet:
    """A minus B as a table."""
    compared = compare_runs(a, b, cluster=cluster)
    columns = [Column("Figure")]
    columns += [
        Column(name, True)
        for name in ("Difference", "95 % interval", "only A right", "only B right", "McNemar p", "n", CLUSTERS[cluster])
    ]
    head: list[object] = ["figure", "difference", "low", "high", "only_a", "only_b", "p", "n", "units", "dropped"]
    rows, data = [], [head]
    known = headings(a.record.own_arrows)
    for name, c in compared.items():
        heading, arrow = known[name]
        style = "green" if (c.low > 0 if arrow == "↑" else c.high < 0) else ""
        style = "red" if (c.high < 0 if arrow == "↑" else c.low > 0) else style
        p = f"{c.p:.2g}" + ("*" if c.n > c.sources else "")
        cells = [f"{c.low:+.2f} … {c.high:+.2f}", str(c.only_a), str(c.only_b), p, str(c.n), str(c.sources)]
        rows.append([Cell(f"{heading} {arrow}"), Cell(f"{c.difference:+.2f}", style=style), *map(Cell, cells)])
        numbers = [round(v, 6) for v in (c.difference, c.low, c.high)]
        data.append([name, *numbers, c.only_a, c.only_b, c.p, c.n, c.sources, c.dropped])
    notes = [f"A: {a.name}. B: {b.name}. Difference: A minus B, percent points; ↑ higher is better, ↓ lower is better."]
    if any(c.n > c.sources for c in compared.values()):
        notes.append(
            f"* more videos than {CLUSTERS[cluster]}: McNemar's test assumes independent videos; use the interval."
        )
    left = [name for name in known if name in a.record.figures and name in b.record.figures and name not in compared]
    if left:
        named = ", ".join(known[name][0] for name in left)
        notes.append(f"Not measured on the same videos, so not compared: {named}.")
    return Sheet(f"{a.name} minus {b.name}, percentage points", columns, rows, notes=notes, data=data)


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
