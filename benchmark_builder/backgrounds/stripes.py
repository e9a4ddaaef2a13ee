"""Sinusoidal stripes in two complementary colours, drawn from StillMix's published distribution (ICCV 2023).

The published generator paints on a 384² canvas, forgets the rows below 255, turns the canvas and crops its centre to
256². Here the same curves are evaluated at the turned coordinates of every pixel, so there is no row to forget, and
edges stay crisp at any size.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.errors import BenchError

CANVAS = 256  # side of the published crop, the unit of every length below


class Stripes:
    """``stripes``: needs no files."""

    name = "stripes"

    def __init__(self, path: Path | None = None, fit: str = "cover") -> None:
        if path is not None:
            raise BenchError(f"--backgrounds stripes:{path}: stripes take no path")
        self.fit = fit

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        colour = rng.uniform(0, 1, 3)
        half = rng.uniform(5, 20)
        spacing = rng.uniform(3, 5) * half
        amplitude = rng.uniform(10, 110)
        omega = 2 * np.pi / rng.uniform(4, 1004)
        phase = omega * rng.uniform(-100, 100)
        angle = rng.uniform(0, 2 * np.pi)

        # Cover: the longer side of the picture spans the canvas, the shorter shows its middle part.
        across = (max(height, width),) * 2 if self.fit == "cover" else (height, width)
        rows = ((np.arange(height) + 0.5 - height / 2) * CANVAS / across[0])[:, None]
        columns = ((np.arange(width) + 0.5 - width / 2) * CANVAS / across[1])[None, :]
        x = np.cos(angle) * columns + np.sin(angle) * rows
        y = np.cos(angle) * rows - np.sin(angle) * columns
        distance = np.mod(y - amplitude * np.sin(omega * x + phase) + half, spacing)
        colours = np.rint(np.stack([colour, 1 - colour]) * 255).astype(np.uint8)
        image = colours[(distance < 2 * half).astype(np.intp)]
        return image, f"stripes-{bytes(colours[0].tolist()).hex()}-{np.degrees(angle):.0f}", ()

    def describe(self) -> dict[str, Any]:
        return {"kind": "stripes", "name": self.name, "fit": self.fit}
