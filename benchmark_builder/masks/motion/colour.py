"""The colours of the actor and of its surroundings, as histograms."""

from collections.abc import Iterable

import cv2
import numpy as np

_BINS = 12  # per colour channel


def colour_bins(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Index of each pixel's colour, int16 (h, w), 0..1727; ``size`` is (w, h)."""
    lab = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2Lab).astype(np.int32)
    # In real pictures, a and b are in the middle of their range.
    a = np.clip((lab[..., 1] - 128) * 2 + 128, 0, 255)
    b = np.clip((lab[..., 2] - 128) * 2 + 128, 0, 255)
    q = [c * _BINS // 256 for c in (lab[..., 0], a, b)]
    index: np.ndarray = ((q[0] * _BINS + q[1]) * _BINS + q[2]).astype(np.int16)
    return index


class Colours:
    """The colours of the actor and of its surroundings, as two histograms.

    One object is used for all pieces of a shot. Earlier pieces have the same weight as the current one, since the
    actor's clothes stay the same.
    """

    def __init__(self) -> None:
        self._before: list[np.ndarray] = []
        self._now: list[np.ndarray] = []

    def learn(self, counted: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        """Count the colours of this piece again.

        Args:
            counted: per frame, colours from :func:`colour_bins` and soft masks, 0..1, of actor and surroundings.
        """
        tables = np.zeros((2, _BINS**3))
        for index, inside, outside in counted:
            tables[0] += np.bincount(index.ravel(), inside.ravel(), minlength=_BINS**3)
            tables[1] += np.bincount(index.ravel(), outside.ravel(), minlength=_BINS**3)
        self._now = []
        for table in tables:
            cube = table.reshape(_BINS, _BINS, _BINS)
            for axis in range(3):  # neighbouring colours have half the weight
                pad = np.pad(cube, [(1, 1) if k == axis else (0, 0) for k in range(3)])
                low, high = np.take(pad, range(_BINS), axis), np.take(pad, range(2, _BINS + 2), axis)
                cube = 0.5 * cube + 0.25 * low + 0.25 * high
            self._now.append((cube / max(cube.sum(), 1e-9)).ravel())

    def odds(self) -> np.ndarray:
        """Log-odds that a colour belongs to the actor, float32 (_BINS^3,), -2..2."""
        inside, outside = self._known()
        odds: np.ndarray = np.clip(np.log((inside + 3e-4) / (outside + 3e-4)), -2.0, 2.0).astype(np.float32)
        return odds

    def keep(self) -> None:
        """End the piece: add its counts to those of the shot."""
        self._before = self._known()

    def _known(self) -> list[np.ndarray]:
        return [(a + b) / 2 for a, b in zip(self._now, self._before, strict=True)] if self._before else self._now
