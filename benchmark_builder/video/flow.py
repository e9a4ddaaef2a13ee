"""What a method of optical flow has to offer (:class:`Flow`); the methods: ``kinds/flow.py``, ``kinds/raft.py``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from benchmark_builder.utils.pool import one_cv2_thread

SMALLEST = 128  # pixels: frames with a shorter side are enlarged for the estimate; both methods need some room
FIX = "choose dis, or raft:FILE with the weights of torchvision's raft_large or raft_small"


class Flow(ABC):
    """A method that estimates optical flow.

    Attributes:
        name: ``dis`` or ``raft``.
        sha256: digest of its weights; empty if it has none.
    """

    name: str = ""
    sha256: str = ""

    @abstractmethod
    def estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The motion from one frame to another, both uint8 (H, W, 3) RGB with sides of at least :data:`SMALLEST`.

        Returns:
            float32 (H, W, 2): how far the content of each pixel moves, to the right and down, in pixels.
        """

    def between(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The flow from each frame to the next one.

        Args:
            frames: uint8 (H, W, 3) RGB, of one size.

        Yields:
            float32 (H, W, 2), as :meth:`estimate` returns it; one fewer than there are frames.
        """
        before: np.ndarray | None = None
        for frame in frames:
            height, width = frame.shape[:2]
            factor = -(-SMALLEST // min(height, width))
            if factor > 1:
                frame = cv2.resize(frame, (width * factor, height * factor), interpolation=cv2.INTER_CUBIC)
            if before is not None:
                with one_cv2_thread():
                    found = self.estimate(before, frame)
                    if factor > 1:
                        found = cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA) / factor
                yield found
            before = frame
