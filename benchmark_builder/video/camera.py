"""The camera of shaken SCUFO: a smooth path that is unrelated to the class."""

from collections.abc import Iterator

import cv2
import numpy as np


def shake(
    still: np.ndarray, amplitude: float, rng: np.random.Generator, frames: int, fps: float
) -> Iterator[np.ndarray]:
    """Yield ``frames`` views of a still, uint8 (H, W, 3), along a path drawn with ``rng``.

    The camera is a little closer than in the still. Areas outside the still are filled by mirroring it.
    """
    height, width = still.shape[:2]
    for dx, dy, zoom, turn in camera_path(rng, frames, fps) * amplitude:
        scale = 1 + amplitude + zoom
        move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(np.degrees(turn)), scale)
        move[:, 2] += dx * width, dy * height
        yield cv2.warpAffine(still, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def camera_path(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """A smooth path: float64 (frames, 4) of pan x, pan y, zoom and rotation, each in -1..1.

    Each is a sum of three sinusoids of 0.2 to 1.2 Hz, like the motion of a hand-held camera, with drawn phases and
    weights.
    """
    time = np.arange(frames)[:, None, None] / fps
    hertz, phase = rng.uniform(0.2, 1.2, (1, 4, 3)), rng.uniform(0, 2 * np.pi, (1, 4, 3))
    weight = rng.dirichlet(np.ones(3), 4)[None]
    return (weight * np.sin(2 * np.pi * hertz * time + phase)).sum(-1)
