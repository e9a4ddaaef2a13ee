"""The probability that a pixel belongs to the actor: motion, people detector, outline and colour combined."""

from dataclasses import dataclass

import cv2
import numpy as np

from benchmark_builder.masks.motion.colour import Colours, colour_bins
from benchmark_builder.masks.motion.evidence import Evidence
from benchmark_builder.masks.motion.time import carry, peak


class People:
    """Upright people, found by OpenCV's detector (HOG and a linear SVM; Dalal and Triggs, CVPR 2005). No file is
    loaded."""

    def __init__(self) -> None:
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(self, frame: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        """People on a frame (uint8 (H, W, 3)): (x, y, w, h, score) each, in pixels of the frame.

        The box includes the margin of the detector: the person fills about the middle 3/4 of its height.
        """
        # The window is 64x128. At double size, people from a quarter of a 240-pixel frame on are found.
        scale = 480 / frame.shape[0]
        if frame.shape[1] * scale < 96:
            return []
        big = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        boxes, scores = self._hog.detectMultiScale(big, winStride=(8, 8), padding=(16, 16), scale=1.1)
        found = [
            (*(float(v) / scale for v in box), float(score)) for box, score in zip(boxes, np.ravel(scores), strict=True)
        ]
        return [(f[0], f[1], f[2], f[3], f[4]) for f in found]


@dataclass
class Belief:
    """What is known about every pixel, float32 (H/2, W/2) per frame.

    Attributes:
        actor: 0..1, the combined score that the pixel belongs to the actor.
        seen: 0..1, the evidence of motion, propagated through time.
        colour: log-odds -2..2 of its colour.
        hint: 0..1, from the people detector.
    """

    actor: list[np.ndarray]
    seen: list[np.ndarray]
    colour: list[np.ndarray]
    hint: list[np.ndarray]


def believe(frames: list[np.ndarray], evidence: Evidence, people: People | None, colours: Colours) -> Belief:
    """The scores of every pixel of frames uint8 (H, W, 3). Without ``people``, from motion and colour alone."""
    size = evidence.moving[0].shape[::-1]
    plain = carry(evidence.moving, evidence)
    seen = [np.maximum(a, 0.8 * p) for a, p in zip(plain, peak(plain, evidence, 0.985), strict=True)]
    hint = [np.zeros_like(a) for a in seen] if people is None else people_hint(frames, seen, people, evidence)
    # Small motion counts too: it is compared with the other motion in this shot.
    strength = np.array([np.percentile(a, 99) for a in seen], np.float32)
    scale = np.clip(cv2.GaussianBlur(strength[None], (0, 0), 8.0, borderType=cv2.BORDER_REPLICATE)[0], 0.3, 1.0)
    bins = [colour_bins(f, size) for f in frames]
    seen = [np.maximum(a, s * enclosed(a / s)) for a, s in zip(seen, scale, strict=True)]
    # Missing motion is weaker evidence than motion, since an actor may stand still.
    base = [np.maximum(8.0 * (a / s - 0.4), -2.4) + 4.0 * h for a, h, s in zip(seen, hint, scale, strict=True)]
    del seen
    belief = [_sigmoid(b) for b in base]
    for _ in range(2):
        # The colours of the actor come from moving pixels; those of the background from the area around the actor.
        colours.learn(
            (index, b**2 * (0.05 + np.minimum(1.0, m / s) ** 2), (1.0 - b) * (0.05 + _near(b)))
            for index, b, m, s in zip(bins, belief, evidence.moving, scale, strict=True)
        )
        table = colours.odds()
        odds = [cv2.GaussianBlur(table[i], (0, 0), 0.8) for i in bins]
        voted = carry(odds, evidence, 0.5)
        belief = [
            _sigmoid(known + 1.4 * vote - 4.0 * (1.0 - _near(b)))
            for known, vote, b in zip(base, voted, belief, strict=True)
        ]
    colours.keep()
    return Belief(belief, plain, odds, hint)


def people_hint(
    frames: list[np.ndarray], seen: list[np.ndarray], people: People, evidence: Evidence
) -> list[np.ndarray]:
    """Where the people detector finds a moving person, propagated through time: float32 (H/2, W/2), 0..1."""
    count = len(frames)
    step = max(1, min(8, count // 8))
    shape = seen[0].shape
    maps = [np.zeros(shape, np.float32) for _ in range(count)]
    looked = np.zeros(count, np.float32)
    for t in range(step // 2, count, step):
        looked[t] = 1.0
        if not seen[t].any():
            continue  # nobody can move where nothing does, and looking for people takes the most time
        for x, y, w, h, score in people.find(frames[t]):
            # The person fills the middle of the detector's window.
            body = np.zeros(shape, np.float32)
            centre = (round((x + w / 2) / 2), round((y + h / 2) / 2))
            cv2.ellipse(body, centre, (max(1, round(w * 0.23 / 2)), max(1, round(h * 0.4 / 2))), 0, 0, 360, 1.0, -1)
            if body.sum() < 20:
                continue
            moves = float((seen[t] * body).sum() / body.sum())
            around = float(seen[t].mean())
            trust = min(1.0, max(0.0, score)) * min(1.0, max(0.0, moves - 0.5 * around) / 0.15)
            maps[t] = np.maximum(maps[t], trust * cv2.GaussianBlur(body, (0, 0), 1.5))
    return carry(maps, evidence, 0.9, looked)


def enclosed(seen: np.ndarray) -> np.ndarray:
    """Areas surrounded by motion, float32 (h, w), 0..1: inside a plain shirt no motion is visible, only at its outline.

    The lower edge of the frame closes an outline, since a body often continues below it.
    """
    filled = np.zeros_like(seen)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    for level in (0.3, 0.5, 0.7):
        wall = cv2.copyMakeBorder((seen > level).astype(np.uint8), 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=0)
        wall[-8:, 8:-8] = wall[-9, 8:-8]
        wall = cv2.morphologyEx(wall, cv2.MORPH_CLOSE, disc)
        found = np.flatnonzero(wall[-9, 8:-8])
        if len(found):
            wall[-8:, 8 + found[0] : 8 + found[-1] + 1] = 1
        cv2.floodFill(wall, None, (0, 0), 2)
        filled[wall[8:-8, 8:-8] != 2] = 0.9 * level
    return filled


def _near(belief: np.ndarray) -> np.ndarray:
    """0..1: whether the actor is near."""
    return np.minimum(1.0, 3.0 * cv2.GaussianBlur(belief, (0, 0), 8.0))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 1.0 / (1.0 + np.exp(-x))
    return y
