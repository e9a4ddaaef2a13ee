"""A user's own videos: one folder a class, ``ROOT/CLASS/NAME.mp4`` (or ``ROOT/videos/CLASS/NAME.mp4``).

Classes are the folders that hold videos, sorted by name, and labels their places in that order; ``ROOT/classes.txt``
(one class per line, in label order) decides instead where it is, whatever the case and punctuation of the folders.
Splits: ``ROOT/{train,test,val}.txt`` of lines "CLASS/NAME.mp4".
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
from benchmark_builder.utils.text import composed, plain_path, read_lines, shown

WHERE = "Get videos of your own and lay them as ROOT/CLASS/NAME.mp4, one folder a class, ROOT being given with --root"
SPLITS = ("train", "test", "val")
CLASSES = "classes.txt"


def read(root: Path, split: str, fold: int) -> Listing:
    """List a folder of class folders. Ids are ``CLASS/NAME``; splits ``train``, ``test``, ``val``, ``all``, ``auto``.

    ``auto`` is ``test`` where test.txt is there, else ``val`` where val.txt is there, else ``all``.

    Raises:
        BenchError: no class folder holds a video, two folders are the same class, or a list that is none.
    """
    if split not in (*SPLITS, "all", "auto"):
        raise BenchError(f"--split {split}: a folder has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: a folder has fold 1 only")
    folder = _place(root)
    classes, found, notes = _classes(root, folder)
    videos, said = videos_of_classes(folder, found, ())
    catalogue = Catalogue(root, "folder", classes)
    catalogue.add_class_folders(videos)

    if split == "auto":
        split = next((s for s in ("test", "val") if (root / f"{s}.txt").is_file()), "all")
        if split == "all":
            notes.append(f"no test.txt in {root}: taking every video (as --split all)")
    notes += said
    if split == "all":
        return catalogue.listing("all", None, notes)
    path = root / f"{split}.txt"
    return catalogue.listing(split, _named(path, classes), notes, path)


def _place(root: Path) -> Path:
    """The folder whose folders are the classes: ROOT/videos or ROOT."""
    for folder in (root / "videos", root):
        if folder.is_dir() and any(files_of(d, VIDEO_SUFFIXES)[0] for d in subfolders(folder)):
            return folder
    others = [p for d in subfolders(root) for p in files_of(d, VIDEO_SUFFIXES)[1]]
    said = "; ".join(not_videos(root, others))
    raise BenchError(f"{root}: holds no folder with videos ({', '.join(sorted(VIDEO_SUFFIXES))})"
                     f"{'; ' + said if said else ''}. {WHERE}")  # fmt: skip


def _classes(root: Path, folder: Path) -> tuple[list[str], dict[int, Path], list[str]]:
    """Class names in label order, the class folders by label, and what to tell the user."""
    path = root / CLASSES
    folders = subfolders(folder)
    filled = [d for d in folders if files_of(d, VIDEO_SUFFIXES)[0]]
    if not path.is_file():
        classes = sorted(composed(d.name) for d in filled)
        notes = [f"{_brief(d)} and is no class; if it is one, name it in {CLASSES}" for d in folders if d not in filled]
        for first, second in pairwise(sorted(classes, key=str.casefold)):
            if first == second:
                raise BenchError(f"{folder}: holds two folders that are both called {first!r} (composed and decomposed "
                                 "letters); put their videos into one of them")  # fmt: skip
            if first.casefold() == second.casefold():
                notes.append(f"{folder}: {first} and {second} differ by case alone and are two classes; if they are "
                             "one, put their videos into one folder")  # fmt: skip
        return classes, {classes.index(composed(d.name)): d for d in filled}, notes
    classes = [line for _, line in read_lines(path, "list of classes", "write one class per line")]
    twice_named = next((c for k, c in enumerate(classes) if c in classes[:k]), None)
    if twice_named is not None:
        raise BenchError(f"{path}: {twice_named!r} stands twice; a class stands on one line")
    found, strange = class_folders(folder, classes)
    notes = [f"{d.name} is left out: it does not stand in {CLASSES}" for d in strange if d in filled]
    notes += [f"{_brief(d)}, though {CLASSES} names it" for d in found.values() if d not in filled]
    return classes, found, notes


def _brief(folder: Path) -> str:
    """A folder without a video, and what it holds instead."""
    files = files_of(folder, ())[1]
    kinds = sorted({p.suffix.lower() or "none" for p in files})
    said = f" ({len(files)} files: {', '.join(kinds[:SHOWN])})" if files else ""
    return f"{shown(folder.name)} holds no video{said}"


def _named(path: Path, classes: list[str]) -> list[str]:
    """What a split's list names: ``CLASS/NAME.mp4``, CLASS as the classes are spelt."""
    match = class_matcher(classes)
    names = []
    for number, line in read_lines(path, "list", "write a line 'CLASS/NAME.mp4' for each video, or give --split all"):
        class_name, _, file = plain_path(line).partition("/")
        label = match(class_name)
        if label is None or PurePosixPath(file).suffix.lower() not in VIDEO_SUFFIXES or "/" in file:
            raise BenchError(f"{path}, line {number}: {line!r} is no 'CLASS/NAME.mp4' of a known class; fix the line")
        names.append(f"{classes[label]}/{file}")
    return names
