"""From evidence to masks: carried through time, completed by colour, cut out by GrabCut, smoothed."""

from dataclasses import dataclass

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
    """The largest value along each pixel's path, less by ``keep`` a frame: float32 (H/2, W/2) a frame.

    Lost where the picture no longer looks the same, or shows the background again.
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
    """Through time and back: frames in order, step to the one before, flow to it, and whether it looks the same."""
    count = len(evidence.moving)
    return [
        (range(count), -1, evidence.behind, evidence.same_behind),
        (range(count - 1, -1, -1), 1, evidence.ahead, evidence.same_ahead),
    ]


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


class Colours:
    """The colours of the actor and of what is around it, as two histograms.

    One object serves all the pieces of a shot: what the piece before showed counts for as much as what this one does,
    since an actor who stands still has the same clothes on.
    """

    def __init__(self) -> None:
        self._before: list[np.ndarray] = []
        self._now: list[np.ndarray] = []

    def learn(self, bins: list[np.ndarray], inside: list[np.ndarray], outside: list[np.ndarray]) -> None:
        """Count this piece's colours anew, weighted by soft masks 0..1 of both."""
        self._now = []
        for weights in (inside, outside):
            table = np.zeros(_BINS**3)
            for index, weight in zip(bins, weights, strict=True):
                table += np.bincount(index.ravel(), weight.ravel(), minlength=_BINS**3)
            cube = table.reshape(_BINS, _BINS, _BINS)
            for axis in range(3):  # neighbouring colours count for a half
                pad = np.pad(cube, [(1, 1) if k == axis else (0, 0) for k in range(3)])
                low, high = np.take(pad, range(_BINS), axis), np.take(pad, range(2, _BINS + 2), axis)
                cube = 0.5 * cube + 0.25 * low + 0.25 * high
            self._now.append((cube / max(cube.sum(), 1e-9)).ravel())

    def odds(self) -> np.ndarray:
        """Log-odds that a colour is the actor's, float32 (_BINS^3,), -2..2."""
        sides = [(a + b) / 2 for a, b in zip(self._now, self._before, strict=True)] if self._before else self._now
        odds: np.ndarray = np.clip(np.log((sides[0] + 3e-4) / (sides[1] + 3e-4)), -2.0, 2.0).astype(np.float32)
        return odds

    def keep(self) -> None:
        """The piece is done: remember it."""
        known = [(a + b) / 2 for a, b in zip(self._now, self._before, strict=True)] if self._before else self._now
        self._before = known


