"""Shaken SCUFO: a SCUFO's still frame under a smooth camera path that has nothing to do with the class.

A network can learn to notice that nothing moves and so pass SCUFO without using motion. This video is not still, yet
holds no action: the whole picture pans, zooms and turns a little, by a path drawn from (seed, id) alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder import layouts, virtual
from benchmark_builder.manifest import Benchmark, Row
from benchmark_builder.rng import generator
from benchmark_builder.scufo import draw_still


@dataclass(frozen=True)
class ShakenMaker:
    """Makes the shaken SCUFO of one SCUBA video, from the same still frame as its SCUFO of the same seed.

    Attributes:
        out: the benchmark's folder.
        scuba: the benchmark it is made from.
        seed: owns the still and the path.
        shake: amplitude: the largest pan as a share of the picture's sides, and the largest zoom; a turn of
            ``shake`` radians at most.
        layout: how it lies on disk.
    """

    out: Path
    scuba: Benchmark
    seed: int
    shake: float
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Write one video."""
        k = draw_still(self.scuba, row, self.seed)
        still = self.scuba.frame(row, k)
        file = self.layout.file_of(row.id)
        made = replace(row, file=file, mask_file="", mask_sha256="", seed=self.seed, still_frame=k, partner_id=row.id)
        digest = layouts.PixelDigest(row.height, row.width)
        with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
            for frame in shake(still, made, self.shake):
                digest.update(frame)
                sink.write(frame)
        if self.layout.name == "virtual":
            virtual.write(self.out / file, {"still": still})
        return [replace(made, pixels_xxh128=digest.hexdigest(), file_sha256=layouts.digest(self.out / file))]


def shake(still: np.ndarray, row: Row, amplitude: float) -> Iterator[np.ndarray]:
    """Yield ``row.frames`` views of a still, uint8 (H, W, 3), along the path that (row.seed, row.id) draws.

    The camera stands a little closer than in the still; what pan and turn bring in at the borders is mirrored.
    """
    height, width = still.shape[:2]
    path = camera_path(generator(row.seed, row.id, "shake"), row.frames, row.fps)
    for dx, dy, zoom, turn in path * amplitude:
        scale = 1 + amplitude + zoom
        move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(np.degrees(turn)), scale)
        move[:, 2] += dx * width, dy * height
        yield cv2.warpAffine(still, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def camera_path(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """A smooth path: float64 (frames, 4) of pan x, pan y, zoom and turn, each in -1..1.

    Each is a sum of three sinusoids of 0.2 to 1.2 Hz, a hand-held camera's sway, with drawn phases and weights.
    """
    time = np.arange(frames)[:, None, None] / fps
    hertz, phase = rng.uniform(0.2, 1.2, (1, 4, 3)), rng.uniform(0, 2 * np.pi, (1, 4, 3))
    weight = rng.dirichlet(np.ones(3), 4)[None]
    return (weight * np.sin(2 * np.pi * hertz * time + phase)).sum(-1)
