"""Figures per group of videos in `bench compare`: one table over all methods, as csv and on screen."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark_builder.utils.files import write_csv
from evaluator.metrics.names import headings, ordered
from evaluator.records import Slices
from evaluator.reports.screen import literal, print_table
from evaluator.reports.slices import groups_of, notes_of
from evaluator.slices.figures import FEW

TABLE = "compare-slices.csv"
COLUMNS = [
    "attribute", "source", "figure", "group", "method", "seeds", "percent_mean", "percent_sd", "percent_low",
    "percent_high", "sources", "few", "gap", "gap_low", "gap_high", "largest", "smallest", "cluster",
]  # fmt: skip


@dataclass(frozen=True)
class OverSeeds:
    """One figure of one group and method.

    Attributes:
        attribute, source, cluster: as in :class:`~evaluator.records.Slices`.
        figure, group, method: whose figure it is.
        values: percent, one per seed.
        limits: of the 95 % interval over videos, percent; only with one seed.
        sources: source videos of the group.
        gap: largest minus smallest mean of the groups, percent points; None if there is one group.
        gap_limits: of its interval; only with one seed.
        largest, smallest: these two groups.
    """

    attribute: str
    source: str
    cluster: str
    figure: str
    group: str
    method: str
    values: tuple[float, ...]
    limits: tuple[float | None, float | None]
    sources: int
    gap: float | None
    gap_limits: tuple[float | None, float | None]
    largest: str
    smallest: str

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def sd(self) -> float | None:
        """Standard deviation over seeds (n - 1); None with one seed."""
        if len(self.values) < 2:
            return None
        return math.sqrt(sum((v - self.mean) ** 2 for v in self.values) / (len(self.values) - 1))

    def row(self) -> dict[str, object]:
        """Its row in compare-slices.csv."""
        said = {
            "attribute": self.attribute, "source": self.source, "figure": self.figure, "group": self.group,
            "method": self.method, "seeds": len(self.values), "percent_mean": self.mean, "percent_sd": self.sd,
            "percent_low": self.limits[0], "percent_high": self.limits[1], "sources": self.sources,
            "few": self.sources < FEW, "gap": self.gap, "gap_low": self.gap_limits[0], "gap_high": self.gap_limits[1],
            "largest": self.largest, "smallest": self.smallest, "cluster": self.cluster,
        }  # fmt: skip
        return {k: "" if v is None else round(v, 4) if isinstance(v, float) else v for k, v in said.items()}


def over_seeds(runs: Sequence[tuple[str, Sequence[Slices]]]) -> Iterator[OverSeeds]:
    """Every figure of every attribute, group and method.

    Args:
        runs: a run's method and its slices; several runs of one method are its seeds.
    """
    methods = list(dict.fromkeys(method for method, _ in runs))
    for attribute in dict.fromkeys(s.attribute for _, slices in runs for s in slices):
        by_method = {m: [s for name, slices in runs if name == m for s in slices if s.attribute == attribute]
                     for m in methods}  # fmt: skip
        for figure in ordered(dict.fromkeys(f for given in by_method.values() for s in given for f in s.figures)):
            for method, given in by_method.items():
                yield from _of_method(method, figure, [s for s in given if figure in s.figures])


def _of_method(method: str, figure: str, given: Sequence[Slices]) -> Iterator[OverSeeds]:
    values: dict[str, list[float]] = {}
    for s in given:
        for name, value in groups_of(s, figure):
            values.setdefault(name, []).append(value.percent)
    means = {name: sum(v) / len(v) for name, v in values.items()}
    several = len(means) > 1
    largest, smallest = (
        (max(means, key=means.__getitem__), min(reversed(means), key=means.__getitem__)) if several else ("", "")
    )
    one = given[0].figures[figure] if len(given) == 1 else None
    for name, percents in values.items():
        of = next(s for s in given if name in s.figures[figure].groups)
        alone = one.groups[name] if one is not None else None
        yield OverSeeds(
            of.attribute, of.source, of.cluster, figure, name, method, tuple(percents),
            (alone.low, alone.high) if alone is not None else (None, None),
            of.figures[figure].groups[name].sources,
            means[largest] - means[smallest] if several else None,
            (one.gap.low, one.gap.high) if one is not None and one.gap is not None else (None, None),
            largest, smallest,
        )  # fmt: skip


def write_compared_slices(out: Path, runs: Sequence[tuple[str, Sequence[Slices]]]) -> Path:
    """Write ``compare-slices.csv``, one row per attribute, figure, group and method; see :class:`OverSeeds`."""
    write_csv(out / TABLE, COLUMNS, (found.row() for found in over_seeds(runs)))
    return out / TABLE


def show_compared_slices(
    runs: Sequence[tuple[str, Sequence[Slices]]],
    own: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> None:
    """Print a table per attribute: a row per figure and group, a column per method, and the gaps between groups.

    Args:
        runs: as for :func:`over_seeds`.
        own: figures of users' kinds -> whether high or low is good.
        console: where to print.
    """
    known, console = headings(own), console or Console()
    found = list(over_seeds(runs))
    methods = list(dict.fromkeys(f.method for f in found))
    for attribute in dict.fromkeys(f.attribute for f in found):
        of = [f for f in found if f.attribute == attribute]
        table = Table(title=literal(f"{attribute} ({of[0].source}), percent", "table.title"))
        for heading in ("Figure", "Group"):
            table.add_column(heading)
        table.add_column("videos", justify="right")
        for method in methods:
            table.add_column(literal(method), justify="right")
        for figure in dict.fromkeys(f.figure for f in of):
            here = [f for f in of if f.figure == figure]
            said = " ".join(known[figure])
            for group in dict.fromkeys(f.group for f in here):
                cells = {f.method: f for f in here if f.group == group}
                videos = str(max(f.sources for f in cells.values()))
                table.add_row(said, literal(group), videos, *(_cell(cells.get(m)) for m in methods))
                said = ""
            gaps = {f.method: f for f in here if f.gap is not None}
            if gaps:
                pairs = {(f.largest, f.smallest) for f in gaps.values()}
                alike = next(iter(pairs)) if len(pairs) == 1 else None
                heading = f"gap: {alike[0]} minus {alike[1]}" if alike else "gap"
                table.add_row("", literal(heading, "bold"), "", *(_gap(gaps.get(m), alike is None) for m in methods))
            table.add_section()
        print_table(table, console)
        for note in notes_of(next(s for _, slices in runs for s in slices if s.attribute == attribute)):
            console.print(literal(note), soft_wrap=True)


def _cell(found: OverSeeds | None) -> str:
    if found is None:
        return "–"
    return f"{found.mean:.1f}" + (f" ± {found.sd:.1f}" if found.sd is not None else _limits(found.limits))


def _gap(found: OverSeeds | None, which: bool) -> Text:
    """A gap; ``which``: with the two groups, where they differ between methods."""
    if found is None or found.gap is None:
        return Text("–")
    groups = f" {found.largest} minus {found.smallest}" if which else ""
    return literal(f"{found.gap:.1f}{_limits(found.gap_limits)}{groups}")


def _limits(limits: tuple[float | None, float | None]) -> str:
    low, high = limits
    return "" if low is None or high is None else f" ({low:.1f} … {high:.1f})"
