"""Processing of the masks of a source before they are used: smoothing over time, dilation, and validity rules."""

from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np

from benchmark_builder.masks.base import MaskTrack, confidence_of
from benchmark_builder.settings import MaskSettings
from benchmark_builder.utils.errors import LeftOut
from benchmark_builder.utils.pool import Note

__all__ = ["MaskSettings", "TreatedTrack", "full_masks", "require_valid"]
FULL = 0.99  # a mask with at least this share of the picture counts as covering all of it


class TreatedTrack:
    """A track processed as in :class:`MaskSettings`. ``covered``, bool (T,), and ``confidence`` are the source's."""

    def __init__(self, track: MaskTrack, settings: MaskSettings) -> None:
        self.track, self.settings = track, settings
        self.covered, self.confidence = track.covered, confidence_of(track)
        self._indices = np.flatnonzero(track.covered)
        self._raw: OrderedDict[int, np.ndarray] = OrderedDict()

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        s = self.settings
        mask = self._window(index) if s.smooth else self.track.mask(index)
        if s.dilate:
            side = 2 * abs(s.dilate) + 1
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
            change = cv2.dilate if s.dilate > 0 else cv2.erode
            mask = change(mask.astype(np.uint8), disc, borderType=cv2.BORDER_REPLICATE).astype(bool)
        return mask

    def _window(self, index: int) -> np.ndarray:
        at, r = int(np.searchsorted(self._indices, index)), self.settings.smooth
        near = [int(k) for k in self._indices[max(0, at - r) : at + r + 1]]
        for k in near:
            if k not in self._raw:
                self._raw[k] = self.track.mask(k)
        while len(self._raw) > 2 * r + 1:  # frames come in order: delete masks before the window
            self._raw.popitem(last=False)
        stack = np.stack([self._raw[k] if k in self._raw else self.track.mask(k) for k in near])
        return np.asarray(stack.any(0) if self.settings.smooth_how == "union" else stack.sum(0) * 2 > len(near))


def require_valid(track: MaskTrack, settings: MaskSettings, name: str) -> None:
    """Raise LeftOut if too few of a video's covered frames have a mask of at least the minimum area."""
    if settings.min_valid == 0:
        return
    valid = [float(track.mask(int(k)).mean()) >= settings.min_area for k in np.flatnonzero(track.covered)]
    share = sum(valid) / max(1, len(valid))
    if share < settings.min_valid:
        raise LeftOut(
            f"{name}: {share:.0%} of its masks fill at least {settings.min_area:.0%} of the picture; the protocol "
            f"requires {settings.min_valid:.0%}"
        )


def full_masks(name: str, shares: Sequence[float]) -> list[Note]:
    """A note if masks cover the whole picture, so that the whole original background is visible.

    Args:
        name: the video's id.
        shares: per frame, the share of the picture that the mask fills, 0..1.
    """
    full, some = sum(share >= FULL for share in shares), sum(share > 0 for share in shares)
    if not full:
        return []
    said = f"the mask covers the whole picture on {full} of {some} frames"
    return [Note(name, "full mask", f"{said}; check the masks (the alpha channel of RGBA pictures is ignored)")]
