"""``boxes:KIND[:PATH]``: the bounding boxes of another source's masks.

What a benchmark would be if its exact masks were boxes, as UCF101's were: ``boxes:truth`` on synthactions,
``boxes:jhmdb`` on JHMDB. One box a frame, around everything that the mask holds.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.masks.base import MaskTrack, reads_of
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video


class BoundingBoxes:
    """Another track's masks, each filled up to its bounding box. ``covered``: bool (T,), the other track's."""

    def __init__(self, track: MaskTrack) -> None:
        self._track = track
        self.covered = track.covered

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W); empty where the other mask is."""
        inner = self._track.mask(index)
        rows, columns = np.flatnonzero(inner.any(1)), np.flatnonzero(inner.any(0))
        box = np.zeros_like(inner)
        if len(rows):
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        return box


class BoxesOf:
    """``boxes:KIND`` or ``boxes:KIND:PATH``; ``options`` are settings of that source."""

    def __init__(self, path: Path | None, dataset_root: Path, **options: Any) -> None:
        from benchmark_builder.masks import KINDS, mask_source

        if path is None or KINDS.kind(str(path)) == "boxes":
            raise BenchError("--masks boxes: name the source whose boxes you want, such as --masks boxes:truth")
        self.source = mask_source(str(path), dataset_root, **options)

    def track(self, video: Video, height: int, width: int) -> BoundingBoxes:
        return BoundingBoxes(self.source.track(video, height, width))

    def reads(self, video: Video) -> list[Path] | None:
        """What the other source reads."""
        return reads_of(self.source, video)

    def describe(self) -> dict[str, Any]:
        """``kind``, and ``of``: what the other source says of itself."""
        return {"kind": "boxes", "of": self.source.describe()}
