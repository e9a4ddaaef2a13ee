"""The ``video`` layout (H.264, near-lossless, the default) and ``lossless`` (FFV1): one video file each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmark_builder.layouts.base import Layout, Sink
from benchmark_builder.video.encode import FFV1, H264, H264_EXACT, Encoder, open_video
from benchmark_builder.video.planes import to_planes


class VideoFile(Layout):
    """``video``: H.264; a still is coded without loss, so that nothing changes between frames."""

    suffix = ".mp4"
    timed = True
    takes_planes = True
    takes_files = True

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        planar = width % 2 == height % 2 == 0
        with open_video(path, width, height, fps, H264, "yuv420p" if planar else "rgb24") as encoder:
            yield _Planes(encoder) if planar else encoder

    def write_still(self, path: Path, image: np.ndarray, count: int, fps: float, planes: np.ndarray | None) -> None:
        height, width = image.shape[:2]
        if planes is None and width % 2 == height % 2 == 0:
            planes = to_planes(image)
        pixels, frame = ("rgb24", image) if planes is None else ("yuv420p", planes)
        with open_video(path, width, height, fps, H264_EXACT, pixels) as encoder:
            for _ in range(count):
                encoder.write(frame)


class Lossless(Layout):
    """``lossless``: FFV1."""

    suffix = ".mkv"
    exact = True
    timed = True

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        with open_video(path, width, height, fps, FFV1) as sink:
            yield sink


class _Planes:
    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def write(self, frame: np.ndarray) -> None:
        self.encoder.write(to_planes(frame))
