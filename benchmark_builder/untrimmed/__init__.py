"""Datasets of untrimmed videos: anomalies in long videos, and temporal localisation of actions.

A reader is a function ``read(root, split, task) -> UntrimmedListing`` in a module where ``WHERE`` explains where to get
the dataset and how to store it. ``split`` is ``train``, ``validation``, ``test`` or ``all``; ``task`` is one of those
that the dataset has, None for its first one.
"""

import sys
from pathlib import Path
from typing import Any

from benchmark_builder.datasets import data_root
from benchmark_builder.untrimmed.record import SPLITS, TASKS, LongVideo, Segment, UntrimmedListing, UnusableFile
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import Registry, first_line, safe_name

__all__ = ["UNTRIMMED", "LongVideo", "Segment", "UntrimmedListing", "UnusableFile", "read"]

UNTRIMMED = Registry(
    "dataset of untrimmed videos",
    "--dataset",
    "untrimmed",
    {
        "synthlong": "benchmark_builder.synthlong.reader:read",
        "ucf-crime": "benchmark_builder.untrimmed.ucf_crime:read",
        "thumos14": "benchmark_builder.untrimmed.thumos14:read",
        "folder": "benchmark_builder.untrimmed.folder:read",
    },
    {
        "synthlong": "synthlong: rendered long videos, for both tasks.",
        "ucf-crime": "ucf-crime: 1,610 training and 290 test videos, anomalies.",
        "thumos14": "thumos14: 200 validation and 213 test videos, temporal localisation.",
        "folder": "folder: your own videos, ROOT/…/NAME.mp4, without annotations.",
    },
)


def read(dataset: str, root: Path | None = None, split: str = "all", task: str | None = None) -> UntrimmedListing:
    """List a dataset of untrimmed videos.

    Args:
        dataset: a name of :data:`UNTRIMMED`, or ``package.module:reader``.
        root: its folder; None for ``$BENCH_DATA/NAME``.
        split: ``train``, ``validation``, ``test`` or ``all``.
        task: ``anomaly`` or ``localization``; None for the dataset's first one.

    Raises:
        BenchError: the dataset, split or task is unknown, the folder is missing, its lists or annotations are missing
            or invalid, or no video of the split is listed.
    """
    name, argument = UNTRIMMED.split(dataset)
    if argument is not None:
        raise BenchError(f"--dataset {dataset}: {name} takes no text after a colon; give its folder with --root")
    if split not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: choose from {', '.join(SPLITS)}, all")
    if task is not None and (task not in TASKS or not task):
        raise BenchError(f"--task {task}: choose from {', '.join(t for t in TASKS if t)}")
    reader = UNTRIMMED.find(dataset).part
    where = getattr(sys.modules.get(getattr(reader, "__module__", "")), "WHERE", "Give its folder with --root")
    root = root or data_root() / safe_name(name)
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {where}")
    listing = reader(root, split, task) if name in UNTRIMMED.shipped else _own(dataset, reader, root, split, task)
    if task is not None and listing.task != task:
        said = f"is annotated for {listing.task}" if listing.task else "has no annotations"
        raise BenchError(f"--task {task}: {dataset} {said}; leave --task out or choose another --dataset")
    if not listing.videos and listing.unusable:
        first = listing.unusable[0]
        raise BenchError(f"{root}: no video of split {split!r} can be used; the first: {first.file}: {first.reason}")
    if not listing.videos:
        raise BenchError(f"{root}: no videos of split {split!r} found. {where}")
    return listing


def _own(name: str, reader: Any, root: Path, split: str, task: str | None) -> UntrimmedListing:
    """The result of a reader that is not part of this toolkit."""
    try:
        listing = reader(root, split, task)
    except (BenchError, OSError):
        raise
    except Exception as error:  # the user's code may raise anything
        raise BenchError(f"--dataset {name}: its reader failed ({type(error).__name__}: {first_line(error)}); fix it: "
                         "it is called as read(root, split, task)") from error  # fmt: skip
    if not isinstance(listing, UntrimmedListing):
        raise BenchError(f"--dataset {name}: its reader returned a {type(listing).__name__}; return an "
                         "UntrimmedListing")  # fmt: skip
    return listing
