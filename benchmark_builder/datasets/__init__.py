"""Dataset readers: each yields only :class:`~benchmark_builder.video.record.Video` records.

By convention, a dataset is stored in ``$BENCH_DATA/NAME`` (or ``./data/NAME``).
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
from benchmark_builder.utils.text import counted
from benchmark_builder.video.record import Video


@dataclass(frozen=True, slots=True)
class Unusable:
    """A video of the split that is in the dataset's folder but cannot be used.

    Attributes:
        id: the id that it would have; it may be an invalid id.
        file: the file or folder, relative to the dataset's root.
        reason: why it cannot be used, and how to fix that.
        label, class_name: as in :class:`~benchmark_builder.video.record.Video`.
    """

    id: str
    file: str
    reason: str
    label: int
    class_name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The result of a reader.

    Attributes:
        videos: sorted by id.
        classes: class names in label order, of the whole dataset for every split.
        split: the split that was read, with its fold (``test1``), or ``all``.
        notes: messages for the user (a split file is missing, files are not videos).
        missing: ids in the split that are missing in the folder.
        unusable: videos of the split that exist but cannot be used: two files with the same name, or a name that cannot
            be an id.
        there: ids of all videos in the folder, of every split; for messages.
        validation: the split for validation in the user's own data, ``val``; empty if there is none.
        by_class: whether a part for validation is drawn class by class, so that none is without.
    """

    videos: list[Video]
    classes: list[str]
    split: str
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    there: tuple[str, ...] = ()
    validation: str = ""
    by_class: bool = False

    @property
    def left_out(self) -> list[tuple[str, str, str]]:
        """The videos of the split that cannot be used, as (id, name, reason): the name is the id of a missing video, or
        the unusable file."""
        said = "in the split's list, but not in the dataset's folder"
        missing = [(video_id, video_id, said) for video_id in self.missing]
        return missing + [(u.id, u.file, u.reason) for u in self.unusable]

    def summary(self, shown: int = 5) -> list[str]:
        """Messages for the user on missing and unusable videos of the split: counts, and the first of each."""
        lines = []
        if self.missing:
            words = "video in the split's list is missing", "videos in the split's list are missing"
            lines.append(f"{counted(len(self.missing), *words)}: {_first(self.missing, shown)}")
        if self.unusable:
            said = [f"{u.file} ({u.reason})" for u in self.unusable]
            lines.append(f"{counted(len(self.unusable), 'video')} cannot be used: {_first(said, shown)}")
        return lines


class NoVideos(BenchError):
    """A split without any usable video. ``listing`` has what was found instead."""

    def __init__(self, message: str, listing: Listing) -> None:
        super().__init__(message)
        self.listing = listing


def _first(names: Sequence[str], shown: int) -> str:
    return ", ".join(names[:shown]) + (f", and {len(names) - shown} more" if len(names) > shown else "")


Reader = Callable[[Path, str, int], Listing]

# Datasets that use the classes, labels and classifiers of another dataset.
SCORED_AS = {"jhmdb": "hmdb51", "hat-kinetics400": "kinetics400", "hat-ucf101": "ucf101"}
# Datasets with the classes of another dataset in the same order: its networks can be scored on them, as on a dataset of
# its own (their figures are not those of the other's test split).
CLASSES_OF = {"aras": "kinetics400", "mimetics": "kinetics400"}


def data_root() -> Path:
    """``$BENCH_DATA``, otherwise ``./data``."""
    return Path(os.environ.get("BENCH_DATA") or "data")


def dataset_root(name: str, root: Path | None = None) -> Path:
    """The folder of a dataset: ``root``, or by convention ``$BENCH_DATA/NAME``."""
    return root or data_root() / safe_name(name)


def registered_dataset(name: str) -> str:
    """Check a dataset name read from a benchmark or a checkpoint: it must be a registered name, so that files of others
    never choose a module that is imported.

    Raises:
        BenchError: it is not registered; the message says how to name the dataset.
    """
    if name not in DATASETS:
        raise BenchError(f"dataset {name!r}: is none of {', '.join(DATASETS.names())}; if you wrote its reader, name "
                         "it with --dataset package.module:reader, or give --no-iid")  # fmt: skip
    return name


