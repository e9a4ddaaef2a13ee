"""The user's own videos: one folder per class, ``ROOT/CLASS/NAME.mp4`` (or ``ROOT/videos/CLASS/NAME.mp4``); or parts
with class folders in them, ``ROOT/train/CLASS/NAME.mp4`` with ``val`` and ``test`` next to ``train``, as torchvision's
ImageFolder is used.

Classes are the folders with videos (of all parts), sorted by name, and labels are their indices in this order. If
``ROOT/classes.txt`` exists (one class per line, in label order), it decides instead; case and punctuation of the
folders are ignored. Splits of class folders: ``ROOT/{train,test,val}.txt`` with lines "CLASS/NAME.mp4"; without
train.txt, the videos that no other list names are for training.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    SHOWN,
    Catalogue,
    class_folders,
    class_matcher,
    not_videos,
    videos_of_classes,
)
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of, subfolders
from benchmark_builder.utils.text import composed, counted, plain_path, read_lines, shown

WHERE = (
    "Store your videos as ROOT/CLASS/NAME.mp4, one folder per class, or as ROOT/train/CLASS/NAME.mp4 and "
    "ROOT/test/CLASS/NAME.mp4, and give ROOT with --root"
)
NAME = "folder"
SPLITS = ("train", "test", "val")
CLASSES = "classes.txt"
# Names of the folders of a part, in any case.
PARTS = {"train": ("train", "training"), "test": ("test", "testing"), "val": ("val", "valid", "validation")}


def read(root: Path, split: str, fold: int) -> Listing:
    """List the videos of class folders. Splits ``train``, ``test``, ``val``, ``all``, ``auto``.

    Ids are ``CLASS/NAME``, or with parts ``PART/CLASS/NAME``. ``auto`` is ``test`` if there is a test part (a list
    test.txt, or a folder), otherwise ``val`` if there is one, otherwise ``all``.

    Raises:
        BenchError: no class folder contains a video, two folders are the same class, a list is invalid, or the split is
            not there.
    """
    if split not in (*SPLITS, "all", "auto"):
        raise BenchError(f"--split {split}: this dataset has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: this dataset has only fold 1")
    parts = _parts(root)
    return _read_parts(root, parts, split) if parts else _read_classes(root, split)


def has_part(root: Path, split: str) -> bool:
    """Whether the user's own data have a part: a list, or a folder with class folders."""
    return (root / f"{split}.txt").is_file() or split in _parts(root)


def _read_classes(root: Path, split: str) -> Listing:
    """The videos of class folders, with lists for the splits."""
    folder = _place(root)
    classes, (found,), notes = _classes(root, [folder])
    videos, said = videos_of_classes(folder, found, ())
    catalogue = Catalogue(root, "folder", classes)
    catalogue.add_class_folders(videos)

    lists = {s: root / f"{s}.txt" for s in SPLITS if (root / f"{s}.txt").is_file()}
    if split == "auto":
        split = next((s for s in ("test", "val") if s in lists), "all")
        if split == "all":
            notes.append(f"no test.txt in {root}: using every video (as with --split all)")
    notes += said
    if split == "all":
        return catalogue.listing("all", None, notes)
    if split == "train" and "train" not in lists:
        return _rest(root, catalogue, lists, classes, notes)
    path = root / f"{split}.txt"
    return catalogue.listing(split, _named(path, classes), notes, path)


