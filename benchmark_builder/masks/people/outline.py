"""From looks at a person to its outline on every frame: soft masks carried along the flow, growth bounded."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.evidence import Evidence
from benchmark_builder.masks.people.persons import KEY, Person, pull

KEEP = 0.45  # what a look counts on the next sampled frame
LEAST = 0.02  # total weight below which nothing is known of a frame
GROWTH = (
    0.06  # of the square root of the mask's area: how far an outline may grow between two sampled frames, plus 3 px
)


def steady(person: Person, evidence: Evidence, count: int) -> list[np.ndarray | None]:
    """A person's soft mask on each of ``count`` sampled frames: float32 (H, W), 0..1; None where it is not there.

    The weighted mean of the looks at it, each carried along the flow both ways.
    """
    looks = sorted(person.masks)
    first, last = max(0, looks[0] - KEY + 1), min(count - 1, looks[-1] + KEY - 1)
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
            own = person.masks[t].astype(np.float32) * (weight / 255.0) if weight else None
            before = total[t]
            if state is not None:
                total[t] = (state, mass) if before is None else (before[0] + state, before[1] + mass)
            if own is not None:
                if step > 0:  # a frame's own look counts once
                    held = total[t]
                    total[t] = (own, weight) if held is None else (held[0] + own, held[1] + weight)
                state, mass = (own, weight) if state is None else (state + own, mass + weight)
    masks: list[np.ndarray | None] = [None if f is None or f[1] < LEAST else f[0] / f[1] for f in total]
    return _bounded(masks, evidence)


def _bounded(masks: list[np.ndarray | None], evidence: Evidence) -> list[np.ndarray | None]:
    """No outline grows from one frame to the next by more than a limb can move."""
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
    """Soft masks of all ``count`` frames from those of every second one."""
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
