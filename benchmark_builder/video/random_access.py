"""Chosen frames of a video file, without decoding what they do not need, and exactly those of sequential decoding.

There are three ways, and the first that applies is used:

- FFV1: every frame is coded on its own, so the packets of the others are passed over.
- The file's frames are known (:mod:`~benchmark_builder.video.frame_index`): decoding starts at the key frame before the
  first chosen frame, leaves out frames that no other frame refers to, and each returned frame is compared with its
  checksum. If one differs or is missing, this file is read in order from now on.
- Otherwise all frames up to the last chosen one are decoded, and recorded the second time that the file is read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video import frame_index
from benchmark_builder.video.decode import Frames, probe, to_rgb
from benchmark_builder.video.display import Converter
from benchmark_builder.video.frame_index import FrameIndex, Header, checksum
from benchmark_builder.video.streams import BROKEN, cropping, opened

Found = tuple[int, np.ndarray]
_MATROSKA = (".mkv", ".mk3d", ".webm")


class _Differs(Exception):
    """What was read is not what sequential decoding gives."""


class ChosenFrames:
    """Iterates over (number, picture) of the chosen frames in rising order; pictures are uint8 (H, W, 3) RGB.

    Args:
        video: a video file, not read from yet.
        wanted: numbers of frames, from 0.

    Attributes:
        count: after the iteration: how many frames were passed. At most the last wanted number means that the video
            is too short.

    Raises:
        BenchError: as :func:`~benchmark_builder.video.decode.read_frames`.
    """

    def __init__(self, video: Frames, wanted: Iterable[int]) -> None:
        self.path, self.threads, self.count = video.path, video.threads, 0
        self._video = video
        self._rest = sorted({int(k) for k in wanted})

    def __iter__(self) -> Iterator[Found]:
        if not self._rest:
            return
        index = frame_index.load(self.path)
        if _perhaps_ffv1(self.path, index):
            try:
                yield from self._own_packets()
            except (_Differs, *BROKEN):
                index = self._in_order_only(index)
        elif index is not None and index.knows(self._rest):
            if index.quick:
                try:
                    yield from self._sought(index, quick=True)
                except (_Differs, BenchError, *BROKEN):
                    index = self._not_quick(index)
            if self._rest:
                try:
                    yield from self._sought(index, quick=False)
                except (_Differs, *BROKEN):
                    index = self._in_order_only(index)
        if self._rest:
            yield from self._in_order(index)

    def _not_quick(self, index: FrameIndex) -> FrameIndex:
        index.quick = False
        frame_index.save(self.path, index)
        return index

    def _in_order_only(self, known: FrameIndex | None) -> FrameIndex:
        index = FrameIndex(usable=False, header=None if known is None else known.header)
        frame_index.save(self.path, index)
        return index

    def _passed(self, number: int) -> None:
        self._rest.remove(number)
        self.count = number + 1

    def _own_packets(self) -> Iterator[Found]:
        """FFV1 in Matroska, where packets are frames; nothing for other files."""
        with opened(self.path, self.threads) as (container, stream):
            if stream.codec_context.name != "ffv1" or "matroska" not in container.format.name:
                return
            converter, number = Converter(cropping(container, stream)), 0
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if not packet.is_keyframe:
                    raise _Differs
                if number == self._rest[0]:
                    decoded = stream.decode(packet)
                    if len(decoded) != 1:
                        raise _Differs
                    yield number, to_rgb(self.path, converter, decoded[0])
                    self._passed(number)
                    if not self._rest:
                        return
                number += 1

    def _sought(self, index: FrameIndex, quick: bool) -> Iterator[Found]:
        """The chosen frames, all of which are in the index.

        Args:
            index: of the file.
            quick: open the file without decoding anything.

        Raises:
            _Differs: a frame is not the one that the index describes, or is missing.
        """
        numbers: dict[int | None, int] = {index.times[k]: k for k in self._rest}
        unsent, chosen = set(numbers), {None, *numbers}
        with opened(self.path, self.threads, quick=quick) as (container, stream):
            crop = cropping(container, stream) if index.header is None else index.header.crop
            converter, codec, skips = Converter(crop), stream.codec_context, index.skips
            key = index.key_before(self._rest[0])
            if key:
                container.seek(index.times[key], stream=stream)
            unneeded = index.unneeded(frozenset(self._rest), key or 0)
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                time = packet.pts
                if skips:
                    codec.skip_frame = "DEFAULT" if time in chosen else "NONREF"
                elif unneeded:
                    if time in unneeded and not unneeded[time]:
                        continue
                    codec.skip_frame = "NONREF" if time in unneeded else "DEFAULT"
                for frame in codec.decode(packet):
                    if frame.pts in numbers:
                        yield self._checked(frame, index, numbers[frame.pts], converter)
                unsent.discard(time)
                if not unsent:
                    break
            for frame in codec.decode(None) if self._rest else ():
                if frame.pts in numbers and self._rest:
                    yield self._checked(frame, index, numbers[frame.pts], converter)
        if self._rest:
            raise _Differs

    def _checked(self, frame: av.VideoFrame, index: FrameIndex, number: int, converter: Converter) -> Found:
        if not self._rest or number != self._rest[0]:
            raise _Differs
        picture = to_rgb(self.path, converter, frame)
        if checksum(picture) != index.sums[number]:
            raise _Differs
        self._passed(number)
        return number, picture

    def _in_order(self, index: FrameIndex | None) -> Iterator[Found]:
        """All frames up to the last chosen one.

        The first time, only what opening the file tells is stored: many files are read once. From the second time on,
        frames that are not known yet are recorded.
        """
        known = FrameIndex() if index is None else index
        more = (
            index is not None and not _perhaps_ffv1(self.path, index) and not index.knows(self._rest) and known.usable
        )
        new, frames = FrameIndex(header=known.header), self._video
        try:
            for number in range(self._rest[-1] + 1):
                frame = frames.advance()
                if frame is None:
                    self.count = number
                    if new.header and not new.header.frames:
                        new.header = replace(new.header, frames=number)
                    return
                chosen = number == self._rest[0]
                if not (chosen or more or new.header is None):
                    continue
                picture = frames.rgb(frame)
                if new.header is None:
                    height, width = picture.shape[:2]
                    new.header = Header(frames.stated, height, width, frames.codec, frames.crop)
                if more:
                    new.add(frame, picture, frames.codec)
                if chosen:
                    yield number, picture
                    self._passed(number)
        finally:
            better = more and (len(new) > len(known) or not new.usable)
            record = new if better else replace(known, header=new.header)
            if record != index:
                frame_index.save(self.path, record)


def _perhaps_ffv1(path: Path, index: FrameIndex | None) -> bool:
    if index is None:
        return path.suffix.lower() in _MATROSKA
    return index.usable and index.header is not None and index.header.codec == "ffv1"


def shape(video: Path | Frames) -> tuple[int, int, int]:
    """Frames, height and width of a video, in pixels of the upright picture; from the cache if they are known.

    The number of frames is the one that the file states, which may be wrong; if it states none, its frames are counted.

    Args:
        video: a video file or a folder of pictures; or a video file not read from yet, which is then opened only once.

    Raises:
        BenchError: the file is not a readable video.
    """
    path = video if isinstance(video, Path) else video.path
    index = frame_index.load(path) if path.is_file() else None
    header = None if index is None else index.header
    if header is not None and header.frames:
        return header.frames, header.height, header.width
    if isinstance(video, Frames):
        frames, height, width = video.shape()
    else:
        info = probe(path)
        frames, height, width = info.frames, info.height, info.width
    return frames or _counted(path), height, width


def _counted(path: Path) -> int:
    """How many frames a file has; it is stored."""
    frames = ChosenFrames(Frames(path), [2**62])
    for _ in frames:
        pass
    return frames.count
