"""THUMOS14 (Idrees et al., CVIU 2017) for temporal localisation: 200 validation videos (which train) and 213 test ones.

Annotations are the official ``CLASS_val.txt`` and ``CLASS_test.txt`` (:mod:`benchmark_builder.datasets.thumos14`); if
there are none, ``thumos14.json`` of ActionFormer or ``thumos_14_anno.json`` of OpenTAD in ROOT or ROOT/annotations.
The json files have the same segments; their durations and frame counts are not used, since some are wrong.

Known faults, and what is done about them: ``Ambiguous`` segments are not used; every CliffDiving is annotated as
Diving, too, and both are kept; a segment that is given twice (within a millisecond) is used once; the annotations of
video_test_0000270 and video_test_0001292 are wrong and are kept, with a note (OpenTAD leaves these videos out).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark_builder.datasets import thumos14 as files
from benchmark_builder.datasets.common import told
from benchmark_builder.datasets.flat import first_file
from benchmark_builder.untrimmed.record import LongVideo, Segment, UntrimmedListing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_below
from benchmark_builder.utils.text import composed, counted, letters

WHERE = files.WHERE
CLASSES = files.CLASSES
JSON = ("thumos14.json", "thumos_14_anno.json")
SPLITS = ("validation", "test")
WRONG = ("video_test_0000270", "video_test_0001292")
AMBIGUOUS = "Ambiguous"
SAME = 0.001  # seconds
_BY_LETTERS = {letters(name): name for name in CLASSES}


def read(root: Path, split: str, task: str | None) -> UntrimmedListing:
    """List THUMOS14; splits ``validation``, ``test``, ``all``. Videos are in the order of their ids.

    Raises:
        BenchError: there is no such split or task, or the annotations are missing or invalid.
    """
    if split not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: THUMOS14 has validation (which trains), test and all")
    if task not in (None, "localization"):
        raise BenchError(f"--task {task}: THUMOS14 is annotated for localization; leave --task out")
    notes: list[str] = []
    found = _annotated(root, notes)
    paths, unusable = _paths(root, notes)
    videos, twice = [], 0
    for name in sorted(found):
        own: list[Segment] = []
        for segment in sorted(found[name], key=lambda s: (s.start, s.end, s.label)):
            if any(_same(segment, other) for other in own):
                twice += 1
            else:
                own.append(segment)
        of = SPLITS[name.startswith("video_test")]
        if split in ("all", of):
            missing = "" if name in paths else unusable.get(name, "no file of this name")
            videos.append(LongVideo(name, paths.get(name), of, None, tuple(own), "seconds", missing))
    videos.sort(key=lambda video: (SPLITS.index(video.split), video.id))
    if twice:
        notes.append(f"{root}: {counted(twice, 'segment is', 'segments are')} annotated twice, used once")
    bare = [name for name in paths if name not in found and split in ("all", SPLITS[name.startswith("video_test")])]
    if bare:
        notes.append(
            f"{root}: {counted(len(bare), 'video has', 'videos have')} no annotations, left out; the first: {min(bare)}"
        )
    wrong = [video.id for video in videos if video.id in WRONG]
    if wrong:
        notes.append(f"{root}: the annotations of {' and '.join(wrong)} are known to be wrong; OpenTAD leaves them out")
    return UntrimmedListing(videos, list(CLASSES), "localization", notes)


def _same(one: Segment, other: Segment) -> bool:
    """Whether two segments are one that is given twice; the tolerance includes a rounding error."""
    near = abs(one.start - other.start) < SAME * 1.001 and abs(one.end - other.end) < SAME * 1.001
    return one.label == other.label and near


def _annotated(root: Path, notes: list[str]) -> dict[str, list[Segment]]:
    """Video -> its segments, from text files or json."""
    found: dict[str, list[Segment]] = {}
    path = first_file(root, *JSON)
    if path is None or any(root.glob(f"**/{CLASSES[0]}_*.txt")):
        segments, said = files.segments(root)
        notes += said
        for s in segments:
            found.setdefault(s.video_id, []).append(Segment(s.class_name, s.start, s.end))
        return found
    notes.append(f"{path}: annotations are read from this file, since there are no text files")
    empty = []
    for name, label, start, end in _rows(path):
        own = found.setdefault(name, [])
        if label is None:
            continue
        if start >= end:
            empty.append(f"{name} {label} {start:g} to {end:g}")
        else:
            own.append(Segment(label, start, end))
    if empty:
        notes.append(
            f"{path}: {counted(len(empty), 'segment ends before its', 'segments end before their')} start, left out; "
            f"the first: {empty[0]}"
        )
    return found


def _rows(path: Path) -> Iterator[tuple[str, str | None, float, float]]:
    """(video, class, start, end) of every segment; class None for one that is not used."""
    document = read_json(path, "file of annotations of THUMOS14", files.FIX)
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict):
        raise BenchError(f"{path}: has no table 'database' of videos; {files.FIX}")
    for name, video in database.items():
        if not files.is_video_name(name):
            raise BenchError(f"{path}: {name[:60]!r} is not the name of a video such as {WRONG[0]}; {files.FIX}")
        rows = video.get("annotations") if isinstance(video, dict) else None
        if not isinstance(rows, list):
            raise BenchError(f"{path}: {name} has no list 'annotations'; {files.FIX}")
        if not rows:
            yield name, None, 0.0, 0.0
        for row in rows:
            yield (name, *_row(row, f"{path}: {name}"))


def _row(row: Any, where: str) -> tuple[str | None, float, float]:
    label = row.get("label") if isinstance(row, dict) else None
    times = row.get("segment") if isinstance(row, dict) else None
    numbers = times if isinstance(times, list) and all(type(t) in (int, float) for t in times) else []
    if not isinstance(label, str) or len(numbers) != 2 or not all(math.isfinite(t) and t >= 0 for t in numbers):
        raise BenchError(f"{where}: {str(row)[:80]!r} is not a label and a segment of two times; {files.FIX}")
    if label == AMBIGUOUS:
        return None, 0.0, 0.0
    if letters(label) not in _BY_LETTERS:
        raise BenchError(f"{where}: {label[:60]!r} is not a class of THUMOS14; {files.FIX}")
    return _BY_LETTERS[letters(label)], float(numbers[0]), float(numbers[1])


def _paths(root: Path, notes: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The file of each video, by id, and the reason why there is none for videos with several."""
    several: dict[str, list[Path]] = {}
    for path in files_below(root, VIDEO_SUFFIXES):
        name = composed(path.stem)
        if files.is_video_name(name):
            several.setdefault(name, []).append(path)
    reasons = {
        name: f"{told(paths[0], root)} and {told(paths[1], root)} have the same name; keep one of them"
        for name, paths in several.items()
        if len(paths) > 1
    }
    notes += [f"{root}: {reason}" for reason in list(reasons.values())[:1]]
    return {name: paths[0] for name, paths in several.items() if len(paths) == 1}, reasons
