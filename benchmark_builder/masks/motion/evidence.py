"""Motion relative to the background, for every frame of one piece of a shot.

Two measures: dense flow (DIS; Kroeger et al., ECCV 2016) minus the motion of the background plane, and the difference
from a background model, the median of stabilised neighbouring frames.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from benchmark_builder.masks.motion.camera import background_motion, overlay, plane_flow

GAP, LONG = 2, 4  # frames between the two frames of a pair; LONG gaps for slow motion


@dataclass
class Evidence:
    """Evidence of motion at half the working size, and the flow that propagates it through time.

    Attributes:
        moving: float32 (H/2, W/2) per frame, 0 (moves with the background) .. 1 (certainly moves independently).
        ahead, behind: float16 (H/2, W/2, 2) per frame: displacement to the next and to the previous frame, in pixels of
            the half size.
        same_ahead, same_behind: float16 (H/2, W/2) per frame, 0..1: whether the pixel looks the same at the place to
        which the flow moves it. settled: float16 (H/2, W/2) per frame, 0..1: whether the pixel shows the background
        model again after it showed something in front of it. plane: float 0..1 per frame, share of the picture that
        follows the background plane.
    """

    moving: list[np.ndarray]
    ahead: list[np.ndarray]
    behind: list[np.ndarray]
    same_ahead: list[np.ndarray]
    same_behind: list[np.ndarray]
    settled: list[np.ndarray]
    plane: list[float]


def find_motion(frames: list[np.ndarray], gap: int = GAP) -> Evidence:
    """Evidence for frames uint8 (H, W, 3) of one shot; H and W even.

    Args:
        gap: frames between the two of a pair: 1 where every second frame of the video is given, 2 where all are.
    """
    count = len(frames)
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
    height, width = grey[0].shape
    half = (width // 2, height // 2)
    small = [cv2.resize(f, half, interpolation=cv2.INTER_AREA) for f in frames]
    small_grey = [cv2.resize(g, half, interpolation=cv2.INTER_AREA) for g in grey]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    camera = _Camera(grey, gap)
    logo = cv2.resize(overlay(grey, camera.shift()).astype(np.uint8), half) > 0
    moving, ahead, behind, settled = [], [], [], []
    nothing = np.zeros((height // 2, width // 2, 2), np.float16)
    for t in range(count):
        flows = [nothing, nothing]
        evidence = np.zeros(half[::-1], np.float32)
        for steps in (1, LONG):
            found = []
            for way, sign in enumerate((1, -1)):
                other = t + sign * steps * gap
                if not 0 <= other < count:
                    continue
                if steps == 1:
                    wide = dis.calc(grey[t], grey[other], None)
                    flow = cv2.resize(wide, half, interpolation=cv2.INTER_AREA) / 2
                    flows[way] = (flow / gap).astype(np.float16)
                else:
                    flow = dis.calc(small_grey[t], small_grey[other], None)
                found.append(_apart(small_grey[t], small_grey[other], flow, camera.between(t, sign * steps)))
            if found:
                # An area uncovered in one direction has no match there, but has one in the other direction, so the
                # smaller value is right.
                evidence = np.maximum(evidence, np.minimum.reduce(found) if len(found) > 1 else found[0])
        differs, gone = _background_model(small, camera, t)
        # Alone, the model marks areas that the actor uncovers as actor; combined with motion it sharpens the outline.
        near = cv2.GaussianBlur(evidence, (0, 0), 6.0)
        evidence = np.maximum(evidence, differs * np.minimum(1.0, 3.0 * near))
        evidence[logo] = 0.0
        moving.append(evidence)
        settled.append(gone.astype(np.float16))
        if t - gap < 0:
            flows[1] = -flows[0]
        if t + gap >= count:
            flows[0] = -flows[1]
        ahead.append(flows[0])
        behind.append(flows[1])
    same = [
        [_same(small[t], small[t + step], flows[t]) if 0 <= t + step < count else nothing[..., 0] for t in range(count)]
        for step, flows in ((1, ahead), (-1, behind))
    ]
    return Evidence(moving, ahead, behind, same[0], same[1], settled, camera.share(count))


class _Camera:
    """The motion of the background over multiples of ``gap`` frames, from the motion over one gap."""

    def __init__(self, grey: list[np.ndarray], gap: int) -> None:
        self.gap, self.size = gap, grey[0].shape
        self.steps, self.shares = [], []
        for t in range(max(0, len(grey) - gap)):
            matrix, share = background_motion(grey[t], grey[t + gap])
            self.steps.append(matrix)
            self.shares.append(share)

    def between(self, t: int, steps: int) -> np.ndarray:
        """H float64 (3, 3) from frame t to frame t + steps * gap, in pixels of half the size."""
        matrix = np.eye(3)
        at = t
        for _ in range(abs(steps)):
            matrix = (self.steps[at] if steps > 0 else np.linalg.inv(self.steps[at - self.gap])) @ matrix
            at += self.gap if steps > 0 else -self.gap
        product: np.ndarray = np.diag([0.5, 0.5, 1.0]) @ matrix @ np.diag([2.0, 2.0, 1.0])
        return product

    def shift(self) -> float:
        """Typical motion of the background over one gap, pixels."""
        height, width = self.size
        corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float64)
        moved = [np.abs(cv2.perspectiveTransform(corners, m) - corners).mean() for m in self.steps]
        return float(np.median(moved)) if moved else 0.0

    def share(self, count: int) -> list[float]:
        """Per frame, the share of the picture that follows the plane."""
        last = self.shares[-1] if self.shares else 0.0
        return self.shares + [last] * (count - len(self.shares))


def _apart(image: np.ndarray, other: np.ndarray, flow: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """0..1 (H/2, W/2): whether the pixel moves differently from the background, and the picture confirms it."""
    height, width = image.shape
    plane = plane_flow(matrix, height, width)
    apart = cv2.magnitude(flow[..., 0] - plane[..., 0], flow[..., 1] - plane[..., 1])
    # The plane never fits better than this; in nearly every clip two fifths of the picture are background.
    shift = float(np.abs(plane[::8, ::8]).max())
    noise = 0.08 + float(np.percentile(apart, 40)) + min(0.1, 0.1 * shift) + 0.01 * shift
    moved = 1.0 - np.exp(-((apart / (2.0 * noise)) ** 2))
    # The flow is wrong on plain floor and sky next to the actor. There the motion of the background explains the
    # picture equally well.
    x, y = grid(height, width)
    to_x, to_y = x + plane[..., 0], y + plane[..., 1]
    placed = cv2.remap(other, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    wrong = cv2.absdiff(cv2.GaussianBlur(image, (0, 0), 0.7), cv2.GaussianBlur(placed, (0, 0), 0.7))
    wrong = cv2.GaussianBlur(cv2.dilate(wrong, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 1.5)
    level = 5.0 + float(np.median(wrong))
    shown = 1.0 - np.exp(-((wrong / (1.5 * level)) ** 2))
    inside = (to_x > 0) & (to_x < width - 1) & (to_y > 0) & (to_y < height - 1)
    evidence: np.ndarray = (moved * (0.15 + 0.85 * shown) * np.where(inside, 1.0, 0.5)).astype(np.float32)
    return evidence


@lru_cache(maxsize=8)
def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel, float32 (height, width) each; read-only, since all callers share them."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x.flags.writeable = y.flags.writeable = False
    return x, y


def in_order(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """The pictures' values sorted pixel by pixel, smallest first: what np.sort gives along a new first axis.

    An odd-even transposition network of whole-array minima and maxima: exact, and ten times as fast as np.sort for nine
    uint8 pictures, since each comparison runs over all pixels at once.
    """
    ordered = list(pictures)
    for turn in range(len(ordered)):
        for k in range(turn % 2, len(ordered) - 1, 2):
            a, b = ordered[k], ordered[k + 1]
            ordered[k], ordered[k + 1] = np.minimum(a, b), np.maximum(a, b)
    return ordered


def _background_model(small: list[np.ndarray], camera: _Camera, t: int) -> tuple[np.ndarray, np.ndarray]:
    """The frame compared with the median of its aligned neighbours: two float32 (H/2, W/2), 0..1.

    The first: how much it differs. The second: it does not differ, although some neighbours do.
    """
    height, width = small[t].shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = []
    for steps in (-16, -11, -7, -4, 4, 7, 11, 16):
        other = t + steps * camera.gap
        if 0 <= other < len(small):
            warp = camera.between(t, steps)
            laid.append(cv2.warpPerspective(small[other], warp, (width, height), flags=flags, borderMode=1))
    if len(laid) < 3:
        return np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    stack = in_order([small[t], *laid])
    middle = stack[len(stack) // 2]
    far = cv2.GaussianBlur(cv2.absdiff(small[t], middle).max(axis=2).astype(np.float32), (0, 0), 1.0)
    spread = np.maximum(stack[-2] - middle, middle - stack[1]).max(axis=2).astype(np.float32)
    level = 10.0 + 2.0 * float(np.median(far))
    differs = 1.0 - np.exp(-((far / level) ** 2))
    changed = 1.0 - np.exp(-((cv2.GaussianBlur(spread, (0, 0), 1.0) / (2.5 * level)) ** 2))
    return differs, (1.0 - differs) * changed


def _same(image: np.ndarray, other: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """0..1, float16 (H/2, W/2): whether the pixel's colour is found at the place to which the flow moves it."""
    x, y = grid(*image.shape[:2])
    found = cv2.remap(other, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    wrong = cv2.GaussianBlur(cv2.absdiff(image, found).max(axis=2).astype(np.float32), (0, 0), 0.7)
    level = 12.0 + 2.0 * float(np.median(wrong))
    same: np.ndarray = np.exp(-((wrong / level) ** 2)).astype(np.float16)
    return same
