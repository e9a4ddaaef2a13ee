"""The versions of one video that `bench predict` shows to a model, cut into clips exactly as `bench eval` cuts them.

The video is decoded once, and only the frames of its test clips are kept. Axes: V clips (views · crops), 3 RGB, T
frames, S = height and width of the crop.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from albar.clips.clips import ClipSampling, ShortVideo, eval_clips, eval_indices, pick
from benchmark_builder.backgrounds import BackgroundSource, draw
from benchmark_builder.kinds.filling import Count, fill
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.masks.base import MaskSource
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.decode import probe
from benchmark_builder.video.record import Video
from evaluator.inference.clips import reordered
from evaluator.time_order import TITLES, TimeOrder

PLAIN, REMOVED = "plain", "actor-removed"
SCUBA, SCUFO = "background", "background-one-frame"  # followed by -2, -3 … for further backgrounds
ORDERS = ("one-frame", "shuffled", "reversed")
MOST_PIXELS = 2**31  # of the frames that a video's clips keep in memory, three bytes each


@dataclass(frozen=True)
class Version:
    """One version of a video.

    Attributes:
        name: ``plain``, an order of :data:`~evaluator.time_order.TIMES`, ``background``, ``background-one-frame`` or
            ``actor-removed``.
        title: for tables and pictures.
        clips: uint8 (V, 3, T, S, S).
    """

    name: str
    title: str
    clips: torch.Tensor


@dataclass(frozen=True)
class Versions:
    """All versions of one video, the plain one first.

    Attributes:
        made: the versions.
        notes: why some of them could not be made, without being an error: no mask was found.
        failures: errors of the mask source; the other versions are there.
        fps: frames per second of the clips.
    """

    made: list[Version]
    notes: list[str]
    failures: list[str]
    fps: float


class _Kept:
    """Some frames of a video, read like all of them: what is not kept is only skipped."""

    def __init__(self, frames: Mapping[int, np.ndarray]) -> None:
        self.frames, self.at = frames, -1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> np.ndarray:
        self.at += 1
        return self.frames[self.at]

    def skip(self) -> bool:
        """Pass over one frame."""
        self.at += 1
        return True


def versions_of(
    video: Video,
    sampling: ClipSampling,
    seed: int = 0,
    masks: MaskSource | None = None,
    backgrounds: Sequence[BackgroundSource] = (),
) -> Versions:
    """Every version of a video.

    Args:
        video: a file, a folder or zip of frames.
        sampling: how clips are cut.
        seed: of the shuffled order and the backgrounds. The first background of each set is the one that `bench build
            scuba --seed` draws for the source with this id.
        masks: where the actor is; None leaves out the versions that need it.
        backgrounds: background sets, one version for each.

    Raises:
        BenchError: the video cannot be read.
    """
    info = probe(video.path)
    if min(info.frames or 1, sampling.frames * sampling.views) * info.height * info.width > MOST_PIXELS:
        raise BenchError(f"{video.path}: the {counted(sampling.frames * sampling.views, 'frame')} of its clips do "
                         f"not fit into "
                         "memory at this size; scale it down, or lower --views")  # fmt: skip
    kept, count = _frames(video.path, info.frames, sampling)
    plain = _clips(kept, count, sampling)
    made = [Version(PLAIN, "as it is", plain)]
    for name in ORDERS:
        time = TimeOrder(name, seed)
        made.append(Version(name, TITLES[name], reordered(plain.clone(), time, video.id, sampling.views)))
    notes: list[str] = []
    failures: list[str] = []
    if masks is not None:
        height, width = next(iter(kept.values())).shape[:2]
        try:
            shown = _masks(masks, video, kept, height, width)
            made += _composed(video, sampling, seed, kept, count, shown, backgrounds)
            made.append(_removed(sampling, kept, count, shown))
        except LeftOut as error:
            notes.append(str(error))
        except BenchError as error:
            failures.append(str(error))
    return Versions(made, notes, failures, max(1.0, info.fps / sampling.stride))


def _frames(path: Path, said: int, sampling: ClipSampling) -> tuple[dict[int, np.ndarray], int]:
    """The frames of a video's test clips by number, and how many frames it has."""
    count = said or sum(1 for _ in read_any(path))
    if not count:
        raise BenchError(f"{path}: has no frames; get the file again")
    for tried in (True, False):
        wanted = np.unique([eval_indices(count, sampling, k, sampling.views) for k in range(sampling.views)])
        try:
            return _within(path, pick(read_any(path), wanted), len(wanted)), count
        except ShortVideo as short:
            if not tried or not short.count:
                raise BenchError(f"{path}: {short}") from None
            count = short.count
    raise AssertionError("the second try returns or raises")


def _within(path: Path, found: dict[int, np.ndarray], count: int) -> dict[int, np.ndarray]:
    shapes = {frame.shape for frame in found.values()}
    if len(shapes) > 1:
        raise BenchError(f"{path}: its frames have several sizes; convert it to one size")
    return found


def _clips(frames: Mapping[int, np.ndarray], count: int, sampling: ClipSampling) -> torch.Tensor:
    return eval_clips(_Kept(frames), count, sampling)


def _masks(
    source: MaskSource, video: Video, kept: Mapping[int, np.ndarray], height: int, width: int
) -> dict[int, np.ndarray]:
    """The mask of each frame, bool (H, W); a frame without a mask has that of the nearest frame with one.

    Raises:
        LeftOut: the source finds nobody.
    """
    track = source.track(video, height, width)
    known = np.flatnonzero(track.covered)
    if not len(known):
        raise LeftOut("no frame has a mask")
    found = {k: track.mask(int(known[np.abs(known - k).argmin()])) for k in kept}
    if not any(mask.any() for mask in found.values()):
        raise LeftOut("the mask is empty on every frame of the clip")
    return found


def _composed(
    video: Video,
    sampling: ClipSampling,
    seed: int,
    kept: Mapping[int, np.ndarray],
    count: int,
    masks: Mapping[int, np.ndarray],
    sources: Sequence[BackgroundSource],
) -> Iterator[Version]:
    """For each background set: the actor over a background, and the middle frame of these clips in place of all."""
    height, width = next(iter(kept.values())).shape[:2]
    for number, source in enumerate(sources, 1):
        drawn = draw(source, generator(seed, video.id, "background/0"), height, width)
        behind = drawn.frames(height, width)
        frames = {}
        for k, background in zip(range(max(kept) + 1), behind, strict=False):
            if k in kept:
                frames[k] = paste(kept[k], masks[k], background)
        end = "" if number == 1 else f"-{number}"
        clips = _clips(frames, count, sampling)
        yield Version(SCUBA + end, f"other background: {source.name}", clips)
        still = reordered(clips.clone(), TimeOrder("one-frame"), video.id, sampling.views)
        yield Version(SCUFO + end, f"one frame of that ({source.name})", still)


def _removed(
    sampling: ClipSampling, kept: Mapping[int, np.ndarray], count: int, masks: Mapping[int, np.ndarray]
) -> Version:
    """The clip without its actor, filled in from the other frames of the clip."""
    order = sorted(kept)
    filled = fill(((kept[k], masks[k]) for k in order), Count())
    return Version(REMOVED, "actor removed", _clips(dict(zip(order, filled, strict=True)), count, sampling))
