"""Decoding: one sequential decoder (PyAV) for everything; no seeking, so frame k is always frame k."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmark_builder.errors import BenchError


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a file's header says. ``frames`` is the header's count (0 if it has none) and may be wrong.

    ``width`` and ``height`` are those of the upright picture, after rotation metadata is applied.
    """

    width: int
    height: int
    fps: float
    frames: int
    rotation: int


def probe(path: Path) -> VideoInfo:
    """Read the header (and one frame, for the rotation). Raises BenchError if the file is no readable video."""
    with _opened(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise BenchError(f"{path}: no video frame could be decoded; replace the file")
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(width, height, float(rate) if rate else 25.0, stream.frames, int(first.rotation))


def read_frames(path: Path, threads: int = 1) -> Iterator[np.ndarray]:
    """Yield every frame, upright, in order: uint8 (H, W, 3), RGB, 0..255.

    Raises BenchError where the file breaks; frames before the break have been yielded by then.
    """
    with _opened(path, threads) as (container, stream):
        for frame in _decoded(path, container, stream):
            yield upright(frame.to_ndarray(format="rgb24"), int(frame.rotation))


def read_planes(path: Path, index: int) -> np.ndarray:
    """Frame ``index`` as the planes the file stores: uint8 (H·3/2, W), yuv420p. For bit-exact stills."""
    with _opened(path) as (container, stream):
        for k, frame in enumerate(_decoded(path, container, stream)):
            if k == index:
                return frame.reformat(format="yuv420p").to_ndarray()
    raise BenchError(f"{path}: has no frame {index}; it is shorter than its manifest says, so rebuild it")


def upright(image: np.ndarray, rotation: int) -> np.ndarray:
    """Turn an image (H, W, C) by the display rotation (degrees counter-clockwise) that the file asks for."""
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


@contextmanager
def _opened(path: Path, threads: int = 1) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    if not path.is_file():
        raise BenchError(f"{path}: no such file; check the dataset's folder")
    try:
        # Old AVIs carry titles in no valid encoding; they must not stop us.
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BenchError(f"{path}: not a readable video ({_short(error)}); replace the file") from None
    with container:
        if not container.streams.video:
            raise BenchError(f"{path}: holds no video stream; replace the file")
        stream = container.streams.video[0]
        stream.thread_count = threads
        yield container, stream


def _decoded(
    path: Path, container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.VideoFrame]:
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BenchError(f"{path}: breaks after frame {count} ({_short(error)}); replace the file") from None
    if count == 0:
        raise BenchError(f"{path}: no video frame could be decoded; replace the file")


def _short(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0]
