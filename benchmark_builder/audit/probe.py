"""A nearest-neighbour probe: what do some of a video's pixels tell about its class, and about where it comes from?

The features are plain on purpose. What they find, any network can find; what they miss, a network may still find.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

LEVELS = 4  # a colour channel's steps: 4·4·4 = 64 colours
ORIENTATIONS = 8  # of a gradient, opposite directions being one
FLAT = 32.0  # Sobel magnitude (grey levels x 8) below which a pixel has no orientation: 4 grey levels a pixel
SIZE = LEVELS**3 + ORIENTATIONS + 1
_ROWS = 512  # of distances held at once: 20,000 videos take 80 MB
_TIE = 1e-9  # squared distances (0..4) this close are equal: rounding in float64 stays below 1e-13


class Histograms:
    """Colours and gradients of some pixels of a video, counted over its frames.

    Both are shares, so neither says how many pixels were seen nor where they lie.
    """

    def __init__(self) -> None:
        self.colours = np.zeros(LEVELS**3, np.int64)
        self.gradients = np.zeros(ORIENTATIONS + 1, np.int64)

    def add(self, frame: np.ndarray, region: np.ndarray) -> None:
        """Count the pixels of one frame, uint8 (H, W, 3) RGB, inside ``region``, bool (H, W).

        Colours of all of them; gradients (3x3 Sobel) only where all nine pixels lie inside, so that nothing outside
        the region has a part in the feature.
        """
        if not region.any():
            return
        steps = frame[region].astype(np.int64) * LEVELS // 256
        self.colours += np.bincount(steps @ [LEVELS * LEVELS, LEVELS, 1], minlength=LEVELS**3)
        inner = cv2.erode(region.view(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT,
                          borderValue=0).view(bool)  # fmt: skip
        if inner.any():
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order)[inner] for order in ((1, 0), (0, 1)))
            turn = np.mod(np.arctan2(dy, dx) / np.pi, 1)  # 0..1: half a turn
            way = np.minimum((turn * ORIENTATIONS).astype(np.int64), ORIENTATIONS - 1)
            way[np.hypot(dx, dy) < FLAT] = ORIENTATIONS
            self.gradients += np.bincount(way, minlength=ORIENTATIONS + 1)

    def feature(self) -> np.ndarray | None:
        """float64 (:data:`SIZE`,), or None if not one pixel was seen.

        Square roots of both histograms' shares, end to end: their Euclidean distances are Hellinger distances.
        """
        if not self.colours.any():
            return None
        parts = (self.colours / self.colours.sum(), self.gradients / max(1, int(self.gradients.sum())))
        return np.sqrt(np.concatenate(parts))


@dataclass(frozen=True)
class Probed:
    """What a probe did. ``right``: float64 (N,), 0..1, how far each video was named rightly; ``chance``: float64 (N,),
    how far a uniform guess among the same candidates is right."""

    right: np.ndarray
    chance: np.ndarray


def name_class(features: Sequence[np.ndarray | None], labels: np.ndarray, sources: np.ndarray) -> Probed:
    """Name each video's class by its nearest neighbour among the videos of **other** sources (leave one source out).

    Args:
        features: one a video, float64 (:data:`SIZE`,); None for a video of which nothing was seen.
        labels, sources: int (N,).

    Returns:
        Among equally near neighbours, the share that has the class counts. A video of which nothing was seen is a
        guess: it is as right as chance, and it is nobody's neighbour, so that being blind tells nothing.
    """
    return _probe(features, labels, lambda rows: sources[rows, None] != sources[None])


def name_source(features: Sequence[np.ndarray | None], sources: np.ndarray) -> Probed:
    """Is each video's nearest neighbour another variant of its source? Arguments and result as :func:`name_class`."""
    order = np.arange(len(sources))
    return _probe(features, sources, lambda rows: order[rows, None] != order[None])


def _probe(
    features: Sequence[np.ndarray | None], names: np.ndarray, allowed: Callable[[np.ndarray], np.ndarray]
) -> Probed:
    count = len(names)
    seen = np.array([f is not None for f in features])
    table = np.array([np.zeros(SIZE) if f is None else f for f in features], np.float64)
    right, chance = np.zeros(count), np.zeros(count)
    for start in range(0, count, _ROWS):
        rows = np.arange(start, min(start + _ROWS, count))
        same = names[rows, None] == names[None]
        candidates = allowed(rows)
        chance[rows] = (same & candidates).sum(1) / np.maximum(1, candidates.sum(1))
        near = (table[rows] ** 2).sum(1)[:, None] + (table**2).sum(1)[None] - 2 * table[rows] @ table.T
        near[~(candidates & seen)] = np.inf
        best = near.min(1, initial=np.inf)
        can = seen[rows] & np.isfinite(best)
        nearest = (near <= best[:, None] + _TIE) & candidates & seen
        guess = (same & nearest).sum(1) / np.maximum(1, nearest.sum(1))
        right[rows] = np.where(can, guess, chance[rows])
    return Probed(right, chance)