def _rest(root: Path, catalogue: Catalogue, lists: dict[str, Path], classes: list[str], notes: list[str]) -> Listing:
    """The training videos where no list names them: those that the other lists do not name."""
    if not lists:
        notes.append(f"no train.txt, and no folder train, in {root}: every video is used, and there is no test part")
    else:
        notes.append(f"no train.txt in {root}: the videos that {' and '.join(p.name for p in lists.values())} do not "
                     "name are for training")  # fmt: skip
    listing = catalogue.listing("train", None, notes)
    others = {v.id for s, path in lists.items() for v in catalogue.listing(s, _named(path, classes)).videos}
    return replace(listing, videos=[v for v in listing.videos if v.id not in others], by_class=True)


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the parts by split; empty if ROOT contains class folders itself."""
    parts: dict[str, Path] = {}
    for folder in subfolders(root):
        if files_of(folder, VIDEO_SUFFIXES)[0]:  # a class, whatever its name
            return {}
        split = next((s for s, names in PARTS.items() if folder.name.casefold() in names), None)
        if split is None or not any(files_of(d, VIDEO_SUFFIXES)[0] for d in subfolders(folder)):
            continue
        if split in parts:
            raise BenchError(f"{root}: both {parts[split].name} and {folder.name} are the part {split!r}; keep one")
        parts[split] = folder
    return parts


def _read_parts(root: Path, parts: dict[str, Path], split: str) -> Listing:
    """The videos of parts with class folders in them."""
    classes, found, notes = _classes(root, list(parts.values()))
    if split == "auto":
        split = next((s for s in ("test", "val") if s in parts), "all")
        if split == "all":
            notes.append(f"no folder test in {root}: using every video (as with --split all)")
    if split != "all" and split not in parts:
        raise BenchError(
            f"{root}: has no part {split!r}, only {', '.join(p.name for p in parts.values())}; add the folder "
            f"{root / split} with class folders, or give --split {next(iter(parts))} or --split all"
        )
    catalogue, said = Catalogue(root, "folder", classes), list[str]()
    for (name, folder), by_label in zip(parts.items(), found, strict=True):
        if split not in ("all", name):
            continue
        videos, more = videos_of_classes(folder, by_label, ())
        said += more
        for label, paths in videos.items():
            for path in paths:
                catalogue.add(f"{folder.name}/{classes[label]}/{path.stem}", path, label)
        lacking = [classes[k] for k in range(len(classes)) if not videos.get(k)]
        if lacking and name == "train":
            said.append(f"{folder}: has no video of {counted(len(lacking), 'class', 'classes')} of the other parts: "
                        f"{', '.join(map(shown, lacking[:SHOWN]))}{', …' if len(lacking) > SHOWN else ''}")  # fmt: skip
    listing = catalogue.listing(split, None, [*notes, *said])
    return replace(listing, validation="val" if "val" in parts else "", by_class=True)


def _place(root: Path) -> Path:
    """The folder that contains the class folders: ROOT/videos or ROOT."""
    for folder in (root / "videos", root):
        if folder.is_dir() and any(files_of(d, VIDEO_SUFFIXES)[0] for d in subfolders(folder)):
            return folder
    loose = files_of(root, VIDEO_SUFFIXES)[0]
    if loose:
        raise BenchError(f"{root}: contains no folder with videos, but {counted(len(loose), 'video')} outside of class "
                         f"folders. {WHERE}")  # fmt: skip
    inner = next((d for d in subfolders(root) if any(files_of(c, VIDEO_SUFFIXES)[0] for c in subfolders(d))), None)
    if inner is not None:
        raise BenchError(f"{root}: contains no folder with videos, but {inner} does; give --root {inner}")
    others = [p for d in subfolders(root) for p in files_of(d, VIDEO_SUFFIXES)[1]]
    said = "; ".join(not_videos(root, others))
    raise BenchError(f"{root}: contains no folder with videos ({', '.join(sorted(VIDEO_SUFFIXES))})"
                     f"{'; ' + said if said else ''}. {WHERE}")  # fmt: skip


def _classes(root: Path, places: list[Path]) -> tuple[list[str], list[dict[int, Path]], list[str]]:
    """Class names in label order, the class folders by label in each of ``places``, and notes for the user."""
    path = root / CLASSES
    folders = {place: subfolders(place) for place in places}
    filled = {place: [d for d in inside if files_of(d, VIDEO_SUFFIXES)[0]] for place, inside in folders.items()}
    if not path.is_file():
        names = {place: sorted(composed(d.name) for d in inside) for place, inside in filled.items()}
        for place, listed in names.items():
            twice = next((a for a, b in pairwise(listed) if a == b), None)
            if twice is not None:
                raise BenchError(f"{place}: contains two folders with the name {twice!r} (with composed and "
                                 "decomposed letters); put their videos into one of them")  # fmt: skip
        classes = sorted({name for listed in names.values() for name in listed})
        notes = [f"{_brief(d)} and is not a class; if it is, add it to {CLASSES}" for place in places
                 for d in folders[place] if d not in filled[place] and composed(d.name) not in classes]  # fmt: skip
        for first, second in pairwise(sorted(classes, key=str.casefold)):
            if first.casefold() == second.casefold():
                where = places[0] if len(places) == 1 else root
                notes.append(f"{where}: {first} and {second} differ only in upper and lower case and are two "
                             "classes; if they are one class, put their videos into one folder")  # fmt: skip
        return classes, [{classes.index(composed(d.name)): d for d in filled[place]} for place in places], notes
    classes = [line for _, line in read_lines(path, "list of classes", "write one class per line")]
    twice_named = next((c for k, c in enumerate(classes) if c in classes[:k]), None)
    if twice_named is not None:
        raise BenchError(f"{path}: {twice_named!r} is listed twice; keep one of the lines")
    found, notes = [], []
    for place in places:
        labelled, strange = class_folders(place, classes)
        notes += [f"{d.name} is left out: it is not in {CLASSES}" for d in strange if d in filled[place]]
        notes += [f"{_brief(d)}, although it is in {CLASSES}" for d in labelled.values() if d not in filled[place]]
        found.append(labelled)
    return classes, found, notes


def _brief(folder: Path) -> str:
    """A folder without videos, and what it contains instead."""
    files = files_of(folder, ())[1]
    kinds = sorted({p.suffix.lower() or "none" for p in files})
    said = f" ({counted(len(files), 'file')}: {', '.join(kinds[:SHOWN])})" if files else ""
    return f"{shown(folder.name)} contains no video{said}"


def _named(path: Path, classes: list[str]) -> list[str]:
    """The names in a split's list: ``CLASS/NAME.mp4``, CLASS with the spelling of the class."""
    match = class_matcher(classes)
    names = []
    for number, line in read_lines(path, "list", "write a line 'CLASS/NAME.mp4' for each video, or give --split all"):
        class_name, _, file = plain_path(line).partition("/")
        label = match(class_name)
        if label is None or PurePosixPath(file).suffix.lower() not in VIDEO_SUFFIXES or "/" in file:
            raise BenchError(
                f"{path}, line {number}: {line!r} is not 'CLASS/NAME.mp4' with a known class; fix the line"
            )
        names.append(f"{classes[label]}/{file}")
    return names
