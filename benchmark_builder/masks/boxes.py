"""``boxes:KIND[:PATH]``: the bounding boxes of another source's masks.

Shows how a benchmark changes if boxes replace exact masks, as for UCF101: ``boxes:truth`` on synthactions,
``boxes:jhmdb`` on JHMDB. One box per frame, around all pixels of the mask.
"""

from pathlib import Path

import numpy as np

from benchmark_builder.masks.base import MaskTrack, confidence_of, reads_of
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video


class BoundingBoxes:
    """The masks of another track, each replaced by its bounding box.

    ``covered``, bool (T,), and ``confidence`` are those of the other track.
    """

    def __init__(self, track: MaskTrack) -> None:
        self._track = track
        self.covered, self.confidence = track.covered, confidence_of(track)

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W); empty if the other mask is empty."""
        inner = self._track.mask(index)
        rows, columns = np.flatnonzero(inner.any(1)), np.flatnonzero(inner.any(0))
        box = np.zeros_like(inner)
        if len(rows):
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        return box


class BoxesOf:
    """``boxes:KIND`` or ``boxes:KIND:PATH``; ``options`` are settings of source KIND."""

    def __init__(self, path: Path | None, dataset_root: Path, **options: object) -> None:
        from benchmark_builder.masks import KINDS, mask_source

        if path is None or KINDS.kind(str(path)) == "boxes":
            raise BenchError("--masks boxes: name the source whose boxes you want, such as --masks boxes:truth")
        self.source = mask_source(str(path), dataset_root, **options)

    def track(self, video: Video, height: int, width: int) -> BoundingBoxes:
        return BoundingBoxes(self.source.track(video, height, width))

    def reads(self, video: Video) -> list[Path] | None:
        """The files that the other source reads."""
        return reads_of(self.source, video)

    def describe(self) -> dict[str, object]:
        """``kind``, and ``of``: the description of the other source."""
        return {"kind": "boxes", "of": self.source.describe()}
