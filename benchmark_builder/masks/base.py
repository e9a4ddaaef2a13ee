"""The contract of every mask source."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from benchmark_builder.video.record import Video


class MaskTrack(Protocol):
    """The masks of one video.

    Attributes:
        covered: bool (T,): which frames the source speaks about. T is the source's idea of the video's length,
            which may differ from the decoder's; the builder takes the shorter.
    """

    covered: np.ndarray

    def mask(self, index: int) -> np.ndarray:
        """The mask of covered frame ``index``: bool (H, W), True on the actor, at the video's (upright) size."""
        ...


class ActorBox(NamedTuple):
    """Where an actor is on one frame: whole pixels, x2 and y2 exclusive; ``actor`` numbers it through the video."""

    actor: int
    x1: int
    y1: int
    x2: int
    y2: int


@runtime_checkable
class BoxedTrack(Protocol):
    """A track that tells its actors apart; an optional addition to :class:`MaskTrack`."""

    def actor_boxes(self, index: int) -> list[ActorBox]:
        """The boxes on covered frame ``index``, clipped to the frame (so possibly without area)."""
        ...


class MaskSource(Protocol):
    """Where masks come from. Constructed as ``Source(path or None, dataset_root)``; must pickle (workers)."""

    def track(self, video: Video, height: int, width: int) -> MaskTrack:
        """Masks of one video whose upright frames are (height, width).

        Raises:
            LeftOut: the source has nothing on this video (it is listed, the build goes on).
            BenchError: what it has cannot be used (listed as a failure).
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What stands in protocol.json: ``kind``, the sha256 of its file if it is one, and every setting."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A source that says what its masks are made from; an optional addition to :class:`MaskSource`.

    A video that it leaves out is tried again only once that has changed; without it, in every run. It is worth it for
    sources that take long.
    """

    def reads(self, video: Video) -> list[Path] | None:
        """The files, besides the video and what :meth:`MaskSource.describe` names, that decide a video's masks.

        None where they are not known, so that the video is tried again each time.
        """
        ...


def reads_of(source: object, video: Video) -> list[Path] | None:
    """What another source, such as the boxes that prompt a network, reads for a video; None where it does not say."""
    return source.reads(video) if isinstance(source, Reads) else None
