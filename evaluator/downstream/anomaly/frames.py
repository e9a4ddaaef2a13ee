"""From features to bags for training, and from scores of windows to scores of frames. numpy only."""

import itertools

import numpy as np


def segments(features: np.ndarray, count: int) -> np.ndarray:
    """A video reduced to segments of equal length, as RTFM's and MGFN's public code does it.

    Args:
        features: float32 (T, crops, D).
        count: number of segments S.

    Returns:
        float32 (crops, S, D): with r = linspace(0, T, S + 1) rounded down, segment i is the mean of windows r[i] up to,
            not including, r[i + 1]; window r[i] if there are none between.
    """
    edges = np.linspace(0, len(features), count + 1, dtype=np.int64)
    made = [features[a : max(b, a + 1)].mean(0, dtype=np.float64) for a, b in itertools.pairwise(edges)]
    return np.stack(made, axis=1).astype(np.float32)


def frame_scores(scores: np.ndarray, starts: np.ndarray, window: int, frames: int) -> np.ndarray:
    """The score of each frame: the mean of the windows that contain it.

    A frame in no window (at the end of a video, or between windows if the stride is larger) takes the score of the
    nearest window, of two equally near the earlier. With stride = window this is ``repeat(scores, window)``, cut or
    continued to the number of frames.

    Args:
        scores: one per window, (T,), T > 0.
        starts: first frame of each window, increasing, int64 (T,).
        window: frames per window. frames: number of frames.

    Returns:
        float64 (frames,).
    """
    total, count = np.zeros(frames), np.zeros(frames, np.int64)
    for offset in range(window):
        at = starts + offset
        own = at < frames
        total[at[own]] += scores[own]
        count[at[own]] += 1
    found = np.divide(total, count, out=np.zeros(frames), where=count > 0)
    lone = np.flatnonzero(count == 0)
    if len(lone):
        found[lone] = scores[_nearest(lone, starts, window)]
    return found


def _nearest(frames: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """The nearest window of frames that are in none."""
    after = np.searchsorted(starts, frames)  # the first window that starts later
    before = np.maximum(after - 1, 0)
    late = np.minimum(after, len(starts) - 1)
    to_before = np.where(after > 0, frames - (starts[before] + window - 1), np.iinfo(np.int64).max)
    to_late = np.where(after < len(starts), starts[late] - frames, np.iinfo(np.int64).max)
    return np.where(to_before <= to_late, before, late)
