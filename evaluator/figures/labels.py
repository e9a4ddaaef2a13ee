"""Places for labels next to points, so that no label covers a point, a line or another label."""

import math
from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]  # left, low, right, high
# From a point to its label: first close, then further away; of directions, first the sides, then the corners.
_DISTANCES = (2.0, 6.0, 12.0, 20.0, 30.0, 42.0, 58.0, 78.0, 104.0, 140.0)
_ANGLES = tuple(math.radians(a) for a in (0, 180, 90, 270, 30, 330, 150, 210, 60, 120, 240, 300))
_LEADER = 14.0  # a label that is further away gets a line


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    radius: float,
    bounds: Box,
    lines: Sequence[Box] = (),
) -> list[Box | None]:
    """A box for the label of each point, in any unit of length that is about a pixel.

    Labels of crowded points are placed first. A label that finds no place near its point gets another free place, and a
    line, which crosses as few labels and points as it can; no label covers a line.

    Args:
        points: x and y of the points.
        sizes: width and height of the labels.
        radius: of the markers of points, which are not covered.
        bounds: where labels may be.
        lines: further boxes that are not covered, such as error bars; they may have no width.

    Returns:
        boxes in the order of the points; None for a label that has no room. No two boxes overlap.
    """
    if not points:
        return []
    at = np.array(points, float).reshape(-1, 2)
    taken, kept = np.concatenate([at - radius, at + radius], axis=1), np.array(lines, float).reshape(-1, 4)
    ways = np.empty((0, 4))  # the lines to labels
    near = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    reach = 3 * float(np.median([width for width, _ in sizes]))
    order = sorted(range(len(at)), key=lambda k: (-(near[k] < reach).sum(), k))
    found: list[Box | None] = [None] * len(at)
    for k in order:
        tried = _candidates(at[k], *sizes[k], radius, bounds)
        tried = tried[~_covered(tried, np.concatenate([taken, kept]), 1.0).any(1)]
        tried = tried[~_crossed(ways, tried).any(0)]
        if not len(tried):
            continue
        leaders, needed = _leaders(at[k], tried, radius)
        # A line starts at its own marker, and may cross error bars.
        crossed = _crossed(leaders, np.delete(taken, k, axis=0)).sum(1) * needed
        best = int(np.argmin(crossed + np.arange(len(tried)) / (len(tried) + 1)))
        left, low, right, high = map(float, tried[best])
        found[k] = left, low, right, high
        taken = np.concatenate([taken, tried[best : best + 1]])
        ways = np.concatenate([ways, leaders[best : best + 1]]) if needed[best] else ways
    return found


def leader(point: tuple[float, float], box: Box, radius: float) -> tuple[float, float, float, float] | None:
    """The line from a point to its label, as x and y of both ends; None if the label is so close that it needs none."""
    found, needed = _leaders(np.array(point, float), np.array([box], float), radius)
    x0, y0, x1, y1 = map(float, found[0])
    return (x0, y0, x1, y1) if needed[0] else None


def _leaders(point: np.ndarray, boxes: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The line from a point to each box, (N, 4), and whether it is needed, bool (N,)."""
    ends = np.clip(point, boxes[:, :2], boxes[:, 2:])
    length = np.hypot(*(ends - point).T)
    share = np.divide(radius, length, out=np.zeros_like(length), where=length > 0)
    starts = point + (ends - point) * share[:, None]
    return np.concatenate([starts, ends], axis=1), length - radius >= _LEADER


def _candidates(point: np.ndarray, width: float, height: float, radius: float, bounds: Box) -> np.ndarray:
    """Boxes (N, 4) inside the bounds, from the best to the worst."""
    boxes = []
    for distance in _DISTANCES:
        for angle in _ANGLES:
            towards = np.array([math.cos(angle), math.sin(angle)])
            # The box touches a circle around the point with the side, or corner, that is next to it.
            corner = point + towards * (radius + distance)
            left = corner[0] - width * (0.5 - 0.5 * _side(towards[0]))
            low = corner[1] - height * (0.5 - 0.5 * _side(towards[1]))
            boxes.append((left, low, left + width, low + height))
    for low in np.arange(bounds[1], bounds[3] - height, height * 1.1):
        for left in np.arange(bounds[0], bounds[2] - width, max(height, width / 3)):
            boxes.append((left, low, left + width, low + height))
    found = np.array(boxes)
    inside = (found[:, 0] >= bounds[0]) & (found[:, 1] >= bounds[1])
    inside &= (found[:, 2] <= bounds[2]) & (found[:, 3] <= bounds[3])
    near = len(_DISTANCES) * len(_ANGLES)
    grid = found[near:]
    far = np.hypot(grid[:, [0, 2]].mean(1) - point[0], grid[:, [1, 3]].mean(1) - point[1])
    ordered = np.concatenate([np.arange(near), near + np.argsort(far, kind="stable")])
    chosen: np.ndarray = found[ordered][inside[ordered]]
    return chosen


def _side(part: float) -> float:
    return 0.0 if abs(part) < 0.2 else math.copysign(1.0, part)


def _covered(boxes: np.ndarray, others: np.ndarray, margin: float) -> np.ndarray:
    """Which of ``boxes`` (N, 4) overlap which of ``others`` (M, 4), or are closer than ``margin``: bool (N, M)."""
    a, b = boxes[:, None], others[None]
    apart = (a[..., 2] + margin <= b[..., 0]) | (b[..., 2] + margin <= a[..., 0])
    apart |= (a[..., 3] + margin <= b[..., 1]) | (b[..., 3] + margin <= a[..., 1])
    hit: np.ndarray = ~apart
    return hit


def _crossed(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which lines (N, 4), as x and y of both ends, meet which boxes (M, 4): bool (N, M). Liang and Barsky 1984."""
    start, way = lines[:, None, :2], (lines[:, 2:] - lines[:, :2])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (boxes[None, :, :2] - start) / way, (boxes[None, :, 2:] - start) / way
    # Along an axis on which a line does not move, it is in the box always or never.
    inside = (boxes[None, :, :2] < start) & (start < boxes[None, :, 2:])
    low = np.where(way == 0, np.where(inside, -np.inf, np.inf), np.minimum(one, other))
    high = np.where(way == 0, np.where(inside, np.inf, -np.inf), np.maximum(one, other))
    # Not the very end, which touches its own label.
    hit: np.ndarray = np.maximum(low.max(2), 0.0) < np.minimum(high.min(2), 1.0) - 1e-9
    return hit
