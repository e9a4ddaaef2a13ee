"""`bench features --import`: tables for features that others have extracted, so that everything here can read them.

Arrays and lists stay as they are; features.json, videos.csv and segments.csv are written next to the arrays.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.datasets.ucf_crime import CLASSES, NORMAL
from benchmark_builder.untrimmed.record import SPLITS, Segment
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv, write_json
from benchmark_builder.utils.text import counted, letters, read_table
from evaluator.features.annotations import after_the_end, segment_row
from evaluator.features.check import Checked, arrays_of, crops_of, listed_in, read_database, video_length
from evaluator.features.folder import SEGMENT_COLUMNS, SEGMENTS, VIDEO_COLUMNS, VIDEOS, FeatureFolder
from evaluator.features.record import RECORD, FeaturesRecord

KIND = "published"
_OTHER = "Anomaly"  # the class of anomalous videos whose name tells none
_SUFFIXES = ("_i3d", "_rgb", "_c3d", "_videomae", "_x264_i3d")


@dataclass
class _Video:
    """One video: its id, split, label, files by crop, windows, frames, rate and segments (label, start, end)."""

    id: str
    split: str
    label: str
    files: list[str]
    windows: int
    frames: int
    fps: float
    segments: list[Segment] = field(default_factory=list[Segment])
    unit: str = "frames"


def import_features(
    path: Path,
    lists: Sequence[Path] = (),
    truth: Path | None = None,
    annotations: Path | None = None,
    window: int = 16,
    stride: int = 16,
    fps: float | None = None,
    method: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> FeatureFolder:
    """Write the tables of a folder of features that others have extracted.

    Args:
        path: the folder; its ``.npy`` files are (T, D), (T, crops, D), or (T, D) per crop as ``NAME__k.npy``.
        lists: for anomalies, the lists of training and test files; a list whose name contains ``test`` is that of the
            test. Labels are those of ``path,label`` csv files, otherwise the names (``Normal…`` is normal).
        truth: for anomalies, the flat array with the truth per frame of the test list.
        annotations: for localisation, instead of lists, a json in the form of ActionFormer or OpenTAD.
        window, stride: in frames, as the features were extracted; the truth has ``stride`` frames per window.
        fps: frames per second where no file says it; None: 30.
        method: name of the features in tables; None: the folder's name.
        say: function that shows lines to the user.

    Raises:
        BenchError: files do not fit together (`bench features --check` tells more), or the folder has tables already.
    """
    if (path / RECORD).exists():
        raise BenchError(f"{path / RECORD}: exists; the folder can be used as it is, or delete this file first")
    if bool(lists) == bool(annotations):
        raise BenchError("--import: give --lists FILE (anomalies) or --annotations FILE (localisation), one of the two")
    checked = Checked()
    arrays = arrays_of(path, checked)
    if fps is None:
        say("assumed: 30 frames per second, where no file says it (--fps)")
    rate = fps or 30.0
    if annotations is not None:
        videos, classes = _localization(annotations, arrays, rate, say), None
    else:
        videos, classes = _anomaly(path, lists, truth, arrays, window, stride, rate, checked), CLASSES
    _no_problem(path, checked)
    if not videos:
        raise BenchError(f"{path}: has the features of no listed video; check the folder and the lists")
    task = "localization" if annotations is not None else "anomaly"
    _write(path, videos, classes, task, arrays, window, stride, method or path.resolve().name, say)
    return FeatureFolder.open(path)


def _anomaly(
    path: Path, lists: Sequence[Path], truth: Path | None, arrays: dict[str, tuple[int, ...]], window: int,
    stride: int, fps: float, checked: Checked,
) -> list[_Video]:  # fmt: skip
    videos: list[_Video] = []
    for table in lists:
        names, labels = listed_in(table, path, arrays, checked), _labels(table)
        split = "test" if "test" in table.name.lower() else "train"
        stems = {name: stem for stem, crops in crops_of(names).items() for name in crops.values()}
        every = crops_of(arrays)
        seen: set[str] = set()
        for name in names:
            stem = stems.get(name, name.removesuffix(".npy"))
            if stem in seen:
                continue
            seen.add(stem)
            crops = every.get(stem, {0: name}) if name in stems else {0: name}
            short = _short(stem.rpartition("/")[2])
            label = labels.get(name.rpartition("/")[2]) or _label(short)
            count = arrays[name][0]
            files = [crops[k] for k in sorted(crops)]
            videos.append(_Video(short, split, label, files, count, (count - 1) * stride + max(window, stride), fps))
    _no_problem(path, checked)
    if not any(v.label == NORMAL for v in videos):
        raise BenchError(f"{lists[0]}: no file is of a normal video, whose name contains Normal; give lists as csv "
                         "with columns path,label")  # fmt: skip
    tested = [v for v in videos if v.split == "test"]
    if tested and truth is None:
        raise BenchError("--import: the list of test videos needs --gt FILE, the truth per frame")
    if truth is not None:
        _cut_truth(truth, tested, stride)
    return videos


def _no_problem(path: Path, checked: Checked) -> None:
    if checked.problems:
        raise BenchError(f"{path}: {checked.problems[0]}; `bench features --check` tells all that does not fit")


def _cut_truth(truth: Path, tested: list[_Video], stride: int) -> None:
    """The segments of test videos from a flat array, ``stride`` frames per window."""
    try:
        array = np.load(truth, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BenchError(f"{truth}: not a readable .npy file ({str(error)[:80]}); give one with numbers") from None
    wanted = sum(v.windows for v in tested) * stride
    if array.ndim != 1 or len(array) != wanted or not np.isin(array, (0, 1)).all():
        raise BenchError(f"{truth}: has shape {array.shape}, the windows of the test list need "
                         f"{counted(wanted, 'value')} of 0 "
                         "and 1; give the one that belongs to these features, or another --stride")  # fmt: skip
    start = 0
    for video in tested:
        own = np.concatenate([[0], array[start : start + video.windows * stride], [0]]).astype(int)
        edges = np.flatnonzero(np.diff(own))
        label = _OTHER if video.label == NORMAL else video.label
        video.segments = [Segment(label, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        start += video.windows * stride


def _labels(table: Path) -> dict[str, str]:
    """File name -> label, of a csv; empty for other lists."""
    if table.suffix.lower() != ".csv":
        return {}
    names, rows = read_table(table, "list of features", "give columns path,label")
    if "path" not in names or "label" not in names:
        raise BenchError(f"{table}: has no columns path and label; give both")
    at, label = names.index("path"), names.index("label")
    return {row[at].replace("\\", "/").rpartition("/")[2]: row[label] for row in rows if len(row) == len(names)}


def _short(stem: str) -> str:
    """The id of a video in a file's name: ``Abuse028_x264`` of ``Abuse028_x264_i3d``."""
    return next((stem.removesuffix(end) for end in _SUFFIXES if stem.endswith(end)), stem)


