"""Which frames of a SCUBA video can be a still: those that show enough of the actor.

A still of SCUFO, shaken SCUFO or a ConflFG donor must show an actor that a network could recognise; otherwise SCUFO is
easy because no actor is visible. So a frame is used only if its mask has at least ``still_area`` of the median mask
area of its video. The median is taken over frames whose mask is not empty. 0: any frame with at least one mask pixel
(as published).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.utils.files import inside
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.digest_cache import require_digest
from benchmark_builder.video.selection import indices

FEW = 10  # a video with fewer possible stills is listed
STILL_AREA = 0.5  # share of the median area, unless a protocol says otherwise


def mask_areas(scuba: Benchmark, row: Row) -> np.ndarray:
    """Number of mask pixels on each frame of a SCUBA video: int64 (frames,).

    Raises:
        ChangedFile: the masks differ from those with which the video was made.
        BenchError: they are missing or cannot be read.
    """
    return _areas(inside(scuba.folder, row.mask_file), row.mask_sha256, row.source_frames, row.height, row.width)


@lru_cache(maxsize=1024)  # the videos of one source share their masks
def _areas(path: Path, sha256: str, source_frames: str, height: int, width: int) -> np.ndarray:
    require_digest(path, sha256, f"delete it and build {path.parent.parent} again")
    track = StoredTrack(path, height, width)
    return np.array([np.count_nonzero(track.mask(k)) for k in indices(source_frames)], np.int64)


def relative_areas(areas: np.ndarray) -> np.ndarray:
    """Areas, int (T,), as shares of the median of those above 0: float64 (T,); all 0 if none is above 0."""
    shown = areas[areas > 0]
    return areas / np.median(shown) if len(shown) else np.zeros(len(areas))


def may_be_still(areas: np.ndarray, still_area: float) -> np.ndarray:
    """Which frames can be a still: bool (T,).

    Args:
        areas: mask pixels on each frame, int (T,).
        still_area: minimum share of the video's median area, 0..1.
    """
    return (areas > 0) & (relative_areas(areas) >= still_area)


def draw_still(scuba: Benchmark, row: Row, seed: int, still_area: float) -> int:
    """Index of the SCUBA frame to repeat, drawn by (seed, id): uniform over :func:`may_be_still`.

    An imported benchmark has no masks, and any of its frames may be drawn.

    Raises:
        LeftOut: no frame shows the actor.
        BenchError: as in :func:`mask_areas`.
    """
    draw = generator(seed, row.id, "still")
    if not row.mask_file:
        return int(draw.integers(row.frames))
    allowed = may_be_still(mask_areas(scuba, row), still_area)
    for k in draw.permutation(len(allowed)):
        if allowed[k]:
            return int(k)
    raise LeftOut(f"no frame of {row.id} shows the actor")


def still_problems(benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row) -> list[str]:
    """Problems with the still that is recorded in a row, one line each.

    Args:
        benchmark, scuba: the benchmark of the row, and the SCUBA benchmark from which it was made. row, base: the row,
        and the row of its SCUBA video.

    Raises:
        LeftOut, BenchError: as in :func:`draw_still`.
    """
    still_area = float(benchmark.protocol.still_area or 0)  # version 1: any frame with a mask
    if row.still_frame is None or row.still_frame == draw_still(scuba, base, row.seed, still_area):
        return []
    return [f"still frame {row.still_frame} is not the one that its seed gives"]


def few_stills(scuba: Benchmark, row: Row, still_area: float) -> list[Note]:
    """A note if a SCUBA video has fewer than :data:`FEW` frames that can be a still; one note per source.

    For a video shorter than that, the note is given if less than half of its frames can be a still.
    """
    if not row.mask_file:
        return []
    allowed = may_be_still(mask_areas(scuba, row), still_area)
    count = int(allowed.sum())
    if count >= FEW or (2 * count >= len(allowed) and len(allowed) < FEW):
        return []
    least = f"at least {100 * still_area:g} % of the median mask" if still_area else "any mask"
    return [
        Note(
            row.source_id,
            "few stills",
            f"only {count} of {len(allowed)} frames have {least}; the still is one of these",
        )
    ]


@dataclass(frozen=True)
class StillMaker(ABC):
    """Makes a video from one frame of a SCUBA video. With the same seed, every kind takes the same frame.

    Attributes:
        out: the benchmark's folder.
        scuba: the benchmark from which it is made.
        seed: for drawing the still, and what else the kind draws.
        layout: how it is stored.
        still_area: which frames can be the still, see :func:`may_be_still`.
        still: whether the video is that frame repeated.
    """

    out: Path
    scuba: Benchmark
    seed: int
    layout: layouts.Layout
    still_area: float
    still: ClassVar[bool] = False

    def make(self, row: Row) -> list[Row | Note]:
        """Write one video; return its row, and a note if the still was drawn from few frames."""
        k = draw_still(self.scuba, row, self.seed, self.still_area)
        image, file = self.scuba.frame(row, k), self.layout.file_of(row.id, self.still)
        digest = layouts.PixelDigest(row.height, row.width)
        self.write(self.out / file, row, k, image, digest)
        self.layout.store(self.out / file, {"still": image})
        made = row.derived(
            file=file,
            seed=self.seed,
            still_frame=k,
            pixels_xxh128=digest.hexdigest(),
            file_sha256=layouts.digest(self.out / file),
        )
        return [made, *few_stills(self.scuba, row, self.still_area)]

    @abstractmethod
    def write(self, path: Path, row: Row, k: int, image: np.ndarray, digest: layouts.PixelDigest) -> None:
        """Write the video.

        Args:
            path: its final name.
            row: the SCUBA video's.
            k: index of the frame.
            image: the frame, uint8 (H, W, 3) RGB.
            digest: to be updated with every frame of the video.
        """
