"""Draws the actor: capsules for limbs, a textured torso, a head. The mask is exact because the edge is hard."""

import cv2
import numpy as np

from benchmark_builder.synthactions.looks import TILE, Colour, Look
from benchmark_builder.synthactions.motions import POINTS

_SHIFT = 4  # cv2 uses coordinates in sixteenths of a pixel
_AT = {name: k for k, name in enumerate(POINTS)}
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
    canvas = np.zeros((height * zoom, width * zoom, 4), np.uint8)
    # The centre of a pixel is at 0.5, on both canvases.
    _Pen(canvas, (points + 0.5) * zoom - 0.5, unit * zoom, look).draw()
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    mask = small[..., 3] >= 128
    alpha = np.maximum(small[..., 3:].astype(np.uint16), 1)
    colours = np.minimum(small[..., :3].astype(np.uint16) * 255 // alpha, 255).astype(np.uint8)
    return colours, mask


class _Pen:
    """Draws one figure on an RGBA canvas of zeros; drawn pixels have alpha 255."""

    def __init__(self, canvas: np.ndarray, points: np.ndarray, unit: float, look: Look) -> None:
        self.canvas, self.points, self.unit, self.look = canvas, points, unit, look
        self.rim = max(1, round(0.011 * unit))

    def draw(self) -> None:
        look = self.look
        for side in "lr":
            self.limb(f"hip_{side}", f"knee_{side}", look.trousers, _LEG)
            self.limb(f"knee_{side}", f"foot_{side}", look.trousers, _LEG)
            self.disc(self.at(f"foot_{side}"), _FOOT, look.shoes)
        self.torso()
        self.head()
        for side in "lr":
            self.limb(f"shoulder_{side}", f"elbow_{side}", look.sleeve, _ARM)
            self.limb(f"elbow_{side}", f"hand_{side}", look.sleeve, _ARM)
            self.disc(self.at(f"hand_{side}"), _HAND, look.skin)

    def at(self, name: str) -> np.ndarray:
        return np.asarray(self.points[_AT[name]])

    def limb(self, start: str, end: str, fill: Colour, thickness: float) -> None:
        ends = _fixed(self.at(start)), _fixed(self.at(end))
        wide = max(1, round(thickness * self.unit))
        for colour, extra in ((_dark(fill), 2 * self.rim), (fill, 0)):
            cv2.line(self.canvas, *ends, (*colour, 255), wide + extra, cv2.LINE_8, _SHIFT)

    def disc(self, centre: np.ndarray, radius: float, fill: Colour) -> None:
        for colour, extra in ((_dark(fill), self.rim), (fill, 0)):
            size = round((radius * self.unit + extra) * (1 << _SHIFT))
            cv2.circle(self.canvas, _fixed(centre), size, (*colour, 255), cv2.FILLED, cv2.LINE_8, _SHIFT)

    def torso(self) -> None:
        """The outline of the trunk, filled with the texture of the shirt, which leans with it."""
        neck, pelvis = self.at("neck"), self.at("pelvis")
        up = (neck - pelvis) / max(float(np.linalg.norm(neck - pelvis)), 1e-6)
        right = np.array([-up[1], up[0]])
        corners = [
            self.at("shoulder_l"), self.at("shoulder_r"),
            self.at("hip_r") - 0.02 * self.unit * up, self.at("hip_l") - 0.02 * self.unit * up,
        ]  # fmt: skip
        outline = np.array([_fixed(c) for c in corners], np.int32)
        round_off = round(0.07 * self.unit)
        self.rounded(self.canvas, outline, round_off + 2 * self.rim, (*_dark(self.look.sleeve), 255))
        # The texture is computed only in the rectangle that the torso can cover, to save time.
        rows, columns = self.canvas.shape[:2]
        left, top = np.clip((outline.min(axis=0) >> _SHIFT) - round_off, 0, (columns, rows)).tolist()
        right_end, bottom = np.clip((outline.max(axis=0) >> _SHIFT) + round_off + 2, 0, (columns, rows)).tolist()
        if left >= right_end or top >= bottom:
            return
        shape = np.zeros((bottom - top, right_end - left), np.uint8)
        self.rounded(shape, outline - np.array([left, top], np.int32) * (1 << _SHIFT), round_off, (255,))
        # Texture pixel (u, v) -> canvas: u runs right, v down, over a square a little larger than the torso.
        side = 0.44 * self.unit
        corner = pelvis + up * (0.4 * self.unit) - right * side / 2 - np.array([left, top])
        to_canvas = np.column_stack([right * side / TILE, -up * side / TILE, corner])
        texture = cv2.warpAffine(self.look.shirt, to_canvas, shape.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        patch = self.canvas[top:bottom, left:right_end]
        patch[...] = cv2.copyTo(cv2.merge([*cv2.split(texture), shape]), shape, patch.copy())

    @staticmethod
    def rounded(target: np.ndarray, outline: np.ndarray, width: int, value: tuple[int, ...]) -> None:
        """A filled polygon, drawn over by its outline ``width`` pixels thick, which rounds the corners."""
        cv2.fillConvexPoly(target, outline, value, cv2.LINE_8, _SHIFT)
        cv2.polylines(target, [outline], True, value, width, cv2.LINE_8, _SHIFT)

    def head(self) -> None:
        centre = self.at("head")
        up = centre - self.at("neck")
        self.disc(centre, _HEAD, self.look.hair)
        self.disc(centre - 0.3 * up, 0.78 * _HEAD, self.look.skin)


def _dark(colour: Colour) -> Colour:
    r, g, b = colour
    return r * 45 // 100, g * 45 // 100, b * 45 // 100


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * (1 << _SHIFT)), round(float(point[1]) * (1 << _SHIFT))
