"""Tracks people through a video by the overlap of their boxes. No network is used here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from benchmark_builder.masks.base import ActorBox, unpack
from benchmark_builder.masks.networks.prompts import overlap

SAME = 0.3  # minimum overlap (intersection over union) of a person's boxes on two frames
PATIENCE = 10  # number of frames on which a person may be missing

Box = tuple[float, float, float, float]  # x1, y1, x2, y2


@dataclass(frozen=True, slots=True)
class Sighting:
    """A person on one frame: ``box`` in pixels, area not 0; ``mask``: packed bits of bool (H, W), or None."""

    box: Box
    mask: bytes | None = None


def link(frames: Iterable[Sequence[Box]]) -> list[list[int]]:
    """The number of the person in each box, in order of first appearance, as lists like those of ``frames``.

    On every frame, the pair of a known person and a box with the largest overlap is matched first. A person that was
    not seen on the last PATIENCE frames is dropped.
    """
    last: dict[int, tuple[int, Box]] = {}  # person -> frame and box of the last detection
    count, numbers = 0, []
    for index, boxes in enumerate(frames):
        last = {who: seen for who, seen in last.items() if index - seen[0] <= PATIENCE + 1}
        pairs = [(overlap(seen[1], box), who, n) for who, seen in last.items() for n, box in enumerate(boxes)]
        person: dict[int, int] = {}
        for share, who, n in sorted(pairs, key=lambda p: (-p[0], p[1:])):
            if share >= SAME and n not in person and who not in person.values():
                person[n] = who
        for n, box in enumerate(boxes):
            if n not in person:
                person[n], count = count, count + 1
            last[person[n]] = (index, box)
        numbers.append([person[n] for n in range(len(boxes))])
    return numbers


class PeopleTrack:
    """The people of one video who are seen on enough frames. ``covered``: bool (T,), the frames with such a person."""

    def __init__(self, sightings: Sequence[Sequence[Sighting]], height: int, width: int, min_track: int) -> None:
        """Keep the people seen on ``min_track`` frames, or on half of the frames of a video shorter than twice that.

        Args:
            sightings: per frame, the detections with a sufficient score.
        """
        self.size = (height, width)
        numbers = link([s.box for s in found] for found in sightings)
        counts = np.bincount([n for frame in numbers for n in frame], minlength=1)
        needed = min(min_track, ceil(len(sightings) / 2))
        kept = {int(n): k for k, n in enumerate(np.flatnonzero(counts >= max(1, needed)))}
        self._seen = [
            sorted(((kept[n], s) for n, s in zip(frame, found, strict=True) if n in kept), key=lambda pair: pair[0])
            for frame, found in zip(numbers, sightings, strict=True)
        ]
        self.covered = np.array([bool(found) for found in self._seen], dtype=bool)

    def actor_boxes(self, index: int) -> list[ActorBox]:
        """The boxes of the people on frame ``index``, enlarged to integer pixels and clipped to the frame."""
        height, width = self.size
        return [
            ActorBox(
                who,
                max(0, floor(s.box[0])),
                max(0, floor(s.box[1])),
                min(width, ceil(s.box[2])),
                min(height, ceil(s.box[3])),
            )
            for who, s in self._seen[index]
        ]

    def mask(self, index: int) -> np.ndarray:
        """The union of the people on frame ``index``: bool (H, W); for a person without a mask, the box."""
        united = np.zeros(self.size, dtype=bool)
        for (_, seen), (_, x1, y1, x2, y2) in zip(self._seen[index], self.actor_boxes(index), strict=True):
            if seen.mask is None:
                united[y1:y2, x1:x2] = True
            else:
                united |= unpack(seen.mask, *self.size)
        return united
