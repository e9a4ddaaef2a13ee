"""Camera: shots, black bars, and the motion of the background between two frames."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

# Frames in memory at once. A longer shot is processed in pieces, so memory does not grow with the clip.
PIECE, TAIL = 160, 40

# The frame is divided into cells, rows by columns, to weight corners; a cell at the border counts twice.
_CELLS = (6, 8)
_PER_CELL = 8  # corners
_WEIGHT = np.pad(np.ones((_CELLS[0] - 2, _CELLS[1] - 2)), 1, constant_values=2.0).ravel()


def shots(frames: Iterable[np.ndarray]) -> Iterator[tuple[list[np.ndarray], bool]]:
    """Split frames (uint8 (H, W, 3), RGB) into shots, and long shots into pieces.

    Yields (frames, fresh): ``fresh`` is False if a piece continues the shot of the previous piece.
    """
    held: list[np.ndarray] = []
    fresh = True
    before: np.ndarray | None = None
    changes = [8.0]  # recent frame-to-frame changes; starts with a typical value
    for frame in frames:
        small = cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        # A cut changes the thumbnail much more than the recent motion in the shot.
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
    """Rows and columns of the picture inside black bars: two slices. The whole frame if there are no bars."""
    peak = np.max([f.max(axis=2) for f in frames[:: max(1, len(frames) // 12)]], axis=0)
    sides = []
    for axis in (1, 0):
        # The brightest parts of the line are used: a bar has none, and even a very dark scene has some.
        lit = np.flatnonzero(np.percentile(peak, 90, axis=axis) > 40)
        whole = slice(0, peak.shape[1 - axis])
        if len(lit) and lit[-1] - lit[0] > 0.5 * whole.stop:
            trim = 2 if lit[-1] - lit[0] + 1 < whole.stop else 0  # the blurred edge of the bar
            start = int(lit[0]) + (trim if lit[0] > 0 else 0)
            stop = int(lit[-1]) + 1 - (trim if lit[-1] + 1 < whole.stop else 0)
            sides.append(slice(start, stop))
        else:
            sides.append(whole)
    return sides[0], sides[1]


def background_motion(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, float]:
    """Homography that maps the background of one frame to the next.

    Corners are tracked in both directions (Lucas-Kanade). RANSAC finds a few planes among them. The background is the
    plane whose corners are spread over the whole frame and its border: an actor may have more corners, but in one
    place.

    Args:
        before, after: grey frames, uint8 (H, W).

    Returns:
        H float64 (3, 3) with after ~ H @ before (pixels), and the share 0..1 of the cells with corners that follow H.
        The identity and 0 if nothing could be tracked.
    """
    still = np.eye(3)
    height, width = before.shape
    corners = cv2.goodFeaturesToTrack(before, 2000, 0.0002, 6)
    if corners is None or len(corners) < 12:
        return still, 0.0
    corners = corners[_spread(_cells(corners[:, 0], height, width))]
    empty = np.zeros_like(corners)
    moved, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, empty, winSize=(15, 15), maxLevel=3)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, empty.copy(), winSize=(15, 15), maxLevel=3)
    good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.linalg.norm(back - corners, axis=2)[:, 0] < 1.0)
    a, b = corners[good, 0], moved[good, 0]
    if len(a) < 12:
        return still, 0.0
    cell = _cells(a, height, width)

    def score(matrix: np.ndarray, reach: float) -> float:
        """Share of the cells with corners that follow the plane; cells at the border count twice."""
        follows = _distance(matrix, a, b) < reach
        here = np.bincount(cell, follows, minlength=_WEIGHT.size) / np.maximum(
            np.bincount(cell, minlength=_WEIGHT.size), 1
        )
        there = np.bincount(cell, minlength=_WEIGHT.size) > 0
        return float((here * _WEIGHT).sum() / (there * _WEIGHT).sum())

    # A static camera is the most common case, and easy to detect: in a moving picture almost no corner stays in place.
    steady = score(still, 0.5)
    if steady > 0.6:
        return still, steady
    best, best_score = still, score(still, 1.5)
    left = np.ones(len(a), bool)
    for _ in range(3):
        # RANSAC in cv2 uses a constant seed, so the result is the same in every run.
        affine, _ = cv2.estimateAffinePartial2D(a[left], b[left], method=cv2.RANSAC, ransacReprojThreshold=2.0)
        if affine is None:
            break
        matrix = np.vstack([affine, [0.0, 0.0, 1.0]])
        near = _distance(matrix, a, b) < 4.0
        value = score(matrix, 1.5) if _sane(matrix, before.shape) else 0.0
        if value > best_score:
            best, best_score = matrix, value
        if near.sum() >= 20:
            bent, _ = cv2.findHomography(a[near], b[near], cv2.RANSAC, 1.5, maxIters=300, confidence=0.995)
            # A homography has more parameters: it always fits a little better, but is wrong in areas without corners.
            if bent is not None and _sane(bent, before.shape) and score(bent, 1.5) > max(best_score, value) + 0.03:
                best, best_score = bent, score(bent, 1.5)
        left &= ~near
        if left.sum() < 20:
            break
    return best, best_score


def _cells(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Number of the cell of each point (N, 2): int (N,)."""
    column = (points[:, 0] * _CELLS[1] / width).astype(int)
    cells: np.ndarray = (points[:, 1] * _CELLS[0] / height).astype(int) * _CELLS[1] + column
    return cells


