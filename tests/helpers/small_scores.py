"""A small benchmark, and predictions for it that are written by hand."""

import dataclasses
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark_builder.benchmark.manifest import Row, write_benchmark
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.utils.errors import BenchError
from evaluator.testsets import TestSet, benchmark_set

CLASSES = ["jump", "run fast", "wave"]


VIDEOS = [("run fast/b", 1), ("jump/a", 0), ("wave/c", 2), ("run fast/d", 1)]


SCORES = {
    "jump/a": [0.7, 0.2, 0.1],
    "run fast/b": [0.5, 0.3, 0.2],
    "run fast/d": [0.1, 0.8, 0.1],
    "wave/c": [0.1, 0, 0.9],
}


# SCUFO: only a is right.
STILLS = {
    "jump/a": [0.7, 0.2, 0.1],
    "run fast/b": [0.6, 0.3, 0.1],
    "run fast/d": [0.8, 0.1, 0.1],
    "wave/c": [0.9, 0, 0.1],
}


def benchmark(
    folder: Path,
    kind: str,
    split: str = "test1",
    videos: Sequence[tuple[str, int]] = VIDEOS,
    classes: Sequence[str] = CLASSES,
    **own_of: dict[str, object],
) -> TestSet:
    """A benchmark (of four videos) as tables only, since scoring reads no video.

    ``own_of``: id -> further cells of its row, such as ``donor_label``.
    """
    blank = {
        f.name: 0 if f.type in (int, float) else "" for f in dataclasses.fields(Row) if f.default is dataclasses.MISSING
    } | {"frames": 1, "source_frames": "0-0", "fps": 25.0, "width": 8, "height": 8}
    rows = []
    for video_id, label in videos:
        own: dict[str, Any] = {"id": video_id, "file": f"videos/{video_id}.mp4", "label": label, "source_id": video_id}
        own |= {"class_name": classes[label], "split": split, "partner_id": "" if kind == "scuba" else video_id}
        own |= own_of.get(video_id, {})
        rows.append(Row(**{**blank, **own}))
    said = {"kind": kind, "dataset": "ucf101", "classes": list(classes), "backgrounds": {"name": "stripes"}}
    write_benchmark(folder, ProtocolRecord.made(said, folder), rows, [])
    return benchmark_set(folder)


def dump(path: Path, value: object) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(value))
    else:
        path.write_bytes(pickle.dumps(value))
    return path


def label(video_id: str) -> int:
    return dict(VIDEOS)[video_id]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)
