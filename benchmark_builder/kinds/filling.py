"""Removes the actor from a video: places under the mask are filled with the background.

A place is filled from the frame, nearest in time, that shows it uncovered. The motion of the camera between two frames
is a homography (:func:`benchmark_builder.masks.motion.camera.background_motion`); no place is filled from another shot.
What no frame shows is painted once with OpenCV's inpainting (Telea, 2004) and then moved with the camera.

Time grows linearly with the length of a video. A shot is processed in pieces of at most 200 frames
(:func:`benchmark_builder.masks.motion.camera.shots`), so memory does not grow with the length: a piece takes twice the
bytes of its frames. A place that is only uncovered in another piece counts as never uncovered.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmark_builder.masks.motion.camera import background_motion, shots

COLOUR = (123, 116, 103)  # RGB, of a frame that is covered completely; HAT's colour of empty places
AGREE = 12.0  # largest median difference of two aligned grey frames, 0..255, for the alignment to be used
RADIUS = 3.0  # of OpenCV's inpainting, pixels
MOST_POINTS = 30_000  # that cv2.remap is given at once; its limit is 32,767


@dataclass
class Count:
    """How many pixels of a video were filled, and how many of these no frame shows uncovered."""

    filled: int = 0
    never: int = 0

    @property
    def share(self) -> float:
        """Share of the filled pixels that were never uncovered, 0..1; 0 if nothing was filled."""
        return self.never / self.filled if self.filled else 0.0


def fill(pairs: Iterable[tuple[np.ndarray, np.ndarray]], count: Count) -> Iterator[np.ndarray]:
    """Yield the frames of a video without the actor.

    Args:
        pairs: frames, uint8 (H, W, 3) RGB, with their masks, bool (H, W).
        count: updated with every piece of the video.

    Yields:
        uint8 (H, W, 3) RGB; outside the mask exactly the given frame.
    """
    masks: deque[np.ndarray] = deque()

    def frames() -> Iterator[np.ndarray]:
        for frame, mask in pairs:
            masks.append(mask)
            yield frame

    for piece, _ in shots(frames()):
        yield from _Piece(piece, [masks.popleft() for _ in piece]).filled(count)


class _Piece:
    """Frames of one shot with their masks."""

    def __init__(self, frames: list[np.ndarray], masks: list[np.ndarray]) -> None:
        self.frames, self.masks = frames, masks
        self.height, self.width = frames[0].shape[:2]
        # The edge of a mask is never exact, so the pixels around it are not taken for background.
        self.margin = max(1, round(min(self.height, self.width) / 60))
        self.near = [self._grown(mask) for mask in masks]

    def filled(self, count: Count) -> Iterator[np.ndarray]:
        if not any(mask.any() for mask in self.masks):
            yield from self.frames
            return
        self._track()
        before, after = self._nearest(range(len(self.frames))), self._nearest(range(len(self.frames))[::-1])
        done: list[np.ndarray] = []
        painted = np.full((self.height, self.width), -1, np.int16)  # the frame in which a place was painted
        for t, mask in enumerate(self.masks):
            if t:
                painted = self._carried(painted, t - 1, t)
            ys, xs = np.nonzero(mask)
            out = self.frames[t].copy()
            left = self._from_frames(t, ys, xs, before[t], after[t], out)
            count.filled += len(ys)
            count.never += int(left.sum())
            ys, xs = ys[left], xs[left]
            left = ~self._sampled(done, t, ys, xs, painted[ys, xs], out, uncovered=False)
            hole = np.zeros_like(mask)
            hole[ys[left], xs[left]] = True
            if hole.any():
                _paint(out, hole, self._grown(hole) & self.near[t] & ~(mask & ~hole))
                painted[hole] = t
            done.append(out)
            yield out

    def _grown(self, mask: np.ndarray) -> np.ndarray:
        side = 2 * self.margin + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)

    def _track(self) -> None:
        """``place[t]``: the homography from the first frame to frame t. ``part[t]``: frames of one part are aligned."""
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in self.frames]
        self.place, self.part = [np.eye(3)], [0]
        for t in range(1, len(grey)):
            step, _ = background_motion(grey[t - 1], grey[t])
            place = step @ self.place[-1]
            moved = _warped(grey[t - 1], step, -1)
            seen = ~self.near[t] & ~_warped(self.near[t - 1].astype(np.uint8), step, 1).astype(bool)
            difference = np.abs(moved[seen].astype(np.int16) - grey[t][seen])
            aligned = difference.size > 0 and float(np.median(difference)) <= AGREE
            aligned = aligned and abs(np.linalg.det(place)) > 1e-6
            self.place.append(place / place[2, 2] if aligned else np.eye(3))
            self.part.append(self.part[-1] + (not aligned))

    def _between(self, t: int, s: int) -> np.ndarray:
        """The homography from frame t to frame s, float64 (3, 3)."""
        return self.place[s] @ np.linalg.inv(self.place[t])

    def _carried(self, numbers: np.ndarray, t: int, s: int) -> np.ndarray:
        """Numbers of frames at places, int16 (H, W), moved from frame t to its neighbour s; -1 where there is none."""
        if self.part[t] != self.part[s]:
            return np.full_like(numbers, -1)
        step = self._between(t, s)
        return numbers if np.array_equal(step, np.eye(3)) else _warped(numbers, step, -1)

    def _nearest(self, order: Sequence[int]) -> list[np.ndarray]:
        """For each frame and each pixel of its mask: the last frame, in ``order``, that showed the place; or -1."""
        shown = np.full((self.height, self.width), -1, np.int16)
        found = [np.empty(0, np.int16)] * len(order)
        for k, t in enumerate(order):
            if k:
                shown = self._carried(shown, order[k - 1], t)
            shown = np.where(self.near[t], shown, np.int16(t))
            found[t] = shown[self.masks[t]]
        return found

    def _from_frames(
        self, t: int, ys: np.ndarray, xs: np.ndarray, before: np.ndarray, after: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Fill pixels of frame t from other frames, the nearer first. Returns which are left: bool (N,)."""
        far = np.int16(np.iinfo(np.int16).max)
        behind = np.where(before < 0, far, t - before)
        ahead = np.where(after < 0, far, after - t)
        first = np.where(behind <= ahead, before, after)
        left = ~self._sampled(self.frames, t, ys, xs, first, out)
        second = np.where(behind <= ahead, after, before)[left]
        left[left] = ~self._sampled(self.frames, t, ys[left], xs[left], second, out)
        return left

    def _sampled(
        self,
        frames: list[np.ndarray],
        t: int,
        ys: np.ndarray,
        xs: np.ndarray,
        numbers: np.ndarray,
        out: np.ndarray,
        uncovered: bool = True,
    ) -> np.ndarray:
        """Copy pixels of frame t from the frames with these numbers. Returns which could be: bool (N,).

        ``uncovered``: only from places that are outside the other frame's mask.
        """
        good = np.zeros(len(ys), bool)
        order = np.argsort(numbers, kind="stable")
        ends = np.flatnonzero(np.diff(numbers[order])) + 1
        for group in np.split(order, ends) if len(order) else []:
            s = int(numbers[group[0]])
            if s < 0:
                continue
            x, y, z = self._between(t, s) @ np.stack([xs[group], ys[group], np.ones(len(group))])
            with np.errstate(divide="ignore", invalid="ignore"):
                x, y = x / z, y / z
            inside = (x >= -0.01) & (x <= self.width - 0.99) & (y >= -0.01) & (y <= self.height - 0.99)
            group, x, y = group[inside], x[inside].clip(0, self.width - 1), y[inside].clip(0, self.height - 1)
            if uncovered:
                free = ~self.near[s][y.round().astype(int), x.round().astype(int)]
                group, x, y = group[free], x[free], y[free]
            for k in range(0, len(group), MOST_POINTS):
                part = slice(k, k + MOST_POINTS)
                at = (v[part, None].astype(np.float32) for v in (x, y))
                values = cv2.remap(frames[s], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                out[ys[group[part]], xs[group[part]]] = values[:, 0]
            good[group] = True
        return good


def _warped(array: np.ndarray, step: np.ndarray, outside: int) -> np.ndarray:
    """An array (H, W) moved by a homography, nearest neighbour."""
    size = (array.shape[1], array.shape[0])
    return cv2.warpPerspective(array, step, size, flags=cv2.INTER_NEAREST, borderValue=(outside,))


def _paint(out: np.ndarray, hole: np.ndarray, unsure: np.ndarray) -> None:
    """Paint a hole, bool (H, W), in a frame with OpenCV's inpainting, without using the ``unsure`` pixels around it."""
    unknown = hole | unsure
    if unknown.all():
        out[hole] = COLOUR
        return
    rows, columns = np.flatnonzero(unknown.any(1)), np.flatnonzero(unknown.any(0))
    edge = 16
    while True:  # some of what is around the hole must be known
        area = (
            slice(max(0, rows[0] - edge), rows[-1] + 1 + edge),
            slice(max(0, columns[0] - edge), columns[-1] + 1 + edge),
        )
        if not unknown[area].all():
            break
        edge *= 2
    painted = cv2.inpaint(np.ascontiguousarray(out[area]), unknown[area].astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
    out[area][hole[area]] = painted[hole[area]]
