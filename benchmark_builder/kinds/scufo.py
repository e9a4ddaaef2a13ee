"""SCUFO: one frame of a SCUBA video repeated for its whole length, so that nothing moves (StillMix, ICCV 2023)."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.kinds.base import About, Derived
from benchmark_builder.kinds.stills import StillMaker
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.settings import StillSettings
from benchmark_builder.video.decode import read_planes


class Scufo(Derived, StillSettings):
    """Repeat one frame of every SCUBA video, so that nothing moves."""

    about: ClassVar[About] = About(
        name="scufo",
        title="SCUFO",
        explained="nothing moves: the answer should not be right",
        good="low",
        short="SCUFO",
        still=True,
        contrasted=True,
        contrast="contra_acc",
        contrast_heading="Contra. Acc.",
        headline=True,
    )
    actor_stays: ClassVar[bool] = True

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        return cls(still_area=float(protocol.still_area or 0))

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> "ScufoMaker":
        return ScufoMaker(out, scuba, seed, layout, self.still_area)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        return {"still_area": self.still_area if any(row.mask_file for row in scuba.rows) else None}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        return repeat(virtual.read(benchmark.path(row), "still"), row.frames)


class ScufoMaker(StillMaker):
    """Makes the SCUFO video for one SCUBA video."""

    still: ClassVar[bool] = True

    def write(self, path: Path, row: Row, k: int, image: np.ndarray, digest: layouts.PixelDigest) -> None:
        for _ in range(row.frames):
            digest.update(image)
        source = self.scuba.path(row)
        stored = self.layout.takes_planes and source.suffix == ".mp4" and row.width % 2 == row.height % 2 == 0
        # Stored planes are copied without change: the still is bit-identical to the frame in the SCUBA file.
        planes = read_planes(source, k) if stored else None
        self.layout.write_still(path, image, row.frames, row.fps, planes)
