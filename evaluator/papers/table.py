"""The table of a paper: our figures next to the published ones, and the difference with an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text
from scipy.stats import t as student

from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import counted
from evaluator.metrics.names import HEADINGS
from evaluator.papers.plan import PaperPlan
from evaluator.reports.leaderboard import NAME, number, read_leaderboard
from evaluator.reports.published import BACKGROUNDS, RESULTS, published_rows, records
from evaluator.reports.screen import literal, print_table

COLUMNS = ["method", "figure", "seeds", "n", "mean", "sd", "low", "high", "published", "difference", "difference_low",
           "difference_high"]  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One figure of one method, percent; a difference is in percent points. None: not measured, or not published.

    Attributes:
        method, figure: which. seeds: runs. n: videos. mean, sd: over the runs (sd with n − 1).
        below, above: from the mean to the ends of its 95 % interval, see :func:`combined`. Both are 0 or more; they
            differ near 0 and 100 percent.
        published: the paper's figure. comparable: whether it is an average over the same background sets.
    """

    method: str
    figure: str
    seeds: int
    n: int
    mean: float | None
    sd: float | None
    below: float | None
    above: float | None
    published: float | None
    comparable: bool = True

    @property
    def difference(self) -> float | None:
        """Ours minus the published figure."""
        return (
            None if self.mean is None or self.published is None or not self.comparable else self.mean - self.published
        )

    def row(self) -> dict[str, object]:
        """The row of paper.csv."""
        d = self.difference
        down, up = (None if by is None else by * sign for by, sign in ((self.below, -1), (self.above, 1)))

        def shown(value: float | None) -> object:
            return "" if value is None else round(value, 4)

        def moved(value: float | None, by: float | None) -> object:
            return shown(None if value is None or by is None else value + by)

        return dict(zip(COLUMNS, (
            self.method, self.figure, self.seeds, self.n, shown(self.mean), shown(self.sd), moved(self.mean, down),
            moved(self.mean, up), shown(self.published), shown(d), moved(d, down), moved(d, up),
        ), strict=True))  # fmt: skip


def combined(distances: Sequence[float], values: Sequence[float], room: float = math.inf) -> float:
    """How far one end of the 95 % interval of a mean over seeds is from the mean.

    Two errors are independent and add as squares, for each end of the interval on its own (Zou and Donner 2008): that
    of the test videos (all seeds are scored on the same videos, so averaging over seeds does not lower it: the mean of
    the distances from the figures to this end of their intervals), and that of the seeds, t(n − 1) · sd / √n. With one
    seed the second is not known, and only the first is used.

    Args:
        distances: from every seed's figure to this end of its interval, 0 or more. values: the figures.
        room: the distance from the mean to the smallest or largest possible figure, which the interval does not pass.
    """
    videos = sum(distances) / len(distances)
    if len(values) < 2:
        return min(videos, room)
    seeds = float(student.ppf(0.975, len(values) - 1)) * spread(values) / math.sqrt(len(values))
    return min(math.hypot(videos, seeds), room)


