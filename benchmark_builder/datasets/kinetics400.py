"""Kinetics-400 (Kay et al., 2017): clips of about 10 s of 400 classes; labels alphabetical, from 0.

Two layouts are read: CVDF's, ``ROOT/val/ID_START_END.mp4`` (flat) with ``ROOT/annotations/val.csv``
(``label,youtube_id,time_start,time_end,split[,is_cc]``), and mmaction2's, ``ROOT/videos_val/CLASS/ID….mp4`` with or
without ``ROOT/kinetics400_val_list_videos.txt`` (lines "class/file.mp4 label"). Files that CVDF has replaced
(``ROOT/replacement/replacement_for_corrupted_k400``) are used instead of the broken ones. Annotations: CC BY 4.0.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmark_builder.datasets import Listing, Unusable
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    class_matcher,
    first_folder,
    not_videos,
    shipped_classes,
    split_label,
    told,
    videos_of_classes,
)
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of, natural
from benchmark_builder.utils.text import composed, counted, read_lines, read_table
from benchmark_builder.video.record import Video

WHERE = (
    "Get Kinetics-400 from the CVDF mirror and store it as ROOT/val/ID_START_END.mp4 and ROOT/annotations/val.csv, "
    "or as mmaction2 does (ROOT/videos_val/CLASS/*.mp4); ROOT is $BENCH_DATA/kinetics400 or --root"
)
SPLITS = ("train", "val", "test")
REPLACED = "replacement/replacement_for_corrupted_k400"  # folder of CVDF's archive of intact copies


def read(root: Path, split: str, fold: int) -> Listing:
    """List Kinetics-400. Ids are file stems; splits ``train``, ``val``, ``test``, ``all``, ``auto`` (= ``val``).

    Raises:
        BenchError: the split or fold is unknown, a csv or list is invalid, or labels are not those of Kinetics-400.
    """
    name = "val" if split == "auto" else split
    if name not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: Kinetics-400 has {', '.join(SPLITS)} and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: Kinetics-400 has only fold 1")
    classes = shipped_classes("kinetics400")
    parts = [s for s in SPLITS if _split_folder(root, s)] if name == "all" else []
    return _joined([_read_split(root, part, name, classes) for part in parts or [name]], name, root)


def _split_folder(root: Path, split: str) -> Path | None:
    return first_folder(root / split, root / f"videos_{split}")


def _read_split(root: Path, part: str, name: str, classes: list[str]) -> Listing:
    """The videos in the folder of one split; ``name``: the split recorded in them."""
    folder = _split_folder(root, part) or first_folder(root / "videos") or root
    found, strange = class_folders(folder, classes)
    if not found:
        return _flat(root, folder, part, name, classes)
    videos, notes = videos_of_classes(folder, found, strange)
    catalogue = Catalogue(root, "kinetics400", classes, flat=True)
    for label, paths in videos.items():
        for path in paths:
            catalogue.add(path.stem, path, label)
    listed = _list_file(root, part)
    if listed is None:
        return catalogue.listing(name, None, notes)
    names: dict[str, int] = {}
    for number, line in read_lines(listed, "list", "get the list again"):
        file, number_said = split_label(line)
        if number_said is None:
            raise BenchError(f"{listed}, line {number}: {line!r} is not 'class/file.mp4 label'; get the list again")
        names[file] = number_said
    _check_labels(listed, names, catalogue, classes)
    return _named(catalogue, name, list(names), notes, folder, listed)


def _check_labels(path: Path, names: dict[str, int], catalogue: Catalogue, classes: list[str]) -> None:
    """Raise BenchError if a list's labels differ from those of the folders in it, or of the folders of its videos."""
    match = class_matcher(classes)
    known: list[tuple[str, int]] = []  # (file as listed, true label)
    for file in names:
        said, found = match(file.rpartition("/")[0]), catalogue.label_of(file)
        known += [(file, label) for label in {said, found[1] if found else None} if label is not None]
    wrong = [(file, label) for file, label in known if names[file] != label]
    if not wrong:
        return
    file, label = wrong[0]
    count = len({f for f, _ in wrong})
    shown = (
        f"{path}: label of {catalogue.id_of(file)} is not that of its folder ({names[file]}; {classes[label]!r} is "
        f"{label}"
        f"; the same for {count} of {len(names)} lines)"
    )
    if all(names[f] == true + 1 for f, true in known):
        raise BenchError(f"{shown}: its labels count from 1, those of Kinetics-400 from 0; subtract 1 from each, or "
                         "remove the list to use every video of the folders")  # fmt: skip
    raise BenchError(f"{shown}; the list is not for Kinetics-400, get it again or remove it")


