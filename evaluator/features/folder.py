"""A folder of features, as `bench features` writes it, and its reader.

```
features.json   what the features are of: FeaturesRecord
videos.csv      a row per video, also those that were left out
segments.csv    a row per annotated segment and task
features/…      the arrays, see formats.py
```
The start of window k is frame k · stride; its middle, in seconds, is (start + window / 2) / fps.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.untrimmed.record import SPLITS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json, write_csv
from benchmark_builder.utils.text import counted, numbered_records
from benchmark_builder.video.record import LONGEST, id_problem
from evaluator.features.formats import FORMATS, FeatureFormat
from evaluator.features.record import FIX, RECORD, FeaturesRecord

VIDEOS, SEGMENTS = "videos.csv", "segments.csv"
VIDEO_COLUMNS = [
    "video", "file", "split", "label", "frames", "fps", "duration", "windows", "sha256", "source", "source_sha256",
    "source_frames", "source_fps", "reason",
]  # fmt: skip
Numbered = tuple[int, dict[str, str]]  # a row of a table and its line number
SEGMENT_COLUMNS = ["video", "task", "label", "start", "end", "start_frame", "end_frame"]


@dataclass(frozen=True, slots=True)
class FeatureSegment:
    """An annotated segment of a video.

    Attributes:
        label: its class.
        start, end: in seconds.
        start_frame, end_frame: from 0, at the frame rate of the features; ``end_frame`` is the first frame after it.
    """

    label: str
    start: float
    end: float
    start_frame: int
    end_frame: int


@dataclass(frozen=True, slots=True)
class LeftOutVideo:
    """A video without features: ``reason`` says why."""

    id: str
    split: str
    label: str | None
    reason: str


@dataclass(frozen=True)
class FeatureVideo:
    """The features of one video.

    Attributes:
        id, split, label: as in :class:`~benchmark_builder.untrimmed.LongVideo`.
        frames, fps: number of frames and frames per second that windows count; not those of the file if the folder has
            a frame rate.
        windows: T, number of windows.
        segments: those of the folder's task, in the order of their starts.
        paths: its files.
        window, stride, crops, dimension: as in the folder's record.
        layout: the format of the files.
    """

    id: str
    split: str
    label: str | None
    frames: int
    fps: float
    windows: int
    segments: list[FeatureSegment]
    paths: tuple[Path, ...]
    window: int
    stride: int
    crops: int
    dimension: int
    layout: FeatureFormat = field(repr=False)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.fps

    def features(self) -> np.ndarray:
        """float32 (T, crops, D).

        Raises:
            BenchError: a file is missing or damaged, has another shape than the tables say, or values that are not
                finite.
        """
        made = self.layout.join([read_array(path) for path in self.paths])
        wanted = (self.windows, self.crops, self.dimension)
        if made.shape != wanted:
            raise BenchError(f"{self.paths[0]}: has shape {made.shape}, tables say {wanted} (windows, crops, units);"
                             " run `bench features --check` on the folder")  # fmt: skip
        if not np.isfinite(made).all():
            raise BenchError(f"{self.paths[0]}: has values that are not finite; extract the features again")
        return np.ascontiguousarray(made, dtype=np.float32)

    def starts(self) -> np.ndarray:
        """First frame of each window, int64 (T,)."""
        return np.arange(self.windows, dtype=np.int64) * self.stride

    def centres(self) -> np.ndarray:
        """Middle of each window in seconds, float64 (T,)."""
        return (self.starts() + self.window / 2) / self.fps

    def frame_truth(self) -> np.ndarray:
        """uint8 (frames,): 1 inside an annotated segment."""
        truth = np.zeros(self.frames, np.uint8)
        for segment in self.segments:
            truth[segment.start_frame : segment.end_frame] = 1
        return truth


class FeatureFolder:
    """A finished folder of features, and its annotations for one task.

    Attributes:
        path: the folder. record: features.json as plain values. task: ``anomaly``, ``localization`` or "".
        classes: class names of the task in label order. window, stride: in frames. dimension: D. crops: C.
        left_out: the videos without features.
    """

    def __init__(self, path: Path, record: FeaturesRecord, task: str, videos: Sequence[FeatureVideo],
                 left_out: Sequence[LeftOutVideo]) -> None:  # fmt: skip
        self.path, self.task, self.left_out = path, task, list(left_out)
        self.record: dict[str, Any] = record.plain()
        self.classes = list(record.tasks.get(task, []))
        self.window, self.stride = record.window, record.stride
        self.dimension, self.crops = record.dimension, record.crops
        self._videos = list(videos)

    @classmethod
    def open(cls, path: Path, task: str | None = None) -> "FeatureFolder":
        """Read the tables of a folder; features are read on demand.

        Args:
            path: the folder.
            task: whose annotations are wanted; None for the folder's first one.

        Raises:
            BenchError: it is not a finished folder, a table is missing or invalid, or it has no such task.
        """
        record = read_record(path)
        if task is None:
            task = next(iter(record.tasks), "")
        elif task not in record.tasks:
            said = f"has annotations for {', '.join(record.tasks)}" if record.tasks else "has no annotations"
            raise BenchError(f"{path}: {said}, not for {task}; extract features of a dataset that has them")
        rows = read_video_rows(path)
        return cls.of(path, record, task, rows, read_segment_rows(path) if record.tasks else [])

    @classmethod
    def of(
        cls, path: Path, record: FeaturesRecord, task: str, rows: Sequence[Numbered], segment_rows: Sequence[Numbered]
    ) -> "FeatureFolder":
        """A folder from the rows of its tables with their line numbers; raises as :meth:`open`."""
        segments = _segments(path, record, task, {row["video"] for _, row in rows}, segment_rows)
        videos, left_out = [], []
        for number, row in rows:
            where = f"{path / VIDEOS}, line {number}"
            if not row["file"]:
                left_out.append(LeftOutVideo(row["video"], row["split"], row["label"] or None, row["reason"]))
            else:
                videos.append(_video(path, record, row, segments.get(row["video"], []), where))
        return cls(path, record, task, videos, left_out)

    def videos(self, split: str | None = None) -> list[FeatureVideo]:
        """The videos in the order of the dataset's lists; of one split, if given (``train``, ``validation``,
        ``test``)."""
        return [video for video in self._videos if split in (None, video.split)]


def read_record(path: Path) -> FeaturesRecord:
    """The record of a folder. Raises BenchError if it has none."""
    if not path.is_dir():
        raise BenchError(f"{path}: no such folder; {FIX}")
    if not (path / RECORD).is_file() and any(path.glob("*.npy")):
        raise BenchError(f"{path}: contains features, but no {RECORD}; {FIX}")
    document = read_json(path / RECORD, "record of `bench features`", FIX)
    return FeaturesRecord.of(document, path / RECORD, FIX)


def read_video_rows(path: Path) -> list[Numbered]:
    """The rows of videos.csv with their line numbers, checked for ids, splits and duplicates."""
    file = path / VIDEOS
    if not file.is_file():
        raise BenchError(f"{file}: no such file; run the `bench features` command of this folder again, it continues")
    found, seen = [], set[str]()
    for number, row in numbered_records(file, VIDEO_COLUMNS, "table of `bench features`", FIX):
        name, where = row["video"], f"{file}, line {number}"
        if id_problem(name) or "/" in name:
            raise BenchError(f"{where}: {name!r} is not the id of a video; {FIX}")
        if name in seen:
            raise BenchError(f"{where}: {name} is listed twice; {FIX}")
        if row["split"] not in SPLITS:
            raise BenchError(f"{where}: split {row['split']!r} is none of {', '.join(SPLITS)}; {FIX}")
        seen.add(name)
        found.append((number, row))
    return found


def read_segment_rows(path: Path) -> list[Numbered]:
    """The rows of segments.csv with their line numbers."""
    file = path / SEGMENTS
    if not file.is_file():
        raise BenchError(f"{file}: no such file; run the `bench features` command of this folder again, it continues")
    return list(numbered_records(file, SEGMENT_COLUMNS, "table of segments", FIX))


def _video(
    path: Path, record: FeaturesRecord, row: dict[str, str], segments: list[FeatureSegment], where: str
) -> FeatureVideo:
    layout = FORMATS[record.layout]
    frames, windows = _whole(row, "frames", where), _whole(row, "windows", where)
    fps = _number(row, "fps", where)
    if not frames or not windows or not fps:
        raise BenchError(f"{where}: frames, fps and windows must be above 0; {FIX}")
    if max(frames, windows) > LONGEST:
        raise BenchError(f"{where}: more than {counted(LONGEST, 'frame')} or windows ({frames}, {windows}); {FIX}")
    late = next((s for s in segments if s.start_frame >= s.end_frame or s.end_frame > frames), None)
    if late is not None:
        raise BenchError(f"{path / SEGMENTS}: {row['video']} has {counted(frames, 'frame')}, but a segment from frame "
                         f"{late.start_frame} to {late.end_frame}; {FIX}")  # fmt: skip
    paths = tuple(inside(path, name) for name in layout.files_of(row["file"], record.crops))
    return FeatureVideo(
        row["video"], row["split"], row["label"] or None, frames, fps, windows, segments, paths, record.window,
        record.stride, record.crops, record.dimension, layout,
    )  # fmt: skip


def _segments(
    path: Path, record: FeaturesRecord, task: str, known: set[str], rows: Sequence[Numbered]
) -> dict[str, list[FeatureSegment]]:
    file, found = path / SEGMENTS, dict[str, list[FeatureSegment]]()
    for number, row in rows:
        where = f"{file}, line {number}"
        if row["video"] not in known:
            raise BenchError(f"{where}: {row['video']!r} is not in {VIDEOS}; {FIX}")
        if row["task"] != task:
            continue
        if row["label"] not in record.tasks[task]:
            raise BenchError(f"{where}: {row['label']!r} is not a class of {RECORD}; {FIX}")
        start, end = _number(row, "start", where), _number(row, "end", where)
        frames = _whole(row, "start_frame", where), _whole(row, "end_frame", where)
        found.setdefault(row["video"], []).append(FeatureSegment(row["label"], start, end, *frames))
    return {name: sorted(some, key=lambda s: (s.start_frame, s.end_frame)) for name, some in found.items()}


def _whole(row: dict[str, str], column: str, where: str) -> int:
    if not row[column].isascii() or not row[column].isdigit() or len(row[column]) > 12:
        raise BenchError(f"{where}: {column} is {row[column][:40]!r}, not a whole number; {FIX}")
    return int(row[column])


def _number(row: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BenchError(f"{where}: {column} is {row[column][:40]!r}, not a number from 0; {FIX}")
    return value


def read_array(path: Path) -> np.ndarray:
    """A ``.npy`` file of floating-point numbers, (…), as it is stored. Objects in it are refused, they would run code.

    Raises:
        BenchError: it is missing, damaged, or holds something else.
    """
    fix = "extract the features again"
    try:
        made = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise BenchError(f"{path}: no such file; {fix}") from None
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, OverflowError) as error:
        raise BenchError(f"{path}: not a readable .npy file ({str(error)[:80]}); {fix}") from None
    if not isinstance(made, np.ndarray) or made.dtype.kind != "f" or made.ndim not in (2, 3):
        raise BenchError(f"{path}: holds no features, which are floating-point numbers (T, D) or (T, crops, D); {fix}")
    return made


def write_tables(path: Path, videos: Iterable[dict[str, Any]], segments: Iterable[dict[str, Any]]) -> None:
    """Write videos.csv and segments.csv: rows with :data:`VIDEO_COLUMNS` and :data:`SEGMENT_COLUMNS`."""
    write_csv(path / SEGMENTS, SEGMENT_COLUMNS, segments)
    write_csv(path / VIDEOS, VIDEO_COLUMNS, videos)
