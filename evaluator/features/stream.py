"""Long videos as a stream of batches of windows: every frame is decoded once, and few of them are kept.

A batch may have windows of several videos. Which ones does not depend on what an earlier run has finished: sums in a
network can depend on what else is in its batch, and a stopped run must give the features of one that was not. So
videos go through the network in fixed groups (:mod:`evaluator.features.groups`), and a batch has windows of one group
only.
"""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmark_builder.untrimmed import LongVideo
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pool import one_cv2_thread
from benchmark_builder.utils.registry import first_line
from benchmark_builder.utils.text import counted
from benchmark_builder.video.decode import Frames, probe, read_frames
from benchmark_builder.video.digest_cache import known_digest
from evaluator.features.cropping import Cropper
from evaluator.features.windows import FrameRate, Plan, clip_offsets, window_count


@dataclass(frozen=True)
class Ended:
    """The end of a video in the stream.

    Attributes:
        place: of the video in its group. frames, fps: as its windows count them. windows: how many it has.
        source_frames, source_fps: of the file. sha256: digest of the file. notes: problems that did not prevent its
            features.
        error: why it has no features; "" if it has. ``frames`` and the others are then 0. details: the traceback of an
            unexpected error.
    """

    place: int
    frames: int = 0
    fps: float = 0.0
    windows: int = 0
    source_frames: int = 0
    source_fps: float = 0.0
    sha256: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""
    details: str = ""


@dataclass
class WindowBatch:
    """Windows of one group in order.

    Attributes:
        places: the video of each window, by its place in the group; length n.
        clips: uint8 (n · crops, 3, T, S, S), the crops of a window one after another; None if n is 0.
        ended: videos of which no more windows follow, after these windows.
    """

    places: list[int] = field(default_factory=list)
    clips: torch.Tensor | None = None
    ended: list[Ended] = field(default_factory=list)


class VideoWindows:
    """The windows of one video, in order: an iterator of uint8 (crops, 3, T, S, S).

    At the end of the iteration, the attributes are known that :class:`Ended` has.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        """Raises BenchError if the file is missing or is not a video."""
        info = probe(path)
        self.path, self.plan = path, plan
        self.source_fps, self.source_frames = info.fps, 0
        self._told = info.frames
        self._rate = FrameRate(info.fps, plan.fps)
        self.fps = self._rate.fps
        self.frames = self.windows = 0
        self._damaged: list[int] = []
        self._offsets = clip_offsets(plan.window, plan.sampling)[0]

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Raises BenchError where the file is damaged."""
        plan, cropper = self.plan, Cropper(self.plan.sampling, self.plan.crops, self.plan.crop)
        needed = {int(k) % plan.stride for k in self._offsets}  # frames of any window, modulo the stride
        kept: dict[int, torch.Tensor] = {}
        last: np.ndarray | None = None
        source = read_frames(self.path, damaged=self._damaged)
        while True:
            copies = self._rate.copies(self.source_frames)
            wanted = any((self.frames + k) % plan.stride in needed for k in range(copies))
            # A frame that no window has can be the last one, which windows repeat that are not full.
            if not wanted and self.windows and plan.last == "floor" and isinstance(source, Frames):
                if not source.skip():
                    break
            else:
                frame = next(source, None)
                if frame is None:
                    break
                last = frame if copies or last is None else last
                cut = cropper.cut(frame) if wanted else None
                for k in range(copies):
                    if (self.frames + k) % plan.stride in needed and cut is not None:
                        kept[self.frames + k] = cut
            self.source_frames += 1
            self.frames += copies
            while self.windows * plan.stride + plan.window <= self.frames:
                yield self._window(kept)
        for _ in range(window_count(self.frames, plan.window, plan.stride, plan.last) - self.windows):
            assert last is not None  # a video without frames raises an error
            if self.frames - 1 not in kept:
                kept[self.frames - 1] = cropper.cut(last)
            yield self._window(kept)

    def _window(self, kept: dict[int, torch.Tensor]) -> torch.Tensor:
        """The next window; frames before the one after it are deleted."""
        start = self.windows * self.plan.stride
        wanted = np.minimum(start + self._offsets, self.frames - 1)
        clip = torch.stack([kept[int(k)] for k in wanted], dim=2)
        self.windows += 1
        for k in [k for k in kept if k < start + self.plan.stride]:
            del kept[k]
        return clip

    def notes(self) -> tuple[str, ...]:
        """Problems that did not prevent the features."""
        said = []
        if self._damaged:
            said.append(
                f"{counted(len(self._damaged), 'frame')} could not be decoded completely, the first is "
                f"{self._damaged[0]}"
            )
        if self._told and abs(self._told - self.source_frames) > 1:
            said.append(f"has {counted(self.source_frames, 'frame')}, its header says {self._told}")
        if self.frames < self.plan.window:
            said.append(f"is shorter than a window ({self.frames} of {counted(self.plan.window, 'frame')}): its only "
                        f"one repeats "
                        "the last frame")  # fmt: skip
        return tuple(said)


def window_batches(videos: Sequence[LongVideo], plan: Plan, batch: int) -> Iterator[WindowBatch]:
    """Batches of the windows of one group of videos, in order.

    Args:
        videos: the group; every one has a file.
        plan: which windows, and how they are cut.
        batch: clips per batch; the crops of a window stay together, so there may be more.
    """
    windows = max(1, batch // plan.crops)
    made, clips = WindowBatch(), list[torch.Tensor]()
    for place, video in enumerate(videos):
        try:
            assert video.path is not None
            reader = VideoWindows(video.path, plan)
            source = iter(reader)
            while True:
                with one_cv2_thread():
                    clip = next(source, None)
                if clip is None:
                    break
                clips.append(clip)
                made.places.append(place)
                if len(clips) == windows:
                    yield _full(made, clips)
                    made, clips = WindowBatch(), []
            ended = Ended(place, reader.frames, reader.fps, reader.windows, reader.source_frames, reader.source_fps,
                          known_digest(video.path), reader.notes())  # fmt: skip
        except BenchError as error:
            ended = Ended(place, error=str(error))
        except Exception as error:  # one video must not end the run
            said = f"{video.path}: unexpected {type(error).__name__}: {first_line(error)}"
            ended = Ended(place, error=said, details=traceback.format_exc())
        made.ended.append(ended)
    if clips or made.ended:
        yield _full(made, clips)


def _full(batch: WindowBatch, clips: list[torch.Tensor]) -> WindowBatch:
    if clips:
        # Memory from numpy, which requests large pages: filling it takes a third of the time.
        together = np.empty((sum(map(len, clips)), *clips[0].shape[1:]), np.uint8)
        batch.clips = torch.cat(clips, out=torch.from_numpy(together))
    return batch
