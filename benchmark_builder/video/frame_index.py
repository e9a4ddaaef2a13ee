"""What is known of a video file's frames after they were once decoded in order: their times, the key frames, and a
checksum of each one.

With it, a clip in the middle of a file is read by seeking, and the frames are still exactly those of sequential
decoding: each one that is returned is compared with its checksum. Seeking alone is not exact: on AVIs with B-frames,
such as HMDB51's, time stamps are not in the order of the frames.

The index is stored in the cache of :mod:`benchmark_builder.utils.digests`, 12 bytes per frame, and is valid as long as
the file and libavcodec are the same. It may cover only the first frames, as far as the file was read.
"""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import xxhash

from benchmark_builder.utils import digests
from benchmark_builder.video.display import display_matrix

_DECODER = "libavcodec " + ".".join(map(str, av.library_versions["libavcodec"]))
# Bytes per pixel in a plane of these formats; files of other formats are read in order.
_FORMATS = {"yuv420p": 1, "yuvj420p": 1, "yuv422p": 1, "yuvj422p": 1, "yuv444p": 1, "yuvj444p": 1, "gray": 1, "bgr0": 4}
# Every fourth row decides the checksum, at a quarter of the cost. Codecs predict and transform blocks of four rows or
# more, so a frame that was decoded from another reference differs in these rows too.
_ROWS = 4
# Codecs whose decoder leaves such frames out without a side effect. Packed MPEG-4 has two frames in one packet.
SKIPPING = ("h264", "hevc")
_VERSION = b"2"


@dataclass
class FrameIndex:
    """The first frames of a file, in the order in which sequential decoding returns them.

    Attributes:
        times: presentation time of each frame, in ticks of the stream's clock; they identify the frames.
        keys: numbers of the key frames, rising.
        sums: checksum of each frame (:func:`checksum`).
        skips: whether frames that no other frame refers to can be left out: the codec is in :data:`SKIPPING`.
        usable: False if the file's times do not identify its frames, or if seeking gave other frames before.
    """

    times: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    skips: bool = False
    usable: bool = True

    def __len__(self) -> int:
        return len(self.sums)

    def add(self, frame: av.VideoFrame) -> None:
        """Append the next frame of sequential decoding."""
        if frame.pts is None or frame.format.name not in _FORMATS:
            self.usable = False
        if not self.usable or frame.pts is None:
            return
        if frame.key_frame:
            self.keys.append(len(self))
        self.times.append(frame.pts)
        self.sums.append(checksum(frame))

    def key_before(self, number: int) -> int | None:
        """The last key frame at or before a frame; None if there is none."""
        place = bisect_right(self.keys, number)
        return self.keys[place - 1] if place else None

    def helps(self, numbers: Sequence[int]) -> bool:
        """Whether these frames (rising) are all known, and something before or between them can be left out."""
        return self.usable and numbers[-1] < len(self) and (self.skips or bool(self.key_before(numbers[0])))

    def to_bytes(self) -> bytes:
        """For the cache; :meth:`from_bytes` reads it."""
        if not self.usable or len(set(self.times)) < len(self.times):
            return _VERSION
        steps = np.diff(np.array(self.times, np.int64), prepend=0)
        keys = np.zeros(len(self), np.uint8)
        keys[self.keys] = 1
        kind = _VERSION + (b"s" if self.skips else b"-")
        parts = (steps.astype(np.int64), keys, np.array(self.sums, np.uint32))
        return kind + zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "FrameIndex":
        """Raises ValueError if it is not what :meth:`to_bytes` wrote."""
        if data[:1] != _VERSION:
            raise ValueError("another version")
        if len(data) == 1:
            return cls(usable=False)
        try:
            plain = zlib.decompress(data[2:])
        except zlib.error as error:
            raise ValueError(str(error)) from None
        count, rest = divmod(len(plain), 13)
        if rest:
            raise ValueError("cut short")
        times = np.cumsum(np.frombuffer(plain, np.int64, count))
        keys = np.flatnonzero(np.frombuffer(plain, np.uint8, count, 8 * count))
        sums = np.frombuffer(plain, np.uint32, count, 9 * count)
        return cls(times.tolist(), keys.tolist(), sums.tolist(), data[1:2] == b"s")


def checksum(frame: av.VideoFrame) -> int:
    """32 bits from what decides a frame's RGB picture: every fourth row of its planes, size, format, colours and
    rotation."""
    name, matrix = frame.format.name, display_matrix(frame)
    about = (frame.width, frame.height, name, frame.colorspace, frame.color_range, frame.interlaced_frame, matrix)
    total = xxhash.xxh3_64(repr(about).encode())
    for plane in frame.planes:
        height, line = plane.height, plane.line_size
        rows = np.frombuffer(memoryview(plane), np.uint8)[: height * line].reshape(height, line)
        total.update(rows[::_ROWS, : plane.width * _FORMATS[name]].tobytes())
    return total.intdigest() & 0xFFFFFFFF


def load(path: Path) -> FrameIndex | None:
    """The index of a file; None if there is none, or the file has changed since."""
    data = digests.stored_frames(path, _DECODER)
    try:
        return None if data is None else FrameIndex.from_bytes(data)
    except ValueError:
        return None


def save(path: Path, index: FrameIndex) -> None:
    """Store an index; nothing happens if the cache cannot be written or the file has just changed."""
    digests.store_frames(path, _DECODER, index.to_bytes())
