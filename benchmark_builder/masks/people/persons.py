"""Finds and follows the people of a shot: where each person is on every fourth frame.

Regions to look at come from motion, from the whole picture, and from what selfie segmentation takes for people. The
pose network says whether a person is there; where it is unsure (seen from behind, upside down, half hidden), agreement
of the two networks and of a person's masks over time count as evidence, too.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from benchmark_builder.masks.motion.belief import People
from benchmark_builder.masks.motion.evidence import Evidence, grid
from benchmark_builder.masks.networks.prompts import part_boxes
from benchmark_builder.masks.people.networks import Networks, Region, Seen, around

KEY = 2  # sampled frames from one measurement of a followed person to the next
LOOK = 8  # sampled frames from one search for new people to the next
RARE = 4  # while someone is followed, only every RARE-th search is made
PATIENCE = 4  # uncertain measurements in a row after which a person is lost
UNEXPLAINED = 0.3  # a larger share of the motion outside known people starts a search at once
NEW = 2  # maximum number of people found by one search
LARGE = 0.06  # share of the picture: selfie segmentation alone may find people of this size
CUT_OFF = 0.1  # share of the picture's lower edge: a person who covers more is cut off by it
PART = 0.25  # share of a person's area: a smaller person that touches it is part of it
JUMP = 1.8  # maximum ratio of the areas of two consecutive masks
SURE = 0.5  # minimum evidence for a new person


@dataclass
class Person:
    """One person of a shot.

    Attributes:
        masks: sampled frame -> uint8 (H, W), 0..255, the soft mask.
        weights: sampled frame -> 0..1, how far it can be relied on.
        presence: sampled frame -> 0..1, how surely a person is there.
        large: outlined by selfie segmentation of the whole picture, not by the pose network.
    """

    masks: dict[int, np.ndarray] = field(default_factory=dict)
    weights: dict[int, float] = field(default_factory=dict)
    presence: dict[int, float] = field(default_factory=dict)
    large: bool = False

    def put(self, t: int, mask: np.ndarray, weight: float, presence: float) -> None:
        self.masks[t] = np.rint(mask * 255.0).astype(np.uint8)
        self.weights[t] = weight
        self.presence[t] = presence

    def shows(self, t: int) -> np.ndarray | None:
        """bool (H, W) at the sampled frame ``t``; None where the person is not looked at."""
        return self.masks[t] > 127 if t in self.masks else None


def find_people(
    frames: list[np.ndarray], evidence: Evidence, belief: list[np.ndarray], networks: Networks, upright: People
) -> list[Person]:
    """The people in a piece of a shot.

    Args:
        frames: uint8 (H, W, 3), every second frame.
        evidence: of their motion.
        belief: float32 (H/2, W/2) per frame, 0..1: what motion takes for an actor.
        upright: OpenCV's detector of upright people, which names more places to look at.
    """
    finder = _Finder(frames, evidence, belief, networks, upright)
    for n, t in enumerate(range(0, len(frames), LOOK)):
        # If someone is followed already, new people are searched for less often.
        if n % RARE == 0 or finder.unexplained(t) > UNEXPLAINED:
            finder.look(t)
    return finder.people


class _Finder:
    def __init__(
        self,
        frames: list[np.ndarray],
        evidence: Evidence,
        belief: list[np.ndarray],
        networks: Networks,
        upright: People,
    ) -> None:
        self.frames, self.evidence, self.belief, self.networks = frames, evidence, belief, networks
        self._upright = upright
        self.height, self.width = frames[0].shape[:2]
        self.people: list[Person] = []
        self._selfies: dict[int, np.ndarray] = {}

    def look(self, t: int) -> None:
        """Search for new people on the sampled frame ``t``, and follow them in both directions."""
        found = 0
        tried: list[Region] = []
        for region in self._regions(t):
            if found == NEW:
                break
            if any(_alike(region, other) for other in tried) or self._explained(t, region):
                continue
            tried.append(region)
            seen, weight = self._best(t, region)
            if weight >= SURE and not self._known(t, seen.mask > 0.5) and self._matters(t, seen.mask > 0.5):
                self._follow(t, seen, weight)
                found += 1
        self._look_large(t)

    def _matters(self, t: int, mask: np.ndarray) -> bool:
        """Whether this may be an actor in addition to the people who are followed: it moves, or is large enough.

        What is small and touches someone is a part of that person, or what it stands on.
        """
        here = [shown for shown in (p.shows(t) for p in self.people) if shown is not None]
        area = int(mask.sum())
        near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        if any(area < PART * int(shown.sum()) and (near & shown).any() for shown in here):
            return False
        return not here or area >= 0.3 * max(int(shown.sum()) for shown in here) or self._moves(t, mask) >= 0.2

    def _moves(self, t: int, mask: np.ndarray) -> float:
        """0..1: the mean score from motion of the pixels of a mask bool (H, W)."""
        small = cv2.resize(mask.astype(np.float32), self.belief[t].shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
        return float(self.belief[t][small].mean()) if small.any() else 0.0

    def unexplained(self, t: int) -> float:
        """0..1: the share of the motion outside the people who are followed; 1 if nobody is followed."""
        here = [mask for mask in (person.shows(t) for person in self.people) if mask is not None]
        if not here:
            return 1.0
        known = cv2.dilate(np.any(here, axis=0).astype(np.uint8), np.ones((9, 9), np.uint8))
        moving = self.belief[t] > 0.5
        small = cv2.resize(known, moving.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        least = LARGE / 10 * moving.size
        return float((moving & ~small).sum() / max(int(moving.sum()), least))

    def _regions(self, t: int) -> list[Region]:
        """Regions that may show a person, the most likely first."""
        full = cv2.resize(self.belief[t], (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        rest = full > 0.5
        for person in self.people:
            here = person.shows(t)
            if here is not None:
                rest &= ~(cv2.dilate(here.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
        least = 0.0015 * rest.size
        regions = []
        for box in part_boxes(rest)[:3]:
            if rest[box[1] : box[3], box[0] : box[2]].sum() >= least:
                regions += [around(box, 1.5), around(box, 2.5)]
        whole = Region(self.width / 2, self.height / 2, float(max(self.height, self.width)))
        selfie = self._selfie(t) > 0.5
        for box in part_boxes(selfie)[:2]:
            if selfie[box[1] : box[3], box[0] : box[2]].sum() >= 4 * least:
                regions.append(around(box, 1.3))
        for x, y, w, h, score in sorted(self._upright.find(self.frames[t]), key=lambda found: -found[4])[:4]:
            if score > 0.2:  # the person fills the middle of the detector's window
                regions.append(around((x + 0.1 * w, y + 0.1 * h, x + 0.9 * w, y + 0.9 * h), 1.3))
        if not self.people:
            regions.append(whole)
        return regions

    def _best(self, t: int, region: Region) -> tuple[Seen, float]:
        """The person in a region. The network runs twice; the second region comes from the first result."""
        first = self.networks.pose(self.frames[t], region)
        weight = self._evidence(t, first, region)
        if first.presence < 0.05 and weight < 0.3:
            return first, weight
        second = self.networks.pose(self.frames[t], first.region)
        again = self._evidence(t, second, first.region)
        return (second, again) if again >= weight else (first, weight)

    def _evidence(self, t: int, seen: Seen, region: Region) -> float:
        """0..1: the presence; if it is low, the agreement of motion and of the other network with the mask."""
        mask = seen.mask > 0.5
        if seen.presence >= 0.8 or mask.sum() < 60:
            return seen.presence if mask.sum() >= 60 else 0.0
        moves = self._moves(t, mask)
        if moves < 0.05:
            return seen.presence
        agree = _iou(self.networks.selfie_in(self.frames[t], region) > 0.5, mask)
        both = min(1.0, max(0.0, agree - 0.4) / 0.4) * min(1.0, moves / 0.5)
        return max(seen.presence, 0.75 * both)

    def _follow(self, t: int, seen: Seen, weight: float) -> None:
        person = Person()
        seen = self._refined(t, seen)
        person.put(t, seen.mask, weight, seen.presence)
        for step in (KEY, -KEY):
            region, last, unsure, at = seen.region, seen.mask, 0, t
            pending: list[tuple[int, np.ndarray]] = []
            while 0 <= at + step < len(self.frames):
                carried = self._carried(last, at, step)
                region = region.moved(*_shift(last, carried))
                at += step
                now = self._refined(at, self.networks.pose(self.frames[at], region))
                same = _iou(now.mask > 0.5, carried > 0.5)
                if now.presence < 0.3 or (now.presence < SURE and same < 0.5):
                    # The region from the key points may be wrong: try the one around the propagated mask.
                    other = self._look_around(at, carried)
                    if other is not None:
                        other = self._refined(at, other)
                        again = _iou(other.mask > 0.5, carried > 0.5)
                        if other.presence + 0.5 * again > now.presence + 0.5 * same:
                            now, same = other, again
                if self._known(at, now.mask > 0.5, person):
                    break
                grown = float((now.mask > 0.5).sum()) / max(1.0, float((carried > 0.5).sum()))
                value = now.presence if same > 0.25 else 0.0
                if now.presence >= 0.1:
                    value = max(value, 0.8 * min(1.0, max(0.0, same - 0.4) / 0.4))
                if not 1 / JUMP < grown < JUMP:  # another person, or none
                    value *= 0.4
                if value >= 0.3:
                    for when, mask in pending:
                        person.put(when, mask, 0.1, 0.0)
                    pending, unsure = [], 0
                    person.put(at, now.mask, value, now.presence)
                    last, region = now.mask, now.region if now.presence >= 0.3 else region
                else:
                    pending.append((at, carried))
                    unsure += 1
                    last = carried
                    if unsure > PATIENCE:
                        break
        self.people.append(person)

    def _refined(self, t: int, seen: Seen) -> Seen:
        """The mask of a large person, combined with selfie segmentation, which is better for large people."""
        mask = seen.mask > 0.5
        if mask.mean() < LARGE:
            return seen
        selfie = self._selfie(t)
        _, labels = cv2.connectedComponents((selfie > 0.5).astype(np.uint8))
        votes = np.bincount(labels[mask], minlength=2)
        part = 1 + int(votes[1:].argmax())
        whole = labels == part
        if float(whole[-1].mean()) < CUT_OFF:  # the pose network is better for people who are seen from head to foot
            return seen
        if (whole & mask).sum() < 0.7 * mask.sum() or self._shared(t, whole, mask):
            return seen
        share = min(0.8, 0.4 + float(whole.mean()))
        near = cv2.dilate(whole.astype(np.uint8), np.ones((5, 5), np.uint8))
        return replace(seen, mask=share * selfie * near + (1.0 - share) * seen.mask)

    def _shared(self, t: int, whole: np.ndarray, mask: np.ndarray) -> bool:
        """Whether the region of selfie segmentation also contains other followed people."""
        return self._covered(t, whole & ~mask) > 0.2

    def _look_around(self, t: int, carried: np.ndarray) -> Seen | None:
        x, y, w, h = cv2.boundingRect((carried > 0.5).astype(np.uint8))
        if not w:
            return None
        upright = around((x, y, x + w, y + h), 1.5)
        best = None
        for angle in (0.0, np.pi, np.pi / 2, -np.pi / 2):  # upright, upside down, lying on either side
            seen = self.networks.pose(self.frames[t], Region(upright.x, upright.y, upright.side, angle))
            if best is None or seen.presence > best.presence:
                best = seen
            if best.presence >= SURE:
                break
        return best

    def _look_large(self, t: int) -> None:
        """Find people who fill much of the picture with selfie segmentation; motion or pose must confirm them."""
        whole = self._selfie(t) > 0.5
        count, labels, stats, _ = cv2.connectedComponentsWithStats(whole.astype(np.uint8))
        for part in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:2]:
            mask = labels == part
            if mask.mean() < LARGE or self._covered(t, mask) > 0.35:
                continue
            x, y, w, h = (int(v) for v in stats[part, :4])
            presence = self.networks.pose(self.frames[t], around((x, y, x + w, y + h), 1.1)).presence
            inside = self._moves(t, mask) * mask.mean() / max(float(self.belief[t].mean()), 0.01)
            clear = float(self._selfie(t)[mask].mean()) > 0.85 and presence >= 0.05
            weight = max(presence, min(1.0, inside) * min(1.0, self._moves(t, mask) / 0.15) if clear else 0.0)
            if weight >= SURE:
                self._follow_large(t, self._selfie(t) * mask, weight)

    def _follow_large(self, t: int, mask: np.ndarray, weight: float) -> None:
        person = Person(large=True)
        person.put(t, mask, weight, weight)
        for step in (1, -1):
            last, at = mask, t
            while 0 <= at + step < len(self.frames):
                carried = self._carried(last, at, step)
                at += step
                now = self._selfie(at) * (cv2.dilate((carried > 0.3).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0)
                same = _iou(now > 0.5, carried > 0.5)
                if same < 0.5 or (now > 0.5).mean() < LARGE / 2 or self._covered(at, now > 0.5) > 0.35:
                    break
                person.put(at, now, weight * min(1.0, same / 0.8), weight)
                last = now
        self.people.append(person)

    def _selfie(self, t: int) -> np.ndarray:
        if t not in self._selfies:
            self._selfies[t] = self.networks.selfie(self.frames[t])
        return self._selfies[t]

    def _carried(self, mask: np.ndarray, t: int, step: int) -> np.ndarray:
        """A mask of the sampled frame t, propagated along the flow to t + step."""
        way = 1 if step > 0 else -1
        for _ in range(abs(step)):
            t += way
            mask = pull(mask, self.evidence.behind[t] if way > 0 else self.evidence.ahead[t])
        return mask

    def _covered(self, t: int, mask: np.ndarray) -> float:
        """0..1: the share of a mask bool (H, W) that is covered by followed people."""
        here = [shown for shown in (person.shows(t) for person in self.people) if shown is not None]
        return float((np.any(here, axis=0) & mask).sum() / max(1, int(mask.sum()))) if here else 0.0

    def _known(self, t: int, mask: np.ndarray, but: Person | None = None) -> bool:
        """Whether more than half of this mask belongs to someone who is followed already."""
        area = max(1, int(mask.sum()))
        for person in self.people:
            here = person.shows(t)
            if person is not but and here is not None:
                both = int((mask & here).sum())
                if (both > 0.5 * area and both > 0.3 * int(here.sum())) or _iou(mask, here) > 0.4:
                    return True
        return False

    def _explained(self, t: int, region: Region) -> bool:
        """Whether a followed person is in the middle of the region."""
        for person in self.people:
            here = person.shows(t)
            if here is None:
                continue
            x, y, w, h = cv2.boundingRect(here.astype(np.uint8))
            if w and abs(x + w / 2 - region.x) < 0.2 * region.side and abs(y + h / 2 - region.y) < 0.2 * region.side:
                return True
        return False


def pull(field: np.ndarray, flow: np.ndarray, share: float = 1.0) -> np.ndarray:
    """The values of a neighbouring frame, moved to this frame along the flow.

    Args:
        field: float32 (H, W).
        flow: float16 (H/2, W/2, 2), to the neighbour, in pixels of the half size.
        share: of the way, 0..1.
    """
    height, width = field.shape
    x, y = grid(height, width)
    full = cv2.resize(flow.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) * (2.0 * share)
    return cv2.remap(field, x + full[..., 0], y + full[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _shift(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """How far the centre of a soft mask moved, in pixels (x, y)."""
    a, b = cv2.moments(before), cv2.moments(after)
    if a["m00"] < 1.0 or b["m00"] < 1.0:
        return 0.0, 0.0
    return b["m10"] / b["m00"] - a["m10"] / a["m00"], b["m01"] / b["m00"] - a["m01"] / a["m00"]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    either = int((a | b).sum())
    return float((a & b).sum() / either) if either else 0.0


def _alike(a: Region, b: Region) -> bool:
    near = abs(a.x - b.x) + abs(a.y - b.y) < 0.15 * max(a.side, b.side)
    return near and 0.8 < a.side / b.side < 1.25
