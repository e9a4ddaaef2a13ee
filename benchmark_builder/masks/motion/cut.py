"""From scores to outlines: GrabCut, smoothed over time."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.actors import keep_actors, trust
from benchmark_builder.masks.motion.belief import People, believe
from benchmark_builder.masks.motion.colour import Colours
from benchmark_builder.masks.motion.evidence import Evidence
from benchmark_builder.masks.motion.time import carry

_CUT_PIXELS = 15_000  # the largest size for GrabCut: its time grows faster than the number of pixels


def segment(
    frames: list[np.ndarray], evidence: Evidence, people: People, colours: Colours
) -> tuple[list[np.ndarray], np.ndarray]:
    """Masks bool (H, W), one per frame, and the confidence of each, float32 (n,), 0..1."""
    belief = believe(frames, evidence, people, colours)
    height, width = frames[0].shape[:2]
    cuts = [cut(f, b, o, h) for f, b, o, h in zip(frames, belief.actor, belief.colour, belief.hint, strict=True)]
    size = belief.actor[0].shape[::-1]
    small = [cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in cuts]
    small = keep_actors(small, belief.actor, evidence)
    steady = carry(small, evidence, 0.6)
    masks = [
        cv2.resize(0.25 * a + 0.75 * b, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
        for a, b in zip(small, steady, strict=True)
    ]
    confidence = trust(small, belief, evidence)
    return masks, np.where([m.any() for m in masks], confidence, 0.0)


def cut(frame: np.ndarray, belief: np.ndarray, odds: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """GrabCut (Rother et al., 2004), limited by the scores: bool (H, W).

    Args:
        frame: uint8 (H, W, 3).
        belief: float32 (H/2, W/2), 0..1: the score that a pixel belongs to the actor.
        odds: float32 (H/2, W/2): log-odds of the pixel's colour.
        hint: float32 (H/2, W/2), 0..1: from the people detector.
    """
    height, width = frame.shape[:2]
    empty = np.zeros((height, width), bool)
    likely = (belief > 0.5).astype(np.uint8)
    if likely.sum() < 10:
        return empty
    x, y, w, h = (2 * v for v in cv2.boundingRect(likely))
    margin = 8 + max(w, h) // 4
    x0, y0, x1, y1 = max(0, x - margin), max(0, y - margin), min(width, x + w + margin), min(height, y + h + margin)
    crop = frame[y0:y1, x0:x1]
    scale = min(1.0, (_CUT_PIXELS / (crop.shape[0] * crop.shape[1])) ** 0.5)
    size = (max(8, round(crop.shape[1] * scale)), max(8, round(crop.shape[0] * scale)))
    crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    soft, colour, person = (
        cv2.resize(cv2.resize(f, (width, height))[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        for f in (belief, odds, hint)
    )
    trimap = np.full(soft.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[(soft > 0.5) & ((colour > 0.0) | (person > 0.4))] = cv2.GC_PR_FGD
    trimap[(soft > 0.9) & (colour > 0.5)] = cv2.GC_FGD
    trimap[soft < 0.1] = cv2.GC_BGD
    if (trimap % 2).sum() < 20 or (trimap % 2 == 0).sum() < 20:
        return cv2.resize(likely, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    cv2.setRNGSeed(0)  # GrabCut's clustering uses cv2's generator: give the same result in every run and worker
    cv2.grabCut(crop, trimap, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 1, cv2.GC_INIT_WITH_MASK)
    mask = cv2.resize((trimap % 2).astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    empty[y0:y1, x0:x1] = mask > 0.5
    return empty
