"""The user's own videos: one folder per class, ``ROOT/CLASS/NAME.mp4`` (or ``ROOT/videos/CLASS/NAME.mp4``).

Classes are the folders with videos, sorted by name, and labels are their indices in this order. If ``ROOT/classes.txt``
exists (one class per line, in label order), it decides instead; case and punctuation of the folders are ignored.
Splits: ``ROOT/{train,test,val}.txt`` with lines "CLASS/NAME.mp4".
"""

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

WHERE = "Store your videos as ROOT/CLASS/NAME.mp4, one folder per class, and give ROOT with --root"
SPLITS = ("train", "test", "val")
CLASSES = "classes.txt"


def read(root: Path, split: str, fold: int) -> Listing:
    """List the videos of class folders. Ids are ``CLASS/NAME``; splits ``train``, ``test``, ``val``, ``all``, ``auto``.

    ``auto`` is ``test`` if test.txt exists, otherwise ``val`` if val.txt exists, otherwise ``all``.

    Raises:
        BenchError: no class folder contains a video, two folders are the same class, or a list is invalid.
    """
    if split not in (*SPLITS, "all", "auto"):
        raise BenchError(f"--split {split}: this dataset has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: this dataset has only fold 1")
    folder = _place(root)
    classes, found, notes = _classes(root, folder)
    videos, said = videos_of_classes(folder, found, ())
    catalogue = Catalogue(root, "folder", classes)
    catalogue.add_class_folders(videos)

    if split == "auto":
        split = next((s for s in ("test", "val") if (root / f"{s}.txt").is_file()), "all")
        if split == "all":
            notes.append(f"no test.txt in {root}: using every video (as with --split all)")
    notes += said
    if split == "all":
        return catalogue.listing("all", None, notes)
    path = root / f"{split}.txt"
    return catalogue.listing(split, _named(path, classes), notes, path)


def _place(root: Path) -> Path:
    """The folder that contains the class folders: ROOT/videos or ROOT."""
    for folder in (root / "videos", root):
        if folder.is_dir() and any(files_of(d, VIDEO_SUFFIXES)[0] for d in subfolders(folder)):
            return folder
    others = [p for d in subfolders(root) for p in files_of(d, VIDEO_SUFFIXES)[1]]
    said = "; ".join(not_videos(root, others))
    raise BenchError(f"{root}: contains no folder with videos ({', '.join(sorted(VIDEO_SUFFIXES))})"
                     f"{'; ' + said if said else ''}. {WHERE}")  # fmt: skip


def _classes(root: Path, folder: Path) -> tuple[list[str], dict[int, Path], list[str]]:
    """Class names in label order, the class folders by label, and notes for the user."""
    path = root / CLASSES
    folders = subfolders(folder)
    filled = [d for d in folders if files_of(d, VIDEO_SUFFIXES)[0]]
    if not path.is_file():
        classes = sorted(composed(d.name) for d in filled)
        notes = [f"{_brief(d)} and is not a class; if it is, add it to {CLASSES}" for d in folders if d not in filled]
        for first, second in pairwise(sorted(classes, key=str.casefold)):
            if first == second:
                raise BenchError(f"{folder}: contains two folders with the name {first!r} (with composed and "
                                 "decomposed letters); put their videos into one of them")  # fmt: skip
            if first.casefold() == second.casefold():
                notes.append(f"{folder}: {first} and {second} differ only in upper and lower case and are two "
                             "classes; if they are one class, put their videos into one folder")  # fmt: skip
        return classes, {classes.index(composed(d.name)): d for d in filled}, notes
    classes = [line for _, line in read_lines(path, "list of classes", "write one class per line")]
    twice_named = next((c for k, c in enumerate(classes) if c in classes[:k]), None)
    if twice_named is not None:
        raise BenchError(f"{path}: {twice_named!r} is listed twice; keep one of the lines")
    found, strange = class_folders(folder, classes)
    notes = [f"{d.name} is left out: it is not in {CLASSES}" for d in strange if d in filled]
    notes += [f"{_brief(d)}, although it is in {CLASSES}" for d in found.values() if d not in filled]
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
