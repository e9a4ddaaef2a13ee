"""What moves against the background, for every frame of one piece of a shot.

Two witnesses: dense flow (DIS; Kroeger et al., ECCV 2016) less the motion of the background plane, and the
difference from a background model, the median of stabilised neighbouring frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from benchmark_builder.masks.motion_camera import background_motion, plane_flow

GAPS = (2, 3, 5, 8, 12)  # frames between the two of a pair; the slower the motion, the longer


@dataclass
class Evidence:
    """Evidence of motion at half the working size, and the flow that carries it through time.

    Attributes:
        moving: float32 (H/2, W/2) a frame, 0 (moves with the background) .. 1 (surely moves on its own).
        ahead, behind: float16 (H/2, W/2, 2) a frame: displacement to the next and to the previous frame, in pixels of
            the half size; estimated over ``gap`` frames.
        plane: float 0..1 a frame, share of the corners that follow the background plane.
        gap: frames between the two of a pair.
    """

    moving: list[np.ndarray]
    ahead: list[np.ndarray]
    behind: list[np.ndarray]
    plane: list[float]
    gap: int


def find_motion(frames: list[np.ndarray], avoid: list[np.ndarray] | None = None) -> Evidence:
    """Evidence for frames uint8 (H, W, 3) of one shot; H and W even.

    Args:
        avoid: uint8 (H, W) a frame, 0 on what a first round took for the actor: no corner is taken there.
    """
    count = len(frames)
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
    height, width = grey[0].shape
    half = (width // 2, height // 2)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    gap = _gap(grey, dis)
    matrices, plane = [], []
    for t in range(max(0, count - gap)):
        matrix, share, _ = background_motion(grey[t], grey[t + gap], avoid[t] if avoid else None)
        matrices.append(matrix)
        plane.append(share)
    moving, ahead, behind = [], [], []
    small = [cv2.resize(f, half, interpolation=cv2.INTER_AREA) for f in frames]
    nothing = np.zeros((height // 2, width // 2, 2), np.float16)
    for t in range(count):
        found = []
        flows = [nothing, nothing]
        for way, other in enumerate((t + gap, t - gap)):
            if not 0 <= other < count:
                continue
            matrix = matrices[t] if way == 0 else np.linalg.inv(matrices[other])
            flow = dis.calc(grey[t], grey[other], None)
            found.append(_apart(grey[t], grey[other], flow, matrix))
            flows[way] = (cv2.resize(flow, half, interpolation=cv2.INTER_AREA) / (2 * gap)).astype(np.float16)
        if not found:
            moving.append(np.zeros(half[::-1], np.float32))
        else:
            # What one way uncovers has no match there, but has one the other way: the smaller of the two is right.
            least = np.minimum.reduce(found) if len(found) > 1 else found[0]
            evidence = cv2.resize(least, half, interpolation=cv2.INTER_AREA)
            known = _background_difference(small, matrices, t, gap)
            if known is not None:
                # Alone, the model takes what the actor uncovers for an actor; beside motion it sharpens the outline.
                near = cv2.GaussianBlur(evidence, (0, 0), 6.0)
                evidence = np.maximum(evidence, known * np.minimum(1.0, 3.0 * near))
            moving.append(evidence)
        if t - gap < 0:
            flows[1] = -flows[0]
        if t + gap >= count:
            flows[0] = -flows[1]
        ahead.append(flows[0])
        behind.append(flows[1])
    plane = plane + [plane[-1] if plane else 0.0] * (count - len(plane))
    return Evidence(moving, ahead, behind, plane, gap)


def _gap(grey: list[np.ndarray], dis: cv2.DISOpticalFlow) -> int:
    """The shortest gap over which the moving twentieth of the picture moves by three pixels."""
    count = len(grey)
    best = GAPS[0]
    for gap in GAPS:
        if count < 3 * gap:
            break
        best = gap
        reach = []
        for t in np.linspace(0, count - 1 - gap, 6).astype(int):
            matrix, _, _ = background_motion(grey[t], grey[t + gap])
            flow = dis.calc(grey[t], grey[t + gap], None) - plane_flow(matrix, *grey[t].shape)
            reach.append(float(np.percentile(np.linalg.norm(flow, axis=2), 95)))
        if np.median(reach) >= 3.0:
            break
    return best


def _apart(image: np.ndarray, other: np.ndarray, flow: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """0..1 (H, W): does the pixel move apart from the background, and does the picture show it?"""
    height, width = image.shape
    plane = plane_flow(matrix, height, width)
    apart = np.linalg.norm(flow - plane, axis=2)
    # The plane never fits better than this; half of the picture or more is background in nearly every clip.
    noise = 0.35 + float(np.percentile(apart, 40)) + 0.01 * float(np.median(np.linalg.norm(plane, axis=2)))
    moved = 1.0 - np.exp(-((apart / (2.0 * noise)) ** 2))
    # Flow spills over plain floor and sky. There the background's motion explains the picture just as well.
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    placed = cv2.remap(other, x + plane[..., 0], y + plane[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    wrong = cv2.absdiff(cv2.GaussianBlur(image, (0, 0), 1.0), cv2.GaussianBlur(placed, (0, 0), 1.0))
    wrong = cv2.GaussianBlur(cv2.dilate(wrong, np.ones((5, 5), np.uint8)).astype(np.float32), (0, 0), 3.0)
    level = 5.0 + float(np.median(wrong))
    shown = 1.0 - np.exp(-((wrong / (1.5 * level)) ** 2))
    inside = (x + plane[..., 0] > 0) & (x + plane[..., 0] < width - 1)
    inside &= (y + plane[..., 1] > 0) & (y + plane[..., 1] < height - 1)
    return (moved * (0.25 + 0.75 * shown) * np.where(inside, 1.0, 0.5)).astype(np.float32)


def _background_difference(small: list[np.ndarray], matrices: list[np.ndarray], t: int, gap: int) -> np.ndarray | None:
    """0..1 (H/2, W/2): how far the frame is from the median of its neighbours, laid over it. None where too few."""
    height, width = small[t].shape[:2]
    halve = np.diag([0.5, 0.5, 1.0])
    wide = np.diag([2.0, 2.0, 1.0])
    laid = []
    for sign in (1, -1):
        matrix = np.eye(3)  # from frame t to the other
        at = t
        for step in range(1, 13):
            before = at
            at += sign * gap
            if not 0 <= at < len(small):
                break
            matrix = (matrices[before] if sign > 0 else np.linalg.inv(matrices[at])) @ matrix
            if step in (2, 4, 8, 12):
                warp = halve @ matrix @ wide
                flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                laid.append(cv2.warpPerspective(small[at], warp, (width, height), flags=flags, borderMode=1))
    if len(laid) < 4:
        return None
    stack = np.stack(laid)
    middle = np.partition(stack, len(laid) // 2, axis=0)[len(laid) // 2]
    far = cv2.GaussianBlur(cv2.absdiff(small[t], middle).max(axis=2).astype(np.float32), (0, 0), 1.0)
    level = 10.0 + 2.0 * float(np.median(far))
    return 1.0 - np.exp(-((far / level) ** 2))
