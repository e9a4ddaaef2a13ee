"""Masks of people in given boxes."""

from collections.abc import Sequence

import cv2
import numpy as np

from benchmark_builder.masks.base import ActorBox
from benchmark_builder.masks.motion.source import Piece
from benchmark_builder.masks.people.networks import Networks, Region, around
from benchmark_builder.masks.people.persons import CUT_OFF, KEY, LARGE, Person

Boxes = Sequence[Sequence[ActorBox]]
Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of a piece's frames

MARGIN = 0.12  # share of a box's width and height by which it is enlarged, since boxes are tight
FILLED = 0.1  # minimum share of a box that is covered by its mask


def prompted_people(piece: Piece, boxes: Boxes, networks: Networks) -> list[tuple[Person, dict[int, np.ndarray]]]:
    """Each actor that the networks find in its boxes, and the allowed pixels per frame: bool (H, W)."""
    found = []
    for places in _by_actor(piece, boxes).values():
        person = Person()
        looks = [k for k in range(0, len(piece.frames), 2 * KEY) if k in places]
        for k in looks or sorted(places)[:1]:
            seen = _in_box(piece.frames[k], places[k], networks)
            if seen is not None:
                person.put(k // 2, seen[0], max(0.2, seen[1]), seen[1])
        if person.masks:
            found.append((person, {k: _inside(box, piece.frames[0].shape[:2]) for k, box in places.items()}))
    return found


def _by_actor(piece: Piece, boxes: Boxes) -> dict[int, dict[int, Box]]:
    """actor -> frame of the piece -> its box; boxes outside the piece are left out."""
    height, width = piece.frames[0].shape[:2]
    actors: dict[int, dict[int, Box]] = {}
    for k in range(len(piece.frames)):
        for box in boxes[piece.start + k] if piece.start + k < len(boxes) else ():
            x1, x2 = (min(max(x * piece.scale[1] - piece.left, 0.0), width) for x in (box.x1, box.x2))
            y1, y2 = (min(max(y * piece.scale[0] - piece.top, 0.0), height) for y in (box.y1, box.y2))
            if x2 - x1 >= 1.0 and y2 - y1 >= 1.0:
                actors.setdefault(box.actor, {})[k] = (x1, y1, x2, y2)
    return actors


def _in_box(frame: np.ndarray, box: Box, networks: Networks) -> tuple[np.ndarray, float] | None:
    """The soft mask float32 (H, W) of the person in a box, and its presence 0..1; None if no network finds one."""
    inside = _inside(box, frame.shape[:2])
    region = around(box, 1.3)
    best = None
    for angle in (0.0, np.pi, np.pi / 2, -np.pi / 2):
        seen = networks.pose(frame, Region(region.x, region.y, region.side, angle))
        if best is None or seen.presence > best.presence:
            best = seen
        if best.presence >= 0.5:
            break
    assert best is not None
    mask = best.mask * inside
    selfie = networks.selfie_in(frame, region) * inside
    large = inside.mean() > LARGE and inside[-1].mean() > CUT_OFF
    if best.presence < 0.5 or large:
        mask = (mask + selfie) / 2.0 if (mask > 0.5).sum() >= FILLED * inside.sum() else selfie
    return (mask, best.presence) if (mask > 0.5).sum() >= FILLED * inside.sum() else None


def _inside(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """bool (H, W): the slightly enlarged box."""
    wide, tall = MARGIN * (box[2] - box[0]), MARGIN * (box[3] - box[1])
    field = np.zeros(shape, np.uint8)
    first = (round(max(0.0, box[0] - wide)), round(max(0.0, box[1] - tall)))
    cv2.rectangle(field, first, (round(box[2] + wide) - 1, round(box[3] + tall) - 1), 1, -1)
    return field > 0
