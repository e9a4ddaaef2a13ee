"""SCUFO: one frame of a SCUBA video repeated for its whole length, so that nothing moves (StillMix, ICCV 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.kinds.base import About, Derived
from benchmark_builder.kinds.stills import STILL_AREA, draw_still, few_stills
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.settings import StillSettings
from benchmark_builder.utils.pool import Note
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

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        return cls(still_area=float(protocol.still_area or 0))

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> "ScufoMaker":
        return ScufoMaker(out, scuba, seed, layout, self.still_area)

    def written(self, scuba: Benchmark) -> dict[str, Any]:
        return {"still_area": self.still_area if any(row.mask_file for row in scuba.rows) else None}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        return repeat(virtual.read(benchmark.path(row), "still"), row.frames)


@dataclass(frozen=True)
class ScufoMaker:
    """Makes the SCUFO video for one SCUBA video.

    Attributes:
        out: the benchmark's folder.
        scuba: the benchmark from which it is made.
        seed: for drawing the still.
        layout: how it is stored.
        still_area: which frames can be the still, see :mod:`~benchmark_builder.kinds.stills`.
    """

    out: Path
    scuba: Benchmark
    seed: int
    layout: layouts.Layout
    still_area: float = STILL_AREA

    def make(self, row: Row) -> list[Row | Note]:
        """Write one SCUFO video; return its row, and a note if the still was drawn from few frames."""
        k = draw_still(self.scuba, row, self.seed, self.still_area)
        file = self.layout.file_of(row.id, still=True)
        still = self.scuba.frame(row, k)
        digest = layouts.PixelDigest(row.height, row.width)
        for _ in range(row.frames):
            digest.update(still)
        source = self.scuba.path(row)
        stored = self.layout.takes_planes and source.suffix == ".mp4" and row.width % 2 == row.height % 2 == 0
        # Stored planes are copied without change: the still is bit-identical to the frame in the SCUBA file.
        planes = read_planes(source, k) if stored else None
        self.layout.write_still(self.out / file, still, row.frames, row.fps, planes)
        self.layout.store(self.out / file, {"still": still})
        return [
            row.derived(
                file=file,
                seed=self.seed,
                still_frame=k,
                pixels_xxh128=digest.hexdigest(),
                file_sha256=layouts.digest(self.out / file),
            ),
            *few_stills(self.scuba, row, self.still_area),
        ]
