"""Reads a render of synthlong from its official-style annotations, for either task."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchmark_builder.synthlong.annotations import ACTIONS, LISTS, RECORD, SUBSETS, TEMPORAL
from benchmark_builder.synthlong.timeline import NORMAL
from benchmark_builder.untrimmed.record import LongVideo, Segment, UntrimmedListing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import found_inside, read_json
from benchmark_builder.utils.records import FileRecord, Record, Says, Text
from benchmark_builder.utils.text import read_lines

WHERE = "Render it with `bench data render --dataset synthlong`"
FIX = "render the dataset again: delete the file, and run `bench data render --dataset synthlong` with this --out"

Names = Annotated[list[Text], Field(min_length=1), Says("a list of names")]


class _Dataset(FileRecord):
    """synthlong.json."""

    WHAT = "the record of a render of synthlong"

    dataset: Annotated[str, Says("synthlong", lambda name: name == "synthlong")]
    classes: Names
    anomalies: Names


class _Action(Record):
    label: Text
    segment: Annotated[list[int | float], Field(min_length=2, max_length=2), Says("two times in seconds")]


class _Video(Record):
    subset: Annotated[str, Says("validation or test", lambda name: name in SUBSETS.values())]
    annotations: list[_Action]


class _Actions(FileRecord):
    """annotations.json."""

    WHAT = "annotations of actions"

    database: dict[Text, _Video]


def read(root: Path, split: str, task: str | None) -> UntrimmedListing:
    """List synthlong.

    Args:
        root: its folder.
        split: ``train``, ``test`` or ``all``.
        task: ``anomaly`` (the default): videos have a label, test videos have segments of anomalies, in frames; or
            ``localization``: all videos have segments of all actions, in seconds.

    Raises:
        BenchError: the render is not finished, there is no such split, or a file is missing or invalid.
    """
    if split not in (*LISTS, "all"):
        raise BenchError(f"--split {split}: synthlong has {', '.join(LISTS)} and all")
    record = _Dataset.of(read_json(root / RECORD, "finished render of synthlong", WHERE), root / RECORD, WHERE)
    task = task or "anomaly"
    anomalies = sorted([*record.anomalies, NORMAL])
    found = _temporal(root, record.anomalies) if task == "anomaly" else _actions(root, record.classes)
    unit: Literal["frames", "seconds"] = "frames" if task == "anomaly" else "seconds"
    videos = []
    for name in LISTS if split == "all" else (split,):
        for video_id, label, path in _listed(root, name, anomalies):
            # Of training videos only the label is known in anomaly detection.
            segments = () if task == "anomaly" and name == "train" else found.get(video_id)
            if segments is None:
                place = root / (TEMPORAL if task == "anomaly" else ACTIONS)
                raise BenchError(f"{place}: lacks {video_id}, which is in {LISTS[name]}; {FIX}")
            missing = "" if path.is_file() else "there is no file"
            videos.append(LongVideo(video_id, None if missing else path, name, label, segments, unit, missing))
    also = ("localization",) if task == "anomaly" else ("anomaly",)
    classes = anomalies if task == "anomaly" else list(record.classes)
    return UntrimmedListing(videos, classes, task, [], also)


def _listed(root: Path, split: str, labels: list[str]) -> list[tuple[str, str, Path]]:
    """(id, label, path) of every video in a split's list."""
    path = root / LISTS[split]
    found = []
    for number, line in read_lines(path, "list of videos", FIX):
        folder, _, name = line.partition("/")
        label = NORMAL if NORMAL in folder else folder
        if not name.endswith(".mp4") or label not in labels:
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'CLASS/NAME.mp4' with a known class; {FIX}")
        found.append((name.removesuffix(".mp4"), label, found_inside(root, f"videos/{line}")))
    return found


def _temporal(root: Path, anomalies: list[str]) -> dict[str, tuple[Segment, ...]]:
    """The anomalies of test videos, in frames from 0, the end not included; the file counts from 1 and includes it."""
    path = root / TEMPORAL
    found = {}
    for number, line in read_lines(path, "file of anomalies", FIX):
        cells = line.split()
        pairs = _pairs(cells[2:])
        if len(cells) != 6 or pairs is None or cells[1] not in (*anomalies, NORMAL):
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'NAME.mp4 CLASS start end start end'; {FIX}")
        name = cells[0].removesuffix(".mp4")
        found[name] = tuple(Segment(cells[1], start - 1, end) for start, end in pairs)
    return found


def _pairs(cells: list[str]) -> list[tuple[int, int]] | None:
    """The ranges of a line without those of -1; None if it is invalid."""
    try:
        numbers = [int(cell) for cell in cells]
    except ValueError:
        return None
    pairs = [p for p in zip(numbers[::2], numbers[1::2], strict=False) if p != (-1, -1)]
    return pairs if all(1 <= start <= end <= 10**9 for start, end in pairs) else None


def _actions(root: Path, classes: list[str]) -> dict[str, tuple[Segment, ...]]:
    """All actions of all videos, in seconds."""
    path = root / ACTIONS
    record = _Actions.of(read_json(path, "file of actions", FIX), path, FIX)
    found = {}
    for name, video in record.database.items():
        for action in video.annotations:
            start, end = action.segment
            if action.label not in classes or not 0 <= start < end or not math.isfinite(end):
                said = f"{name} has {action.label[:40]!r} from {start:g} to {end:g} seconds, which is no action"
                raise BenchError(f"{path}: {said}; {FIX}")
        found[name] = tuple(Segment(a.label, *a.segment) for a in video.annotations)
    return found
