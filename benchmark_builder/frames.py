"""Decoding: one sequential decoder (PyAV) for everything; no seeking, so frame k is always frame k.

A folder of pictures (PNG or JPEG, in the order of their numbers) is a video too, at :data:`FOLDER_FPS`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from benchmark_builder.errors import BenchError
from benchmark_builder.folders import entries, series

FOLDER_FPS = 30.0  # a folder says no rate; HMDB51 and, cut from it, JHMDB have 30


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


def probe(path: Path, expected: int | None = None) -> VideoInfo:
    """Read the header (and one frame, for the rotation). Raises BenchError if the file is no readable video.

    Of a folder: its number of pictures (:func:`pictures`, which takes ``expected``) and the first one's size.
    """
    if path.is_dir():
        names = pictures(path, expected)
        height, width = picture(names[0].read_bytes(), str(names[0])).shape[:2]
        return VideoInfo(width, height, FOLDER_FPS, len(names), 0)
    with _opened(path) as (container, stream):
        first = next(_decoded(path, container, stream))
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(width, height, float(rate) if rate else 25.0, stream.frames, int(first.rotation))


def read_frames(
    path: Path, threads: int = 1, damaged: list[int] | None = None, expected: int | None = None
) -> Iterator[np.ndarray]:
    """Yield every frame, upright, in order: uint8 (H, W, 3), RGB, 0..255. ``expected``: as :func:`pictures`.

    Of a video file the iterator is a :class:`Frames`, which can pass over a frame at less cost. The indices of frames
    that the decoder had to guess in part are appended to ``damaged``.

    Raises BenchError where the file breaks or its frames change size; frames before that have been yielded by then.
    """
    return _folder(path, expected) if path.is_dir() else Frames(path, threads, damaged)


class Frames(Iterator[np.ndarray]):
    """What :func:`read_frames` gives of a video file, opened when the first frame is asked for."""

    def __init__(self, path: Path, threads: int = 1, damaged: list[int] | None = None) -> None:
        self._coded = _file_frames(path, threads, damaged)
        self._converter = VideoReformatter()  # one for all: setting a converter up costs more than using it

    def __next__(self) -> np.ndarray:
        frame = next(self._coded)
        # One thread: sharing a frame of this size out costs more than it gives, and workers fill the cores already.
        image = self._converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return upright(image, int(frame.rotation))

    def skip(self) -> bool:
        """Pass over the next frame, decoded but not turned into RGB; False where there is none."""
        return next(self._coded, None) is not None


def _file_frames(path: Path, threads: int, damaged: list[int] | None) -> Iterator[av.VideoFrame]:
    with _opened(path, threads) as (container, stream):
        for index, frame in enumerate(_decoded(path, container, stream)):
            if damaged is not None and frame.is_corrupt:
                damaged.append(index)
            yield frame


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """One decoded frame without its pixels.

    ``time`` counts ticks of the file's clock (None where the frame has no time; of a folder, the frame's number);
    ``damaged``: the decoder had to guess some of it.
    """

    time: int | None
    damaged: bool


def scan_frames(path: Path) -> Iterator[FrameFacts]:
    """Decode every frame, in order, as :func:`read_frames` does, but without turning it into RGB: for checks."""
    if path.is_dir():
        for number, _ in enumerate(_folder(path)):
            yield FrameFacts(number, False)
        return
    with _opened(path) as (container, stream):
        for frame in _decoded(path, container, stream):
            yield FrameFacts(frame.pts, bool(frame.is_corrupt))


def count_packets(path: Path) -> int:
    """How many coded frames a video file holds, also those that give no picture; decodes nothing.

    Fewer than the header says: the file was cut. As many, but fewer frames: an edit list hides some, or a packed AVI
    counts frames that were never coded.
    """
    count = 0
    with _opened(path) as (container, stream):
        try:
            for packet in container.demux(stream):
                count += packet.size > 0
        except (av.error.FFmpegError, OSError, ValueError):
            pass  # what follows the break cannot be reached either
    return count


def pictures(folder: Path, expected: int | None = None) -> list[Path]:
    """The frames of a folder of pictures, in order: one series (:func:`~benchmark_builder.folders.series`).

    Args:
        folder: holds PNG or JPEG pictures whose names end in numbers.
        expected: how many frames there should be, where a list says so.

    Raises:
        BenchError: it holds no pictures, or several series.
    """
    return [folder / name for _, name in series((p.name for p in entries(folder)), folder, expected)]


def picture(data: bytes, name: str) -> np.ndarray:
    """Decode a PNG or JPEG: uint8 (H, W, 3) RGB. Raises BenchError naming ``name`` if it is none, or a vast one."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than benchmark_builder admits
        image = None
    if image is None:
        raise BenchError(f"{name}: not a readable picture; replace the file")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def png_size(data: bytes) -> tuple[int, int]:
    """(height, width) by the header of a PNG; decodes nothing. Raises ValueError if it is no PNG."""
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("it is no PNG")
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])


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


def _folder(path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
    size = None
    for count, name in enumerate(pictures(path, expected)):
        image = picture(name.read_bytes(), str(name))
        size = _same_size(path, count, size, (image.shape[1], image.shape[0]))
        yield image


def _same_size(path: Path, count: int, before: tuple[int, int] | None, now: tuple[int, int]) -> tuple[int, int]:
    """``now``, which must be what it was ``before``: sizes are (width, height)."""
    if before not in (None, now):
        old, new = (f"{w}x{h}" for w, h in (before or now, now))
        raise BenchError(f"{path}: its size changes from {old} to {new} after frame {count}; replace it")
    return now


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
    count, size = 0, None
    try:
        for frame in container.decode(stream):
            size = _same_size(path, count, size, (frame.width, frame.height))
            count += 1
            yield frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BenchError(f"{path}: breaks after frame {count} ({_short(error)}); replace the file") from None
    if count == 0:
        raise BenchError(f"{path}: no video frame could be decoded; replace the file")


def _short(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0]
