"""A still background of a video, estimated from its own frames: what is visible where no actor is."""

from collections.abc import Callable, Iterable

import cv2
import numpy as np

SAMPLED = 32  # frames of which the median is taken; more change little, and need memory
MARGIN = 3  # pixels around a mask that are not taken for background: masks are rarely exact
RADIUS = 3.0  # pixels: the neighbourhood from which never uncovered pixels are filled in
_ROWS = 64  # rows sorted at once


def sampled(n_frames: int, most: int = SAMPLED) -> np.ndarray:
    """Evenly spaced frames, the first and the last among them: int64 (at most ``most``,), ascending, unique."""
    return np.unique(np.linspace(0, n_frames - 1, min(most, n_frames)).round().astype(np.int64))


def still_background(
    frames: Iterable[tuple[int, np.ndarray]], mask: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, float]:
    """The background of a video whose camera does not move.

    At each pixel the median (of an even number: the lower of the two in the middle), channel by channel, of the frames
    in which the pixel is more than :data:`MARGIN` pixels from the mask; where it never is, it is filled in from around
    (Telea, "An image inpainting technique based on the fast marching method", 2004, as in OpenCV).

    Args:
        frames: (index, frame uint8 (H, W, 3)) of the frames to take, at least one.
        mask: index -> bool (H, W), True on the actor.

    Returns:
        uint8 (H, W, 3), and the share of the picture, 0..1, that was never uncovered. If that is all of it, the
        background is the median of the frames themselves.
    """
    side = 2 * MARGIN + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    pictures, hidden = [], []
    for index, frame in frames:
        pictures.append(frame)
        hidden.append(cv2.dilate(mask(index).astype(np.uint8), disc).astype(bool))
    stack, covered = np.stack(pictures), np.stack(hidden)
    never = covered.all(0)
    if never.all():
        covered = np.zeros_like(covered)
    made = np.empty(stack.shape[1:], np.uint8)
    for top in range(0, stack.shape[1], _ROWS):
        rows = slice(top, top + _ROWS)
        away = covered[:, rows]
        # hidden values sort behind all others
        values = np.where(away[..., None], np.int16(256), stack[:, rows].astype(np.int16))
        values.sort(axis=0)
        middle = np.maximum((~away).sum(0) - 1, 0) // 2
        made[rows] = np.take_along_axis(values, middle[None, ..., None], 0)[0].clip(0, 255)
    if never.any() and not never.all():
        made = cv2.inpaint(made, never.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
    return made, float(never.mean())
