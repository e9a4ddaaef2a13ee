"""The ``video`` layout (H.264, near-lossless, the default) and ``lossless`` (FFV1): one video file each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.layouts.base import Layout, Sink
from benchmark_builder.video.encode import FFV1, H264, H264_EXACT, open_video


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
    """Converts frames to planes. Where a frame equals the one before, its planes are kept: most of a SCUBA frame is the
    background of the whole video. In a video where most of the picture changes, frames are not compared any more."""

    def __init__(self, encoder: Sink) -> None:
        self.encoder = encoder
        self._compared = True
        self._last: np.ndarray | None = None  # the frame of the planes
        self._planes = np.empty(0, np.uint8)

    def write(self, frame: np.ndarray) -> None:
        box = changed(self._last, frame) if self._last is not None else None
        if self._last is None or box is None:
            self._compared &= self._last is None
            self._last, self._planes = frame.copy() if self._compared else None, to_planes(frame)
        elif box[1]:
            top, bottom, left, right = box
            (height, width), tall = frame.shape[:2], bottom - top
            self._last[top:bottom, left:right] = frame[top:bottom, left:right]
            part = to_planes(frame[top:bottom, left:right])
            self._planes[top:bottom, left:right] = part[:tall]
            chroma = self._planes[height:].reshape(2, height // 2, width // 2)
            chroma[:, top // 2 : bottom // 2, left // 2 : right // 2] = part[tall:].reshape(2, tall // 2, -1)
        self.encoder.write(self._planes)


def changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int] | None:
    """The rectangle outside of which two frames of one size are equal.

    Args:
        before, after: uint8 (H, W, 3), contiguous, with even sides.

    Returns:
        (top, bottom, left, right) in pixels, even numbers, without row ``bottom`` and column ``right``; all 0 if the
        frames are equal. None if it is most of the picture.
    """
    height, width = after.shape[:2]
    if after[0, 0].tobytes() != before[0, 0].tobytes() and after[-1, -1].tobytes() != before[-1, -1].tobytes():
        return None  # the rectangle has two opposite corners of the picture
    unit = np.dtype(np.uint64 if width % 8 == 0 else np.uint16)  # bytes that are compared together
    differ = before.reshape(height, -1).view(unit) != after.reshape(height, -1).view(unit)
    x, y, wide, tall = cv2.boundingRect(differ.view(np.uint8))
    left, right = x * unit.itemsize // 3, -(-(x + wide) * unit.itemsize // 3)
    top, left, bottom, right = y // 2 * 2, left // 2 * 2, (y + tall + 1) // 2 * 2, (right + 1) // 2 * 2
    return None if (bottom - top) * (right - left) > 0.6 * height * width else (top, bottom, left, right)


# OpenCV's U and V have the range 0..255 around 128; files of limited range use 16..240.
_LIMITED = np.rint(128 + (np.arange(256) - 128) * (224 / 255)).astype(np.uint8)


def to_planes(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB with even sides -> uint8 (H·3/2, W): Y, then U, then V, each row by row (yuv420p).

    BT.601, limited range (Y 16..235, U and V 16..240), 4:2:0: each U and V sample is the mean of two by two pixels. A
    converter in the encoder's process would take three times as long.
    """
    height, width = image.shape[:2]
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    # OpenCV takes U and V from one of four pixels, which flickers at edges; here they are the mean of all four.
    quarter = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    _, v, u = cv2.split(cv2.cvtColor(quarter, cv2.COLOR_RGB2YCrCb))
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[0], chroma[1] = cv2.LUT(u, _LIMITED), cv2.LUT(v, _LIMITED)
    return planes
