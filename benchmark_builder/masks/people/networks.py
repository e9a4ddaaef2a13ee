"""The two networks of ``people``, run by OpenCV, and their square input regions.

Both come from MediaPipe (Apache-2.0). Selfie segmentation separates people from background in a whole picture and is
best for people who fill much of it. The pose network (BlazePose; Bazarevsky et al., 2020) sees one person in a region
and gives whether someone is there, key points, and a mask of that person alone.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIDE = 256  # pixels: side of the input of both networks
_HIPS, _REACH = 33, 34  # key points: the middle of the hips, and a point on the circle around the whole body
_TRUNK = (11, 12, 24, 23)  # shoulders and hips
_LIMBS = (
    (11, 13), (13, 15), (15, 19), (12, 14), (14, 16), (16, 20),  # arms
    (23, 25), (25, 27), (27, 29), (29, 31), (27, 31), (24, 26), (26, 28), (28, 30), (30, 32), (28, 32),  # legs
    (11, 12), (12, 24), (24, 23), (23, 11), (0, 11), (0, 12), (0, 7), (0, 8),  # trunk and head
)  # fmt: skip
FLESH = 0.2  # maximum distance of the outline from the skeleton, as a share of the radius of the circle
_MARGIN = 1.25  # the side of the region divided by the diameter of that circle, as in MediaPipe


@dataclass(frozen=True)
class Region:
    """A square of the picture: its centre and side in pixels, and its rotation in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def matrix(self) -> np.ndarray:
        """float64 (2, 3): from pixels of the picture to pixels of the SIDE x SIDE crop."""
        scale = SIDE / self.side
        c, s = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turned = np.array([[c, s], [-s, c]])
        return np.column_stack([turned, SIDE / 2 - turned @ [self.x, self.y]])

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The crop, uint8 (SIDE, SIDE, 3), of a frame uint8 (H, W, 3); black outside of it."""
        return cv2.warpAffine(frame, self.matrix(), (SIDE, SIDE), flags=cv2.INTER_LINEAR)

    def lay(self, crop: np.ndarray, height: int, width: int) -> np.ndarray:
        """A crop's values, float32 (SIDE, SIDE), back on the picture: float32 (height, width), 0 outside."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(crop, self.matrix(), (width, height), flags=flags)

    def moved(self, dx: float, dy: float) -> "Region":
        return Region(self.x + dx, self.y + dy, self.side, self.angle)


def around(box: tuple[float, float, float, float], margin: float, least: float = 40.0) -> Region:
    """An upright region around a box (x1, y1, x2, y2): ``margin`` times its longer side, ``least`` pixels at least."""
    x1, y1, x2, y2 = box
    return Region((x1 + x2) / 2, (y1 + y2) / 2, max(least, margin * max(x2 - x1, y2 - y1)))


@dataclass(frozen=True)
class Seen:
    """The result of the pose network for a region.

    Attributes:
        presence: 0..1, the score that a person is there.
        mask: float32 (H, W), 0..1, the score that a pixel belongs to that person.
        region: the region for the same person on the next frame.
    """

    presence: float
    mask: np.ndarray
    region: Region


class Networks:
    """Both networks, loaded when first used, in the process that uses them.

    Args:
        selfie, pose: the files of their weights.
    """

    def __init__(self, selfie: Path, pose: Path) -> None:
        self.files = (selfie, pose)
        self._loaded: tuple[cv2.dnn.Net, cv2.dnn.Net] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"files": self.files, "_loaded": None}

    def _nets(self) -> tuple[cv2.dnn.Net, cv2.dnn.Net]:
        if self._loaded is None:
            selfie, pose = (cv2.dnn.readNetFromTFLite(np.fromfile(f, np.uint8)) for f in self.files)
            self._loaded = (selfie, pose)
        return self._loaded

    def selfie(self, frame: np.ndarray) -> np.ndarray:
        """Where people are in a picture uint8 (H, W, 3): float32 (H, W), 0..1."""
        height, width = frame.shape[:2]
        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        net = self._nets()[0]
        net.setInput(_blob(small))
        return cv2.resize(net.forward()[0, 0], (width, height), interpolation=cv2.INTER_LINEAR)

    def selfie_in(self, frame: np.ndarray, region: Region) -> np.ndarray:
        """The same for one region; 0 outside the region."""
        return region.lay(self.selfie(region.cut(frame)), *frame.shape[:2])

    def pose(self, frame: np.ndarray, region: Region) -> Seen:
        """The person in a region of a frame uint8 (H, W, 3)."""
        net = self._nets()[1]
        net.setInput(_blob(region.cut(frame)))
        points, presence, logits = net.forward(["Identity", "Identity_1", "Identity_2"])
        mask = 1.0 / (1.0 + np.exp(-np.clip(logits[0, 0], -30.0, 30.0)))
        places, there = points.reshape(-1, 5)[:, :2], float(presence.ravel()[0])
        if there >= 0.5:
            mask *= _near_skeleton(places)
        back = cv2.invertAffineTransform(region.matrix())
        hips, reach = places[[_HIPS, _REACH]] @ back[:, :2].T + back[:, 2]
        dx, dy = (float(v) for v in reach - hips)
        side = 2.0 * _MARGIN * float(np.hypot(dx, dy))
        following = Region(float(hips[0]), float(hips[1]), max(8.0, side), float(np.arctan2(dx, -dy)))
        return Seen(there, region.lay(mask, *frame.shape[:2]), following)


def _near_skeleton(points: np.ndarray) -> np.ndarray:
    """float32 (SIDE, SIDE), 1 within FLESH of a person's key points (39, 2), joined by limbs, and 0 elsewhere.

    The network takes what a person stands on, such as wheels or a board, for its shoes.
    """
    field = np.zeros((SIDE, SIDE), np.uint8)
    whole = np.rint(np.clip(points, -4 * SIDE, 5 * SIDE)).astype(np.int32)
    reach = FLESH * float(np.hypot(*(points[_REACH] - points[_HIPS])))
    thick = max(3, round(2.0 * reach))
    cv2.fillConvexPoly(field, cv2.convexHull(whole[list(_TRUNK)]), 1)
    cv2.fillConvexPoly(field, cv2.convexHull(whole[:11]), 1)  # the face
    for a, b in _LIMBS:
        cv2.line(field, whole[a].tolist(), whole[b].tolist(), 1, thick)
    return field.astype(np.float32)


def _blob(crop: np.ndarray) -> np.ndarray:
    """float32 (1, 3, SIDE, SIDE), 0..1."""
    return np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / 255.0
