"""Attributes of source videos, and the csv file that users write them in."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import natural
from benchmark_builder.utils.text import composed, meant, plain_path, read_text
from benchmark_builder.video.record import LONGEST

COLUMNS, FRAMES = ("id", "attribute", "value"), ("start", "end")
FIX = "write a csv file of columns id,attribute,value, and start,end where a value holds for a range of frames"
MOST_GROUPS = 50
LONGEST_NAME = 200  # characters of an attribute or a value

# Words in names of attributes that describe people; figures over such groups are shown with the notice.
_OF_PEOPLE = re.compile(
    r"skin|gender|\bsex\b|race|racial|ethnic|\bage\b|nudity|relig|disab|relationship", re.IGNORECASE
)
ABOUT_PEOPLE = (
    "Labels of people are what annotators saw in a video, not what the persons say of themselves. Do not use them to "
    "identify or rank people, and follow the licence of the data that they came with."
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A value, for a range of a video's frames or for the whole video.

    Attributes:
        value: the name of the group.
        start, end: first and last frame, from 0, both inclusive, in the frames of the source video; None: all of it.
    """

    value: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Attribute:
    """One attribute of source videos.

    Attributes:
        name: such as ``skin tone``.
        segments: id of a source video, in any form that names it (with suffix, or without folders) -> its values.
        source: where they come from, for tables: a file's name, or the word that the user gave.
        digest: SHA-256 of the file, or of the values.
        notice: licence and sensitivity, shown with the figures; empty if there is nothing to say.
        order: the groups' order in tables; groups that are not named come after these, in natural order.
        frames_of: the dataset whose frames the ranges count; for videos of another dataset (JHMDB's clips were cut from
            HMDB51's) ranges are compared by length alone. Empty: the dataset that is scored.
        by_class: ``segments`` has names of classes, and a video has its class's value.
        unusable: (id, why) of videos whose entry in the source is wrong or that could not be measured.
    """

    name: str
    segments: Mapping[str, tuple[Segment, ...]]
    source: str
    digest: str
    notice: str = ""
    order: tuple[str, ...] = ()
    frames_of: str = ""
    by_class: bool = False
    unusable: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        values = {s.value for segments in self.segments.values() for s in segments}
        if len(values) > MOST_GROUPS:
            raise BenchError(
                f"--slices {self.source}: attribute {self.name!r} has {len(values)} different values, more than "
                f"{MOST_GROUPS} groups; join some of them, or give numbers as quantiles:FILE.csv"
            )

    def ordered(self, values: Iterable[str]) -> list[str]:
        """Groups in the order of the tables."""
        given = set(values)
        first = [v for v in self.order if v in given]
        return first + sorted(given - set(first), key=natural)


def about_people(name: str) -> bool:
    """Whether the name of an attribute says that it describes people."""
    return _OF_PEOPLE.search(name.replace("_", " ")) is not None


def longest_value(segments: Sequence[Segment], shown: np.ndarray | None = None) -> str | None:
    """The value that holds longest in the frames that a video shows.

    Ranges of one value that overlap count once; of values that hold equally long, the one that starts first is taken.

    Args:
        segments: of one source video.
        shown: int (N,), the source's frames that the video shows; None: all, however many there are.

    Returns:
        None if no value holds in any of the frames.
    """
    whole = next((s for s in segments if s.start is None or s.end is None), None)
    if whole is not None:
        return whole.value
    lengths: dict[str, int] = {}
    for value in dict.fromkeys(s.value for s in sorted(segments, key=lambda s: s.start or 0)):
        ranges = sorted((s.start or 0, s.end or 0) for s in segments if s.value == value)
        if shown is None:
            lengths[value] = _union(ranges)
        else:
            held = np.zeros(len(shown), bool)
            for start, end in ranges:
                held |= (shown >= start) & (shown <= end)
            lengths[value] = int(held.sum())
    best = max(lengths.values(), default=0)
    return next((value for value, length in lengths.items() if length == best), None) if best else None


def _union(ranges: Sequence[tuple[int, int]]) -> int:
    """Number of frames in sorted inclusive ranges."""
    total, reached = 0, -1
    for start, end in ranges:
        total += max(0, end - max(start - 1, reached))
        reached = max(reached, end)
    return total


