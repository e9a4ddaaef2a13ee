"""The contract of every mask source."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from benchmark_builder.video import Video


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
