"""From evidence to masks: carried through time, completed by colour, cut out by GrabCut, smoothed."""

import cv2
import numpy as np

from benchmark_builder.masks.motion_evidence import Evidence
from benchmark_builder.masks.motion_people import People

_BINS = 12  # a colour channel
_CUT_PIXELS = 20_000  # GrabCut works at most at this size: its time grows faster than the picture


def carry(
    moving: list[np.ndarray], evidence: Evidence, keep: float = 0.88, known: np.ndarray | None = None
) -> list[np.ndarray]:
    """Mean evidence along each pixel's path through time, weighted keep^distance: float32 (H/2, W/2) a frame, 0..1.

    A leg that stands while the arms wave is still the actor's: it moved a moment ago or will.
    """
    count = len(moving)
    known = np.ones(count, np.float32) if known is None else known
    total = [m.copy() for m in moving]
    weight = known.copy()
    for order, step, flows in (
        (range(count), -1, evidence.behind),
        (range(count - 1, -1, -1), 1, evidence.ahead),
    ):
        state, mass = np.zeros_like(moving[0]), 0.0
        for t in order:
            if 0 <= t + step < count:
                state, mass = keep * _pulled(state, flows[t]), keep * mass
                total[t] += state
                weight[t] += mass
            state, mass = state + moving[t], mass + float(known[t])
    return [a / max(float(w), 1e-6) for a, w in zip(total, weight, strict=True)]


