"""Dataset readers: each yields :class:`~benchmark_builder.video.record.Video` records and nothing else.

The convention for where data lies: ``$BENCH_DATA/NAME`` (or ``./data/NAME``).
"""

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video


@dataclass(frozen=True, slots=True)
class Unusable:
    """A video of the split that is in the dataset's folder and cannot be taken.

    Attributes:
        id: what its id would be; it need not be a plain name.
        file: the file or folder, relative to the dataset's root.
        reason: why it cannot be taken, and how to fix that.
        label, class_name: as in :class:`~benchmark_builder.video.record.Video`.
    """

    id: str
    file: str
    reason: str
    label: int
    class_name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found.

    Attributes:
        videos: sorted by id.
        classes: class names in label order; the whole dataset's, whatever the split.
        split: the split that was read, with its fold (``test1``), or ``all``.
        notes: lines to tell the user (a split file that is missing, files that are not videos).
        missing: ids that the split names but the folder lacks.
        unusable: videos of the split that are there but cannot be taken: two files of one name, or a name that cannot
            be an id.
        there: ids of every video in the folder, whatever the split; for messages.
    """

    videos: list[Video]
    classes: list[str]
    split: str
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    there: tuple[str, ...] = ()

    @property
    def left_out(self) -> list[tuple[str, str, str]]:
        """What of the split no build can take, as (id, name, reason): the name is the missing video's id, or the file
        that cannot be used."""
        said = "named by the split, but not in the dataset's folder"
        missing = [(video_id, video_id, said) for video_id in self.missing]
        return missing + [(u.id, u.file, u.reason) for u in self.unusable]

    def summary(self, shown: int = 5) -> list[str]:
        """Lines for the user on what of the split is missing or cannot be used: counts, and the first of each."""
        lines = []
        if self.missing:
            lines.append(f"{len(self.missing)} videos that the split names are missing: {_first(self.missing, shown)}")
        if self.unusable:
            said = [f"{u.file} ({u.reason})" for u in self.unusable]
            lines.append(f"{len(self.unusable)} videos cannot be used: {_first(said, shown)}")
        return lines


class NoVideos(BenchError):
    """A split of which no video can be taken. ``listing`` says what was found instead."""

    def __init__(self, message: str, listing: Listing) -> None:
        super().__init__(message)
        self.listing = listing


def _first(names: Sequence[str], shown: int) -> str:
    return ", ".join(names[:shown]) + (f", and {len(names) - shown} more" if len(names) > shown else "")


Reader = Callable[[Path, str, int], Listing]

# name -> module with `read(root, split, fold) -> Listing` and `WHERE` (where to get it and how it must lie)
DATASETS = {
    "synthactions": "benchmark_builder.datasets.synthactions",
    "ucf101": "benchmark_builder.datasets.ucf101",
    "hmdb51": "benchmark_builder.datasets.hmdb51",
    "kinetics400": "benchmark_builder.datasets.kinetics400",
    "jhmdb": "benchmark_builder.datasets.jhmdb",
    "folder": "benchmark_builder.datasets.folder",
}

# Datasets that are scored with another's classifier: their labels are that dataset's.
SCORED_AS = {"jhmdb": "hmdb51"}


def data_root() -> Path:
    """``$BENCH_DATA``, else ``./data``."""
    return Path(os.environ.get("BENCH_DATA") or "data")


def scored_as(name: str) -> str:
    """The dataset whose classes and labels ``name`` uses, and whose checkpoints score it; mostly itself."""
    return SCORED_AS.get(name, name)


def read_dataset(name: str, root: Path | None = None, split: str = "auto", fold: int = 1) -> Listing:
    """List a dataset's videos.

    Args:
        name: a key of :data:`DATASETS`.
        root: its folder; default ``$BENCH_DATA/NAME``.
        split: ``train``, ``test``, ``val``, ``all``, or ``auto``: the test split where the official split files
            are there, else every video (a note says so).
        fold: which official split, from 1.

    Raises:
        BenchError: unknown name, missing folder (with where to get it), or a layout that is not the dataset's.
        NoVideos: no video of the split can be taken; the message says what the lists name and what the folder holds.
    """
    if name not in DATASETS:
        raise BenchError(f"unknown dataset {name!r}; choose from {', '.join(DATASETS)}")
    module = importlib.import_module(DATASETS[name])
    root = root or data_root() / name
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {module.WHERE}")
    listing: Listing = module.read(root, split, fold)
    if not listing.videos:
        raise NoVideos(f"{root}: no videos of split {split!r} found{_instead(listing)}. {module.WHERE}", listing)
    return listing


def _instead(listing: Listing) -> str:
    """What a listing without videos names and what its folder holds, each with an example."""
    parts = []
    if listing.missing:
        named = len(listing.missing) + len({u.id for u in listing.unusable})
        parts.append(f"the list names {named}, such as {listing.missing[0]!r}, and 0 of them can be taken")
    if listing.unusable:
        first = listing.unusable[0]
        parts.append(f"{len(listing.unusable)} files cannot be used, such as {first.file!r}: {first.reason}")
    if listing.there:
        parts.append(f"the folder holds {len(listing.there)} videos, such as {listing.there[0]!r}")
    return f" ({'; '.join(parts)})" if parts else ""
