"""`bench features --check`: whether features, lists, ground truth and annotations fit together, of anybody."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.folders import files_below
from benchmark_builder.utils.text import counted, read_lines, read_table, shown
from evaluator.features.companions import ANNOTATIONS, OPENTAD, TRUTH, window_truth
from evaluator.features.folder import FeatureFolder, FeatureVideo, read_array, read_video_rows
from evaluator.features.presets import DEFAULTS
from evaluator.features.record import RECORD
from evaluator.features.windows import window_count

SHOWN = 5  # examples of one kind of problem
_CROP = "__"  # NAME__k.npy is crop k of NAME
_SLACK = 2  # windows by which a length may differ from the one that a duration gives: durations are rounded


@dataclass
class Checked:
    """What :func:`check_features` found.

    Attributes:
        facts: what is there, in words. problems: what does not fit, in words; empty if everything does.
    """

    facts: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def some(self, one: str, several: str, what: str, found: Sequence[str]) -> None:
        """A problem of one file or several, with examples; nothing if there are none. ``one``, ``several``: what
        follows the number, before ``what``."""
        if found:
            more = f" … and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            self.problems.append(
                f"{counted(len(found), one, several)} {what}: {', '.join(shown(f) for f in found[:SHOWN])}{more}"
            )


def check_features(
    path: Path,
    lists: Sequence[Path] = (),
    truth: Path | None = None,
    annotations: Path | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> Checked:
    """Check a folder of features.

    Args:
        path: of `bench features`, or of anybody: ``.npy`` files of floating-point numbers, also in subfolders.
        lists: text files with a feature file per line, or csv files ``path,label``; empty: ``*.list`` in the folder.
        truth: flat array with the truth per frame of the videos in the list whose name contains ``test``, or in the
            only one; None: ``gt.npy`` or the only ``gt*.npy`` in the folder.
        annotations: json in the form of ActionFormer or OpenTAD; None: the only one in the folder.
        window, stride: in frames; None: those of the folder's record, otherwise 16.

    Raises:
        BenchError: the folder is missing, or a given file is missing or cannot be read.
    """
    if not path.is_dir():
        raise BenchError(f"{path}: no such folder; give a folder of features")
    checked = Checked()
    if (path / RECORD).is_file():
        record = _own(path, checked)
        window, stride = window or record.get("window"), stride or record.get("stride")
    arrays = arrays_of(path, checked)
    tables = list(lists) or sorted(path.glob("*.list"))
    truth = truth or _only(path, "gt*.npy")
    listed = {table: listed_in(table, path, arrays, checked) for table in tables}
    if truth is not None:
        _against_truth(truth, listed, arrays, stride or DEFAULTS["stride"], checked)
    annotations = annotations or _annotations(path)
    if annotations is not None:
        _against_annotations(annotations, arrays, window or 16, stride or DEFAULTS["stride"], checked)
    if not arrays:
        checked.problems.append(f"{path}: contains no .npy files of features")
    return checked


# A folder of `bench features`.


def _own(path: Path, checked: Checked) -> dict[str, Any]:
    """Check the tables against the arrays; returns the record."""
    try:
        folder = FeatureFolder.open(path)
        tasks = [FeatureFolder.open(path, task) for task in folder.record["tasks"]] or [folder]
        digests = {row["video"]: row["sha256"] for _, row in read_video_rows(path)}
    except BenchError as error:
        checked.problems.append(str(error))
        return {}
    videos = folder.videos()
    checked.facts.append(f"{path}: {counted(len(videos), 'video')}, "
                         f"{counted(sum(v.windows for v in videos), 'window')} of {folder.window} "
                         f"frames, one every {folder.stride}; {counted(len(folder.left_out), 'video')} left "
                         f"out")  # fmt: skip
    for video in videos:
        checked.problems += _of_video(video, folder.record, digests[video.id])
    anomaly = next((one for one in tasks if one.task == "anomaly"), None)
    imported = folder.record["dataset"] == "published" and not (path / TRUTH).is_file()
    if anomaly is not None and anomaly.videos("test") and not imported:
        wanted = np.concatenate([window_truth(video) for video in anomaly.videos("test")])
        try:
            found = np.load(path / TRUTH, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            checked.problems.append(f"{path / TRUTH}: cannot be read ({error}); run the same `bench features` again")
        else:
            if found.shape == wanted.shape and not np.array_equal(found, wanted):
                differ = int((found != wanted).sum())
                checked.problems.append(
                    f"{path / TRUTH}: {counted(differ, 'frame differs', 'frames differ')} from the segments of "
                    f"segments.csv"
                )
    return folder.record


def _of_video(video: FeatureVideo, record: dict[str, Any], sha256: str) -> Iterator[str]:
    try:
        video.features()
    except BenchError as error:
        yield str(error)
        return
    total = hashlib.sha256()
    for path in video.paths:
        total.update(path.read_bytes())
    if sha256 and total.hexdigest() != sha256:
        yield f"{video.paths[0]}: changed since it was written (its SHA-256 differs); extract it again"
    if record["last"] in ("floor", "ceil"):
        wanted = window_count(video.frames, record["window"], record["stride"], record["last"])
        if wanted != video.windows:
            yield f"{video.id}: {counted(video.windows, 'window')}, but {video.frames} frames have {wanted}"


# Anybody's folder.


def arrays_of(path: Path, checked: Checked) -> dict[str, tuple[int, ...]]:
    """Relative name -> shape of every array of features; others are problems."""
    found: dict[str, tuple[int, ...]] = {}
    wrong, bad = [], []
    for file in files_below(path, (".npy",)):
        if file.name.startswith("gt"):
            continue
        try:
            array = read_array(file)
        except BenchError as error:
            wrong.append(str(error))
            continue
        name = file.relative_to(path).as_posix()
        if not array.size or not np.isfinite(array).all():
            bad.append(name)
        found[name] = array.shape
    checked.problems += wrong[:SHOWN]
    if len(wrong) > SHOWN:
        checked.problems.append(f"… and {len(wrong) - SHOWN} more files that cannot be read")
    checked.some("file is", "files are", "empty or with values that are not finite", bad)
    kinds = Counter(shape[1:] for shape in found.values())
    for shape, count in kinds.most_common():
        axes = "(T, D)" if len(shape) == 1 else "(T, crops, D)"
        checked.facts.append(f"{counted(count, 'file')} of {axes} with {' x '.join(map(str, shape))}")
    if len(kinds) > 1:
        usual = kinds.most_common(1)[0][0]
        checked.some(
            "file has",
            "files have",
            f"another shape than most, {usual}",
            [n for n, s in found.items() if s[1:] != usual],
        )
    for name, shape in found.items():
        if len(shape) == 3 and shape[0] in (1, 3, 5, 10) and shape[1] not in (1, 3, 5, 10):
            checked.problems.append(f"{name}: has shape {shape}, which looks like (crops, T, D); RTFM and MGFN read "
                                    "(T, crops, D)")  # fmt: skip
            break
    uneven = []
    for stem, crops in crops_of(found).items():
        if len({found[name][0] for name in crops.values()}) > 1:
            uneven.append(f"{stem}{_CROP}*.npy")
        elif sorted(crops) != list(range(len(crops))):
            uneven.append(f"{stem}{_CROP}* (has {', '.join(map(str, sorted(crops)))})")
    checked.some("video has", "videos have", "crops of different length, or too few", uneven)
    return found


def crops_of(names: Sequence[str] | dict[str, Any]) -> dict[str, dict[int, str]]:
    """Stem -> crop -> name, of names ``STEM__k.npy``."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        stem, cut, number = name.removesuffix(".npy").rpartition(_CROP)
        if cut and number.isascii() and number.isdigit():
            found.setdefault(stem, {})[int(number)] = name
    return found


