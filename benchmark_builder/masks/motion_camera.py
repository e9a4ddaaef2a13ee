"""What the camera did: shots, black bars, and the motion of the background between two frames."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

# Frames held at once. A shot that is longer is worked on in pieces, so memory does not grow with the clip.
PIECE, TAIL = 240, 60


def shots(frames: Iterable[np.ndarray]) -> Iterator[tuple[list[np.ndarray], bool]]:
    """Split frames (uint8 (H, W, 3), RGB) into shots, and long shots into pieces.

    Yields (frames, fresh): ``fresh`` is False where a piece goes on with the shot of the piece before.
    """
    held: list[np.ndarray] = []
    fresh = True
    before: np.ndarray | None = None
    changes = [8.0]  # recent frame-to-frame changes; starts with a usual one
    for frame in frames:
        small = cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        # A cut changes the thumbnail by far more than the shot's own motion has done lately.
        if held and change > max(18.0, 4 * float(np.median(changes))):
            yield held, fresh
            held, fresh, changes = [], True, [8.0]
        elif before is not None:
            changes = [*changes[-15:], change]
        before = small
        held.append(frame)
        if len(held) == PIECE + TAIL:
            yield held[:PIECE], fresh
            held, fresh = held[PIECE:], False
    if held:
        yield held, fresh


def content_box(frames: list[np.ndarray]) -> tuple[slice, slice]:
    """Rows and columns of the picture inside black bars: two slices. The whole frame where there are none."""
    peak = np.max([f.max(axis=2) for f in frames[:: max(1, len(frames) // 12)]], axis=0)
    sides = []
    for axis in (1, 0):
        # The brighter parts of the line count: a bar has none, the darkest scene has some.
        lit = np.flatnonzero(np.percentile(peak, 90, axis=axis) > 40)
        whole = slice(0, peak.shape[1 - axis])
        if len(lit) and lit[-1] - lit[0] > 0.5 * whole.stop:
            trim = 2 if lit[-1] - lit[0] + 1 < whole.stop else 0  # the bar's blurred edge
            start = int(lit[0]) + (trim if lit[0] > 0 else 0)
            stop = int(lit[-1]) + 1 - (trim if lit[-1] + 1 < whole.stop else 0)
            sides.append(slice(start, stop))
        else:
            sides.append(whole)
    return sides[0], sides[1]


def background_motion(
    before: np.ndarray, after: np.ndarray, avoid: np.ndarray | None = None
) -> tuple[np.ndarray, float, float]:
    """Homography that carries the background of one frame onto the next.

    Corners are tracked both ways (Lucas-Kanade), and RANSAC keeps the largest set that moves as one plane.

    Args:
        before, after: grey frames, uint8 (H, W).
        avoid: uint8 (H, W), 0 where no corner may be taken (the actor), or None.

    Returns:
        H float64 (3, 3) with after ~ H @ before (pixels); the share 0..1 of corners that follow it; and their
        median distance from it in pixels. The identity and share 0 where nothing could be tracked.
    """
    still = np.eye(3), 0.0, 0.0
    corners = cv2.goodFeaturesToTrack(before, 400, 0.005, 5, mask=avoid)
    if corners is None or len(corners) < 12:
        return still
    moved, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, winSize=(15, 15), maxLevel=3)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, winSize=(15, 15), maxLevel=3)
    good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.linalg.norm(back - corners, axis=2)[:, 0] < 1.0)
    a, b = corners[good, 0], moved[good, 0]
    if len(a) < 12:
        return still
    # A camera that stands still is by far the most common: do not let a few odd corners bend it.
    steady = np.linalg.norm(a - b, axis=1)
    if (steady < 0.5).mean() > 0.6:
        return np.eye(3), float((steady < 1.0).mean()), float(np.median(steady[steady < 1.0]))
    # cv2's RANSAC seeds its own generator with a constant, so this is the same on every run.
    matrix, inlier = cv2.findHomography(a, b, cv2.RANSAC, 1.5, maxIters=500, confidence=0.995)
    if matrix is None or inlier.sum() < 10 or not _sane(matrix, before.shape):
        affine, inlier = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=2.0)
        if affine is None:
            return still
        matrix = np.vstack([affine, [0.0, 0.0, 1.0]])
        if not _sane(matrix, before.shape):
            return still
    off = np.linalg.norm(cv2.perspectiveTransform(a[:, None], matrix)[:, 0] - b, axis=1)
    kept = inlier[:, 0] > 0
    return matrix, float(kept.mean()), float(np.median(off[kept]))


def _sane(matrix: np.ndarray, shape: tuple[int, ...]) -> bool:
    """No camera turns the frame inside out, or halves it, within a tenth of a second."""
    height, width = shape[:2]
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    moved = cv2.perspectiveTransform(corners, matrix)[:, 0]
    if not np.isfinite(moved).all():
        return False
    area = cv2.contourArea(moved, oriented=True) / (width * height)
    return bool(0.5 < area < 2.0 and cv2.isContourConvex(moved.reshape(-1, 1, 2)))


def plane_flow(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Displacement (dx, dy) that the homography gives every pixel: float32 (H, W, 2)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    points = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    return (cv2.perspectiveTransform(points, matrix) - points).reshape(height, width, 2)
