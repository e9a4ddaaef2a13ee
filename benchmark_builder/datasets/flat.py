"""Datasets whose videos are stored in one folder, and whose labels are in lists by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import Catalogue, not_videos, stem_of
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of, natural, subfolders
from benchmark_builder.utils.text import composed, counted


def flat_listing(
    root: Path, dataset: str, classes: Sequence[str], labels: Mapping[str, int], split: str, where: Path,
    folders: Iterable[str], notes: Iterable[str] = (),
) -> Listing:  # fmt: skip
    """The videos of a list in flat folders; ids are the files' names without suffix.

    Args:
        root: the dataset's folder.
        dataset: its registered name.
        classes: class names in label order.
        labels: name in the lists (with or without suffix) -> label.
        split: the split recorded in the videos.
        where: the list, for notes.
        folders: names of the folders in ``root`` that may hold the videos; ``root`` itself is searched, too.
        notes: notes of the reader.
    """
    said = list(notes)
    catalogue = Catalogue(root, dataset, classes, flat=True)
    of = {composed(stem_of(name)): label for name, label in labels.items()}
    loose = {name.casefold(): label for name, label in of.items()}
    others: list[str] = []
    for folder in (root, *(root / name for name in folders)):
        if not folder.is_dir():
            continue
        files, rest = files_of(folder, VIDEO_SUFFIXES)
        if files and folder != root:
            said += not_videos(folder, rest)
        for path in files:
            stem = composed(path.stem)
            label = of.get(stem, loose.get(stem.casefold()))
            if label is None:
                others.append(stem)
            else:
                catalogue.add(stem, path, label)
    if others:
        first = min(others, key=natural)
        said.append(f"{root}: {counted(len(others), 'video is', 'videos are')} not in the lists of split {split} and "
                    f"left out; the first: "
                    f"{first}")  # fmt: skip
    listing = catalogue.listing(split, list(labels), said, where)
    return replace(listing, there=tuple(sorted({*listing.there, *others})))


def read_list(path: Path, what: str, fix: str) -> list[dict[str, Any]]:
    """A JSON file that is a list of tables. Raises BenchError if it is none."""
    found = read_json(path, what, fix)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BenchError(f"{path}: is not a {what}, which is a list of tables; {fix}")
    return found


def first_file(root: Path, *names: str) -> Path | None:
    """The first of the files that exists: in ``root``, in ``annotations`` or in ``labels`` in it."""
    places = (root, root / "annotations", root / "labels")
    return next((place / name for name in names for place in places if (place / name).is_file()), None)


def folders_below(root: Path, depth: int) -> list[Path]:
    """``root`` and the folders in it, down to ``depth`` levels, in natural order."""
    found = [root]
    level = [root]
    for _ in range(depth):
        level = [folder for parent in level for folder in subfolders(parent)]
        found += level
    return found
