"""The interface of every mask source, and a track that keeps its masks in little memory."""

import zlib
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video


class MaskTrack(Protocol):
    """The masks of one video.

    Attributes:
        covered: bool (T,): which frames have a mask. T is the length of the video according to the source. It may
            differ from the decoder's; the builder uses the shorter one.
    """

    covered: np.ndarray

    def mask(self, index: int) -> np.ndarray:
        """The mask of covered frame ``index``: bool (H, W), True on the actor, at the video's (upright) size."""
        ...


class ActorBox(NamedTuple):
    """The box of an actor on one frame: integer pixels, x2 and y2 exclusive; ``actor`` is its number in the video."""

    actor: int
    x1: int
    y1: int
    x2: int
    y2: int


@runtime_checkable
class BoxedTrack(Protocol):
    """A track with a separate box per actor; an optional extension of :class:`MaskTrack`."""

    def actor_boxes(self, index: int) -> list[ActorBox]:
        """The boxes on covered frame ``index``, clipped to the frame (so the area may be 0)."""
        ...


@runtime_checkable
class Confident(Protocol):
    """A track that says how sure its source is; an optional extension of :class:`MaskTrack`.

    Attributes:
        confidence: float (T,), 0..1, one per frame of the video, also for frames without a mask; nan where nothing is
            known. None: nothing is known of the whole video.
    """

    confidence: np.ndarray | None


def confidence_of(track: object) -> np.ndarray | None:
    """The confidence of a track: float32 (T,), 0..1 or nan per frame; None if its source does not give any.

    Raises:
        BenchError: it is not an array of such numbers.
    """
    found = track.confidence if isinstance(track, Confident) else None
    if found is None:
        return None
    try:
        values = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError):
        values = np.empty((0, 0), np.float32)
    known = values[~np.isnan(values)]
    if values.ndim != 1 or (known < 0).any() or (known > 1).any():
        raise BenchError("the mask source's confidence is not an array (T,) of numbers from 0 to 1; fix the source")
    return values


def mean_confidence(confidence: np.ndarray | None) -> float | None:
    """The confidence of a video: the mean over all frames where it is known, 0..1; None if there is no such frame."""
    known = None if confidence is None else confidence[~np.isnan(confidence)]
    return None if known is None or not len(known) else float(known.mean(dtype=np.float64))


class MaskSource(Protocol):
    """Gives the masks of videos. Created as ``Source(path or None, dataset_root)``; must be picklable (for workers)."""

    def track(self, video: Video, height: int, width: int) -> MaskTrack:
        """Masks of one video whose upright frames are (height, width).

        Raises:
            LeftOut: the source has no mask for this video (it is listed, the build continues).
            BenchError: its masks cannot be used (the video is listed as a failure).
        """
        ...

    def describe(self) -> dict[str, object]:
        """The entry in protocol.json: ``kind``, the sha256 of the file if the source is one file, and every setting."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A source that lists the files it uses; an optional extension of :class:`MaskSource`.

    A video that it leaves out is tried again only after these files changed. Other sources try it again in every run.
    This is useful for slow sources.
    """

    def reads(self, video: Video) -> list[Path] | None:
        """The files that decide a video's masks, in addition to the video and the files in :meth:`MaskSource.describe`.

        None if they are not known; then the video is tried again each time.
        """
        ...


def reads_of(source: object, video: Video) -> list[Path] | None:
    """The files that ``source`` reads for a video ; None if it does not list them."""
    return source.reads(video) if isinstance(source, Reads) else None


@runtime_checkable
class Corrects(Protocol):
    """A source with manual corrections; an optional extension of :class:`MaskSource`."""

    def correction(self, video_id: str) -> str:
        """A digest of the corrections of a video; "" for none. If it changes, the video is made again."""
        ...


def correction_of(source: object, video_id: str) -> str:
    """The digest of a source's corrections of a video; "" for none."""
    return source.correction(video_id) if isinstance(source, Corrects) else ""


def pack(mask: np.ndarray) -> bytes:
    """A mask, bool (H, W), as compressed bits."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpack(data: bytes, height: int, width: int) -> np.ndarray:
    """Reverse of :func:`pack`: bool (H, W)."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8), count=height * width)
    return bits.reshape(height, width).astype(bool)


class PackedTrack:
    """Masks of one video, each packed to bits and compressed. ``covered``: bool (T,), the frames with a mask."""

    def __init__(self, length: int, height: int, width: int) -> None:
        self.size = (height, width)
        self.covered = np.zeros(length, dtype=bool)
        self._packed: dict[int, bytes] = {}

    def keep(self, index: int, mask: np.ndarray) -> None:
        """Store the mask of frame ``index``: bool (H, W)."""
        self._packed[index] = pack(mask)
        self.covered[index] = True

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        return unpack(self._packed[index], *self.size)