def _named(catalogue: Catalogue, name: str, names: list[str], notes: list[str], folder: Path, where: Path) -> Listing:
    """The listing of ``names``, and a note on the videos that are not in any list."""
    listing = catalogue.listing(name, names, notes, where)
    stems = {catalogue.id_of(n) for n in names} | {v.id for v in listing.videos}
    left = sorted(set(listing.there) - stems - {u.id for u in listing.unusable})
    if not left:
        return listing
    note = f"{folder}: {counted(len(left), 'video is', 'videos are')} not in {where} and left out; the first: {left[0]}"
    return replace(listing, notes=(*listing.notes, note))


def _joined(listings: list[Listing], name: str, root: Path) -> Listing:
    """Listings of several folders as one; a video that is in two of them is not used."""
    places: dict[str, list[Video]] = {}
    for video in (v for listing in listings for v in listing.videos):
        places.setdefault(video.id, []).append(video)
    unusable = [u for listing in listings for u in listing.unusable]
    for videos in (found for found in places.values() if len(found) > 1):
        for video in videos:
            others = ", ".join(told(v.path, root) for v in videos if v is not video)
            reason = f"{others} has the same name; keep one of them"
            unusable.append(Unusable(video.id, told(video.path, root), reason, video.label, video.class_name))
    return Listing(
        [videos[0] for _, videos in sorted(places.items()) if len(videos) == 1],
        listings[0].classes,
        name,
        tuple(dict.fromkeys(note for listing in listings for note in listing.notes)),
        tuple(dict.fromkeys(i for listing in listings for i in listing.missing)),
        tuple(unusable),
        tuple(sorted({i for listing in listings for i in listing.there})),
    )


def _list_file(root: Path, split: str) -> Path | None:
    name = f"kinetics400_{split}_list_videos.txt"
    return next((p for p in (root / name, root / "annotations" / name) if p.is_file()), None)


def _flat(root: Path, folder: Path, part: str, name: str, classes: list[str]) -> Listing:
    """Join a flat folder with its csv; a file name is ID_START_END or, if trimmed by other tools, only ID."""
    files, others = files_of(folder, VIDEO_SUFFIXES)
    replaced = files_of(root / REPLACED, VIDEO_SUFFIXES)[0] if (root / REPLACED).is_dir() else []
    whole = {composed(p.stem) for p in replaced}
    own = {composed(p.stem) for p in files}
    places = [
        place / f"{s}.csv"
        for s in (SPLITS if part == "all" else (part,))
        for place in (root / "annotations", root, root.parent / "annotations")
    ]
    tables = [p for p in places if p.is_file()]
    if not tables:
        raise BenchError(f"{places[0]}: no such file, and a flat folder does not contain the labels. {WHERE}")
    match = class_matcher(classes)
    label_of: dict[str, int] = {}
    for path in tables:
        for video, stem, label in _rows(path, match):
            label_of[stem if stem in own | whole or video not in own | whole else video] = label
    catalogue = Catalogue(root, "kinetics400", classes, flat=True)
    unlabelled = 0
    for path in [p for p in files if composed(p.stem) not in whole] + replaced:
        stem = composed(path.stem)
        if stem in label_of:
            catalogue.add(stem, path, label_of[stem])
        elif stem in own:
            unlabelled += 1
    notes = not_videos(folder, others)
    if unlabelled:
        first = min(own - label_of.keys(), key=natural)
        notes.append(f"{folder}: {counted(unlabelled, 'video is', 'videos are')} not in the csv of split {part} and "
                     f"left out; the first: "
                     f"{first}")  # fmt: skip
    return replace(catalogue.listing(name, list(label_of), notes, tables[0]), there=tuple(sorted(own | whole)))


def _rows(path: Path, match: Callable[[str], int | None]) -> Iterator[tuple[str, str, int]]:
    """(YouTube id, ID_START_END, label) of every row of a csv with columns in any order."""
    fix = "get the file again"
    columns, rows = read_table(path, "csv of Kinetics-400", fix)
    lacking = [c for c in ("label", "youtube_id", "time_start", "time_end") if c not in columns]
    if lacking:
        raise BenchError(f"{path}: has no column {lacking[0]!r}, so it is not the csv of Kinetics-400; {fix}")
    for line, row in enumerate(rows, 2):
        record = dict(zip(columns, (composed(cell.strip()) for cell in row), strict=False))
        label = match(record.get("label", ""))
        try:
            start, end = int(float(record["time_start"])), int(float(record["time_end"]))
            video = record["youtube_id"]
        except (KeyError, OverflowError, ValueError):
            label = None
        if label is None:
            raise BenchError(f"{path}, line {line}: not a row of Kinetics-400's csv; {fix}")
        yield video, f"{video}_{start:06d}_{end:06d}", label
