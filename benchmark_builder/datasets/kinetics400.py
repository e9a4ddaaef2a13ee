"""Kinetics-400 (Kay et al., 2017): clips of about 10 s of 400 classes; labels alphabetical, from 0.

Two layouts are read: CVDF's, ``ROOT/val/ID_START_END.mp4`` (flat) with ``ROOT/annotations/val.csv``
(``label,youtube_id,time_start,time_end,split[,is_cc]``), and mmaction2's, ``ROOT/videos_val/CLASS/ID….mp4`` with or
without ``ROOT/kinetics400_val_list_videos.txt`` (lines "class/file.mp4 label"). Files that CVDF has replaced
(``ROOT/replacement/replacement_for_corrupted_k400``) are taken instead of the broken ones. Annotations: CC BY 4.0.
"""

import csv
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    VIDEO_SUFFIXES,
    first_folder,
    read_lines,
    shipped_classes,
    strange_folders,
)
from benchmark_builder.errors import BenchError
from benchmark_builder.video import Video

WHERE = (
    "Get Kinetics-400 from the CVDF mirror and lay it as ROOT/val/ID_START_END.mp4 and ROOT/annotations/val.csv, or as "
    "mmaction2 does (ROOT/videos_val/CLASS/*.mp4), ROOT being $BENCH_DATA/kinetics400 or --root"
)


SPLITS = ("train", "val", "test")
REPLACED = "replacement/replacement_for_corrupted_k400"  # where CVDF's archive of whole copies unpacks to


def read(root: Path, split: str, fold: int) -> Listing:
    """List Kinetics-400. Ids are file stems; splits ``train``, ``val``, ``test``, ``all``, ``auto`` (= ``val``).

    Raises:
        BenchError: no such split or fold, a csv or list that is none, or two files of one name.
    """
    name = "val" if split == "auto" else split
    if name not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: Kinetics-400 has {', '.join(SPLITS)} and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: Kinetics-400 has fold 1 only")
    classes = shipped_classes("kinetics400")
    labels = {c: i for i, c in enumerate(classes)} | {c.replace(" ", "_"): i for i, c in enumerate(classes)}
    parts = [s for s in SPLITS if _split_folder(root, s)] if name == "all" else []
    table: dict[str, tuple[Path, int]] = {}
    missing: list[str] = []
    notes: list[str] = []
    for part in parts or [name]:
        found, lost = _read_split(root, part, labels, notes)
        doubled = sorted(found.keys() & table.keys())
        if doubled:
            raise BenchError(f"{found[doubled[0]][0]}: {table[doubled[0]][0]} has the same name; keep one of the two")
        table |= found
        missing += lost
    videos = [
        Video(stem, path, label, classes[label], name, "kinetics400") for stem, (path, label) in sorted(table.items())
    ]
    return Listing(videos, classes, name, tuple(notes), tuple(missing))


def _split_folder(root: Path, split: str) -> Path | None:
    return first_folder(root / split, root / f"videos_{split}")


def _read_split(
    root: Path, split: str, labels: dict[str, int], notes: list[str]
) -> tuple[dict[str, tuple[Path, int]], list[str]]:
    """Stem -> (path, label) of what is there, and the stems of what the split names besides; adds to ``notes``."""
    folder = _split_folder(root, split) or first_folder(root / "videos") or root
    class_folders = [d for d in sorted(folder.iterdir()) if d.is_dir() and d.name in labels]
    if not class_folders:
        files = _by_stem(folder)
        replaced = _by_stem(root / REPLACED) if (root / REPLACED).is_dir() else {}
        found, missing = _from_csv(root, split, files | replaced, labels)
        notes += _unnamed(folder, files.keys() - found.keys(), f"the csv of split {split}")
        return found, missing
    notes += strange_folders(folder, labels)
    table: dict[str, tuple[Path, int]] = {}
    for directory in class_folders:
        for stem, path in _by_stem(directory).items():
            if stem in table:
                raise BenchError(f"{path}: {table[stem][0]} has the same name; keep one of the two")
            table[stem] = (path, labels[directory.name])
    listed = _list_file(root, split)
    if listed is None:
        return table, []
    names: dict[str, int] = {}
    for number, line in enumerate(read_lines(listed), 1):
        file, _, label = line.rpartition(" ")
        if not file or not label.isdigit():
            raise BenchError(f"{listed}, line {number}: {line!r} is not 'class/file.mp4 label'; get the list again")
        names[Path(file.strip()).stem] = int(label)
    wrong = [s for s, label in names.items() if s in table and table[s][1] != label]
    if wrong:
        raise BenchError(f"{listed}: label of {wrong[0]} is not its folder's; the list is not Kinetics-400's")
    notes += _unnamed(folder, table.keys() - names.keys(), str(listed))
    return {s: v for s, v in table.items() if s in names}, sorted(names.keys() - table.keys())


def _unnamed(folder: Path, stems: set[str], where: str) -> list[str]:
    if not stems:
        return []
    return [f"{folder}: {len(stems)} videos do not stand in {where} and are left out; the first: {min(stems)}"]


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if _is_video(p)):
        if path.stem in files:
            raise BenchError(f"{path}: {files[path.stem].name} has the same name; keep one of the two")
        files[path.stem] = path
    return files


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _list_file(root: Path, split: str) -> Path | None:
    name = f"kinetics400_{split}_list_videos.txt"
    return next((p for p in (root / name, root / "annotations" / name) if p.is_file()), None)


def _from_csv(
    root: Path, split: str, files: dict[str, Path], labels: dict[str, int]
) -> tuple[dict[str, tuple[Path, int]], list[str]]:
    """Join a flat folder with its csv; a file may be named ID_START_END or, trimmed by other tools, ID alone."""
    splits = SPLITS if split == "all" else (split,)
    places = [
        folder / f"{s}.csv" for s in splits for folder in (root / "annotations", root, root.parent / "annotations")
    ]
    csvs = [p for p in places if p.is_file()]
    if not csvs:
        raise BenchError(f"{places[0]}: no such file, and a flat folder says no labels. {WHERE}")
    table: dict[str, tuple[Path, int]] = {}
    missing = []
    for path in csvs:
        for line, record in enumerate(_records(path), 2):
            try:
                video, label = record["youtube_id"], labels[record["label"]]
                stem = f"{video}_{int(float(record['time_start'])):06d}_{int(float(record['time_end'])):06d}"
            except (KeyError, OverflowError, TypeError, ValueError):
                raise BenchError(f"{path}, line {line}: not a row of Kinetics-400's csv; get the file again") from None
            found = stem if stem in files else video if video in files else None
            if found is None:
                missing.append(stem)
            else:
                table[found] = (files[found], label)
    return table, missing


def _records(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            return list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: cannot be read ({error}); get the file again") from None