def listed_in(table: Path, path: Path, arrays: dict[str, tuple[int, ...]], checked: Checked) -> list[str]:
    """The arrays of a list in its order; missing ones are a problem."""
    by_name: dict[str, list[str]] = {}
    for name in arrays:
        by_name.setdefault(name.rpartition("/")[2], []).append(name)
    found, missing, several = list[str](), list[str](), list[str]()
    for line in _lines(table):
        line = line.replace("\\", "/")
        inside = line.removeprefix(f"{path.resolve().as_posix()}/").removeprefix("./")
        same = [inside] if inside in arrays else by_name.get(line.rpartition("/")[2], [])
        if len(same) == 1:
            found.append(same[0])
        else:
            (several if same else missing).append(line)
    checked.facts.append(
        f"{table.name}: {counted(len(found), 'file')}, {counted(sum(arrays[name][0] for name in found), 'window')}"
    )
    checked.some("file is", "files are", f"in {table.name}, but not in the folder", missing)
    checked.some("file of the list is", "files of the list are", f"in the folder several times ({table.name})", several)
    twice = [name for name, count in Counter(found).items() if count > 1]
    checked.some("file is", "files are", f"more than once in {table.name}", twice)
    normal = ["normal" in name.rpartition("/")[2].lower() for name in found]
    if "train" in table.name.lower() and any(normal) and not all(normal):
        first = normal.index(True)
        late = [found[k] for k in range(first, len(found)) if not normal[k]]
        checked.some("anomalous video follows", "anomalous videos follow",
                     f"after normal ones in {table.name}, where the order is the label", late)  # fmt: skip
        if not late:
            checked.facts.append(
                f"{table.name}: lines 1 to {first} are anomalous, the other {len(found) - first} normal"
            )
    return found


