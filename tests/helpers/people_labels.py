"""People in real clips, outlined by hand: the content of ``tests/data/people/labels.json``, also as masks.

Coordinates are pixels of the decoded frame, as :func:`benchmark_builder.video.decode.read_frames` gives it: x to the
right, y down, (0, 0) is the top left corner of the picture and (W, H) the bottom right one. Pixel (row r, column c)
covers c..c + 1 and r..r + 1, so its centre is (c + 0.5, r + 0.5).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

LABELS = Path(__file__).parent.parent / "data" / "people" / "labels.json"
ROLES = ("actor", "other")

Ring = list[list[float]]


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame: ``role`` is "actor" or "other"; rings are closed, their first vertex is not repeated."""

    role: str
    polygon: Ring
    holes: tuple[Ring, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """The labels of one clip: ``frames`` maps the index of a decoded frame, from 0, to the people in it."""

    width: int
    height: int
    frames_in_clip: int
    sure: str
    frames: dict[int, list[Person]]


def read_labels(path: Path = LABELS) -> dict[str, Clip]:
    """Every labelled clip, by its path relative to the folder of clips."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Clip(
            clip["width"],
            clip["height"],
            clip["frames_in_clip"],
            clip["sure"],
            {
                int(index): [Person(p["role"], p["polygon"], tuple(p.get("holes", ()))) for p in people]
                for index, people in clip["frames"].items()
            },
        )
        for name, clip in content["clips"].items()
    }


def chosen_frames(frames: int) -> list[int]:
    """The three frames that are labelled of a clip of T = ``frames``: floor(T (2k + 1) / 6), k = 0, 1, 2.

    They are the middle frames of the clip's thirds.
    """
    return [(2 * k + 1) * frames // 6 for k in range(3)]


def person_mask(person: Person, height: int, width: int) -> np.ndarray:
    """The person as bool (H, W).

    A pixel belongs to the person if at least half of its area is inside the outline and outside the holes.

    ``cv2.fillPoly`` also paints the outline itself, half a pixel too much on every side; so it paints on a canvas
    eight times as fine, where that is a sixteenth of a pixel, and the area is counted there.
    """
    fine = 8
    canvas = np.zeros((height * fine, width * fine), dtype=np.uint8)
    rings = (person.polygon, *person.holes)
    cv2.fillPoly(canvas, [np.round(np.array(ring) * fine - 0.5).astype(np.int32) for ring in rings], 1)
    covered = canvas.reshape(height, fine, width, fine).sum(axis=(1, 3))
    return covered * 2 >= fine * fine


def people_mask(clip: Clip, index: int, role: str) -> np.ndarray:
    """The mask of all people with one role in a labelled frame: bool (H, W)."""
    mask = np.zeros((clip.height, clip.width), dtype=bool)
    for person in clip.frames[index]:
        if person.role == role:
            mask |= person_mask(person, clip.height, clip.width)
    return mask


def area(ring: Ring) -> float:
    """A ring's area in pixels (the shoelace formula)."""
    x, y = np.array(ring).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def crossings(ring: Ring) -> list[tuple[int, int]]:
    """Pairs of edges of a ring that touch although they are not neighbours, as edge numbers.

    It is empty for a simple polygon. Edge k goes from vertex k to the next one.
    """
    points = [(float(x), float(y)) for x, y in ring]
    edges = [(points[k], points[(k + 1) % len(points)]) for k in range(len(points))]
    return [
        (i, j)
        for i in range(len(edges))
        for j in range(i + 2, len(edges))
        if (i, j) != (0, len(edges) - 1) and _touch(*edges[i], *edges[j])
    ]


Point = tuple[float, float]


def _touch(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a to b and c to d have a point in common."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    def within(p: Point, q: Point, r: Point) -> bool:
        return min(p[0], q[0]) <= r[0] <= max(p[0], q[0]) and min(p[1], q[1]) <= r[1] <= max(p[1], q[1])

    c_side, d_side, a_side, b_side = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if c_side * d_side < 0 and a_side * b_side < 0:
        return True
    ends = ((c_side, (a, b, c)), (d_side, (a, b, d)), (a_side, (c, d, a)), (b_side, (c, d, b)))
    return any(value == 0 and within(*points) for value, points in ends)
