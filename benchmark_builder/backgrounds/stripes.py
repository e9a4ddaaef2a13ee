"""Sinusoidal stripes in two complementary colours, drawn from StillMix's published distribution (ICCV 2023).

The published generator paints on a 384² canvas in integer pixels, rotates the canvas and crops its centre to 256². With
``fit="stretch"`` this picture is painted, and stretched to the frame like any other picture (the ``stillmix``
protocol). With ``cover`` the same curves are evaluated at the rotated coordinates of every pixel: the picture is not
distorted, and edges are sharp at any size.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.compositing import stretch

CANVAS = 256  # side of the published crop; all lengths below are in its pixels


class Stripes:
    """``stripes``: no files are needed."""

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

        shown = np.rint(np.stack([colour, 1 - colour]) * 255).astype(np.uint8)
        name = f"stripes-{bytes(shown[0].tolist()).hex()}-{np.degrees(angle):.0f}"
        if self.fit == "stretch":
            image = published(colour, half, spacing, amplitude, omega, phase, float(np.degrees(angle)))
            return stretch(image, height, width), name, ()
        # Cover: the longer side of the picture shows the whole canvas, the shorter side its middle part.
        rows = ((np.arange(height) + 0.5 - height / 2) * CANVAS / max(height, width))[:, None]
        columns = ((np.arange(width) + 0.5 - width / 2) * CANVAS / max(height, width))[None, :]
        x = np.cos(angle) * columns + np.sin(angle) * rows
        y = np.cos(angle) * rows - np.sin(angle) * columns
        distance = np.mod(y - amplitude * np.sin(omega * x + phase) + half, spacing)
        return shown[(distance < 2 * half).astype(np.intp)], name, ()

    def describe(self) -> dict[str, object]:
        return {"kind": "stripes", "name": self.name, "fit": self.fit}


def published(
    colour: np.ndarray, half: float, spacing: float, amplitude: float, omega: float, phase: float, degrees: float
) -> np.ndarray:
    """The picture that StillMix's generator paints with these values: uint8 (256, 256, 3).

    Args:
        colour: of the area between stripes, RGB, float (3,), 0..1; the stripes have 1 − colour.
        half: half the width of a stripe, pixels; one edge ends at row 255 of the canvas.
        spacing: pixels between the centres of two stripes.
        amplitude, omega, phase: of the curve ``y = amplitude·sin(omega·x + phase) + 128``, in pixels and radians.
        degrees: rotation of the canvas.
    """
    side = CANVAS * 3 // 2
    middle = amplitude * np.sin(omega * np.arange(side) + phase) + CANVAS / 2
    top, bottom = np.trunc(np.maximum(0, middle - half)), np.trunc(np.minimum(CANVAS - 1, middle + half))
    rows = np.arange(side)[:, None]
    striped = np.zeros((side, side), bool)
    for n in range(-int(side / spacing) - 1, int(side / spacing) + 2):
        striped |= (rows >= np.trunc(top + n * spacing)) & (rows < np.trunc(bottom + n * spacing))
    painted = np.where(striped[..., None], 1 - colour, colour) * 255
    turned = Image.fromarray(painted.astype(np.uint8)).rotate(degrees, Image.Resampling.NEAREST, expand=True)
    left, upper = (turned.width - CANVAS) // 2, (turned.height - CANVAS) // 2
    return np.array(turned.crop((left, upper, left + CANVAS, upper + CANVAS)))
