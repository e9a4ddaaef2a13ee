"""A benchmark of any size, tables only, with predictions that are right or wrong as one says."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.benchmark.manifest import Row, write_benchmark
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.video.selection import count_frames
from evaluator.predictions.files import write_predictions

CLASSES = ["jump", "run", "wave"]


def made(
    folder: Path,
    right: Mapping[str, Sequence[int]],
    kind: str = "scuba",
    frames: Mapping[str, str] | None = None,
    dataset: str = "ucf101",
    coverage: Mapping[str, float | None] | None = None,
) -> tuple[Path, Path]:
    """Write a benchmark and its predictions.

    Args:
        folder: gets the benchmark; the predictions are alongside, as ``FOLDER.csv``.
        right: source id -> for each of its variants whether it is predicted right; all are of class 0.
        kind: of the benchmark.
        frames: source id -> which frames of it are shown; ``0-9`` where it is missing.
        dataset: of the benchmark.
        coverage: source id -> mean share of the picture inside the mask.

    Returns:
        The predictions and the benchmark.
    """
    blank = {
        f.name: 0 if f.type in (int, float) else "" for f in dataclasses.fields(Row) if f.default is dataclasses.MISSING
    } | {"fps": 25.0, "width": 8, "height": 8, "split": "test1", "class_name": CLASSES[0]}
    rows, said = [], []
    for source, outcomes in right.items():
        for variant, outcome in enumerate(outcomes):
            video_id = f"{source}__{variant}"
            own: dict[str, Any] = {"id": video_id, "file": f"videos/{video_id}.mp4", "source_id": source}
            shown = (frames or {}).get(source, "0-9")
            own |= {"source_frames": shown, "frames": count_frames(shown), "variant": variant}
            own |= {"mask_coverage": (coverage or {}).get(source, 0.1)}
            rows.append(Row(**{**blank, **own, "partner_id": "" if kind == "scuba" else video_id}))
            said.append((video_id, 0, np.array([0.8, 0.1, 0.1] if outcome else [0.1, 0.8, 0.1])))
    protocol = {"kind": kind, "dataset": dataset, "classes": CLASSES, "backgrounds": {"name": "stripes"}}
    write_benchmark(folder, ProtocolRecord.made(protocol, folder), rows, [])
    write_predictions(folder.with_suffix(".csv"), CLASSES, said)
    return folder.with_suffix(".csv"), folder