def _label(name: str) -> str:
    known = {letters(c): c for c in CLASSES}
    if "normal" in name.lower():
        return NORMAL
    return known.get(letters(name.rstrip("0123456789_x-").rstrip("0123456789")), _OTHER)


def _localization(
    file: Path, arrays: dict[str, tuple[int, ...]], fps: float, say: Callable[[str], None]
) -> list[_Video]:
    by_stem = {name.rpartition("/")[2].removesuffix(".npy"): name for name in arrays}
    database = read_database(file)
    subsets = {str(video.get("subset", "")).lower() for video in database.values()}
    # OpenTAD trains on "training" and tests on "validation"; ActionFormer on "validation" and "test".
    validation = "test" if subsets & {"training", "train"} and "test" not in subsets else "validation"
    of = {"training": "train", "train": "train", "test": "test", "testing": "test", "validation": validation}
    videos, without = [], 0
    for name, video in sorted(database.items()):
        stem = next((s for s in by_stem if s == name or s.endswith(f"_{name}")), None)
        subset = str(video.get("subset", "")).lower()
        if subset not in of:
            raise BenchError(f"{file}: {name} is of subset {subset[:40]!r}, not of training, validation or test")
        if stem is None:
            without += 1
            continue
        frames, seconds = video_length(video)
        rate = frames / seconds if frames and seconds else fps
        length = round(frames) if frames else round((seconds or 0) * fps)
        rows = [row for row in video.get("annotations") or () if row.get("label") != "Ambiguous"]
        segments = [
            Segment(str(row.get("label")), float(row["segment"][0]), float(row["segment"][1]))
            for row in rows
            if row["segment"][0] < row["segment"][1]
        ]
        count = arrays[by_stem[stem]][0]
        videos.append(_Video(name, of[subset], "", [by_stem[stem]], count, max(length, 1), rate, segments, "seconds"))
    if without:
        say(f"{file}: {counted(without, 'video without features is', 'videos without features are')} left out")
    return videos


def _write(
    path: Path, videos: list[_Video], classes: Sequence[str] | None, task: str, arrays: dict[str, tuple[int, ...]],
    window: int, stride: int, method: str, say: Callable[[str], None],
) -> None:  # fmt: skip
    shape = arrays[videos[0].files[0]]
    flat, several = len(shape) == 2, len({len(v.files) for v in videos}) == 1 and len(videos[0].files) > 1
    layout = "urdmu" if several else "npy" if flat else "rtfm"
    rows, segments, total = [], list[dict[str, Any]](), hashlib.sha256()
    for video in videos:
        digest = hashlib.sha256()
        for name in video.files:
            digest.update((path / name).read_bytes())
        total.update(digest.digest())
        rows.append({
            "video": video.id, "file": video.files[0], "split": video.split, "label": video.label,
            "frames": video.frames, "fps": repr(video.fps), "duration": repr(video.frames / video.fps),
            "windows": video.windows, "sha256": digest.hexdigest(), "source_frames": video.frames,
            "source_fps": repr(video.fps),
        })  # fmt: skip
        for segment in video.segments:
            place = segment, video.unit, video.frames, video.fps, video.fps
            if late := after_the_end(*place):
                say(f"{video.id}: {late}")
            if row := segment_row(video.id, task, *place):
                segments.append(row)
    labels = {s["label"] for s in segments} | {v.label for v in videos if v.label}
    named = [c for c in classes or () if c in labels] + sorted(labels - set(classes or ()))
    record = FeaturesRecord.made(
        {
            "format": FeaturesRecord.FORMAT, "dataset": KIND,
            "splits": [name for name in SPLITS if any(v.split == name for v in videos)], "tasks": {task: named},
            "model": {"source": str(path), "kind": KIND, "method": method, "model": "unknown",
                      "digest": total.hexdigest(), "dataset": "", "trained_on": "unknown"},
            "sampling": {}, "layer": "unknown", "precision": "unknown", "window": window, "stride": stride,
            "last": "unknown", "fps": None, "crops": len(videos[0].files) if several else 1 if flat else shape[1],
            "crop": "unknown", "merged": 1, "dimension": shape[-1], "layout": layout, "versions": {},
        },
        path / RECORD,
    )  # fmt: skip
    write_csv(path / SEGMENTS, SEGMENT_COLUMNS, segments)
    write_csv(path / VIDEOS, VIDEO_COLUMNS, rows)
    write_json(path / RECORD, record.plain())