def cut(frame: np.ndarray, belief: np.ndarray, odds: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """GrabCut (Rother et al., 2004) within the belief: bool (H, W).

    Args:
        frame: uint8 (H, W, 3).
        belief: float32 (H/2, W/2), 0..1: how surely each pixel is the actor's.
        odds: float32 (H/2, W/2): log-odds of its colour.
        hint: float32 (H/2, W/2), 0..1: the people detector's.
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
    cv2.setRNGSeed(0)  # GrabCut's clustering draws from cv2's generator: the same on every run and worker
    cv2.grabCut(crop, trimap, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 1, cv2.GC_INIT_WITH_MASK)
    mask = cv2.resize((trimap % 2).astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    empty[y0:y1, x0:x1] = mask > 0.5
    return empty


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


def segment(
    frames: list[np.ndarray], evidence: Evidence, people: People, colours: Colours
) -> tuple[list[np.ndarray], np.ndarray]:
    """Masks bool (H, W), one a frame, and how far each can be trusted, float32 (n,), 0..1."""
    belief = believe(frames, evidence, people, colours)
    height, width = frames[0].shape[:2]
    cuts = [cut(f, b, o, h) for f, b, o, h in zip(frames, belief.actor, belief.colour, belief.hint, strict=True)]
    size = belief.actor[0].shape[::-1]
    small = [cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in cuts]
    small = keep_actors(small, belief.actor, evidence)
    steady = carry(small, evidence, 0.6)
    masks = [
        cv2.resize(0.5 * a + 0.5 * b, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
        for a, b in zip(small, steady, strict=True)
    ]
    return masks, trust(small, belief, evidence)


def trust(small: list[np.ndarray], belief: "Belief", evidence: Evidence) -> np.ndarray:
    """How far each frame's mask can be trusted: float32 (n,), 0..1, smoothed over half a second or so.

    An actor moves clearly, is the only thing that does (water, leaves and depth are everywhere), has a size, and stands
    before a background whose motion was understood; or the people detector sees someone there, time and again.
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
        understood = float(np.clip((plane - 0.3) / 0.4, 0.0, 1.0))
        value = alone * clear * understood * min(1.0, area / 0.015)
        person = min(1.0, 2.0 * float(hint[where].mean()))
        values.append(max(value, person))
    line = np.array(values, np.float32)[None]
    smooth: np.ndarray = cv2.GaussianBlur(line, (0, 0), 8.0, borderType=cv2.BORDER_REPLICATE)[0]
    return np.where(np.array([m.max() > 0.5 for m in small]), smooth, 0.0).astype(np.float32)


def keep_actors(small: list[np.ndarray], belief: list[np.ndarray], evidence: Evidence) -> list[np.ndarray]:
    """Drop what is small beside the actor: specks, balls, bits of background. Soft masks in and out, (H/2, W/2).

    Connected parts are followed from frame to frame; each stands or falls by its weight over its whole life.
    """
    mass: list[float] = []
    life: list[tuple[int, int]] = []
    parts: list[tuple[np.ndarray, dict[int, int]]] = []  # a frame: labels, and label -> number of its life
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
                x, y = _grid_int(where, evidence.behind[t])
                under = before[0][y, x]
                votes = np.bincount(under, minlength=1)
                votes[0] = 0
                old = int(votes.argmax())
                if votes[old] > 0.3 * where.sum() and before[1].get(old, -1) not in taken | {-1}:
                    name = before[1][old]
            if name < 0:
                name = len(mass)
                mass.append(0.0)
                life.append((t, t))
            taken.add(name)
            names[part] = name
            edge = where[0].sum() + where[:, 0].sum() + where[:, -1].sum()
            outside = min(1.0, 4.0 * edge / (2.0 * where.sum() ** 0.5 * 3.5))
            mass[name] += (
                float(where.sum())
                * float((belief[t][where] * (0.3 + evidence.moving[t][where])).mean())
                * (1.0 - 0.6 * outside)
            )
            life[name] = (life[name][0], t)
        before = (labels, names)
        parts.append(before)
    kept = []
    for mask, (labels, names) in zip(small, parts, strict=True):
        alive = {part: mass[name] for part, name in names.items()}
        limit = 0.25 * max(alive.values(), default=0.0)
        good = np.zeros(labels.max() + 1, np.float32)
        for part, weight in alive.items():
            good[part] = float(weight >= limit)
        near = cv2.dilate(good[labels], np.ones((3, 3), np.uint8))
        kept.append(mask * near)
    return kept


def _grid_int(where: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows that the True pixels' flow leads to, int, within the frame."""
    y, x = np.nonzero(where)
    height, width = where.shape
    to = np.rint(np.stack([x, y], axis=1) + flow[y, x].astype(np.float32)).astype(int)
    return np.clip(to[:, 0], 0, width - 1), np.clip(to[:, 1], 0, height - 1)


@dataclass
class Belief:
    """What is known of every pixel, float32 (H/2, W/2) a frame.

    Attributes:
        actor: 0..1, how surely it is the actor's, all told.
        seen: 0..1, the evidence of motion, carried through time.
        colour: log-odds -2..2 of its colour.
        hint: 0..1, the people detector's.
    """

    actor: list[np.ndarray]
    seen: list[np.ndarray]
    colour: list[np.ndarray]
    hint: list[np.ndarray]


def believe(frames: list[np.ndarray], evidence: Evidence, people: People, colours: Colours) -> Belief:
    """How surely each pixel of frames uint8 (H, W, 3) is the actor's."""
    size = evidence.moving[0].shape[::-1]
    plain = carry(evidence.moving, evidence)
    seen = [np.maximum(a, 0.8 * p) for a, p in zip(plain, peak(plain, evidence, 0.985), strict=True)]
    hint = people_hint(frames, seen, people, evidence)
    # Small motion is motion too: what counts is how far it stands out in this shot.
    strength = np.array([np.percentile(a, 99) for a in seen], np.float32)
    scale = np.clip(cv2.GaussianBlur(strength[None], (0, 0), 8.0, borderType=cv2.BORDER_REPLICATE)[0], 0.3, 1.0)
    bins = [colour_bins(f, size) for f in frames]
    seen = [np.maximum(a, s * enclosed(a / s)) for a, s in zip(seen, scale, strict=True)]
    base = [np.maximum(8.0 * (a / s - 0.4), -2.4) + 4.0 * h for a, h, s in zip(seen, hint, scale, strict=True)]
    crisp = [np.minimum(1.0, m / s) ** 2 for m, s in zip(evidence.moving, scale, strict=True)]
    belief = [_sigmoid(b) for b in base]
    for _ in range(2):
        inside = [b**2 * (0.05 + m) for b, m in zip(belief, crisp, strict=True)]
        near = [np.minimum(1.0, 3.0 * cv2.GaussianBlur(b, (0, 0), 8.0)) for b in belief]
        outside = [(1 - b) * (0.05 + n) for b, n in zip(belief, near, strict=True)]
        colours.learn(bins, inside, outside)
        table = colours.odds()
        odds = [cv2.GaussianBlur(table[i], (0, 0), 0.8) for i in bins]
        voted = carry(odds, evidence, 0.5)
        belief = [_sigmoid(b + 1.4 * c - 4.0 * (1.0 - n)) for b, c, n in zip(base, voted, near, strict=True)]
    colours.keep()
    return Belief(belief, plain, odds, hint)


def enclosed(seen: np.ndarray) -> np.ndarray:
    """What motion surrounds, float32 (h, w), 0..1: a plain shirt shows no motion inside, only its outline does.

    The frame's lower edge closes an outline: there a body is cut off, not ended.
    """
    height, width = seen.shape
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


def _sigmoid(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 1.0 / (1.0 + np.exp(-x))
    return y
