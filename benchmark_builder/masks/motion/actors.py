"""Which of the segmented parts are actors, and the confidence of each mask."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.belief import Belief
from benchmark_builder.masks.motion.evidence import Evidence


def keep_actors(small: list[np.ndarray], belief: list[np.ndarray], evidence: Evidence) -> list[np.ndarray]:
    """Remove parts that are small compared to the actor: specks, balls, background. Soft masks in and out, (H/2, W/2).

    Connected parts are followed from frame to frame; each is kept or removed by its total weight over all its frames.
    """
    mass: list[float] = []
    parts: list[tuple[np.ndarray, dict[int, int]]] = []  # per frame: labels, and label -> number of the tracked part
    before: tuple[np.ndarray, dict[int, int]] | None = None
    for t, mask in enumerate(small):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0.5).astype(np.uint8))
        names: dict[int, int] = {}
        taken: set[int] = set()
        for part in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA]):
            if stats[part, cv2.CC_STAT_AREA] < 8:
                continue
            where = labels == part
            name = -1
            if before is not None:
                x, y = _led_to(where, evidence.behind[t])
                under = before[0][y, x]
                votes = np.bincount(under, minlength=1)
                votes[0] = 0
                old = int(votes.argmax())
                if votes[old] > 0.3 * where.sum() and before[1].get(old, -1) not in taken | {-1}:
                    name = before[1][old]
            if name < 0:
                name = len(mass)
                mass.append(0.0)
            taken.add(name)
            names[part] = name
            edge = where[0].sum() + where[:, 0].sum() + where[:, -1].sum()
            # A part that enters at the border is a lamp post near the camera as often as an actor. 3.5 sqrt(area) is
            # the circumference of a disc.
            cut_off = min(1.0, 2.0 * float(edge) / (3.5 * float(where.sum()) ** 0.5))
            weight = float((belief[t][where] * (0.3 + evidence.moving[t][where])).sum())
            mass[name] += weight * (1.0 - 0.6 * cut_off)
        before = (labels, names)
        parts.append(before)
    kept = []
    for mask, (labels, names) in zip(small, parts, strict=True):
        alive = {part: mass[name] for part, name in names.items()}
        limit = 0.25 * max(alive.values(), default=0.0)
        good = np.zeros(labels.max() + 1, np.float32)
        for part, value in alive.items():
            good[part] = float(value >= limit)
        near = cv2.dilate(good[labels], np.ones((3, 3), np.uint8))
        kept.append(mask * near)
    return kept


def trust(small: list[np.ndarray], belief: Belief, evidence: Evidence) -> np.ndarray:
    """The confidence of each frame's mask: float32 (n,), 0..1, smoothed over about half a second.

    It is high if the actor moves clearly, nothing else moves (water, leaves and parallax move everywhere), its size is
    plausible, and the motion of the background is known; or if the people detector repeatedly finds a person there.
    """
    values = []
    for mask, seen, hint, plane in zip(small, belief.seen, belief.hint, evidence.plane, strict=True):
        where = mask > 0.5
        area = float(where.mean())
        if where.sum() < 8:
            values.append(0.0)
            continue
        around = cv2.dilate(where.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        hot = np.maximum(seen - 0.3, 0.0)
        alone = float(hot[around].sum() / max(hot.sum(), 1.0))
        clear = float(np.clip((seen[where].mean() - 0.15) / 0.35, 0.0, 1.0))
        # Corners on the actor do not follow the background, so they are not counted.
        understood = float(np.clip((plane / (1.0 - min(area, 0.6)) - 0.3) / 0.4, 0.0, 1.0))
        value = alone * clear * understood * min(1.0, area / 0.015)
        person = min(1.0, 2.0 * float(hint[where].mean()))
        values.append(max(value, person))
    line = np.array(values, np.float32)[None]
    smooth: np.ndarray = cv2.GaussianBlur(line, (0, 0), 8.0, borderType=cv2.BORDER_REPLICATE)[0]
    return smooth


def _led_to(where: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (int, within the frame) to which the flow moves the True pixels."""
    y, x = np.nonzero(where)
    height, width = where.shape
    to = np.rint(np.stack([x, y], axis=1) + flow[y, x].astype(np.float32)).astype(int)
    return np.clip(to[:, 0], 0, width - 1), np.clip(to[:, 1], 0, height - 1)