def _pulled(field: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The neighbour's field as seen from this frame: each pixel looks where its flow leads."""
    height, width = field.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(field, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def colour_bins(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Index of each pixel's colour, int32 (h, w), 0.._BINS^3-1; ``size`` is (w, h)."""
    lab = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2Lab).astype(np.int32)
    # a and b of real pictures keep to the middle of their range.
    a = np.clip((lab[..., 1] - 128) * 2 + 128, 0, 255)
    b = np.clip((lab[..., 2] - 128) * 2 + 128, 0, 255)
    q = [c * _BINS // 256 for c in (lab[..., 0], a, b)]
    return (q[0] * _BINS + q[1]) * _BINS + q[2]


def colour_odds(bins: list[np.ndarray], inside: list[np.ndarray], outside: list[np.ndarray]) -> np.ndarray:
    """Log-odds that a colour is the actor's, float32 (_BINS^3,), from soft masks 0..1 of both."""
    tables = []
    for weights in (inside, outside):
        table = np.zeros(_BINS**3)
        for index, weight in zip(bins, weights, strict=True):
            table += np.bincount(index.ravel(), weight.ravel(), minlength=_BINS**3)
        cube = table.reshape(_BINS, _BINS, _BINS)
        for axis in range(3):  # neighbouring colours count for a half
            pad = np.pad(cube, [(1, 1) if k == axis else (0, 0) for k in range(3)])
            cube = 0.5 * cube + 0.25 * np.take(pad, range(_BINS), axis) + 0.25 * np.take(pad, range(2, _BINS + 2), axis)
        tables.append((cube / max(cube.sum(), 1e-9)).ravel() + 1e-4)
    return np.clip(np.log(tables[0] / tables[1]), -3.0, 3.0).astype(np.float32)


def cut(frame: np.ndarray, belief: np.ndarray) -> np.ndarray:
    """GrabCut (Rother et al., 2004) within the belief: bool (H, W).

    Args:
        frame: uint8 (H, W, 3).
        belief: float32 (H, W), 0..1: how surely each pixel is the actor's.
    """
    height, width = belief.shape
    likely = belief > 0.5
    if likely.sum() < 30:
        return np.zeros((height, width), bool)
    x, y, w, h = cv2.boundingRect(likely.astype(np.uint8))
    margin = 8 + max(w, h) // 4
    x0, y0, x1, y1 = max(0, x - margin), max(0, y - margin), min(width, x + w + margin), min(height, y + h + margin)
    crop, part = frame[y0:y1, x0:x1], belief[y0:y1, x0:x1]
    scale = min(1.0, (_CUT_PIXELS / part.size) ** 0.5)
    size = (max(8, round(part.shape[1] * scale)), max(8, round(part.shape[0] * scale)))
    crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    trimap = np.full(soft.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[soft > 0.5] = cv2.GC_PR_FGD
    trimap[soft > 0.9] = cv2.GC_FGD
    trimap[soft < 0.12] = cv2.GC_BGD
    if (trimap == cv2.GC_PR_FGD).sum() + (trimap == cv2.GC_FGD).sum() < 20 or (trimap % 2 == 0).sum() < 20:
        return likely
    cv2.setRNGSeed(0)  # GrabCut's clustering draws from cv2's generator: the same on every run and worker
    cv2.grabCut(crop, trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), 1, cv2.GC_INIT_WITH_MASK)
    mask = cv2.resize((trimap % 2).astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    whole = np.zeros((height, width), bool)
    whole[y0:y1, x0:x1] = mask > 0.5
    return whole


def people_hint(
    frames: list[np.ndarray], seen: list[np.ndarray], people: People, evidence: Evidence
) -> list[np.ndarray]:
    """Where the people detector sees someone who also moves, carried through time: float32 (H/2, W/2), 0..1."""
    count = len(frames)
    step = max(1, min(6, count // 8))
    shape = seen[0].shape
    maps = [np.zeros(shape, np.float32) for _ in range(count)]
    looked = np.zeros(count, np.float32)
    for t in range(step // 2, count, step):
        looked[t] = 1.0
        for x, y, w, h, score in people.find(frames[t]):
            # The person fills the middle of the detector's window.
            body = np.zeros(shape, np.float32)
            centre = (round((x + w / 2) / 2), round((y + h / 2) / 2))
            cv2.ellipse(body, centre, (max(1, round(w * 0.23 / 2)), max(1, round(h * 0.4 / 2))), 0, 0, 360, 1.0, -1)
            if body.sum() < 20:
                continue
            moves = float((seen[t] * body).sum() / body.sum())
            around = float(seen[t].mean())
            trust = min(1.0, max(0.0, score) / 1.0) * min(1.0, max(0.0, moves - 0.5 * around) / 0.15)
            maps[t] = np.maximum(maps[t], trust * cv2.GaussianBlur(body, (0, 0), 1.5))
    return carry(maps, evidence, 0.9, looked)


def segment(frames: list[np.ndarray], evidence: Evidence, people: People) -> tuple[list[np.ndarray], np.ndarray]:
    """Masks bool (H, W), one a frame, and confidence float32 (n,), 0 where no actor is found."""
    belief = believe(frames, evidence, people)
    height, width = frames[0].shape[:2]
    masks = [
        cut(f, cv2.resize(b, (width, height), interpolation=cv2.INTER_LINEAR))
        for f, b in zip(frames, belief, strict=True)
    ]
    small = [cv2.resize(m.astype(np.float32), belief[0].shape[::-1], interpolation=cv2.INTER_AREA) for m in masks]
    steady = carry(small, evidence, 0.6)
    masks = [
        cv2.resize(0.5 * a + 0.5 * b, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
        for a, b in zip(small, steady, strict=True)
    ]
    confidence = np.array([1.0 if m.sum() > 50 else 0.0 for m in masks], np.float32)
    return masks, confidence


def believe(frames: list[np.ndarray], evidence: Evidence, people: People) -> list[np.ndarray]:
    """How surely each pixel is the actor's: float32 (H/2, W/2) a frame, 0..1."""
    size = evidence.moving[0].shape[::-1]
    seen = carry(evidence.moving, evidence)
    hint = people_hint(frames, seen, people, evidence)
    bins = [colour_bins(f, size) for f in frames]
    belief = [1.0 / (1.0 + np.exp(-(10.0 * (a - 0.3) + 4.0 * h))) for a, h in zip(seen, hint, strict=True)]
    for _ in range(2):
        near = [np.minimum(1.0, 2.0 * cv2.GaussianBlur(b, (0, 0), 8.0)) for b in belief]
        odds = colour_odds(bins, [b * (b > 0.5) for b in belief], [(1 - b) * (b < 0.5) for b in belief])
        voted = carry([cv2.GaussianBlur(odds[i], (0, 0), 1.0) for i in bins], evidence, 0.6)
        belief = [
            1.0 / (1.0 + np.exp(-(8.0 * (a - 0.3) + 4.0 * h + 1.2 * c - 3.0 * (1.0 - n))))
            for a, h, c, n in zip(seen, hint, voted, near, strict=True)
        ]
    return belief
