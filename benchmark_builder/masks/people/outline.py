"""Masks of a person on every frame: measured masks, propagated along the flow; their growth is limited."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.evidence import Evidence
from benchmark_builder.masks.people.persons import KEY, Person, pull

KEEP = 0.45  # weight of a measurement on the next sampled frame, relative to its own frame
LEAST = 0.02  # minimum total weight; below it, the frame has no mask
CUT_SIDE = 128  # pixels: longer side of the crop for GrabCut
AGREE = 0.7  # minimum overlap of both masks, as a share of the larger one
GROWTH = (
    0.06  # of the square root of the mask's area: how far an outline may grow between two sampled frames, plus 3 px
)


def steady(person: Person, frames: list[np.ndarray], evidence: Evidence) -> list[np.ndarray | None]:
    """A person's soft mask on each sampled frame: float32 (H, W), 0..1; None if it is not visible.

    It is the weighted mean of the measured masks, fitted to the picture and propagated in both directions.

    Args:
        frames: uint8 (H, W, 3), every second frame.
        evidence: of their motion.
    """
    count = len(frames)
    looks = sorted(person.masks)
    first, last = max(0, looks[0] - KEY + 1), min(count - 1, looks[-1] + KEY - 1)
    fitted_masks = {t: fitted(frames[t], person.masks[t].astype(np.float32) / 255.0) for t in looks}
    total: list[tuple[np.ndarray, float] | None] = [None] * count
    for order, step, flows in (
        (range(first, last + 1), 1, evidence.behind),
        (range(last, first - 1, -1), -1, evidence.ahead),
    ):
        state: np.ndarray | None = None
        mass = 0.0
        for t in order:
            if state is not None:
                state, mass = KEEP * pull(state, flows[t]), KEEP * mass
            weight = person.weights.get(t, 0.0)
            own = weight * fitted_masks[t] if weight else None
            before = total[t]
            if state is not None:
                total[t] = (state, mass) if before is None else (before[0] + state, before[1] + mass)
            if own is not None:
                if step > 0:  # a frame's own measurement is counted once
                    held = total[t]
                    total[t] = (own, weight) if held is None else (held[0] + own, held[1] + weight)
                state, mass = (own, weight) if state is None else (state + own, mass + weight)
    masks: list[np.ndarray | None] = [None if f is None or f[1] < LEAST else f[0] / f[1] for f in total]
    return _bounded(masks, evidence)


def fitted(frame: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """A soft mask float32 (H, W), 0..1, drawn to the edges in the picture: the mean of it and a GrabCut (Rother et al.,
    2004) between what is surely the person and what surely is not.

    The soft mask itself where the two disagree: the person looks like the background there.
    """
    height, width = soft.shape
    x, y, w, h = cv2.boundingRect((soft > 0.1).astype(np.uint8))
    x0, y0, x1, y1 = max(0, x - 12), max(0, y - 12), min(width, x + w + 12), min(height, y + h + 12)
    scale = min(2.0, CUT_SIDE / max(x1 - x0, y1 - y0, 1))
    size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    crop = cv2.resize(frame[y0:y1, x0:x1], size, interpolation=way)
    known = cv2.resize(soft[y0:y1, x0:x1], size, interpolation=cv2.INTER_LINEAR)
    trimap = np.where(known > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[known > 0.9], trimap[known < 0.1] = cv2.GC_FGD, cv2.GC_BGD
    if (trimap % 2).sum() < 20 or (trimap % 2 == 0).sum() < 20:
        return soft
    cv2.setRNGSeed(0)  # GrabCut's clustering draws from cv2's generator: the same on every run and worker
    cv2.grabCut(crop, trimap, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 1, cv2.GC_INIT_WITH_MASK)
    cut = (trimap % 2).astype(np.float32)
    if (cut * (known > 0.5)).sum() < AGREE * max(cut.sum(), float((known > 0.5).sum())):
        return soft
    whole = np.zeros_like(soft)
    whole[y0:y1, x0:x1] = cv2.resize(cut, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return (soft + whole) / 2.0


def _bounded(masks: list[np.ndarray | None], evidence: Evidence) -> list[np.ndarray | None]:
    """Limit the growth of an outline from one frame to the next."""
    before: np.ndarray | None = None
    for t, mask in enumerate(masks):
        if mask is not None and before is not None:
            carried = (pull(before, evidence.behind[t]) > 0.3).astype(np.uint8)
            if carried.any():
                reach = 3 + round(GROWTH * float(carried.sum()) ** 0.5)
                disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
                mask = masks[t] = mask * cv2.dilate(carried, disc)
        before = mask
    return masks


def all_frames(sampled: list[np.ndarray | None], evidence: Evidence, count: int) -> list[np.ndarray | None]:
    """Soft masks of all ``count`` frames from those of every second frame."""
    found: list[np.ndarray | None] = []
    for t in range(count):
        k = t // 2
        if t % 2 == 0:
            found.append(sampled[k])
            continue
        sides = [
            m
            for m in (_half(sampled, evidence.behind, k, k), _half(sampled, evidence.ahead, k + 1, k))
            if m is not None
        ]
        found.append(None if not sides else sides[0] if len(sides) == 1 else (sides[0] + sides[1]) / 2.0)
    return found


def _half(sampled: list[np.ndarray | None], flows: list[np.ndarray], source: int, flow_of: int) -> np.ndarray | None:
    """The mask of the sampled frame ``source`` on the frame half way between ``flow_of`` and ``flow_of`` + 1."""
    if not 0 <= source < len(sampled):
        return None
    mask = sampled[source]
    return None if mask is None else pull(mask, flows[flow_of], 0.5)
