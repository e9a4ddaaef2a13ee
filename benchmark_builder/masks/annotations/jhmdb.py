"""JHMDB's puppet masks (Jhuang et al., ICCV 2013): ``puppet_mask/CLASS/STEM/puppet_mask.mat``.

Each file contains ``part_mask``, H x W x T, 0 or 1. T may be smaller than the number of frames: the rest is not
covered. The masks belong to JHMDB's trimmed frames. The HMDB51 file of the same name is longer, and its frame k shows
another moment, so an untrimmed video is refused.
"""

from itertools import islice
from pathlib import Path

import numpy as np

from benchmark_builder.masks.annotations.matlab import read_array
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import found_inside
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

KEY = "part_mask"
MOST_BYTES = 2**28  # limit for one file, packed or unpacked; the largest in JHMDB has 40 frames of 320x240
LONGEST_CLIP = 40  # frames of the longest clip in JHMDB


class PuppetTrack:
    """Masks of one video, in memory. ``covered``: bool (T,), True throughout."""

    def __init__(self, masks: np.ndarray) -> None:
        """masks: bool (T, H, W)."""
        self._masks = masks
        self.covered = np.ones(len(masks), dtype=bool)

    def mask(self, index: int) -> np.ndarray:
        """Mask of frame ``index``: bool (H, W)."""
        return self._masks[index]


class PuppetMasks:
    """``jhmdb[:FOLDER]``: FOLDER is puppet_mask. Default: puppet_mask in ROOT or alongside ROOT."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        # ROOT may be Rename_Images itself.
        near = [dataset_root / "puppet_mask", dataset_root.parent / "puppet_mask"]
        self.folder = path or next((f for f in near if f.is_dir()), near[0])
        if not self.folder.is_dir():
            raise BenchError(
                f"{self.folder}: no such folder; unpack JHMDB's puppet_mask.zip there, or give --masks jhmdb:FOLDER"
            )

    def track(self, video: Video, height: int, width: int) -> PuppetTrack:
        """Read the puppet masks of a video whose id ends in CLASS/STEM (or is STEM; then its class is the folder).

        Raises:
            LeftOut: JHMDB has no mask file for this video.
            BenchError: the file is not a mask file, its masks have another size, or the video is not JHMDB's clip.
        """
        path = found_inside(self.folder, f"{video.class_name}/{Path(video.id).name}/puppet_mask.mat")
        if not path.is_file():
            raise LeftOut(f"no puppet mask for {video.id}")
        masks = _read(path, height, width)
        if video.dataset == "hmdb51":
            limit = max(LONGEST_CLIP, len(masks))
            if sum(1 for _ in islice(read_frames(video.path), limit + 1)) > limit:
                raise BenchError(
                    f"{video.path}: is longer than JHMDB's clip of this video, so the puppet masks ({len(masks)} "
                    "frames) do not fit; build from the frames of JHMDB (--dataset jhmdb)"
                )
        return PuppetTrack(masks)

    def describe(self) -> dict[str, object]:
        return {"kind": "jhmdb"}


def _read(path: Path, height: int, width: int) -> np.ndarray:
    """``part_mask`` as bool (T, H, W)."""
    fix = "download the file again from JHMDB's site"
    try:
        values = read_array(path, KEY, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: {error}; {fix}") from None
    if values.ndim not in (2, 3):  # MATLAB drops a last axis of length 1
        raise BenchError(f"{path}: {KEY} is {values.shape}, not H x W x T; {fix}")
    if values.shape[:2] != (height, width):
        raise BenchError(
            f"{path}: masks are {values.shape[1]}x{values.shape[0]}, the video is {width}x{height}; "
            "use the frames of JHMDB"
        )
    return np.ascontiguousarray(np.moveaxis(values.reshape(height, width, -1) != 0, 2, 0))
