"""What is done to a source's masks before they are used: smoothing over time, dilation, and rules of validity."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark_builder.masks.base import MaskTrack
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.pool import Note

UNANNOTATED = ("hold", "drop", "background")
SMOOTH_HOW = ("majority", "union")
FULL = 0.99  # share of the picture from which on a mask covers all of it


@dataclass(frozen=True)
class MaskSettings:
    """How masks are treated; all of it stands in protocol.json.

    Attributes:
        unannotated: what a frame without a mask, between the first and the last that have one, becomes: ``hold`` the
            nearest mask, ``drop`` the frame, or show pure ``background`` (as StillMix's UCF101 did).
        smooth: how many covered frames before and after take part in a frame's mask; 0 for none.
        smooth_how: ``majority`` of those frames, or their ``union`` (StillMix's Kinetics-400 with smooth 1).
        dilate: pixels the mask grows (an ellipse of that radius); negative shrinks it.
        feather: standard deviation, in pixels, of the soft edge between actor and background; 0 for a hard edge.
        min_area: least share of the picture, 0..1, that a valid frame's mask fills; refused without ``min_valid``.
        min_valid: least share of a video's covered frames, 0..1, that must be valid; else the video is left out.
    """

    unannotated: str = "hold"
    smooth: int = 0
    smooth_how: str = "majority"
    dilate: int = 0
    feather: float = 0.0
    min_area: float = 0.0
    min_valid: float = 0.0

    def __post_init__(self) -> None:
        for flag, value, choices in (
            ("--unannotated", self.unannotated, UNANNOTATED),
            ("--smooth-how", self.smooth_how, SMOOTH_HOW),
        ):
            if value not in choices:
                raise BenchError(f"{flag} {value}: choose from {', '.join(choices)}")
        for flag, share in (("--min-area", self.min_area), ("--min-valid", self.min_valid)):
            if not 0 <= share <= 1:
                raise BenchError(f"{flag} {share}: give a share from 0 to 1")
        if self.min_area and not self.min_valid:
            raise BenchError(
                f"--min-area {self.min_area}: decides nothing while no frame needs to be valid; give --min-valid too"
            )
        if not 0 <= self.smooth <= 30:
            raise BenchError(f"--smooth {self.smooth}: give 0 to 30 frames")
        if not -100 <= self.dilate <= 100:
            raise BenchError(f"--dilate {self.dilate}: give -100 to 100 pixels")
        if not 0 <= self.feather <= 100:
            raise BenchError(f"--feather {self.feather}: give 0 to 100 pixels")


class TreatedTrack:
    """A track seen through :class:`MaskSettings`. ``covered``: bool (T,), the source's own."""

    def __init__(self, track: MaskTrack, settings: MaskSettings) -> None:
        self.track, self.settings = track, settings
        self.covered = track.covered
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
        while len(self._raw) > 2 * r + 1:  # frames come in order: what is behind the window is done with
            self._raw.popitem(last=False)
        stack = np.stack([self._raw[k] if k in self._raw else self.track.mask(k) for k in near])
        return np.asarray(stack.any(0) if self.settings.smooth_how == "union" else stack.sum(0) * 2 > len(near))


def require_valid(track: MaskTrack, settings: MaskSettings, name: str) -> None:
    """Raise LeftOut if too few of a video's covered frames have a mask of the least area."""
    if settings.min_valid == 0:
        return
    valid = [float(track.mask(int(k)).mean()) >= settings.min_area for k in np.flatnonzero(track.covered)]
    share = sum(valid) / max(1, len(valid))
    if share < settings.min_valid:
        raise LeftOut(
            f"{name}: {share:.0%} of its masks fill {settings.min_area:.0%} of the picture; "
            f"the protocol asks for {settings.min_valid:.0%}"
        )


def full_masks(name: str, shares: Sequence[float]) -> list[Note]:
    """A note if masks cover the whole picture, so that all of the original background is seen.

    Args:
        name: the video's id.
        shares: what share of the picture each frame's mask fills, 0..1.
    """
    full, some = sum(share >= FULL for share in shares), sum(share > 0 for share in shares)
    if not full:
        return []
    said = f"the mask covers the whole picture on {full} of {some} frames"
    return [Note(name, "full mask", f"{said}; check the masks (an RGBA picture's alpha is not read)")]
