"""Dataset readers: each yields :class:`~benchmark_builder.video.record.Video` records and nothing else.

The convention for where data lies: ``$BENCH_DATA/NAME`` (or ``./data/NAME``).
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark_builder.parts import DATASETS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line, safe_name
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

# Datasets that are scored with another's classifier: their labels are that dataset's.
SCORED_AS = {"jhmdb": "hmdb51"}


def data_root() -> Path:
    """``$BENCH_DATA``, else ``./data``."""
    return Path(os.environ.get("BENCH_DATA") or "data")


def dataset_root(name: str, root: Path | None = None) -> Path:
    """The folder of a dataset: ``root``, or by convention ``$BENCH_DATA/NAME``."""
    return root or data_root() / safe_name(name)


def registered_dataset(name: str) -> str:
    """A name that a file of others gives, such as a benchmark's or a checkpoint's: it must be a registered one, since
    a module that it named would be imported.

    Raises:
        BenchError: it is none; the message says how to name the dataset.
    """
    if name not in DATASETS:
        raise BenchError(f"dataset {name!r}: is none of {', '.join(DATASETS.names())}; if its reader is your own, "
                         "name it with --dataset package.module:reader, or leave its ordinary videos out with "
                         "--no-iid")  # fmt: skip
    return name


def scored_as(name: str) -> str:
    """The dataset whose classes and labels ``name`` uses, and whose checkpoints score it; mostly itself."""
    return SCORED_AS.get(name, name)


def read_dataset(name: str, root: Path | None = None, split: str = "auto", fold: int = 1) -> Listing:
    """List a dataset's videos.

    Args:
        name: a name of :data:`DATASETS`, or ``package.module:reader``.
        root: its folder; default ``$BENCH_DATA/NAME``.
        split: ``train``, ``test``, ``val``, ``all``, or ``auto``: the test split where the official split files
            are there, else every video (a note says so).
        fold: which official split, from 1.

    Raises:
        BenchError: unknown name, missing folder (with where to get it), or a layout that is not the dataset's.
        NoVideos: no video of the split can be taken; the message says what the lists name and what the folder holds.
    """
    reader, argument = DATASETS.split(name)
    if argument is not None:
        raise BenchError(f"--dataset {name}: {reader} takes nothing after a colon; give its folder with --root")
    read = DATASETS.find(name).part
    where = getattr(sys.modules.get(getattr(read, "__module__", "")), "WHERE", "Give the dataset's folder with --root")
    root = dataset_root(name, root)
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {where}")
    listing = read(root, split, fold) if name in DATASETS.shipped else _own(name, read, root, split, fold)
    if not listing.videos:
        raise NoVideos(f"{root}: no videos of split {split!r} found{_instead(listing)}. {where}", listing)
    return listing


def _own(name: str, read: Any, root: Path, split: str, fold: int) -> Listing:
    """What a reader from outside this toolkit finds, checked."""
    try:
        listing = read(root, split, fold)
    except (BenchError, OSError):
        raise
    except Exception as error:  # the user's code may raise anything
        raise BenchError(f"--dataset {name}: its reader failed ({type(error).__name__}: {first_line(error)}); it is "
                         "called as read(root, split, fold)") from error  # fmt: skip
    if not isinstance(listing, Listing):
        raise BenchError(f"--dataset {name}: its reader gives a {type(listing).__name__}; return a Listing")
    seen: set[str] = set()
    for video in listing.videos:
        if not isinstance(video, Video) or video.label >= len(listing.classes):
            raise BenchError(f"--dataset {name}: its reader lists {video!r}; give Video records whose labels are "
                             "places in classes")  # fmt: skip
        if video.id in seen:
            raise BenchError(f"--dataset {name}: its reader lists {video.id} twice; give each video its own id")
        seen.add(video.id)
    return replace(listing, videos=sorted(listing.videos, key=lambda v: v.id))


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