def scored_as(name: str) -> str:
    """The dataset whose classes, labels and checkpoints are used for ``name``; usually ``name`` itself."""
    return SCORED_AS.get(name, name)


def classes_of(name: str) -> str:
    """The dataset whose classes ``name`` has, in label order; usually ``name`` itself."""
    return CLASSES_OF.get(name, name)


def read_dataset(name: str, root: Path | None = None, split: str = "auto", fold: int = 1) -> Listing:
    """List a dataset's videos.

    Args:
        name: a name of :data:`DATASETS`, or ``package.module:reader``.
        root: its folder; default ``$BENCH_DATA/NAME``.
        split: ``train``, ``test``, ``val``, ``all``, or ``auto``: the test split if the official split files exist,
            otherwise every video (with a note).
        fold: number of the official split, from 1.

    Raises:
        BenchError: the name is unknown, the folder is missing (the message says where to get it), or its layout is
            wrong.
        NoVideos: no video of the split can be used; the message says what the lists and the folder contain.
    """
    reader, argument = DATASETS.split(name)
    if argument is not None:
        raise BenchError(f"--dataset {name}: {reader} takes no text after a colon; give its folder with --root")
    read = DATASETS.find(name).part
    where = _where(read)
    root = dataset_root(name, root)
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {where}")
    listing = read(root, split, fold) if name in DATASETS.shipped else _own(name, read, root, split, fold)
    if not listing.videos:
        raise NoVideos(f"{root}: no videos of split {split!r} found{_instead(listing)}. {where}", listing)
    return listing


def where_to_get(name: str) -> str:
    """Where to get a dataset and how to store it, in words, as its reader says. Raises BenchError if it is unknown."""
    return _where(DATASETS.find(name).part)


def _where(read: Any) -> str:
    module = sys.modules.get(getattr(read, "__module__", ""))
    return getattr(module, "WHERE", "Give the dataset's folder with --root")


def all_ids(name: str, root: Path | None, listing: Listing) -> set[str]:
    """Ids of all videos of a dataset, of every split; also of those that are listed and missing.

    Args:
        name, root: as in :func:`read_dataset`.
        listing: of one split; used alone if there is no list of all videos.
    """
    try:
        whole = read_dataset(name, root, "all")
    except BenchError:
        whole = listing
    return {v.id for one in (listing, whole) for v in one.videos} | {*listing.missing, *whole.missing, *whole.there}


def _own(name: str, read: Any, root: Path, split: str, fold: int) -> Listing:
    """The checked result of a reader that is not part of this toolkit."""
    try:
        listing = read(root, split, fold)
    except (BenchError, OSError):
        raise
    except Exception as error:  # the user's code may raise anything
        raise BenchError(f"--dataset {name}: its reader failed ({type(error).__name__}: {first_line(error)}); fix it: "
                         "it is called as read(root, split, fold)") from error  # fmt: skip
    if not isinstance(listing, Listing):
        raise BenchError(f"--dataset {name}: its reader returned a {type(listing).__name__}; return a Listing")
    seen: set[str] = set()
    for video in listing.videos:
        if not isinstance(video, Video) or video.label >= len(listing.classes):
            raise BenchError(f"--dataset {name}: its reader lists {video!r}; return Video records whose labels are "
                             "indices in classes")  # fmt: skip
        if video.id in seen:
            raise BenchError(f"--dataset {name}: its reader lists {video.id} twice; give every video a different id")
        seen.add(video.id)
    return replace(listing, videos=sorted(listing.videos, key=lambda v: v.id))


def _instead(listing: Listing) -> str:
    """What the lists and the folder of a listing without videos contain, each with an example."""
    parts = []
    if listing.missing:
        named = len(listing.missing) + len({u.id for u in listing.unusable})
        parts.append(f"the list has {named}, such as {listing.missing[0]!r}, and 0 of them can be used")
    if listing.unusable:
        first = listing.unusable[0]
        parts.append(f"{counted(len(listing.unusable), 'file')} cannot be used, such as {first.file!r}: {first.reason}")
    if listing.there:
        parts.append(f"the folder contains {counted(len(listing.there), 'video')}, such as {listing.there[0]!r}")
    return f" ({'; '.join(parts)})" if parts else ""
