"""Decoding: one sequential decoder (PyAV), so that frame numbers are always exact.

Chosen frames of a file are read faster by :mod:`~benchmark_builder.video.random_access`, which gives the same ones.

A folder of pictures (PNG or JPEG, in the order of their numbers) is a video too, at :data:`FOLDER_FPS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.display import Converter, FormerConverter, display_matrix, in_words, swaps_sides, turning
from benchmark_builder.video.pictures import folder_frames, picture, pictures, png_size, same_size
from benchmark_builder.video.streams import BROKEN, cropping, decode, even_times, frame_rate, opened, short

__all__ = [
    "FOLDER_FPS", "FrameFacts", "Frames", "VideoInfo", "coded_length", "picture", "pictures", "png_size", "probe",
    "read_frames", "read_planes", "scan_frames",
]  # fmt: skip

FOLDER_FPS = 30.0  # a folder has no rate; HMDB51, and JHMDB, which is cut from it, have 30


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of a video file.

    Attributes:
        width, height: size of the upright picture, after the rotation that the file specifies. fps: frames per second:
        from the header if the frame times agree with it, otherwise their mean rate
            (:func:`~benchmark_builder.video.streams.frame_rate`).
        frames: number of frames according to the header; 0 if unknown. It may be wrong.
        rotation: rotation specified by the file for its pictures, in degrees counter-clockwise; 0 if it only mirrors.
        turning: how a picture is made upright, in words; "" if it is not changed.
    """

    width: int
    height: int
    fps: float
    frames: int
    rotation: int
    turning: str = ""


def probe(path: Path, expected: int | None = None) -> VideoInfo:
    """Read a file's header and first frame and, if its index does not show the rate, the times of all its packets.

    For a folder: its number of pictures (:func:`pictures`, with ``expected``) and the size of the first one.

    Raises:
        BenchError: the file is not a readable video.
    """
    if path.is_dir():
        names = pictures(path, expected)
        height, width = picture(names[0].read_bytes(), str(names[0])).shape[:2]
        return VideoInfo(width, height, FOLDER_FPS, len(names), 0)
    with opened(path) as (container, stream):
        indexed = even_times(stream)
        times: list[int | None] = []
        first: av.VideoFrame | None = None
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    times.append(packet.dts if packet.pts is None else packet.pts)
                if packet.size and first is None:
                    first = next(iter(stream.decode(packet)), None)
                if first and indexed:
                    break
            first = first or next(iter(stream.decode(None)), None)
        except BROKEN as error:
            if first is None:
                raise BenchError(f"{path}: breaks after frame 0 ({short(error)}); replace the file") from None
            # Packets after the damaged one cannot be read either.
        if first is None:
            raise BenchError(f"{path}: no video frame could be decoded; replace the file")
        filters = turning(display_matrix(first))
        height, width = to_rgb(path, Converter(cropping(container, stream)), first).shape[:2]
        rotation = 0 if len(filters) == 1 and filters[0][0] in ("hflip", "vflip") else int(first.rotation)
        rotation = 180 if rotation == -180 else rotation
        fps = frame_rate(stream, indexed or times)
        return VideoInfo(width, height, fps, stream.frames, rotation, in_words(filters))


def read_frames(
    path: Path,
    threads: int = 1,
    damaged: list[int] | None = None,
    expected: int | None = None,
    version: int = 2,
) -> Iterator[np.ndarray]:
    """Yield every frame, upright, in order: uint8 (H, W, 3), RGB, 0..255, the same pixels as from ffmpeg's command
    line.

    For a video file the iterator is a :class:`Frames`, which can skip a frame at lower cost.

    Args:
        path: a video file or a folder of frames.
        threads: number of decoder threads.
        damaged: a list; indices of frames that could not be decoded completely are appended.
        expected: as in :func:`pictures`.
        version: 1 decodes as in protocols of version 1, to compose their benchmarks again.

    Raises:
        BenchError: the file is damaged or the frame size changes; earlier frames have been yielded before.
    """
    return folder_frames(path, expected, version) if path.is_dir() else Frames(path, threads, damaged, version)


