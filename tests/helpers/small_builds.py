"""Builds and reads small benchmarks."""

from pathlib import Path

import numpy as np

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, build_scuba

QUIET = Run(workers=1, progress=False, say=lambda line: None)


def scuba(root: Path, out: Path, **options: object) -> Path:
    masks = f"stored:{root / 'masks'}"
    build_scuba("ucf101", root, "all", out=out, run=QUIET, **{"masks": masks, "per_video": 2, **options})
    return out


def frames_of(folder: Path, video_id: str) -> np.ndarray:
    benchmark = read_benchmark(folder)
    return np.stack(list(benchmark.frames(benchmark.by_id[video_id])))
