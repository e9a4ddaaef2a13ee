"""Draws the actor: capsules for limbs, a textured torso, a head. The mask is exact because the edge is hard."""

import math

import cv2
import numpy as np

from benchmark_builder.synthactions.looks import TILE, Colour, Look
from benchmark_builder.synthactions.motions import POINTS

_SHIFT = 4  # cv2 uses coordinates in sixteenths of a pixel
_AT = {name: k for k, name in enumerate(POINTS)}
_LEGS, _ARMS = (
    [[_AT[f"{joint}_{side}"] for joint in joints] for side in "lr"]
    for joints in (("hip", "knee", "foot"), ("shoulder", "elbow", "hand"))
)
_Shades = tuple[tuple[int, int, int, int], tuple[int, int, int, int]]
# Thickness of limbs, and radii, relative to the standing height.
_LEG, _ARM, _HAND, _HEAD, _FOOT = 0.1, 0.085, 0.05, 0.088, 0.055


def draw_actor(points: np.ndarray, height: int, width: int, unit: float, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """One frame with only the actor.

    Args:
        points: float (15, 2), (x right, y down) in pixels of the frame, in the order of ``motions.POINTS``.
        height, width: size of the frame. unit: standing height in pixels. look: clothing and skin.

    Returns:
        (uint8 (H, W, 3) RGB, bool (H, W)): the colours (valid where the mask is True) and the mask. A pixel belongs to
        the actor if the drawn shape covers at least half of it; its colour is that of the covered part.
    """
    # Drawn at a larger size and averaged, so that the actor is smooth inside at any size.
    zoom = 4 if min(height, width) < 128 else 2
    mask, colours = np.zeros((height, width), bool), np.zeros((height, width, 3), np.uint8)
    # The centre of a pixel is at 0.5, on both canvases. Only the rectangle that the actor can cover is drawn.
    points, unit = (points + 0.5) * zoom - 0.5, unit * zoom
    fixed = np.rint(points * (1 << _SHIFT)).astype(int)
    reach = math.ceil(_HEAD * unit) + 2 * _rim(unit) + 1  # nothing is farther from the nearest joint
    (first_x, first_y), (last_x, last_y) = fixed.min(axis=0).tolist(), fixed.max(axis=0).tolist()
    left, top = (max(0, ((first >> _SHIFT) - reach) // zoom) for first in (first_x, first_y))
    right = min(width, ((last_x >> _SHIFT) + reach) // zoom + 1)
    bottom = min(height, ((last_y >> _SHIFT) + reach) // zoom + 1)
    if left >= right or top >= bottom:
        return colours, mask
    canvas = np.zeros(((bottom - top) * zoom, (right - left) * zoom, 4), np.uint8)
    _Pen(canvas, points, fixed, (left * zoom, top * zoom), unit, look).draw()
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    np.greater_equal(small[..., 3], 128, out=mask[top:bottom, left:right])
    # The mean of the colours that are there: the canvas is black where nothing is drawn.
    alpha = np.maximum(small[..., 3:], 1).astype(np.uint16)
    colours[top:bottom, left:right] = np.minimum(small[..., :3] * np.uint16(255) // alpha, 255)
    return colours, mask


class _Pen:
    """Draws one figure on an RGBA canvas of zeros; drawn pixels have alpha 255."""

    def __init__(
        self,
        canvas: np.ndarray,
        points: np.ndarray,
        fixed: np.ndarray,
        corner: tuple[int, int],
        unit: float,
        look: Look,
    ) -> None:
        """``fixed``: points in the coordinates of cv2; ``corner``: (x, y) of the canvas there, whole pixels."""
        self.canvas, self.corner, self.unit, self.look = canvas, corner, unit, look
        self.points: list[tuple[float, float]] = points.tolist()
        left, top = corner[0] << _SHIFT, corner[1] << _SHIFT
        self.fixed = [(x - left, y - top) for x, y in fixed.tolist()]
        self.rim = _rim(unit)

    def draw(self) -> None:
        look, leg, arm = self.look, max(1, round(_LEG * self.unit)), max(1, round(_ARM * self.unit))
        trousers, sleeve, shoes, skin = map(_shades, (look.trousers, look.sleeve, look.shoes, look.skin))
        for hip, knee, foot in _LEGS:
            self.limb(hip, knee, trousers, leg)
            self.limb(knee, foot, trousers, leg)
            self.disc(self.fixed[foot], _FOOT, shoes)
        self.torso()
        self.disc(self.fixed[_AT["head"]], _HEAD, _shades(look.hair))
        (x, y), (neck_x, neck_y) = self.points[_AT["head"]], self.points[_AT["neck"]]
        self.disc(self.to_canvas(x - 0.3 * (x - neck_x), y - 0.3 * (y - neck_y)), 0.78 * _HEAD, skin)
        for shoulder, elbow, hand in _ARMS:
            self.limb(shoulder, elbow, sleeve, arm)
            self.limb(elbow, hand, sleeve, arm)
            self.disc(self.fixed[hand], _HAND, skin)

    def to_canvas(self, x: float, y: float) -> tuple[int, int]:
        """A point in the coordinates of cv2."""
        left, top = self.corner
        return round(x * (1 << _SHIFT)) - (left << _SHIFT), round(y * (1 << _SHIFT)) - (top << _SHIFT)

    def limb(self, start: int, end: int, shades: _Shades, wide: int) -> None:
        begin, stop = self.fixed[start], self.fixed[end]
        cv2.line(self.canvas, begin, stop, shades[0], wide + 2 * self.rim, cv2.LINE_8, _SHIFT)
        cv2.line(self.canvas, begin, stop, shades[1], wide, cv2.LINE_8, _SHIFT)

    def disc(self, centre: tuple[int, int], radius: float, shades: _Shades) -> None:
        for colour, extra in zip(shades, (self.rim, 0), strict=True):
            size = round((radius * self.unit + extra) * (1 << _SHIFT))
            cv2.circle(self.canvas, centre, size, colour, cv2.FILLED, cv2.LINE_8, _SHIFT)

    def torso(self) -> None:
        """The outline of the trunk, filled with the texture of the shirt, which leans with it."""
        (neck_x, neck_y), (pelvis_x, pelvis_y) = self.points[_AT["neck"]], self.points[_AT["pelvis"]]
        length = max(math.sqrt((neck_x - pelvis_x) ** 2 + (neck_y - pelvis_y) ** 2), 1e-6)
        up_x, up_y = (neck_x - pelvis_x) / length, (neck_y - pelvis_y) / length
        right_x, right_y = -up_y, up_x
        low = 0.02 * self.unit
        hips = [
            self.to_canvas(x - low * up_x, y - low * up_y)
            for x, y in (self.points[_AT["hip_r"]], self.points[_AT["hip_l"]])
        ]
        corners = [self.fixed[_AT["shoulder_l"]], self.fixed[_AT["shoulder_r"]], *hips]
        round_off = round(0.07 * self.unit)
        self.rounded(self.canvas, corners, round_off + 2 * self.rim, _shades(self.look.sleeve)[0])
        # The texture is computed only in the rectangle that the torso can cover, to save time.
        rows, columns = self.canvas.shape[:2]
        xs, ys = zip(*corners, strict=True)
        left = min(max((min(xs) >> _SHIFT) - round_off, 0), columns)
        top = min(max((min(ys) >> _SHIFT) - round_off, 0), rows)
        right_end = min(max((max(xs) >> _SHIFT) + round_off + 2, 0), columns)
        bottom = min(max((max(ys) >> _SHIFT) + round_off + 2, 0), rows)
        if left >= right_end or top >= bottom:
            return
        shape = np.zeros((bottom - top, right_end - left), np.uint8)
        self.rounded(shape, [(x - (left << _SHIFT), y - (top << _SHIFT)) for x, y in corners], round_off, (255,))
        # Texture pixel (u, v) -> canvas: u runs right, v down, over a square a little larger than the torso.
        side = 0.44 * self.unit
        corner_x = pelvis_x + up_x * (0.4 * self.unit) - right_x * side / 2 - (left + self.corner[0])
        corner_y = pelvis_y + up_y * (0.4 * self.unit) - right_y * side / 2 - (top + self.corner[1])
        to_patch = np.array(
            [
                [right_x * side / TILE, -up_x * side / TILE, corner_x],
                [right_y * side / TILE, -up_y * side / TILE, corner_y],
            ]
        )
        texture = cv2.warpAffine(self.look.shirt, to_patch, shape.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        texture = cv2.cvtColor(texture, cv2.COLOR_RGB2RGBA)  # with alpha 255
        cv2.copyTo(texture, shape, self.canvas[top:bottom, left:right_end])

    @staticmethod
    def rounded(target: np.ndarray, corners: list[tuple[int, int]], width: int, value: tuple[int, ...]) -> None:
        """A filled polygon, drawn over by its outline ``width`` pixels thick, which rounds the corners."""
        outline = np.array(corners, np.int32)
        cv2.fillConvexPoly(target, outline, value, cv2.LINE_8, _SHIFT)
        cv2.polylines(target, [outline], True, value, width, cv2.LINE_8, _SHIFT)


def _rim(unit: float) -> int:
    return max(1, round(0.011 * unit))


def _shades(colour: Colour) -> _Shades:
    """The colours of an outline and of what is inside, RGBA."""
    r, g, b = colour
    return (r * 45 // 100, g * 45 // 100, b * 45 // 100, 255), (r, g, b, 255)
