"""Decides which people of a shot are actors, and with what confidence."""

import cv2
import numpy as np

from benchmark_builder.masks.motion.evidence import Evidence
from benchmark_builder.masks.people.persons import Person

ACTOR = 0.27  # share of the best person's score; a person below it is a spectator
TOGETHER = 0.5  # two people are compared if the other one is seen in this share of a person's frames
THERE = 0.35  # a person with a lower mean presence is ignored
SEEN = 0.04  # share of the picture: a still person of this size counts as clearly seen
CLEAR = 0.25  # motion at which the confidence is highest
STILL = 0.4  # weight of a person who does not move, 0..1


def actors(people: list[Person], evidence: Evidence) -> list[Person]:
    """The actors: people with high presence who move. Large people get a higher score than small ones.

    People are compared with those who are there at the same time. Someone who hardly moves is an actor where nobody
    else moves more; a spectator is none while someone acts.
    """
    people = [p for p in people if float(np.mean(list(p.presence.values()))) >= THERE]
    moves = [_motion(p, evidence) for p in people]
    areas = [float(np.mean([(m > 127).mean() for m in p.masks.values()])) for p in people]
    sure = [float(np.mean(list(p.presence.values()))) for p in people]
    acting = []
    for k, person in enumerate(people):
        rivals = [n for n, other in enumerate(people) if _together(person, other) > TOGETHER]
        most, largest = max(max(moves[n] for n in rivals), 0.05), max(areas[n] for n in rivals)
        scores = {n: sure[n] * (0.2 + 0.8 * moves[n] / most) * (areas[n] / largest) ** 0.25 for n in rivals}
        if scores[k] >= ACTOR * max(scores.values()):
            acting.append(person)
    return acting


def _together(person: Person, other: Person) -> float:
    """0..1: in what share of a person's frames the other person is seen, too; 1 for the person itself."""
    return len(person.masks.keys() & other.masks.keys()) / len(person.masks)


def _motion(person: Person, evidence: Evidence) -> float:
    """0..1: how much of the person moves relative to the background, averaged over all its frames."""
    values = []
    for t, mask in person.masks.items():
        small = cv2.resize(mask, evidence.moving[t].shape[::-1], interpolation=cv2.INTER_AREA) > 127
        if small.any():
            values.append(float(np.percentile(evidence.moving[t][small], 75)))
    return float(np.mean(values)) if values else 0.0


def confidence(people: list[Person], evidence: Evidence, count: int) -> np.ndarray:
    """The confidence of each of ``count`` sampled frames: float32 (count,), 0..1, smoothed over about a second.

    It is the square of the presence, lower for a person who does not move, and lowest for a small one.
    """
    best = np.zeros(count, np.float32)
    for person in people:
        looks = sorted(person.presence)
        there = float(np.mean(list(person.presence.values())))
        area = float(np.mean([(m > 127).mean() for m in person.masks.values()]))
        acts = STILL * min(1.0, area / SEEN) + (1.0 - STILL) * min(1.0, _motion(person, evidence) / CLEAR)
        # Squared: real people have a presence of 0.9 or more; patterns in water or tiles have 0.5 to 0.75.
        seen = [acts * there * max(there, person.presence[t]) for t in looks]
        line = np.interp(np.arange(count), looks, seen, left=0.0, right=0.0)
        best = np.maximum(best, line.astype(np.float32))
    smooth: np.ndarray = cv2.GaussianBlur(best[None], (0, 0), 4.0, borderType=cv2.BORDER_REPLICATE)[0]
    return smooth
