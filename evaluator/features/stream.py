"""Long videos as a stream of batches of windows: every frame is decoded once, and few of them are kept.

A batch may have windows of several videos. Which ones does not depend on what an earlier run has finished: sums in a
network can depend on what else is in its batch, and a stopped run must give the features of one that was not. So
videos go through the network in fixed groups (:func:`groups`), and a batch has windows of one group only.
"""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from benchmark_builder.untrimmed import LongVideo
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.pool import one_cv2_thread
from benchmark_builder.utils.registry import first_line
from benchmark_builder.video.decode import Frames, probe, read_frames
from benchmark_builder.video.digest_cache import known_digest
from evaluator.features.cropping import Cropper
from evaluator.features.windows import FrameRate, Plan, clip_offsets, window_count

GROUP_VIDEOS, GROUP_BYTES = 16, 2**24  # a group ends with the video that reaches one of these


def groups(videos: Sequence[LongVideo]) -> list[list[int]]:
    """Places of the videos that share batches: consecutive ones, until they are several or large."""
    made: list[list[int]] = []
    size = GROUP_BYTES
    for place, video in enumerate(videos):
        if size >= GROUP_BYTES or len(made[-1]) >= GROUP_VIDEOS:
            made.append([])
            size = 0
        made[-1].append(place)
        size += _size(video.path)
    return made


def _size(path: Path | None) -> int:
    if path is None:
        return 0
    try:
        return GROUP_BYTES if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class Ended:
    """The end of a video in the stream.

    Attributes:
        place: of the video. frames, fps: as its windows count them. windows: how many it has. source_frames,
            source_fps: of the file. sha256: digest of the file. notes: problems that did not prevent its features.
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
        places: the video of each window, length n.
        clips: uint8 (n · crops, 3, T, S, S), the crops of a window one after another; None if n is 0.
        ended: videos of which no more windows follow, after these windows.
    """

    places: list[int] = field(default_factory=list)
    clips: torch.Tensor | None = None
    ended: list[Ended] = field(default_factory=list)

    def pin_memory(self) -> "WindowBatch":
        """A copy with the clips in page-locked memory (called by the loader if there is a GPU)."""
        return self if self.clips is None else WindowBatch(self.places, self.clips.pin_memory(), self.ended)


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
            said.append(f"{len(self._damaged)} frames could not be decoded completely, the first is {self._damaged[0]}")
        if self._told and abs(self._told - self.source_frames) > 1:
            said.append(f"has {self.source_frames} frames, its header says {self._told}")
        if self.frames < self.plan.window:
            said.append(f"is shorter than a window ({self.frames} of {self.plan.window} frames): its only one repeats "
                        "the last frame")  # fmt: skip
        return tuple(said)


class GroupStream(IterableDataset[WindowBatch]):
    """Batches of the windows of groups of videos; each loading process takes every n-th group."""

    def __init__(self, videos: Sequence[LongVideo], wanted: Sequence[Sequence[int]], plan: Plan, batch: int) -> None:
        """wanted: groups of places of videos. batch: clips per batch; the crops of a window stay together, so there may
        be more."""
        self.videos, self.wanted, self.plan = list(videos), [list(group) for group in wanted], plan
        self.windows = max(1, batch // plan.crops)

    def __iter__(self) -> Iterator[WindowBatch]:
        worker = get_worker_info()
        mine = self.wanted if worker is None else self.wanted[worker.id :: worker.num_workers]
        for group in mine:
            yield from self._group(group)

    def _group(self, group: Sequence[int]) -> Iterator[WindowBatch]:
        batch, clips = WindowBatch(), list[torch.Tensor]()
        for place in group:
            reader: VideoWindows | None = None
            try:
                path = self.videos[place].path
                assert path is not None
                reader = VideoWindows(path, self.plan)
                source = iter(reader)
                while True:
                    with one_cv2_thread():
                        clip = next(source, None)
                    if clip is None:
                        break
                    clips.append(clip)
                    batch.places.append(place)
                    if len(clips) == self.windows:
                        yield _full(batch, clips)
                        batch, clips = WindowBatch(), []
                ended = Ended(place, reader.frames, reader.fps, reader.windows, reader.source_frames, reader.source_fps,
                              known_digest(path), reader.notes())  # fmt: skip
            except BenchError as error:
                ended = Ended(place, error=str(error))
            except Exception as error:  # one video must not end the run
                said = f"{self.videos[place].path}: unexpected {type(error).__name__}: {first_line(error)}"
                ended = Ended(place, error=said, details=traceback.format_exc())
            batch.ended.append(ended)
        if clips or batch.ended:
            yield _full(batch, clips)


def _full(batch: WindowBatch, clips: list[torch.Tensor]) -> WindowBatch:
    if clips:
        # Memory from numpy, which requests large pages: filling it takes a third of the time.
        together = np.empty((sum(map(len, clips)), *clips[0].shape[1:]), np.uint8)
        batch.clips = torch.cat(clips, out=torch.from_numpy(together))
    return batch


def window_batches(
    videos: Sequence[LongVideo], wanted: Sequence[Sequence[int]], plan: Plan, batch: int, workers: int
) -> Iterator[WindowBatch]:
    """Batches of the windows of these groups; ``workers`` loading processes, 0 for none."""
    stream = GroupStream(videos, wanted, plan, batch)
    loader: DataLoader = DataLoader(
        stream, batch_size=None, num_workers=min(workers, len(wanted)), pin_memory=torch.cuda.is_available()
    )
    batches = iter(loader)
    while True:
        try:
            made = next(batches, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise BenchError(f"a decoding process ended unexpectedly ({first_line(error)[:200]}); run the same command "
                             "again, it continues, with fewer --workers if memory ran out") from None  # fmt: skip
        if made is None:
            return
        yield made
