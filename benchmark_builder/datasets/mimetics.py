"""Mimetics (Weinzaepfel & Rogez, IJCV 2021): 713 clips in which people mime 50 classes of Kinetics-400.

``mimetics_v1.0.csv`` (``label,youtube_id,time_start,time_end,…``) names the clips; they are stored as
``ROOT/CLASS/ID_START_END.mp4`` or ``ROOT/videos/ID_START_END.mp4``, with times padded to six digits or not. Labels are
those of Kinetics-400, so that its networks can be scored. ``bench eval --slices mimetics`` tells apart clips with and
without the action's object and scene.
"""

from dataclasses import replace
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    class_matcher,
    shipped_classes,
    told,
    videos_of_classes,
)
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of, natural
from benchmark_builder.utils.text import composed, counted, read_table

WHERE = (
    "Get Mimetics' list and clips (NAVER LABS Europe) and store them as ROOT/mimetics_v1.0.csv and "
    "ROOT/CLASS/ID_START_END.mp4; ROOT is $BENCH_DATA/mimetics or --root"
)
LIST = "mimetics_v1.0.csv"
FIX = "get the file again"


def read(root: Path, split: str, fold: int) -> Listing:
    """List Mimetics. Ids are ``ID_START_END`` with padded times, however files are called; splits ``test``, ``all``
    and ``auto`` are all clips of the list.

    Raises:
        BenchError: another split or fold, or the list is missing or invalid.
    """
    if split not in ("test", "all", "auto"):
        raise BenchError(f"--split {split}: Mimetics has only test")
    if fold != 1:
        raise BenchError(f"--fold {fold}: Mimetics has only fold 1")
    classes = shipped_classes("kinetics400")
    path = root / LIST
    labels = _labels(path, classes)
    catalogue = Catalogue(root, "mimetics", classes, flat=True)
    notes: list[str] = []
    files: list[Path] = []
    for folder in (root, root / "videos"):
        if folder.is_dir():
            found, strange = class_folders(folder, classes)
            strange = [d for d in strange if d != root / "videos"]
            videos, said = videos_of_classes(folder, found, strange)
            notes += [note for note in said if "not in a class folder" not in note]
            files += [p for paths in videos.values() for p in paths] + files_of(folder, VIDEO_SUFFIXES)[0]
    names: dict[str, str] = {}  # as a file may be called -> id
    of: dict[str, int] = {}
    for (video, start, end), label in labels.items():
        video_id = f"{video}_{start:06d}_{end:06d}"
        names |= {video_id: video_id, f"{video}_{start}_{end}": video_id}
        of[video_id] = label
    match = class_matcher(classes)
    other, moved = [], []
    for file in files:
        video_id = names.get(composed(file.stem), "")
        if not video_id:
            other.append(file)
            continue
        if match(file.parent.name) not in (None, of[video_id]):
            moved.append(file)
        catalogue.add(video_id, file, of[video_id])
    if other:
        first = told(min(other, key=lambda p: natural(p.name)), root)
        notes.append(
            f"{root}: {counted(len(other), 'video is', 'videos are')} not in {LIST} and left out; the first: {first}"
        )
    if moved:
        said_first = told(moved[0], root)
        notes.append(
            f"{root}: {counted(len(moved), 'video is', 'videos are')} in the folder of another class than in {LIST}, "
            f"which is used; the first: "
            f"{said_first}"
        )
    listing = catalogue.listing("test", list(of), notes, path)
    return replace(listing, there=tuple(sorted({composed(file.stem) for file in files})))


def _labels(path: Path, classes: list[str]) -> dict[tuple[str, int, int], int]:
    """(YouTube id, start, end) -> label."""
    columns, rows = read_table(path, "list of Mimetics", FIX)
    needed = ("label", "youtube_id", "time_start", "time_end")
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise BenchError(f"{path}: has no column {lacking[0]!r}, so it is not the list of Mimetics; {FIX}")
    match = class_matcher(classes)
    found: dict[tuple[str, int, int], int] = {}
    for line, row in enumerate(rows, 2):
        record = dict(zip(columns, (composed(cell.strip()) for cell in row), strict=False))
        label = match(record.get("label", ""))
        try:
            clip = record["youtube_id"], int(float(record["time_start"])), int(float(record["time_end"]))
        except (KeyError, OverflowError, ValueError):
            label = None
        if label is None or not clip[0]:
            raise BenchError(f"{path}, line {line}: not a row of Mimetics' list; {FIX}")
        if found.setdefault(clip, label) != label:
            raise BenchError(f"{path}, line {line}: the clip is listed with two classes; {FIX}")
    return found
