"""What is known of a video file's frames after they were once decoded in order: their times, the key frames, and a
checksum of each one.

With it, a clip in the middle of a file is read by seeking, and the frames are still exactly those of sequential
decoding: each one that is returned is compared with its checksum. Seeking alone is not exact: on AVIs with B-frames,
such as HMDB51's, time stamps are not in the order of the frames.

It also keeps what opening the file tells, so that later the file is opened without decoding anything.

The index is stored in the cache of :mod:`benchmark_builder.utils.digests`, about 5 bytes per frame. It is valid as long
as the file and libavcodec are the same, and may cover only the first frames, as far as the file was read.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import xxhash
from av.video.frame import PictureType

from benchmark_builder.utils import digests

_DECODER = "libavcodec " + ".".join(map(str, av.library_versions["libavcodec"]))
# Codecs whose decoder leaves out frames that no other frame refers to, without a side effect.
SKIPPING = ("h264", "hevc")
_VERSION = b"4"
_KEY, _B_FRAME = 1, 2  # bits of a frame's mark
_HEADER = struct.Struct("<????IIIH")


@dataclass(frozen=True, slots=True)
class Header:
    """What opening a file tells.

    Attributes:
        frames: number of frames according to the file, which may be wrong. If it states none: the number that was
            decoded, or 0 if it was not decoded to its end.
        height, width: of the upright pictures, in pixels.
        codec: libav's name of the codec.
        crop: the crop in the container (:func:`~benchmark_builder.video.streams.cropping`).
    """

    frames: int
    height: int
    width: int
    codec: str
    crop: str = ""


@dataclass
class FrameIndex:
    """The first frames of a file, in the order in which sequential decoding returns them.

    Attributes:
        times: presentation time of each frame, in ticks of the stream's clock; they identify the frames.
        keys: numbers of the key frames, rising.
        sums: checksum of each frame's picture (:func:`checksum`).
        skips: whether frames that no other frame refers to can be left out: the codec is in :data:`SKIPPING`.
        b_frames: numbers of the B-frames of MPEG-4, rising; no other frame refers to them. Empty for other codecs.
        usable: False if the file's times do not identify its frames, or if seeking gave other frames before.
        quick: False if the file gave other frames when it was opened without decoding anything.
        header: None if the file's pictures were not seen.
    """

    times: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    skips: bool = False
    b_frames: list[int] = field(default_factory=list)
    usable: bool = True
    quick: bool = True
    header: Header | None = None

    def __len__(self) -> int:
        return len(self.sums)

    def add(self, frame: av.VideoFrame, picture: np.ndarray, codec: str) -> None:
        """Append the next frame of sequential decoding.

        Args:
            frame: as it was decoded.
            picture: the same frame, upright: uint8 (H, W, 3) RGB.
            codec: libav's name of the codec.
        """
        if frame.pts is None:
            self.usable = False
        if not self.usable or frame.pts is None:
            return
        if frame.key_frame:
            self.keys.append(len(self))
        self.skips = codec in SKIPPING
        if codec == "mpeg4" and frame.pict_type == PictureType.B:
            self.b_frames.append(len(self))
        self.times.append(frame.pts)
        self.sums.append(checksum(picture))

    def key_before(self, number: int) -> int | None:
        """The last key frame at or before a frame; None if there is none."""
        place = bisect_right(self.keys, number)
        return self.keys[place - 1] if place else None

    def knows(self, numbers: Sequence[int]) -> bool:
        """Whether these frames (rising) can be read with this index."""
        return self.usable and numbers[-1] < len(self)

    def unneeded(self, chosen: Collection[int], first: int) -> dict[int, bool]:
        """The B-frames of MPEG-4 that need not be decoded for the chosen frames, from frame number ``first`` on.

        Returns:
            By time: whether the packet must be sent to the decoder, which then leaves the frame out.

        In packed MPEG-4, the packet of a B-frame holds the next B-frame. So those before a chosen one in a row of them
        are decoded, and the first packet after it is sent: the decoder then drops the frame that it has kept. The last
        packet of such a row holds no frame, and would be taken for one.
        """
        found: dict[int, bool] = {}
        row: list[int] = []
        for place, number in enumerate(self.b_frames):
            if number < first:
                continue
            row.append(number)
            if self.b_frames[place + 1 : place + 2] != [number + 1]:
                last = max((k for k, member in enumerate(row) if member in chosen), default=-1)
                found |= {self.times[member]: k == 0 for k, member in enumerate(row[last + 1 :])}
                row = []
        return found

    def to_bytes(self) -> bytes:
        """For the cache; :meth:`from_bytes` reads it."""
        usable, about = self.usable and len(set(self.times)) == len(self.times), self.header or Header(0, 0, 0, "")
        words = f"{about.codec}\n{about.crop}".encode()
        flags = (usable, self.skips, self.quick, self.header is not None)
        start = _VERSION + _HEADER.pack(*flags, about.frames, about.height, about.width, len(words)) + words
        if not usable:
            return start
        steps = np.diff(np.array(self.times, np.int64), prepend=0)
        marks = np.zeros(len(self), np.uint8)
        marks[self.keys] |= _KEY
        marks[self.b_frames] |= _B_FRAME
        parts = (steps.astype(np.int64), marks, np.array(self.sums, np.uint32))
        return start + zlib.compress(b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "FrameIndex":
        """Raises ValueError if it is not what :meth:`to_bytes` wrote."""
        if data[:1] != _VERSION:
            raise ValueError("another version")
        try:
            usable, skips, quick, has_header, frames, height, width, length = _HEADER.unpack_from(data, 1)
            words, rest = data[1 + _HEADER.size :][:length].decode(), data[1 + _HEADER.size + length :]
            codec, _, crop = words.partition("\n")
            plain = zlib.decompress(rest) if usable else rest
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None
        count, odd = divmod(len(plain), 13)
        if odd or (plain and not usable):
            raise ValueError("cut short")
        times = np.frombuffer(plain, np.int64, count).cumsum()
        marks = np.frombuffer(plain, np.uint8, count, 8 * count)
        keys, b_frames = (marks & _KEY).nonzero()[0], (marks & _B_FRAME).nonzero()[0]
        sums = np.frombuffer(plain, np.uint32, count, 9 * count)
        header = Header(frames, height, width, codec, crop) if has_header else None
        return cls(times.tolist(), keys.tolist(), sums.tolist(), skips, b_frames.tolist(), usable, quick, header)


def checksum(picture: np.ndarray) -> int:
    """32 bits from all pixels of a frame's upright picture, uint8 (H, W, 3) RGB, and its height."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(picture).data, seed=len(picture)) & 0xFFFFFFFF


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
