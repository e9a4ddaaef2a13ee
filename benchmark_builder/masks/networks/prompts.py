"""Boxes that prompt a segmenter: the actors of another source, frame by frame.

A source with separate actors (:class:`~benchmark_builder.masks.base.BoxedTrack`) gives one box per actor. For other
sources, the connected parts of a mask are the actors: parts whose boxes touch are one actor, and specks are ignored.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from benchmark_builder.masks.base import ActorBox, BoxedTrack, MaskSource, MaskTrack, PackedTrack, reads_of
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

SPECK = 0.1  # share of the largest part's area: a smaller part is ignored
SAME = 0.3  # minimum overlap (intersection over union) of a part's box with the last box of the same actor
LISTED = 5  # maximum number of boxes listed in a message


class PromptedMasks(ABC):
    """A mask source that prompts a segmenter with the boxes of another source.

    Attributes:
        title: the segmenter's name, for messages.
        prompts: the source of boxes.
    """

    title: ClassVar[str]
    prompts: MaskSource

    @abstractmethod
    def follow(
        self, frames: Iterable[np.ndarray], boxes: Sequence[Sequence[ActorBox]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Masks of the frames that the segmenter looks at, in order.

        Args:
            frames: uint8 (H, W, 3) RGB, from frame 0 on.
            boxes: of each frame, as :func:`prompt_boxes` gives them.

        Yields:
            (index, the union of the actors' masks: bool (H, W)).
        """

    def track(self, video: Video, height: int, width: int) -> PackedTrack:
        """Segment the actors of one video.

        Raises:
            LeftOut: the prompt source has no box for it, or nothing is found from its boxes.
            BenchError: the video cannot be read, or its boxes cannot be used.
        """
        boxes = prompt_boxes(self.prompts.track(video, height, width), height, width, video.id)
        if not any(boxes):
            raise LeftOut(f"{video.id}: the prompt source has no box for it")
        track = PackedTrack(len(boxes), height, width)
        for index, mask in self.follow(read_frames(video.path), boxes):
            if mask.any():
                track.keep(index, mask)
        if not track.covered.any():
            raise LeftOut(f"{video.id}: {self.title} found nothing in its boxes; give other --prompts")
        return track

    def reads(self, video: Video) -> list[Path] | None:
        """The files that the boxes are made from, except the video itself."""
        return reads_of(self.prompts, video)


def enlarged(box: ActorBox, margin: float) -> tuple[slice, slice]:
    """Rows and columns of a box whose sides are moved outwards by ``margin`` of its width (height)."""
    wide, tall = round(margin * (box.x2 - box.x1)), round(margin * (box.y2 - box.y1))
    return slice(max(0, box.y1 - tall), box.y2 + tall), slice(max(0, box.x1 - wide), box.x2 + wide)


def prompt_source(
    spec: str | None, dataset_root: Path, kind: str, shared: Mapping[str, object] | None = None, **options: object
) -> MaskSource:
    """The source for ``--prompts KIND`` or ``KIND:PATH``.

    Args:
        spec: the value of the option; None or "" if it was not given.
        dataset_root: the dataset's folder, where a source without PATH searches for its files.
        kind: name of the prompted source, for the message.
        shared: settings of the prompted source, such as ``device``, that are passed to the prompt source if it has
            them.
        options: settings of the prompt source; None means its default.

    Raises:
        BenchError: ``spec`` is missing, or an error of :func:`~benchmark_builder.masks.mask_source`.
    """
    from benchmark_builder.masks import KINDS, mask_source, settings_of  # it imports the prompted sources in turn

    if not spec:
        raise BenchError(
            f"--masks {kind}: needs boxes as prompts; give --prompts KIND:PATH, such as ucf101-24:pyannot.pkl, "
            "detector or motion"
        )
    if KINDS.kind(spec) in ("sam", "sam2"):
        raise BenchError(
            f"--prompts {spec}: needs prompts itself; give --prompts ucf101-24:pyannot.pkl, detector or motion"
        )
    common = {key: value for key, value in (shared or {}).items() if key in settings_of(spec)}
    return mask_source(spec, dataset_root, **common, **options)


