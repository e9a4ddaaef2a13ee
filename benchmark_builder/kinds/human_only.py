"""Human only (HAT: Chung et al., "Enabling Detailed Action Recognition Evaluation Through Video Dataset Augmentation",
NeurIPS 2022): everything outside the actor's mask has one colour.

HAT's colour is the mean of ImageNet, (123.675, 116.28, 103.53) RGB, which its loader cuts to whole numbers. Edges are
hard, as in HAT, whatever the softness of edges in the SCUBA benchmark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from benchmark_builder.benchmark.manifest import Benchmark, Row, first_rows
from benchmark_builder.kinds.base import About, setting
from benchmark_builder.kinds.sources import FromSources, shown_frames
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.runner import work
from benchmark_builder.utils.text import shown
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.selection import indices, source_frames

HAT_MEAN = (123.675, 116.28, 103.53)  # RGB
MOST_VIDEOS, MOST_FRAMES = 500, 8  # from which the mean colour of a data set is measured


class HumanOnly(FromSources):
    """Show only the actor; everything else has one colour (HAT).

    Attributes:
        colour: ``hat``, or ``measured``: the mean colour of the SCUBA benchmark's sources (up to 500 of them, drawn by
            the seed; up to 8 frames of each, evenly spaced; the mean over videos).
        rgb: the colour, "R G B".
    """

    about: ClassVar[About] = About(
        name="human-only",
        title="Human only",
        explained="only the actor, on one colour: the answer should still be right",
        short="human only",
        figure="human_only",
        heading="Human only",
    )
    actor_stays: ClassVar[bool] = True

    colour: Literal["hat", "measured"] = setting(
        "hat", "Colour outside the mask: HAT's (123, 116, 103), or the measured mean of the sources."
    )
    rgb: str = " ".join(str(int(value)) for value in HAT_MEAN)

    @model_validator(mode="after")
    def _is_colour(self) -> Self:
        values = self.rgb.split()
        if len(values) != 3 or not all(v.isascii() and v.isdigit() and len(v) < 4 and int(v) < 256 for v in values):
            raise BenchError(f"rgb is {shown(self.rgb)[:40]!r}, not three numbers from 0 to 255; build it again")
        return self

    @property
    def set_name(self) -> str:
        return f"{self.colour}-mean"

    def prepared(self, scuba: Benchmark, seed: int, workers: int = 1, progress: bool = False) -> Self:
        if self.colour == "hat":
            return self
        return self.model_copy(update={"rgb": " ".join(map(str, mean_colour(scuba, seed, workers, progress)))})

    def frames(self, scuba: Benchmark, row: Row, seed: int) -> Iterator[np.ndarray]:
        empty = np.empty((row.height, row.width, 3), np.uint8)
        empty[:] = [int(value) for value in self.rgb.split()]
        for frame, mask in shown_frames(scuba, row):
            yield paste(frame, mask, empty)


@dataclass(frozen=True)
class _Mean:
    scuba: Benchmark

    def make(self, row: Row) -> np.ndarray:
        """The mean colour of a source over evenly spaced frames: float64 (3,), RGB."""
        shown = indices(row.source_frames)
        picked = [shown[int(k)] for k in np.linspace(0, len(shown) - 1, min(MOST_FRAMES, len(shown)))]
        frames = source_frames(self.scuba.source(row), picked, row.height, row.width, self.scuba.version)
        return np.mean([frame.mean((0, 1)) for _, frame in frames], axis=0)


def mean_colour(scuba: Benchmark, seed: int, workers: int = 1, progress: bool = False) -> tuple[int, int, int]:
    """The mean colour of a SCUBA benchmark's sources, as described for :class:`HumanOnly`: RGB, cut to whole numbers.

    Raises:
        BenchError: a source cannot be read.
    """
    rows = sorted(first_rows(scuba.rows), key=lambda row: row.id)
    if len(rows) > MOST_VIDEOS:
        chosen = generator(seed, scuba.dataset, "mean colour").choice(len(rows), MOST_VIDEOS, replace=False)
        rows = [rows[k] for k in sorted(chosen.tolist())]
    done = work(_Mean(scuba), rows, lambda row: row.id, workers, title="mean colour", progress=progress)
    if done.failed:
        row, error = done.failed[0]
        raise BenchError(f"{row.id}: the mean colour cannot be measured: {error}")
    means = dict((row.id, mean) for row, mean in done.made)
    red, green, blue = np.mean([means[row.id] for row in rows], axis=0)
    return int(red), int(green), int(blue)
