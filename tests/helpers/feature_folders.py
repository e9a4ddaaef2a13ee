"""Folders of features made from arrays, as `bench features` writes them, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.untrimmed import Segment
from benchmark_builder.utils.files import sha256_file, write_json
from evaluator.features.annotations import segment_row
from evaluator.features.folder import write_tables
from evaluator.features.formats import FORMATS
from evaluator.features.record import RECORD, FeaturesRecord


@dataclass(frozen=True)
class MadeVideo:
    """A video of a made folder.

    Attributes:
        features: (T, D) or (T, crops, D); None: the video is left out.
        frames: None: just enough for T windows.
        segments: (label, first frame, first frame after it).
    """

    id: str
    split: str
    features: np.ndarray | None
    label: str | None = None
    segments: Sequence[tuple[str, float, float]] = ()
    frames: int | None = None


def write_feature_folder(
    path: Path,
    videos: Sequence[MadeVideo],
    *,
    task: str = "anomaly",
    classes: Sequence[str] = (),
    window: int = 16,
    stride: int = 16,
    layout: str = "npy",
    fps: float = 30.0,
    model: str = "made",
    digest: str = "0" * 64,
    dataset: str = "made",
) -> Path:
    """Write a folder as `bench features` does, with features.json, videos.csv, segments.csv and the arrays.

    ``classes``: of the task; empty: the labels of the segments, sorted. All videos need the same number of crops and D.
    """
    arrays = {
        v.id: v.features if v.features.ndim == 3 else v.features[:, None] for v in videos if v.features is not None
    }
    some = next(iter(arrays.values()))
    merged = some.shape[1] if FORMATS[layout].merges else 1
    named = list(classes) or sorted({s[0] for v in videos for s in v.segments})
    record = FeaturesRecord.made(
        {
            "format": 1, "dataset": dataset, "splits": list(dict.fromkeys(v.split for v in videos)),
            "tasks": {task: named} if task else {},
            "model": {"source": model, "kind": "checkpoint", "method": model, "model": "small3d", "digest": digest},
            "sampling": {"frames": window, "stride": 1}, "layer": "head", "precision": "float32", "window": window,
            "stride": stride, "last": "floor", "fps": None, "crops": some.shape[1] // merged, "merged": merged,
            "dimension": some.shape[2], "layout": layout, "versions": {},
        },
        path / RECORD,
    )  # fmt: skip
    rows, segments = [], []
    for video in videos:
        row = {"video": video.id, "split": video.split, "label": video.label or "", "reason": "no file"}
        if video.features is not None:
            made = np.asarray(arrays[video.id], np.float32)
            frames = (len(made) - 1) * stride + window if video.frames is None else video.frames
            files = FORMATS[layout].files(video.id, made.shape[1])
            for name, array in zip(files, FORMATS[layout].split(made), strict=True):
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(path / name, array)
            row |= {
                "file": files[0], "frames": frames, "fps": repr(fps), "duration": repr(frames / fps),
                "windows": len(made), "sha256": sha256_file(path / files[0]), "source_frames": frames,
                "source_fps": repr(fps), "reason": "",
            }  # fmt: skip
            found = (
                segment_row(video.id, task, Segment(*s), "frames", frames, fps, fps) for s in video.segments if task
            )
            segments += [s for s in found if s is not None]
        rows.append(row)
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / RECORD, record.plain())
    write_tables(path, rows, segments)
    return path