def prompt_boxes(track: MaskTrack, height: int, width: int, name: str) -> list[list[ActorBox]]:
    """The boxes of the actors on every frame.

    Args:
        track: a track of the prompt source, for frames of (height, width). Its masks are read one at a time, in order.
        name: the video's id, for the message.

    Returns:
        ``len(track.covered)`` lists, empty for frames that are not covered (or have an empty mask); in a list, actors
        in ascending order, each at most once. Boxes are inside the frame and their area is not 0.

    Raises:
        BenchError: boxes have no area, or are completely outside the frame; the message lists them.
    """
    frames: list[list[ActorBox]] = []
    parts = _Parts()
    for index, covered in enumerate(track.covered.tolist()):
        if not covered:
            frames.append([])
        elif isinstance(track, BoxedTrack):
            clipped = [_clip(box, height, width) for box in track.actor_boxes(index)]
            frames.append(sorted(clipped))
        else:
            frames.append(parts.number(part_boxes(track.mask(index))))
    empty = [(k, box) for k, boxes in enumerate(frames) for box in boxes if box.x2 <= box.x1 or box.y2 <= box.y1]
    if empty:
        listed = ", ".join(f"frame {k} ({b.x1}, {b.y1}, {b.x2}, {b.y2})" for k, b in empty[:LISTED])
        more = f" and {len(empty) - LISTED} more" if len(empty) > LISTED else ""
        raise BenchError(
            f"{name}: prompt boxes (x1, y1, x2, y2) have no area inside the {width}x{height} picture: {listed}{more}; "
            "correct the annotation or give other --prompts"
        )
    return frames


def part_boxes(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes (x1, y1, x2, y2; x2, y2 exclusive) of the connected parts of a mask, bool (H, W), the largest part first.

    Parts below SPECK of the largest are left out; parts whose boxes touch or overlap share one box.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = sorted(stats[1:].tolist(), key=lambda s: (-s[cv2.CC_STAT_AREA], s))
    boxes: list[tuple[int, int, int, int]] = []
    for x, y, w, h, area in found:
        if area < SPECK * found[0][cv2.CC_STAT_AREA]:
            break
        boxes.append((x, y, x + w, y + h))
    merged = True
    while merged:
        merged = False
        for i in range(len(boxes)):
            for j in range(len(boxes) - 1, i, -1):
                a, b = boxes[i], boxes[j]
                if a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]:
                    boxes[i] = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
                    del boxes[j]
                    merged = True
    return boxes


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union, 0..1, of two boxes (x1, y1, x2, y2) whose areas are not 0."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    both = wide * tall
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


class _Parts:
    """Numbers the parts of one video's masks: a part that overlaps the last box of an actor gets its number."""

    def __init__(self) -> None:
        self._last: list[tuple[int, int, int, int]] = []

    def number(self, boxes: list[tuple[int, int, int, int]]) -> list[ActorBox]:
        pairs = [(overlap(last, box), k, n) for k, last in enumerate(self._last) for n, box in enumerate(boxes)]
        actor_of: dict[int, int] = {}
        for share, k, n in sorted(pairs, key=lambda p: (-p[0], p[1:])):
            if share >= SAME and n not in actor_of and k not in actor_of.values():
                actor_of[n] = k
        for n, box in enumerate(boxes):
            if n not in actor_of:
                actor_of[n] = len(self._last)
                self._last.append(box)
            self._last[actor_of[n]] = box
        return sorted(ActorBox(actor_of[n], *box) for n, box in enumerate(boxes))


def _clip(box: ActorBox, height: int, width: int) -> ActorBox:
    x1, x2 = (min(max(v, 0), width) for v in (box.x1, box.x2))
    y1, y2 = (min(max(v, 0), height) for v in (box.y1, box.y2))
    return ActorBox(box.actor, x1, y1, x2, y2)