def _lines(table: Path) -> list[str]:
    if table.suffix.lower() == ".csv":
        names, rows = read_table(table, "list of features", "give columns path,label")
        if "path" not in names:
            raise BenchError(f"{table}: has no column path; give columns path,label")
        return [row[names.index("path")] for row in rows if len(row) == len(names)]
    return [line for _, line in read_lines(table, "list of features", "give a file name per line")]


def _against_truth(
    truth: Path, listed: dict[Path, list[str]], arrays: dict[str, tuple[int, ...]], stride: int, checked: Checked
) -> None:
    """Compare a flat array of truth with the lengths of the arrays in the test list, one crop per video."""
    try:
        array = np.load(truth, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BenchError(f"{truth}: not a readable .npy file ({str(error)[:80]}); give one with numbers") from None
    tested = [table for table in listed if "test" in table.name.lower()] or list(listed)
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        checked.problems.append(
            f"{truth.name}: has shape {array.shape} of {array.dtype}; it must be one flat list of 0, 1"
        )
        return
    if not np.isin(array, (0, 1)).all():
        checked.problems.append(f"{truth.name}: has values other than 0 and 1")
    if len(tested) != 1:
        checked.problems.append(f"{truth.name}: cannot be compared, since there are {len(tested)} lists for it; give "
                                "the list of test videos with --lists")  # fmt: skip
        return
    names = _one_crop(listed[tested[0]])
    windows = sum(arrays[name][0] for name in names)
    wanted = windows * stride
    checked.facts.append(f"{truth.name}: {counted(len(array), 'frame')}, {int(array.sum())} of them anomalous")
    if wanted == len(array):
        return
    said = (f"{truth.name} has {counted(len(array), 'frame')}, the test list {tested[0].name} has "
            f"{counted(len(names), 'video')} with "
            f"{counted(windows, 'window')} of {counted(stride, 'frame')}, {wanted}")  # fmt: skip
    if abs(len(array) - wanted) % stride == 0:
        more = "more" if wanted > len(array) else "fewer"
        said += f": {counted(abs(len(array) - wanted) // stride, f'window {more}', f'windows {more}')} than it has"
    other = next((k for k in (1, 2, 4, 8, 16, 32, 64) if windows * k == len(array)), None)
    fix = f"; it fits --stride {other}" if other else "; a published array fits only its own features: "\
          "`bench features` writes one for yours"  # fmt: skip
    checked.problems.append(said + fix)


def _one_crop(names: list[str]) -> list[str]:
    """Of names ``STEM__k.npy`` the first of each stem; other names as they are."""
    crops = crops_of(names)
    first = {name: min(of) == number for of in crops.values() for number, name in of.items()}
    return [name for name in names if first.get(name, True)]


def _annotations(path: Path) -> Path | None:
    for name in (ANNOTATIONS, OPENTAD):
        if (path / name).is_file():
            return path / name
    return None


def _only(path: Path, pattern: str) -> Path | None:
    found = sorted(path.glob(pattern))
    return found[0] if len(found) == 1 or (found and found[0].name == TRUTH) else None


def _against_annotations(
    file: Path, arrays: dict[str, tuple[int, ...]], window: int, stride: int, checked: Checked
) -> None:
    """Compare arrays with a json of segments, in the form of ActionFormer (``fps``) or OpenTAD (``frame``)."""
    database = read_database(file)
    by_stem = {name.rpartition("/")[2].removesuffix(".npy"): shape for name, shape in arrays.items()}
    for stem in [stem for stem in by_stem if re.search(rf"{_CROP}\d+$", stem)]:  # a crop of a video
        by_stem.setdefault(re.sub(rf"{_CROP}\d+$", "", stem), by_stem[stem])
    missing, lengths, late = [], [], []
    numbers: dict[str, set[Any]] = {}
    for name, video in database.items():
        frames, duration = video_length(video)
        for row in video.get("annotations") or ():
            times = row["segment"]
            if duration and times[1] > duration + 0.5:
                late.append(f"{name} {row.get('label')} ends at {times[1]:g} of {duration:g} s")
            if "label_id" in row:
                numbers.setdefault(str(row.get("label")), set()).add(row["label_id"])
        shape = next((s for stem, s in by_stem.items() if stem == name or stem.endswith(f"_{name}")), None)
        if shape is None:
            missing.append(name)
        elif frames:
            wanted = window_count(max(1, round(frames)), window, stride, "floor")
            if abs(shape[0] - wanted) > _SLACK:
                lengths.append(f"{name} has {shape[0]} instead of about {wanted}")
    checked.facts.append(
        f"{file.name}: {counted(len(database), 'video')}, {len(database) - len(missing)} with features"
    )
    said = f"in {file.name} without features; loaders skip them in silence, and the mAP still counts the segments"
    checked.some("video is", "videos are", said, missing)
    said = f"another number of windows than the duration gives (window {window}, stride {stride})"
    checked.some("video has", "videos have", said, lengths)
    checked.some("segment ends", "segments end", "after the end of the video", late)
    ids = sorted(str(k) for of in numbers.values() for k in of)
    if numbers and ids != sorted(str(k) for k in range(len(numbers))):
        checked.problems.append(f"{file.name}: the classes ({len(numbers)}) have the numbers {', '.join(ids[:30])}; "
                                f"ActionFormer needs 0 to {len(numbers) - 1}, each once")  # fmt: skip


def read_database(file: Path) -> dict[str, dict[str, Any]]:
    """The videos of a json in the form of ActionFormer or OpenTAD; every annotation has a segment of two times.

    Raises:
        BenchError: the file is missing or has another form.
    """
    document = read_json(file, "file of annotations", "give a json in the form of thumos14.json")
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict) or not all(isinstance(video, dict) for video in database.values()):
        raise BenchError(f"{file}: has no table 'database' of videos; give a json in the form of thumos14.json")
    for name, video in database.items():
        rows = video.get("annotations") or []
        for row in rows if isinstance(rows, list) else [rows]:
            times = row.get("segment") if isinstance(row, dict) else None
            numbers = times if isinstance(times, list) and all(type(t) in (int, float) for t in times) else []
            if len(numbers) != 2 or not all(0 <= t < 1e9 for t in numbers):
                raise BenchError(f"{file}: {name} has {str(row)[:80]!r} instead of a label and a segment; fix the file")
    return database


def video_length(video: dict[str, Any]) -> tuple[float | None, float | None]:
    """Frames and seconds of a video of a json; None: not given."""
    numbers = {k: float(v) for k, v in video.items() if type(v) in (int, float) and v > 0}
    duration, frames = numbers.get("duration"), numbers.get("frame")
    if frames is None and duration is not None and "fps" in numbers:
        frames = duration * numbers["fps"]
    return frames, duration
