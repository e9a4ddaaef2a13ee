"""Chosen frames of a video file, without decoding what they do not need, and exactly those of sequential decoding.

There are three ways, and the first that applies is used:

- FFV1: every frame is coded on its own, so the packets of the others are passed over.
- The file was read before (:mod:`~benchmark_builder.video.frame_index`): decoding starts at the key frame before the
  first chosen frame, leaves out frames that no other frame refers to, and each returned frame is compared with its
  checksum. If one differs or is missing, this file is read in order from now on.
- Otherwise all frames up to the last chosen one are decoded, and those that are not known yet are recorded.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np

from benchmark_builder.video import frame_index
from benchmark_builder.video.decode import Frames, to_rgb
from benchmark_builder.video.display import Converter
from benchmark_builder.video.frame_index import SKIPPING, FrameIndex, checksum
from benchmark_builder.video.streams import BROKEN, cropping, opened

Found = tuple[int, np.ndarray]


class _Differs(Exception):
    """What was read is not what sequential decoding gives."""


class ChosenFrames:
    """Iterates over (number, picture) of the chosen frames in rising order; pictures are uint8 (H, W, 3) RGB.

    Args:
        path: a video file.
        wanted: numbers of frames, from 0.
        threads: number of decoder threads.

    Attributes:
        count: after the iteration: how many frames were passed. At most the last wanted number means that the video
            is too short.

    Raises:
        BenchError: as :func:`~benchmark_builder.video.decode.read_frames`.
    """

    def __init__(self, path: Path, wanted: Iterable[int], threads: int = 1) -> None:
        self.path, self.threads, self.count = path, threads, 0
        self._rest = sorted({int(k) for k in wanted})

    def __iter__(self) -> Iterator[Found]:
        if not self._rest:
            return
        index = frame_index.load(self.path)
        if index is None or index.usable:
            try:
                if index is None:
                    yield from self._own_packets()
                elif index.helps(self._rest):
                    yield from self._sought(index)
            except (_Differs, *BROKEN):
                index = None if index is None else self._in_order_only()
        if self._rest:
            yield from self._in_order(index)

    def _in_order_only(self) -> FrameIndex:
        index = FrameIndex(usable=False)
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

    def _sought(self, index: FrameIndex) -> Iterator[Found]:
        """The chosen frames, all of which are in the index.

        Raises:
            _Differs: a frame is not the one that the index describes, or is missing.
        """
        numbers = {index.times[k]: k for k in self._rest}
        unsent = set(numbers)
        with opened(self.path, self.threads) as (container, stream):
            converter = Converter(cropping(container, stream))
            key = index.key_before(self._rest[0])
            if key:
                container.seek(index.times[key], stream=stream)
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if index.skips:
                    chosen = packet.pts is None or packet.pts in numbers
                    stream.codec_context.skip_frame = "DEFAULT" if chosen else "NONREF"
                yield from self._matching(stream.decode(packet), index, numbers, converter)
                unsent.discard(packet.pts)
                if not unsent:
                    break
            if self._rest:
                yield from self._matching(stream.decode(None), index, numbers, converter)
        if self._rest:
            raise _Differs

    def _matching(
        self, frames: list[av.VideoFrame], index: FrameIndex, numbers: dict[int, int], converter: Converter
    ) -> Iterator[Found]:
        for frame in frames:
            number = numbers.get(frame.pts) if frame.pts is not None else None
            if number is None or not self._rest:
                continue
            if number != self._rest[0] or checksum(frame) != index.sums[number]:
                raise _Differs
            yield number, to_rgb(self.path, converter, frame)
            self._passed(number)

    def _in_order(self, index: FrameIndex | None) -> Iterator[Found]:
        """All frames up to the last chosen one; those not known yet are recorded."""
        known = FrameIndex() if index is None else index
        more = known.usable and self._rest[-1] >= len(known)
        new = FrameIndex()
        frames = Frames(self.path, self.threads)
        try:
            for number in range(self._rest[-1] + 1):
                frame = frames.advance()
                if frame is None:
                    self.count = number
                    return
                new.skips = frames.codec in SKIPPING
                if more:
                    new.add(frame)
                if number == self._rest[0]:
                    yield number, frames.rgb(frame)
                    self._passed(number)
        finally:
            if more and (len(new) > len(known) or not new.usable):
                frame_index.save(self.path, new)
