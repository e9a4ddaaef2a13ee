"""Shaken SCUFO: the still frame of a SCUFO video with a smooth camera path that is unrelated to the class.

A network can learn to detect that nothing moves, and so do well on SCUFO without using motion. This video is not still,
but shows no action: the whole picture pans, zooms and rotates a little, along a path drawn only from (seed, id).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import cv2
import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord, required
from benchmark_builder.kinds.base import About, Derived, still_frame_of
from benchmark_builder.kinds.stills import StillMaker
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.settings import ShakeSettings
from benchmark_builder.utils.rng import generator


class Shaken(Derived, ShakeSettings):
    """A still of every SCUBA video with a swaying camera, so that detecting a still video does not help."""

    about: ClassVar[About] = About(
        name="shaken",
        title="Shaken SCUFO",
        explained="a still with a moving camera: the answer should not be right",
        good="low",
        contrasted=True,
        published="SCUBA_SHAKEN",
    )

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        return cls(shake=float(required(protocol.shake, "shake")), still_area=float(protocol.still_area or 0))

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> "ShakenMaker":
        return ShakenMaker(out, scuba, seed, layout, self.still_area, self.shake)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        masked = any(row.mask_file for row in scuba.rows)
        return {"still_area": self.still_area if masked else None, "shake": self.shake}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        still = virtual.read(benchmark.path(row), "still")
        return shake(still, self.shake, generator(row.seed, row.id, "shake"), row.frames, row.fps)

    def actor_masks(
        self, benchmark: Benchmark, row: Row, mask: Callable[[int], np.ndarray]
    ) -> Iterator[np.ndarray] | None:
        still = mask(still_frame_of(row)).astype(np.uint8) * 255
        return shake(still, self.shake, generator(row.seed, row.id, "shake"), row.frames, row.fps)


@dataclass(frozen=True)
class ShakenMaker(StillMaker):
    """Makes the shaken SCUFO video for one SCUBA video, with the same still frame as its SCUFO of the same seed.

    Attributes:
        shake: amplitude: maximum pan as a share of the picture's sides, maximum zoom, and maximum rotation in radians.
    """

    shake: float

    def write(self, path: Path, row: Row, k: int, image: np.ndarray, digest: layouts.PixelDigest) -> None:
        with self.layout.open(path, row.width, row.height, row.fps) as sink:
            for frame in shake(image, self.shake, generator(self.seed, row.id, "shake"), row.frames, row.fps):
                digest.update(frame)
                sink.write(frame)


def shake(
    still: np.ndarray, amplitude: float, rng: np.random.Generator, frames: int, fps: float
) -> Iterator[np.ndarray]:
    """Yield ``frames`` views of a still, uint8 (H, W, 3) or a mask (H, W), along a path drawn with ``rng``.

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
