"""Kinetics-400 (Kay et al., 2017): clips of about 10 s of 400 classes; labels alphabetical, from 0.

Two layouts are read: CVDF's, ``ROOT/val/ID_START_END.mp4`` (flat) with ``ROOT/annotations/val.csv``
(``label,youtube_id,time_start,time_end,split[,is_cc]``), and mmaction2's, ``ROOT/videos_val/CLASS/ID….mp4`` with or
without ``ROOT/kinetics400_val_list_videos.txt`` (lines "class/file.mp4 label"). Annotations: CC BY 4.0.
"""

import csv
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import VIDEO_SUFFIXES, first_folder, read_lines, shipped_classes
from benchmark_builder.errors import BenchError
from benchmark_builder.video import Video

WHERE = (
    "Get Kinetics-400 from the CVDF mirror and lay it as ROOT/val/ID_START_END.mp4 and ROOT/annotations/val.csv, or as "
    "mmaction2 does (ROOT/videos_val/CLASS/*.mp4), ROOT being $BENCH_DATA/kinetics400 or --root"
)


def read(root: Path, split: str, fold: int) -> Listing:
    """List Kinetics-400. Ids are file stems; splits ``train``, ``val``, ``test``, ``all``, ``auto`` (= ``val``)."""
    classes = shipped_classes("kinetics400")
    name = "val" if split == "auto" else split
    if name not in ("train", "val", "test", "all"):
        raise BenchError(f"--split {split}: Kinetics-400 has train, val, test and all")
    folder = first_folder(root / name, root / f"videos_{name}", root / "videos") or root
    labels = {c: i for i, c in enumerate(classes)} | {c.replace(" ", "_"): i for i, c in enumerate(classes)}

    class_folders = [d for d in sorted(folder.iterdir()) if d.is_dir() and d.name in labels]
    if class_folders:
        table = {p.stem: (p, labels[d.name]) for d in class_folders for p in sorted(d.iterdir()) if _is_video(p)}
        missing: list[str] = []
        listed = _list_file(root, name)
        if listed is not None:
            lines = [line.rsplit(maxsplit=1) for line in read_lines(listed)]
            names = {Path(file).stem: int(label) for file, label in lines}
            wrong = [s for s, label in names.items() if s in table and table[s][1] != label]
            if wrong:
                raise BenchError(f"{listed}: label of {wrong[0]} is not its folder's; the list is not Kinetics-400's")
            missing = sorted(names.keys() - table.keys())
            table = {s: v for s, v in table.items() if s in names}
    else:
        files = {p.stem: p for p in sorted(folder.iterdir()) if _is_video(p)}
        table, missing = _from_csv(root, name, files, labels)
    videos = [
        Video(stem, path, label, classes[label], name, "kinetics400") for stem, (path, label) in sorted(table.items())
    ]
    return Listing(videos, classes, name, (), tuple(missing))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _list_file(root: Path, split: str) -> Path | None:
    name = f"kinetics400_{split}_list_videos.txt"
    return next((p for p in (root / name, root / "annotations" / name) if p.is_file()), None)


def _from_csv(
    root: Path, split: str, files: dict[str, Path], labels: dict[str, int]
) -> tuple[dict[str, tuple[Path, int]], list[str]]:
    """Join a flat folder with its csv; a file may be named ID_START_END or, trimmed by other tools, ID alone."""
    splits = ["train", "val", "test"] if split == "all" else [split]
    places = [
        folder / f"{s}.csv" for s in splits for folder in (root / "annotations", root, root.parent / "annotations")
    ]
    csvs = [p for p in places if p.is_file()]
    if not csvs:
        raise BenchError(f"{places[0]}: no such file, and a flat folder says no labels. {WHERE}")
    table: dict[str, tuple[Path, int]] = {}
    missing = []
    for path in csvs:
        with open(path, newline="", encoding="utf-8") as handle:
            for line, record in enumerate(csv.DictReader(handle), 2):
                try:
                    video, label = record["youtube_id"], labels[record["label"]]
                    stem = f"{video}_{int(float(record['time_start'])):06d}_{int(float(record['time_end'])):06d}"
                except (KeyError, TypeError, ValueError):
                    raise BenchError(
                        f"{path}, line {line}: not a row of Kinetics-400's csv; get the file again"
                    ) from None
                found = stem if stem in files else video if video in files else None
                if found is None:
                    missing.append(stem)
                else:
                    table[found] = (files[found], label)
    return table, missing
