"""Dataset readers: each yields :class:`~benchmark_builder.video.Video` records and nothing else.

The convention for where data lies: ``$BENCH_DATA/NAME`` (or ``./data/NAME``).
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.errors import BenchError
from benchmark_builder.video import Video


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found.

    Attributes:
        videos: sorted by id.
        classes: class names in label order; the whole dataset's, whatever the split.
        split: the split that was read, with its fold (``test1``), or ``all``.
        notes: lines to tell the user (a split file that is absent, say).
        missing: ids that the split names but the folder lacks.
    """

    videos: list[Video]
    classes: list[str]
    split: str
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


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
    """
    if name not in DATASETS:
        raise BenchError(f"unknown dataset {name!r}; choose from {', '.join(DATASETS)}")
    module = importlib.import_module(DATASETS[name])
    root = root or data_root() / name
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {module.WHERE}")
    listing: Listing = module.read(root, split, fold)
    if not listing.videos:
        raise BenchError(f"{root}: no videos of split {split!r} found. {module.WHERE}")
    return listing