class Frames(Iterator[np.ndarray]):
    """The iterator of :func:`read_frames` for a video file, which is opened when the first frame is requested.

    ``path``, ``threads``: as given. ``begun``: whether a frame was requested. ``codec``, ``stated``, ``crop``: libav's
    name of the codec, the number of frames that the file states (0: none) and the crop in the container, all known from
    the first frame on. ``plain``: whether nothing but the frames
    is wanted, decoded in today's way; then chosen frames can be read by
    :class:`~benchmark_builder.video.random_access.ChosenFrames` instead.
    """

    def __init__(self, path: Path, threads: int = 1, damaged: list[int] | None = None, version: int = 2) -> None:
        self.path, self.threads, self.begun = path, threads, False
        self.codec, self.stated, self.crop = "", 0, ""
        self.plain = damaged is None and version > 1
        self._damaged, self._version = damaged, version
        self._converter: Converter | FormerConverter = FormerConverter()
        self._coded = self._decode()
        self._first: av.VideoFrame | None = None

    def __next__(self) -> np.ndarray:
        frame = self.advance()
        if frame is None:
            raise StopIteration
        return self.rgb(frame)

    def skip(self) -> bool:
        """Skip the next frame: decode it without conversion to RGB. Returns False if there is no frame."""
        return self.advance() is not None

    def advance(self) -> av.VideoFrame | None:
        """The next frame as it was decoded; None if there is none."""
        self.begun, first, self._first = True, self._first, None
        return first or next(self._coded, None)  # opens the file and initialises the converter

    def shape(self) -> tuple[int, int, int]:
        """Number of frames that the file states (0: none), height and width; before the first frame is requested.

        The first frame is decoded, and kept for later.
        """
        assert not self.begun
        self._first = self._first or next(self._coded)
        height, width = self.rgb(self._first).shape[:2]
        return self.stated, height, width

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """A frame of :meth:`advance` as a picture: uint8 (H, W, 3) RGB."""
        return to_rgb(self.path, self._converter, frame)

    def _decode(self) -> Iterator[av.VideoFrame]:
        with opened(self.path, self.threads, first=self._version == 1) as (container, stream):
            self.codec, self.stated = stream.codec_context.name, stream.frames
            if self._version > 1:
                self.crop = cropping(container, stream)
                self._converter = Converter(self.crop)
            for index, frame in enumerate(_decoded(self.path, container, stream)):
                if self._damaged is not None and frame.is_corrupt:
                    self._damaged.append(index)
                yield frame


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """One decoded frame without its pixels.

    ``time``: in ticks of the file's clock (None if the frame has no time; in a folder, the frame's number).
    ``damaged``: the frame could not be decoded completely.
    """

    time: int | None
    damaged: bool


def scan_frames(path: Path) -> Iterator[FrameFacts]:
    """Decode every frame in order, as :func:`read_frames`, but without conversion to RGB: for checks."""
    if path.is_dir():
        for number, _ in enumerate(folder_frames(path)):
            yield FrameFacts(number, False)
        return
    with opened(path) as (container, stream):
        for frame in _decoded(path, container, stream):
            yield FrameFacts(frame.pts, bool(frame.is_corrupt))


def coded_length(path: Path) -> int:
    """Number of frames of a video file according to its packets, including packets without a picture.

    Nothing is decoded.

    If it is smaller than in the header, the file was truncated. If it is equal, but fewer frames are decoded, an edit
    list hides some, a packed AVI counts a frame that was never coded, or an AVI of variable rate has empty frames.
    """
    count = length = 0
    with opened(path) as (container, stream):
        in_frames = container.format.name == "avi"  # its times are frame numbers
        try:
            for packet in container.demux(stream):
                count += packet.size > 0
                length = max(length, (packet.dts or 0) + 1 if in_frames else 0)
        except BROKEN:
            pass  # packets after the damaged one cannot be read either
    return max(count, length)


def read_planes(path: Path, index: int) -> np.ndarray:
    """Frame ``index`` as the planes stored in the file: uint8 (H·3/2, W), yuv420p. For bit-exact stills."""
    with opened(path) as (container, stream):
        for k, frame in enumerate(_decoded(path, container, stream)):
            if k == index:
                return frame.reformat(format="yuv420p").to_ndarray()
    raise BenchError(f"{path}: has no frame {index}; it is shorter than its manifest says, build it again")


def to_rgb(path: Path, converter: Converter | FormerConverter, frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as a picture: uint8 (H, W, 3) RGB.

    Raises BenchError with ``path`` if it cannot be converted.
    """
    try:
        return converter.rgb(frame)
    # a crop of the whole picture, or colours that swscale cannot convert
    except (av.error.FFmpegError, ValueError) as error:
        raise BenchError(f"{path}: cannot be converted to RGB ({short(error)}); re-encode it") from None


def _decoded(
    path: Path, container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.VideoFrame]:
    count, size = 0, None
    facts: tuple[int, int, float] | None = None  # of the frame before; reading the whole matrix costs more
    try:
        for _, frames in decode(container, stream):
            for frame in frames:
                now = (frame.width, frame.height, frame.rotation)
                if now != facts:
                    facts, turned = now, swaps_sides(turning(display_matrix(frame)))
                    size = same_size(path, count, size, (now[1], now[0]) if turned else (now[0], now[1]))
                count += 1
                yield frame
    except BROKEN as error:
        raise BenchError(f"{path}: breaks after frame {count} ({short(error)}); replace the file") from None
    if count == 0:
        raise BenchError(f"{path}: no video frame could be decoded; replace the file")
