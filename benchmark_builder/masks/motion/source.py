"""``motion``: masks without annotation, weights or download, with classical methods of OpenCV.

A homography on background corners removes the camera motion. The remaining motion (dense flow, and the difference from
a background model on stabilised frames) is propagated along its path through time, combined with OpenCV's people
detector and with colour, segmented with GrabCut and smoothed. The working size has at most 240 rows.

A shot without an independently moving body is not covered; a clip without any covered shot is left out.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from benchmark_builder.masks.motion.belief import People
from benchmark_builder.masks.motion.camera import content_box, shots
from benchmark_builder.masks.motion.colour import Colours
from benchmark_builder.masks.motion.cut import segment
from benchmark_builder.masks.motion.evidence import find_motion
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.pool import one_cv2_thread
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

ROWS, PIXELS = 240, 80_000  # maximum working size
SHORT, LONG = 64, 192  # minimum sides of the working picture: a smaller one has no image pyramid for dense flow
# Minimum mean confidence of a clip, and of a frame; both calibrated on clips with and without an actor.
SURE, COVERED = 0.3, 0.2


class MotionTrack:
    """Masks of one video, stored packed at the working size.

    Attributes:
        covered: bool (T,).
        confidence: float32 (T,), 0..1; a frame is covered if its confidence is at least COVERED.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)
        self.covered = np.zeros(0, bool)
        self.confidence = np.zeros(0, np.float32)
        self._packed: list[tuple[bytes, tuple[int, int]]] = []

    def add(self, masks: list[np.ndarray], confidence: np.ndarray) -> None:
        """Append masks, bool (h, w) at the working size, and the confidence of each frame."""
        self._packed += [(zlib.compress(np.packbits(m).tobytes(), 1), (m.shape[0], m.shape[1])) for m in masks]
        self.confidence = np.concatenate([self.confidence, confidence.astype(np.float32)])
        self.covered = np.concatenate([self.covered, confidence >= COVERED])

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        data, (height, width) = self._packed[index]
        bits = np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8), count=height * width)
        mask = bits.reshape(height, width)
        if (height, width) == self.size:
            return mask > 0
        # Resized as a smooth field, so that the outline has no steps.
        way = cv2.INTER_AREA if height > self.size[0] else cv2.INTER_LINEAR
        soft = cv2.resize(mask.astype(np.float32), self.size[::-1], interpolation=way)
        return soft > 0.5


class MotionMasks:
    """``motion``: the default source. Takes no PATH."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        if path is not None:
            raise BenchError(f"--masks motion:{path}: motion takes no path; give --masks motion")

    def track(self, video: Video, height: int, width: int) -> MotionTrack:
        """Find the moving actor in every frame.

        Raises:
            LeftOut: no actor found.
            BenchError: the video cannot be read.
        """
        track = follow(read_frames(video.path), height, width)
        if track.confidence.mean() < SURE or not track.covered.any():
            raise LeftOut(
                f"no actor found in {video.id} (confidence {track.confidence.mean():.2f} of 1, at least {SURE} is "
                "needed): no body moves independently of the background; give other --masks"
            )
        return track

    def reads(self, video: Video) -> list[Path]:
        """No files, except the video itself."""
        return []

    def describe(self) -> dict[str, object]:
        return {"kind": "motion", "version": 1, "rows": ROWS, "opencv": cv2.__version__}


@dataclass(frozen=True)
class Piece:
    """A piece of a shot at the working size, without black bars.

    Attributes:
        frames: uint8 (H, W, 3), H and W even.
        fresh: False where it goes on with the shot of the piece before.
        start: index of its first frame in the video.
        top, left: pixels of the working frame above and to the left of it.
        scale: working size divided by the video's, for rows and columns.
    """

    frames: list[np.ndarray]
    fresh: bool
    start: int
    top: int
    left: int
    scale: tuple[float, float]


class Outline(Protocol):
    """How the masks of a piece are made: bool (H, W) and confidence 0..1, one per frame."""

    def __call__(self, piece: Piece) -> tuple[list[np.ndarray], np.ndarray]: ...


class MotionOutline:
    """What ``motion`` does with the pieces of one video, in order."""

    def __init__(self) -> None:
        self._people, self._colours = People(), Colours()

    def __call__(self, piece: Piece) -> tuple[list[np.ndarray], np.ndarray]:
        if piece.fresh:
            self._colours = Colours()
        return segment(piece.frames, find_motion(piece.frames), self._people, self._colours)


def follow(frames: Iterable[np.ndarray], height: int, width: int, outline: Outline | None = None) -> MotionTrack:
    """Masks and confidence for the frames uint8 (h, w, 3) of one video, any size; masks come at (height, width).

    Never raises LeftOut: without an actor, the track covers no frame or its confidence is low.
    """
    track = MotionTrack(height, width)
    outline = outline or MotionOutline()
    with one_cv2_thread():  # sums in a different order would differ in the last bit
        for piece, fresh in shots(resized(f) for f in frames):
            track.add(*_piece(piece, fresh, len(track.covered), height, width, outline))
    return track


def resized(frame: np.ndarray) -> np.ndarray:
    """The frame resized to at most ROWS and PIXELS, and at least SHORT and LONG if its shape allows both."""
    height, width = frame.shape[:2]
    scale = min(1.0, ROWS / height, (PIXELS / (height * width)) ** 0.5)
    scale = max(scale, SHORT / min(height, width), LONG / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height) or size[0] * size[1] > 2 * PIXELS:
        return frame
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _workable(height: int, width: int) -> bool:
    return min(height, width) // 2 * 2 >= SHORT and max(height, width) // 2 * 2 >= LONG


def _piece(
    frames: list[np.ndarray], fresh: bool, start: int, height: int, width: int, outline: Outline
) -> tuple[list[np.ndarray], np.ndarray]:
    """Masks bool (h, w) and confidence float (n,) of one piece of a shot of a video of (height, width)."""
    rows, columns = content_box(frames)
    if not _workable(rows.stop - rows.start, columns.stop - columns.start):
        rows, columns = slice(0, frames[0].shape[0]), slice(0, frames[0].shape[1])
    if not _workable(rows.stop, columns.stop):
        return [np.zeros(f.shape[:2], bool) for f in frames], np.zeros(len(frames))
    inner = [np.ascontiguousarray(f[rows, columns]) for f in frames]
    tall, wide = inner[0].shape[0] // 2 * 2, inner[0].shape[1] // 2 * 2
    scale = (frames[0].shape[0] / height, frames[0].shape[1] / width)
    inner = [np.ascontiguousarray(f[:tall, :wide]) for f in inner]
    found, confidence = outline(Piece(inner, fresh, start, rows.start, columns.start, scale))
    masks = []
    for mask in found:
        whole = np.zeros(frames[0].shape[:2], bool)
        whole[rows.start : rows.start + tall, columns.start : columns.start + wide] = mask
        masks.append(whole)
    return masks, confidence