def _spread(cell: np.ndarray) -> np.ndarray:
    """The first (strongest) corners of every cell: bool (N,). A plain wall then counts as much as a striped shirt."""
    order = np.argsort(cell, kind="stable")
    sorted_cells = cell[order]
    rank = np.arange(len(cell)) - np.searchsorted(sorted_cells, sorted_cells)
    keep = np.zeros(len(cell), bool)
    keep[order] = rank < _PER_CELL
    return keep


def _distance(matrix: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance between each point a, transformed by the matrix, and b: (N,), pixels."""
    distance: np.ndarray = np.linalg.norm(
        cv2.perspectiveTransform(a[:, None].astype(np.float64), matrix)[:, 0] - b, axis=1
    )
    return distance


def _sane(matrix: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether H is plausible: a camera cannot mirror the frame, or halve it, within a tenth of a second."""
    height, width = shape[:2]
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    moved = cv2.perspectiveTransform(corners, matrix)[:, 0]
    if not np.isfinite(moved).all():
        return False
    area = cv2.contourArea(moved, oriented=True) / (width * height)
    return bool(0.5 < area < 2.0 and cv2.isContourConvex(moved.reshape(-1, 1, 2)))


def overlay(grey: list[np.ndarray], shift: float) -> np.ndarray:
    """Logos and captions: bool (H, W), True where edges stay in place although the camera moves.

    Args:
        grey: uint8 (H, W) per frame.
        shift: typical motion of the background between two frames, pixels.
    """
    height, width = grey[0].shape
    if len(grey) < 20 or shift < 0.4:
        return np.zeros((height, width), bool)
    picked = [cv2.GaussianBlur(g, (0, 0), 1.0) for g in grey[:: max(1, len(grey) // 12)]]
    stack = np.stack(picked)
    steady = np.ptp(stack, axis=0) < 30
    edges = np.abs(cv2.Laplacian(np.median(stack, axis=0).astype(np.float32), cv2.CV_32F, ksize=3)) > 25
    mark = cv2.morphologyEx((steady & edges).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mark)
    keep = np.zeros(count, bool)
    keep[1:] = stats[1:, cv2.CC_STAT_AREA] >= 60
    return cv2.dilate(keep[labels].astype(np.uint8), np.ones((7, 7), np.uint8)) > 0


def plane_flow(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Displacement (dx, dy) of every pixel by the homography: float32 (H, W, 2)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    points = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    return (cv2.perspectiveTransform(points, matrix) - points).reshape(height, width, 2)