def spread(values: Sequence[float]) -> float:
    """The standard deviation with n − 1."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def cells(plan: PaperPlan, results: Path, also: Mapping[str, Path]) -> list[Cell]:
    """Every figure of every method of the plan.

    Args:
        results: the results folder of the comparison. also: column of the published table -> results folder of a
            further dataset, whose IID figure it is.
    """
    published = {row["method"]: row for row in published_rows(plan.published)}
    more = {row["method"]: row for row in records(RESULTS) if row["table"] == plan.published}
    seeds = {str(seed) for seed in range(plan.seeds)}
    own = _rows(results, seeds)
    others = {column: _rows(folder, seeds) for column, folder in also.items()}
    same = set(plan.backgrounds) == set(BACKGROUNDS)
    found = []
    for method, name in plan.methods.items():
        paper = published.get(name, {})
        for figure in HEADINGS:
            rows = [row for row in own if row["method"] == safe_name(method)]
            found.append(_cell(method, figure, figure, rows, number(paper.get(figure, "")),
                               same or figure == "iid"))  # fmt: skip
        for column, scored in others.items():
            rows = [row for row in scored if row["method"] == safe_name(method)]
            found.append(_cell(method, column, "iid", rows, number(more.get(name, {}).get(column, ""))))
    return [cell for cell in found if cell.mean is not None or cell.published is not None]


def _rows(folder: Path, seeds: set[str]) -> list[dict[str, str]]:
    path = folder / NAME
    return [row for row in read_leaderboard(path) if row["seed"] in seeds] if path.is_file() else []


def _cell(method: str, figure: str, column: str, rows: Sequence[Mapping[str, str]], published: float | None,
          comparable: bool = True) -> Cell:  # fmt: skip
    rows = [row for row in rows if row.get(column)]
    values = [float(row[column]) for row in rows]
    mean = sum(values) / len(values) if values else None
    ends = [
        (float(row[column]) - low, high - float(row[column]))
        for row in rows
        if (low := number(row[f"{column}_low"])) is not None and (high := number(row[f"{column}_high"])) is not None
    ]
    below = above = None
    if ends and mean is not None:
        below = combined([max(0.0, low) for low, _ in ends], values, mean)
        above = combined([max(0.0, high) for _, high in ends], values, 100 - mean)
    return Cell(
        method,
        figure,
        len(rows),
        int(float(rows[0].get(f"n_{column}") or 0)) if rows else 0,
        mean,
        spread(values) if len(values) > 1 else None,
        below,
        above,
        published,
        comparable,
    )


def write_table(path: Path, plan: PaperPlan, results: Path, also: Mapping[str, Path]) -> Path:
    """Write paper.csv and print it: the figures of the paper, then the others."""
    found = cells(plan, results, also)
    write_csv(path, COLUMNS, [cell.row() for cell in found])
    printed = {cell.figure for cell in found if cell.published is not None}
    tables = [c for c in found if c.figure in printed], [c for c in found if c.figure not in printed]
    for title, part in zip((plan.title, "Figures that the paper does not have"), tables, strict=True):
        if part:
            print_table(screen(plan, part, title))
    return path


def screen(plan: PaperPlan, found: Sequence[Cell], title: str) -> Table:
    """One row per method, one column per figure: ours, and below it the difference from the published figure."""
    figures = list(dict.fromkeys(cell.figure for cell in found))
    table = Table(title=literal(title, "table.title"), caption_justify="left")
    table.add_column("Method", overflow="fold")
    for name in figures:
        heading, arrow = HEADINGS.get(name, (name.upper(), "↑"))
        table.add_column(f"{heading} {arrow}", justify="right", min_width=9)
    by = {(cell.method, cell.figure): cell for cell in found}
    for method in plan.methods:
        table.add_row(literal(method), *(_shown(by.get((method, name))) for name in figures))
    table.caption = (
        "Percent, one seed."
        if plan.seeds == 1
        else (f"Percent, mean ± standard deviation over {counted(plan.seeds, 'seed')}.")
    )
    if any(cell.published is not None for cell in found):
        table.caption += (
            " Below it: the difference from the published figure, and how far its 95 % interval (from videos and "
            "seeds) goes below and above. † published only."
        )
    if any(cell.published is not None and not cell.comparable for cell in found):
        table.caption += (
            f" No difference where the published figure is an average over {', '.join(BACKGROUNDS)}, and this one over "
            f"{', '.join(plan.backgrounds)} (in brackets: published)."
        )
    return table


def _shown(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    if cell.mean is None:
        return Text(f"{cell.published:.1f} †")
    lines = [f"{cell.mean:.1f}" + (f" ±{cell.sd:.1f}" if cell.sd is not None else "")]
    if cell.difference is not None:
        lines.append(f"{cell.difference:+.1f}" + _ends(cell))
    elif cell.published is not None:
        lines.append(f"({cell.published:.1f})")
    return Text("\n".join(lines))


def _ends(cell: Cell) -> str:
    """`` ±1.2``, or `` −0.4/+1.2`` where the interval is not symmetric."""
    if cell.below is None or cell.above is None:
        return ""
    low, high = f"{cell.below:.1f}", f"{cell.above:.1f}"
    return f" ±{low}" if low == high else f" −{low}/+{high}"
