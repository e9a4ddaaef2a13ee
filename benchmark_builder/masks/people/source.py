"""``people``: masks of the actors, from motion and two small networks. No annotation is needed.

Motion (:mod:`benchmark_builder.masks.motion`) shows who acts; with ``prompts``, the boxes of another source do.
The networks show where the person is. A clearly visible person who hardly moves is an actor, too. Spectators are not
actors while someone else acts. If the networks find nobody in a shot, the masks are those of ``motion``, with a lower
confidence. A video without an actor is left out.

Motion is measured on every second frame, and the networks run on every fourth frame; masks are propagated to the other
frames along the optical flow. The working size has at most 240 rows.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark_builder.masks.base import MaskSource, reads_of
from benchmark_builder.masks.motion.belief import People, believe
from benchmark_builder.masks.motion.colour import Colours
from benchmark_builder.masks.motion.cut import segment
from benchmark_builder.masks.motion.evidence import find_motion
from benchmark_builder.masks.motion.source import ROWS, SURE, MotionTrack, Piece, follow
from benchmark_builder.masks.networks.prompts import prompt_boxes, prompt_source
from benchmark_builder.masks.people.choose import actors, confidence
from benchmark_builder.masks.people.networks import Networks
from benchmark_builder.masks.people.outline import all_frames, steady
from benchmark_builder.masks.people.persons import find_people
from benchmark_builder.masks.people.prompted import Boxes, prompted_people
from benchmark_builder.pretrained import NETWORKS, weights_file
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

SELFIE, POSE = "mediapipe-selfie", "mediapipe-pose"
SPECK = 0.04  # share of a person's largest part: smaller parts are removed
UNSEEN = 0.7  # factor of motion's confidence if the networks find nobody


class PeopleMasks:
    """``people``: the default source for videos without annotations. Takes no PATH."""

    def __init__(
        self,
        path: Path | None,
        dataset_root: Path,
        prompts: str | None = None,
        actors: str | None = None,
        min_score: float | None = None,
        min_track: int | None = None,
    ) -> None:
        """Check the settings, and fetch the networks' weights if they are missing.

        Args:
            prompts: another source; its boxes show who acts, instead of motion.
            actors, min_score, min_track: settings of that source.

        Raises:
            BenchError: a PATH is given; the weights are missing and cannot be fetched; or the prompts are wrong.
        """
        if path is not None:
            raise BenchError(f"--masks people:{path}: people reads no file; give --masks people")
        options: dict[str, Any] = {"actors": actors, "min_score": min_score, "min_track": min_track}
        given = {name: value for name, value in options.items() if value is not None}
        if given and not prompts:
            raise BenchError(f"--{next(iter(given)).replace('_', '-')}: is a setting of --prompts; give --prompts, too")
        self.prompts: MaskSource | None = prompt_source(prompts, dataset_root, "people", **options) if prompts else None
        self.networks = Networks(weights_file(SELFIE), weights_file(POSE))

    def track(self, video: Video, height: int, width: int) -> MotionTrack:
        """Outline the actors in every frame.

        Raises:
            LeftOut: no actor is found, or the prompt source has no box for the video.
            BenchError: the video cannot be read, or its boxes cannot be used.
        """
        if self.prompts is not None:
            boxes = prompt_boxes(self.prompts.track(video, height, width), height, width, video.id)
            if not any(boxes):
                raise LeftOut(f"{video.id}: the prompt source has no box for it")
            track = follow(read_frames(video.path), height, width, Prompted(self.networks, boxes))
            if not track.covered.any():
                raise LeftOut(f"{video.id}: people found nobody in its boxes; give other --prompts")
            return track
        track = follow(read_frames(video.path), height, width, Found(self.networks))
        sure = float(track.confidence.mean()) if len(track.confidence) else 0.0
        if sure < SURE or not track.covered.any():
            raise LeftOut(
                f"no actor found in {video.id} (confidence {sure:.2f} of 1, at least {SURE} is needed): no person is "
                "clearly seen, and nothing moves separately from the background; give other --masks"
            )
        return track

    def reads(self, video: Video) -> list[Path] | None:
        """The files that the boxes are made from; without prompts none besides the video."""
        return [] if self.prompts is None else reads_of(self.prompts, video)

    def describe(self) -> dict[str, object]:
        networks = {name: NETWORKS[name].sha256 for name in (SELFIE, POSE)}
        prompts = {} if self.prompts is None else {"prompts": self.prompts.describe()}
        return {
            "kind": "people",
            "version": 1,
            "rows": ROWS,
            "opencv": cv2.__version__,
            "networks": networks,
            **prompts,
        }


class Found:
    """Makes the masks of the pieces of one video; finds the actors itself."""

    def __init__(self, networks: Networks) -> None:
        self._networks, self._upright, self._colours = networks, People(), Colours()

    def __call__(self, piece: Piece) -> tuple[list[np.ndarray], np.ndarray]:
        if piece.fresh:
            self._colours = Colours()
        sampled = piece.frames[::2]
        evidence = find_motion(sampled, 1)
        belief = believe(sampled, evidence, None, self._colours).actor
        acting = actors(find_people(sampled, evidence, belief, self._networks, self._upright), evidence)
        if not acting:
            masks, sure = segment(sampled, evidence, self._upright, self._colours)
            soft = all_frames([m.astype(np.float32) for m in masks], evidence, len(piece.frames))
            return _hard([soft], piece), _spread(UNSEEN * sure, len(piece.frames))
        outlines = [all_frames(steady(p, sampled, evidence), evidence, len(piece.frames)) for p in acting]
        return _hard(outlines, piece), _spread(confidence(acting, evidence, len(sampled)), len(piece.frames))


class Prompted:
    """Makes the masks of the pieces of one video for given boxes.

    Args:
        boxes: of each frame, as :func:`~benchmark_builder.masks.networks.prompts.prompt_boxes` gives them.
    """

    def __init__(self, networks: Networks, boxes: Boxes) -> None:
        self._networks, self._boxes = networks, boxes

    def __call__(self, piece: Piece) -> tuple[list[np.ndarray], np.ndarray]:
        sampled = piece.frames[::2]
        evidence = find_motion(sampled, 1)
        people = prompted_people(piece, self._boxes, self._networks)
        outlines = []
        for person, inside in people:
            soft = all_frames(steady(person, sampled, evidence), evidence, len(piece.frames))
            outlines.append([None if m is None or k not in inside else m * inside[k] for k, m in enumerate(soft)])
        masks = _hard(outlines, piece)
        return masks, np.array([float(mask.any()) for mask in masks], np.float32)


def _hard(outlines: list[list[np.ndarray | None]], piece: Piece) -> list[np.ndarray]:
    """The union of several people's soft masks as bool (H, W), one per frame."""
    masks = [np.zeros(piece.frames[0].shape[:2], bool) for _ in piece.frames]
    for outline in outlines:
        for mask, soft in zip(masks, outline, strict=True):
            if soft is not None:
                mask |= _without_specks(soft > 0.5)
    return masks


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """A person's mask bool (H, W) without the parts that are smaller than SPECK of the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= SPECK * areas[1:].max()
    keep[0] = False
    kept: np.ndarray = keep[labels]
    return kept


def _spread(sampled: np.ndarray, count: int) -> np.ndarray:
    """Values of every second frame, repeated for all ``count`` frames: float32 (count,)."""
    return np.repeat(sampled, 2)[:count].astype(np.float32)
