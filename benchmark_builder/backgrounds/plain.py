"""Backgrounds without structure: one colour, or noise."""

from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.utils.errors import BenchError


class Plain:
    """``plain``: one colour, uniform over the RGB cube."""

    name = "plain"

    def __init__(self, path: Path | None = None, fit: str = "cover") -> None:
        if path is not None:
            raise BenchError(f"--backgrounds plain:{path}: plain colours take no path")

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        colour = rng.integers(0, 256, 3).astype(np.uint8)
        return np.full((height, width, 3), colour), f"plain-{bytes(colour.tolist()).hex()}", ()

    def describe(self) -> dict[str, object]:
        return {"kind": "plain", "name": self.name}


class Noise:
    """``noise``: coloured noise; the grain size, 1 to 32 pixels, is drawn for each video."""

    name = "noise"

    def __init__(self, path: Path | None = None, fit: str = "cover") -> None:
        if path is not None:
            raise BenchError(f"--backgrounds noise:{path}: noise takes no path")

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        grain = int(2 ** rng.uniform(0, 5))
        small = rng.integers(0, 256, (-(-height // grain) + 1, -(-width // grain) + 1, 3), dtype=np.uint8)
        size = (small.shape[1] * grain, small.shape[0] * grain)
        image = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[:height, :width]
        return np.ascontiguousarray(image), f"noise-{grain}", ()

    def describe(self) -> dict[str, object]:
        return {"kind": "noise", "name": self.name}
