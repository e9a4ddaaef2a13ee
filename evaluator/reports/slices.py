"""Slices on screen, and as csv files alongside a results record."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.text import counted
from evaluator.metrics.names import headings, ordered
from evaluator.records import GroupFigure, Slices
from evaluator.reports.screen import literal, print_table
from evaluator.slices.figures import FEW, Sliced
from evaluator.testsets import CLUSTERS

COLUMNS = [
    "attribute", "source", "figure", "group", "percent", "low", "high", "n", "sources", "missing", "few", "worst",
    "gap", "gap_low", "gap_high", "largest", "smallest", "cluster",
]  # fmt: skip


def slice_rows(slices: Sequence[Slices]) -> Iterator[dict[str, object]]:
    """A row per attribute, figure and group; the gap of the figure stands in each of its rows.

    ``few``: whether the group has fewer than 30 source videos. ``worst``: whether the figure is worst there, if there
    are several groups. Figures
    are percent, ``gap`` and its limits percent points; None where there is no interval or no gap.
    """
    for s in slices:
        for figure in ordered(s.figures):
            gap = s.figures[figure].gap
            for group, value in groups_of(s, figure):
                yield {
                    "attribute": s.attribute, "source": s.source, "figure": figure, "group": group,
                    "percent": value.percent, "low": value.low, "high": value.high, "n": value.n,
                    "sources": value.sources, "missing": value.missing, "few": value.sources < FEW,
                    "worst": gap is not None and group == s.figures[figure].worst, "gap": gap and gap.percent,
                    "gap_low": gap and gap.low, "gap_high": gap and gap.high, "largest": gap.largest if gap else "",
                    "smallest": gap.smallest if gap else "", "cluster": s.cluster,
                }  # fmt: skip


def groups_of(s: Slices, figure: str) -> list[tuple[str, GroupFigure]]:
    """The groups of a figure, in the order of the attribute."""
    found = s.figures[figure].groups
    return [(name, found[name]) for name in dict.fromkeys((*s.groups, *found)) if name in found]


def write_slices(record: Path, sliced: Sequence[Sliced]) -> list[Path]:
    """Write ``NAME-slices.csv`` and ``NAME-slices-not-used.csv`` alongside a record ``NAME.json``; return their paths.

    The second lists every source video without a value and every name in a source that is no video.
    """
    table, rest = (record.with_name(f"{record.stem}-{end}.csv") for end in ("slices", "slices-not-used"))
    rows = ({k: "" if v is None else v for k, v in row.items()} for row in slice_rows([s.record for s in sliced]))
    write_csv(table, COLUMNS, rows)
    left = [
        {"attribute": s.record.attribute, "id": video_id, "reason": reason}
        for s in sliced for video_id, reason in (*s.unlabelled, *s.unknown)
    ]  # fmt: skip
    write_csv(rest, ["attribute", "id", "reason"], left)
    return [table, rest]


def show_slices(slices: Sequence[Slices], own: Mapping[str, str] | None = None, console: Console | None = None) -> None:
    """Print a table per attribute: a row per figure and group, the gap of each figure, and what is not used.

    ``own``: figures of users' kinds -> whether high or low is good.
    """
    known = headings(own)
    console = console or Console()
    for s in slices:
        table = Table(title=literal(f"{s.attribute} ({s.source}), percent", "table.title"))
        for heading in ("Figure", "Group", "%", "95 % interval", "n", "videos", ""):
            table.add_column(heading, justify="left" if heading in ("Figure", "Group", "") else "right")
        for figure in ordered(s.figures):
            sliced = s.figures[figure]
            said = " ".join(known[figure])
            for group, value in groups_of(s, figure):
                missing = f"{value.n} of {value.n + value.missing}" if value.missing else str(value.n)
                marks = " ".join(
                    filter(None, ("worst" if sliced.gap and group == sliced.worst else "", _FEW if _few(value) else ""))
                )
                table.add_row(
                    said, literal(group), f"{value.percent:.2f}", _interval(value.low, value.high), missing,
                    str(value.sources), marks,
                )  # fmt: skip
                said = ""
            if sliced.gap is not None:
                gap = sliced.gap
                pair = literal(f"gap: {gap.largest} minus {gap.smallest}", "bold")
                table.add_row("", pair, f"{gap.percent:.2f}", _interval(gap.low, gap.high), "", "", "")
            table.add_section()
        print_table(table, console)
        for note in notes_of(s):
            console.print(literal(note), soft_wrap=True)


_FEW = f"< {FEW}!"
_FRAMES = {
    "clip": "a video has the value that holds longest in the frames of its test clips.",
    "video": "a video has the value that holds longest in all of its frames, because the frames of the test clips are "
    "not known.",
}


def notes_of(s: Slices) -> list[str]:
    """What a reader must know of an attribute's figures, in sentences: intervals, small groups, unused ids, licence."""
    notes = [f"{s.attribute}: 95 % intervals over {CLUSTERS[s.cluster]}; the gap is the largest minus the smallest."]
    if s.frames:
        notes.append(f"{s.attribute}: {_FRAMES[s.frames]}")
    few = list(filter(None, (_few_said(s, group) for group in s.groups)))
    if few:
        notes.append(f"Warning: fewer than {FEW} source videos, too few for conclusions: {', '.join(few)}.")
    return [*notes, *not_used(s), *([s.notice] if s.notice else [])]


def _few_said(s: Slices, group: str) -> str:
    """A group with few videos, with the figures in which it has few if it has more in others; else empty."""
    own = {name: f.groups[group] for name, f in s.figures.items() if group in f.groups}
    few = ordered(name for name, value in own.items() if _few(value))
    known = headings()
    which = ", ".join(known[name][0] if name in known else name for name in few)
    return "" if not few else group if len(few) == len(own) else f"{group} (in {which})"


def not_used(s: Slices) -> list[str]:
    """What of an attribute and of the test sets is in no group, in words."""
    parts = (
        (s.unlabelled, "source video has no value", "source videos have no value"),
        (
            s.unknown,
            "name in the source is no video of the test sets",
            "names in the source are no video of the test sets",
        ),
    )
    return [
        f"{counted(left.count, *words)}: {', '.join(left.first[:5])}{', …' if left.count > 5 else ''}"
        for left, *words in parts if left.count
    ]  # fmt: skip


def _few(value: GroupFigure) -> bool:
    return value.sources < FEW


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.1f} … {high:.1f}"
