"""The windows of a long video, and which of their frames a network sees.

Window k has the frames k · stride … k · stride + window - 1. A window is cut as a test video of that length would be
(:func:`albar.clips.clips.eval_indices`). If the network's clip spans more frames than the window has, its frames are
spread evenly over the window, and repeated if there are fewer.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from albar.clips.clips import ClipSampling, eval_indices
from evaluator.features.presets import Last


def window_count(frames: int, window: int, stride: int, last: Last) -> int:
    """Number of windows of a video, at least 1.

    Args:
        frames: of the video, at least 1. window, stride: in frames.
        last: ``floor``: only windows that are full; ``ceil``: as many as it takes to cover the last frame, where stride
            is at most window; otherwise all that start in the video. A window that is not full repeats the last frame.
            A video that is shorter than a window has one in both cases.
    """
    if frames <= window:
        return 1
    if last == "floor":
        return (frames - window) // stride + 1
    return min(-((window - frames) // stride) + 1, -(-frames // stride))


def clip_offsets(window: int, sampling: ClipSampling) -> tuple[np.ndarray, bool]:
    """The frames of a window that a clip has, in order, int64 (T,) from 0; and whether they had to be resampled, since
    the clip spans more frames than the window."""
    span = (sampling.frames - 1) * sampling.stride + 1
    if sampling.even or span <= window:
        return eval_indices(window, sampling), False
    return (2 * np.arange(sampling.frames, dtype=np.int64) + 1) * window // (2 * sampling.frames), True


class FrameRate:
    """Which frames of a file make a video of another rate: frame j is the one shown nearest to j / fps seconds."""

    def __init__(self, source: float, wanted: float | None) -> None:
        """Frames per second of the file, and those wanted; None: every frame of the file."""
        self.fps = source if wanted is None else float(wanted)
        same = wanted is None or wanted == source
        self._step = Fraction(1) if same else Fraction(source).limit_denominator(10**6) / Fraction(wanted or 1)
        self._next = 0

    def copies(self, index: int) -> int:
        """How often frame ``index`` of the file is shown; to be called for every frame in order."""
        count = 0
        while self._source(self._next) <= index:
            count += 1
            self._next += 1
        return count

    def _source(self, frame: int) -> int:
        twice = 2 * frame * self._step + 1
        return twice.numerator // (2 * twice.denominator)


@dataclass(frozen=True)
class Plan:
    """How features are taken from a video.

    Attributes:
        window, stride: in frames. last: see :func:`window_count`. fps: frames per second that videos are brought to;
        None: their own.
        sampling: how a window's clip is cut; of its ``views`` and ``crops``, one is taken.
        crops: of each window. crop: ``model`` or ``340x256``, see :mod:`evaluator.features.cropping`.
    """

    window: int
    stride: int
    last: Last
    fps: float | None
    sampling: ClipSampling
    crops: int
    crop: str
