"""Build bias test videos: datasets, masks, backgrounds, compositing, video in and out, manifests.

The main names are exported here and imported when they are first used. Nothing here imports torch (except the mask
sources that run a network, on demand), and nothing imports from ``albar``, ``evaluator`` or ``albar_bench``.
"""

import os

from benchmark_builder.utils import moved
from benchmark_builder.utils.lazy import exports

MOST_PIXELS = 2**27  # limit for a picture or frame (11,585 squared); larger ones are refused before memory is allocated
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))  # read when OpenCV is loaded, so set here
moved.install()

__getattr__, __dir__ = exports(
    __name__,
    {
        "BenchError": "benchmark_builder.utils.errors",
        "Benchmark": "benchmark_builder.benchmark.manifest",
        "LeftOut": "benchmark_builder.utils.errors",
        "Video": "benchmark_builder.video.record",
        "background_source": "benchmark_builder.backgrounds",
        "build_conflfg": "benchmark_builder.builders",
        "build_kind": "benchmark_builder.builders",
        "build_scuba": "benchmark_builder.builders",
        "build_scufo": "benchmark_builder.builders",
        "mask_source": "benchmark_builder.masks",
        "read_benchmark": "benchmark_builder.benchmark.manifest",
        "read_dataset": "benchmark_builder.datasets",
    },
)
