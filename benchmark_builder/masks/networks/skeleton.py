"""A person's outline from the 17 key points of COCO: limbs as thick lines, the trunk filled, the head as a disc."""

import cv2
import numpy as np

SHOULDERS, HIPS, HEAD = (5, 6), (11, 12), (0, 1, 2, 3, 4)  # head: nose, eyes, ears
LIMBS = (
    (5, 7), (7, 9), (6, 8), (8, 10),  # arms
    (11, 13), (13, 15), (12, 14), (14, 16),  # legs
    (5, 6), (11, 12), (5, 11), (6, 12), (0, 5), (0, 6),  # trunk and neck
)  # fmt: skip
# Shares of a person's standing height: approximate widths of a limb and of a head; the trunk from hips (0.530) to
# shoulders (0.818), Drillis and Contini, Body Segment Parameters, 1966.
LIMB, HEAD_WIDTH, TRUNK = 1 / 14, 1 / 8, 0.288


def outline(points: np.ndarray, sure: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask of one person: bool (height, width).

    Args:
        points: float (17, 2), x and y in pixels, in COCO's order.
        sure: bool (17,): the points to use.
    """
    mask = np.zeros((height, width), dtype=np.uint8)
    if not sure.any():
        return mask.astype(bool)
    tall = _standing_height(points, sure)
    whole = np.rint(points).astype(int)
    thick = max(1, round(LIMB * tall))
    for a, b in LIMBS:
        if sure[a] and sure[b]:
            cv2.line(mask, tuple(whole[a].tolist()), tuple(whole[b].tolist()), 1, thick)
    trunk = [5, 6, 12, 11]
    if sure[trunk].all():
        cv2.fillConvexPoly(mask, cv2.convexHull(whole[trunk].astype(np.int32)), 1)
    head = [k for k in HEAD if sure[k]]
    if head:
        x, y = np.rint(points[head].mean(0)).astype(int).tolist()
        cv2.circle(mask, (x, y), max(1, round(HEAD_WIDTH * tall / 2)), 1, -1)
    return mask.astype(bool)


def _standing_height(points: np.ndarray, sure: np.ndarray) -> float:
    """The standing height of this person in pixels: from the trunk, otherwise from the visible points."""
    if sure[[*SHOULDERS, *HIPS]].all():
        trunk = float(np.linalg.norm(points[list(SHOULDERS)].mean(0) - points[list(HIPS)].mean(0)))
        return trunk / TRUNK
    seen = points[sure]
    return float(np.ptp(seen, axis=0).max())
