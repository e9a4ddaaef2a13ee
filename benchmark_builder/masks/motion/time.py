"""Propagates values of a pixel along its path through time."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.evidence import Evidence, grid


def carry(
    moving: list[np.ndarray], evidence: Evidence, keep: float = 0.88, known: np.ndarray | None = None
) -> list[np.ndarray]:
    """Mean evidence along each pixel's path through time, weighted keep^distance: float32 (H/2, W/2) per frame, 0..1.

    A leg that rests while the arms wave still belongs to the actor: it moved a moment ago, or will move soon.
    """
    count = len(moving)
    known = np.ones(count, np.float32) if known is None else known
    total = [m.copy() for m in moving]
    weight = [np.full(moving[0].shape, k, np.float32) for k in known]
    for order, step, flows, same in _ways(evidence):
        state, mass = np.zeros_like(moving[0]), np.zeros_like(moving[0])
        for t in order:
            if 0 <= t + step < count:
                held = keep * same[t].astype(np.float32)
                state, mass = held * _pulled(state, flows[t]), held * _pulled(mass, flows[t])
                total[t] += state
                weight[t] += mass
            state, mass = state + moving[t], mass + float(known[t])
    return [a / np.maximum(w, 1e-3) for a, w in zip(total, weight, strict=True)]


def peak(seen: list[np.ndarray], evidence: Evidence, keep: float) -> list[np.ndarray]:
    """The largest value along each pixel's path, times ``keep`` per frame of distance: float32 (H/2, W/2) per frame.

    It ends where the picture no longer looks the same, or shows the background again.
    """
    best = [a.copy() for a in seen]
    count = len(seen)
    for order, step, flows, same in _ways(evidence):
        state = np.zeros_like(seen[0])
        for t in order:
            if 0 <= t + step < count:
                held = keep * same[t].astype(np.float32) ** 0.2 * (1.0 - 0.5 * evidence.settled[t].astype(np.float32))
                state = np.maximum(seen[t], held * _pulled(state, flows[t]))
            else:
                state = seen[t]
            best[t] = np.maximum(best[t], state)
    return best


def _ways(evidence: Evidence) -> list[tuple[range, int, list[np.ndarray], list[np.ndarray]]]:
    """Both directions in time: frames in order, step to the previous one, flow to it, whether it looks the same."""
    count = len(evidence.moving)
    return [
        (range(count), -1, evidence.behind, evidence.same_behind),
        (range(count - 1, -1, -1), 1, evidence.ahead, evidence.same_ahead),
    ]


def _pulled(field: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The field of the neighbouring frame, warped to this frame by the flow."""
    x, y = grid(*field.shape[:2])
    return cv2.remap(field, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
