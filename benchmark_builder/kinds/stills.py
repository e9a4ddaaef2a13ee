"""Which frames of a SCUBA video may be a still: those that show enough of the actor.

A still of SCUFO, shaken SCUFO or a ConflFG donor must show an actor whom a network could recognise, or SCUFO is easy
for want of an actor. So a frame counts only if its mask has at least ``still_area`` of the median mask area of its
video, the median taken over the frames whose mask is not empty. 0: any frame with a pixel of mask (as published).
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.utils.files import inside
from benchmark_builder.utils.pool import Note
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.digest_cache import require_digest
from benchmark_builder.video.selection import indices

FEW = 10  # a video with fewer frames to draw a still from is listed
STILL_AREA = 0.5  # share of the median area, unless a protocol says otherwise


def mask_areas(scuba: Benchmark, row: Row) -> np.ndarray:
    """Mask pixels on each frame that a SCUBA video shows: int64 (frames,).

    Raises:
        ChangedFile: the masks are not those that the video was made with.
        BenchError: they are missing or cannot be read.
    """
    return _areas(inside(scuba.folder, row.mask_file), row.mask_sha256, row.source_frames, row.height, row.width)


@lru_cache(maxsize=1024)  # the videos of one source share their masks
def _areas(path: Path, sha256: str, source_frames: str, height: int, width: int) -> np.ndarray:
    require_digest(path, sha256, f"delete it and build {path.parent.parent} again")
    track = StoredTrack(path, height, width)
    return np.array([np.count_nonzero(track.mask(k)) for k in indices(source_frames)], np.int64)


def relative_areas(areas: np.ndarray) -> np.ndarray:
    """Areas, int (T,), as shares of the median of those above 0: float64 (T,); all 0 where none is above 0."""
    shown = areas[areas > 0]
    return areas / np.median(shown) if len(shown) else np.zeros(len(areas))


def may_be_still(areas: np.ndarray, still_area: float) -> np.ndarray:
    """Which frames a still may be drawn from: bool (T,).

    Args:
        areas: mask pixels on each frame, int (T,).
        still_area: the least share of the video's median area, 0..1.
    """
    return (areas > 0) & (relative_areas(areas) >= still_area)


def draw_still(scuba: Benchmark, row: Row, seed: int, still_area: float) -> int:
    """Index of the SCUBA frame to repeat, drawn by (seed, id): uniform over :func:`may_be_still`.

    An imported benchmark has no masks, and any of its frames may be drawn.

    Raises:
        LeftOut: no frame shows the actor.
        BenchError: as :func:`mask_areas`.
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
    """What is wrong with the still that a row names, one line each.

    Args:
        benchmark, scuba: the row's, and the SCUBA benchmark that it was made from.
        row, base: the row, and that of its SCUBA video.

    Raises:
        LeftOut, BenchError: as :func:`draw_still`.
    """
    still_area = float(benchmark.protocol.still_area or 0)  # version 1: any frame with a mask
    if row.still_frame is None or row.still_frame == draw_still(scuba, base, row.seed, still_area):
        return []
    return [f"still frame {row.still_frame} is not the one that its seed draws"]


def few_stills(scuba: Benchmark, row: Row, still_area: float) -> list[Note]:
    """A note if a SCUBA video has fewer than :data:`FEW` frames that may be a still; once for all videos of a source.

    A video shorter than that cannot have more; it is noted if less than half of its frames may be a still.
    """
    if not row.mask_file:
        return []
    allowed = may_be_still(mask_areas(scuba, row), still_area)
    count = int(allowed.sum())
    if count >= FEW or (2 * count >= len(allowed) and len(allowed) < FEW):
        return []
    least = f"at least {100 * still_area:g} % of the median mask" if still_area else "any mask"
    return [Note(row.source_id, "few stills", f"only {count} of {len(allowed)} frames have {least}; its still is one")]
