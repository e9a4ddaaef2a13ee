"""Segments of untrimmed videos: when something happens in them.

A :class:`~benchmark_builder.video.record.Video` of UCF-Crime or THUMOS14 is the whole file, with one label. Its
segments are read separately: ``bench data segments`` prints them as a table, and :func:`read_segments` gives them in
Python.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmark_builder.datasets import dataset_root
from benchmark_builder.utils.errors import BenchError

# Datasets with segments -> a function of their folder.
_READERS = {
    "ucf-crime": "benchmark_builder.datasets.ucf_crime:segments",
    "thumos14": "benchmark_builder.datasets.thumos14:segments",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video in which one class occurs.

    Attributes:
        video_id: id of the video, as its reader gives it.
        class_name: the class.
        start, end: first and last moment, in ``unit``.
        unit: ``frames`` (as the dataset numbers them) or ``seconds``.
        split: the split of the annotation.
    """

    video_id: str
    class_name: str
    start: float
    end: float
    unit: str
    split: str


def read_segments(dataset: str, root: Path | None = None) -> tuple[list[Segment], list[str]]:
    """All annotated segments of a dataset, sorted by video and start, and notes on what is left out.

    Args:
        dataset: one of ``ucf-crime`` and ``thumos14``.
        root: its folder; None for ``$BENCH_DATA/NAME``.

    Raises:
        BenchError: the dataset has no segments, or its annotations are missing or invalid.
    """
    place = _READERS.get(dataset)
    if place is None:
        raise BenchError(f"--dataset {dataset}: has no segments; choose from {', '.join(_READERS)}")
    module, _, name = place.partition(":")
    read: Callable[[Path], tuple[list[Segment], list[str]]] = getattr(import_module(module), name)
    folder = dataset_root(dataset, root)
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder. {getattr(import_module(module), 'WHERE', '')}")
    found, notes = read(folder)
    return sorted(found, key=lambda s: (s.video_id, s.start, s.end, s.class_name)), notes
