"""Shaken SCUFO: the still frame of a SCUFO video with a smooth camera path that is unrelated to the class.

A network can learn to detect that nothing moves, and so do well on SCUFO without using motion. This video is not still,
but shows no action: the whole picture pans, zooms and rotates a little, along a path drawn only from (seed, id).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord, required
from benchmark_builder.kinds.base import About, Derived
from benchmark_builder.kinds.stills import STILL_AREA, draw_still, few_stills
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.settings import ShakeSettings
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.camera import shake


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
        return ShakenMaker(out, scuba, seed, self.shake, layout, self.still_area)

    def written(self, scuba: Benchmark) -> dict[str, Any]:
        masked = any(row.mask_file for row in scuba.rows)
        return {"still_area": self.still_area if masked else None, "shake": self.shake}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        still = virtual.read(benchmark.path(row), "still")
        return shake(still, self.shake, generator(row.seed, row.id, "shake"), row.frames, row.fps)


@dataclass(frozen=True)
class ShakenMaker:
    """Makes the shaken SCUFO video for one SCUBA video, with the same still frame as its SCUFO of the same seed.

    Attributes:
        out: the benchmark's folder.
        scuba: the benchmark from which it is made.
        seed: for drawing the still and the path.
        shake: amplitude: maximum pan as a share of the picture's sides, maximum zoom, and maximum rotation in radians.
        layout: how it is stored.
        still_area: which frames can be the still, see :mod:`~benchmark_builder.kinds.stills`.
    """

    out: Path
    scuba: Benchmark
    seed: int
    shake: float
    layout: layouts.Layout
    still_area: float = STILL_AREA

    def make(self, row: Row) -> list[Row | Note]:
        """Write one video; return its row, and a note if the still was drawn from few frames."""
        k = draw_still(self.scuba, row, self.seed, self.still_area)
        still = self.scuba.frame(row, k)
        file = self.layout.file_of(row.id)
        made = row.derived(file=file, seed=self.seed, still_frame=k)
        digest = layouts.PixelDigest(row.height, row.width)
        with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
            for frame in shake(still, self.shake, generator(self.seed, row.id, "shake"), row.frames, row.fps):
                digest.update(frame)
                sink.write(frame)
        self.layout.store(self.out / file, {"still": still})
        whole = replace(made, pixels_xxh128=digest.hexdigest(), file_sha256=layouts.digest(self.out / file))
        return [whole, *few_stills(self.scuba, row, self.still_area)]