def read_attributes(path: Path) -> list[Attribute]:
    """The attributes of a csv file of columns ``id,attribute,value[,start,end]``, in the order of the file.

    Rows with an empty value are a video without a label.

    Raises:
        BenchError: the file is missing or not such a table; two rows contradict each other; an attribute has more than
            :data:`MOST_GROUPS` values.
    """
    columns, rows = read_slice_table(path, COLUMNS, FRAMES, FIX)
    attributes: dict[str, dict[str, list[tuple[int, Segment]]]] = {}
    for line, row in rows:
        record = dict(zip(columns, row, strict=True))
        video_id, name, value = plain_path(record["id"]), record["attribute"].strip(), record["value"].strip()
        if not video_id or not name:
            raise BenchError(f"{path}, line {line}: no {'id' if not video_id else 'attribute'}; {FIX}")
        if max(len(name), len(value)) > LONGEST_NAME:
            raise BenchError(f"{path}, line {line}: a name of more than {LONGEST_NAME} characters; give a shorter one")
        start, end = _range(path, line, record.get("start", ""), record.get("end", ""))
        found = attributes.setdefault(composed(name), {})
        if value:
            found.setdefault(video_id, []).append((line, Segment(composed(value), start, end)))
    digest = hashlib.sha256(read_text(path).encode()).hexdigest()
    return [
        Attribute(
            name,
            {video_id: checked(said, f"{path}", video_id, name) for video_id, said in given.items()},
            path.name,
            digest,
            ABOUT_PEOPLE if about_people(name) else "",
        )
        for name, given in attributes.items()
    ]


def checked(said: Sequence[tuple[int, Segment]], path: str, video_id: str, name: str) -> tuple[Segment, ...]:
    """The segments of one video; BenchError if a value for the whole video stands beside another one."""
    whole = [(line, s) for line, s in said if s.start is None]
    if whole:
        other = next(((line, s) for line, s in said if s != whole[0][1]), None)
        if other is not None:
            raise BenchError(
                f"{path}, line {other[0]}: {name!r} of {video_id!r} is {other[1].value!r}, but line {whole[0][0]} says "
                f"{whole[0][1].value!r} for the whole video; keep one of them, or give both start and end"
            )
        return (whole[0][1],)
    return tuple(s for _, s in said)


def read_slice_table(
    path: Path, needed: Sequence[str], optional: Sequence[str], fix: str
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """A csv file (commas, semicolons or tabs) with certain columns in any order.

    Args:
        path: the file.
        needed, optional: names of columns; others are ignored.
        fix: what to do about a file that is refused.

    Returns:
        The names of the columns that were asked for, and the rows with their line numbers and a cell for each of these.

    Raises:
        BenchError: it is missing, lacks a column, or a row has more or fewer cells than the header.
    """
    text = read_text(path, "table of slices", fix)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] | None = None
    rows: list[tuple[int, list[str]]] = []
    places: list[int] = []
    kept: list[str] = []
    try:
        for record in reader:
            if not any(cell.strip() for cell in record):
                continue
            if header is None:
                header = [meant(cell.strip()).lower() for cell in record]
                kept = [name for name in (*needed, *optional) if name in header]
                lacking = [name for name in needed if name not in header]
                if lacking:
                    raise BenchError(f"{path}: has no column {' and no column '.join(lacking)}; {fix}")
                twice = next((name for name in kept if header.count(name) > 1), None)
                if twice is not None:
                    raise BenchError(f"{path}: has two columns {twice}; {fix}")
                places = [header.index(name) for name in kept]
            elif len(record) != len(header):
                raise BenchError(
                    f"{path}, line {reader.line_num}: {len(record)} cells under {len(header)} columns; {fix}"
                )
            else:
                rows.append((reader.line_num, [meant(record[k]) for k in places]))
    except csv.Error as error:
        raise BenchError(f"{path}: is not a csv file ({error}); {fix}") from None
    if not rows:
        raise BenchError(f"{path}: has no rows; {fix}")
    return kept, rows


def _range(path: Path, line: int, start: str, end: str) -> tuple[int | None, int | None]:
    start, end = start.strip(), end.strip()
    if not start and not end:
        return None, None
    numbers = [int(float(text)) if re.fullmatch(r"[0-9]{1,9}(\.0*)?", text) else None for text in (start, end)]
    if numbers[0] is None or numbers[1] is None or not numbers[0] <= numbers[1] < LONGEST:
        raise BenchError(
            f"{path}, line {line}: frames {start!r} to {end!r} are no range; give the first and the last frame, from 0"
        )
    return numbers[0], numbers[1]
