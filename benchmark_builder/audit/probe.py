"""A nearest-neighbour probe: what do some pixels of a video reveal about its class and its source?

The features are simple on purpose: any network can find what they find, and may find more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

LEVELS = 4  # levels per colour channel: 4·4·4 = 64 colours
ORIENTATIONS = 8  # of a gradient; opposite directions are equal
FLAT = 32.0  # Sobel magnitude (grey levels x 8) below which a pixel has no orientation: 4 grey levels a pixel
SIZE = LEVELS**3 + ORIENTATIONS + 1
_ROWS = 512  # rows of distances in memory at once: 80 MB for 20,000 videos
_TIE = 1e-9  # squared distances (0..4) that differ less are equal: float64 rounding is below 1e-13


class Histograms:
    """Colours and gradients of some pixels of a video, counted over its frames.

    Both are shares, so they contain neither the number of pixels nor their positions.
    """

    def __init__(self) -> None:
        self.colours = np.zeros(LEVELS**3, np.int64)
        self.gradients = np.zeros(ORIENTATIONS + 1, np.int64)

    def add(self, frame: np.ndarray, region: np.ndarray) -> None:
        """Count the pixels of one frame, uint8 (H, W, 3) RGB, inside ``region``, bool (H, W).

        Colours of all pixels; gradients (3x3 Sobel) only where all nine pixels are inside, so that pixels outside the
        region have no influence on the feature.
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

        Square roots of the shares in both histograms, concatenated: their Euclidean distances are Hellinger distances.
        """
        if not self.colours.any():
            return None
        parts = (self.colours / self.colours.sum(), self.gradients / max(1, int(self.gradients.sum())))
        return np.sqrt(np.concatenate(parts))


@dataclass(frozen=True)
class Probed:
    """The result of a probe.

    ``right``: float64 (N,), 0..1, the probability that each prediction is right; ``chance``: float64 (N,), the same for
    a uniform guess among the same candidates.
    """

    right: np.ndarray
    chance: np.ndarray


def name_class(features: Sequence[np.ndarray | None], labels: np.ndarray, sources: np.ndarray) -> Probed:
    """Predict each video's class by its nearest neighbour among videos of **other** sources (leave one source out).

    Args:
        features: one per video, float64 (:data:`SIZE`,); None for a video without visible pixels.
        labels, sources: int (N,).

    Returns:
        If several neighbours are equally near, the share of them with the class is used. A video without visible pixels
        is a guess at chance, and it is not a neighbour of other videos, so that missing pixels reveal nothing.
    """
    return _probe(features, labels, lambda rows: sources[rows, None] != sources[None])


def name_source(features: Sequence[np.ndarray | None], sources: np.ndarray) -> Probed:
    """Whether each video's nearest neighbour is a variant of its source.

    Arguments and result as in :func:`name_class`.
    """
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
