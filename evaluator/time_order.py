"""Test clips whose frames are in another order, or whose background does not move: `bench eval --time`.

A model that reads motion should lose by ``one-frame`` and ``shuffled``; what it loses is reported as a drop, paired by
video. The four are usual controls of video benchmarks (for example Sevilla-Lara et al., "Only Time Can Tell", WACV
2021; Buch et al., "Revisiting the 'Video' in Video-Language Understanding", CVPR 2022).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from benchmark_builder.masks.base import MaskSource
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.record import Video
from benchmark_builder.video.still_background import sampled, still_background

Time = Literal["one-frame", "shuffled", "reversed", "frozen-background"]
TIMES: tuple[str, ...] = get_args(Time)
FROZEN = "frozen-background"
# Title; whether a large drop or a small one is good: a model that reads motion loses by the first three.
TITLES = {"one-frame": "one frame", "shuffled": "shuffled", "reversed": "reversed", FROZEN: "frozen background"}
ARROWS = {"one-frame": "↑", "shuffled": "↑", "reversed": "↑", FROZEN: "↓"}
TIME_NOTE = (
    "Plain minus changed clips, the same videos. A model that reads motion loses by one frame, shuffled and (where "
    "classes have a direction) reversed ↑; a still background should cost it little ↓."
)


@dataclass(frozen=True, eq=False)
class TimeOrder:
    """What is done to the clips of a test set.

    Attributes:
        name: one of :data:`TIMES`. ``one-frame``: the frame in the middle of the clip (index T // 2) in place of all.
            ``shuffled``: the frames of the clip in a drawn order, all orders equally likely. ``reversed``: the last
            first. ``frozen-background``: the actor moves over one still picture of the video's own background.
        seed: of ``shuffled``.
        masks: mask source of ``frozen-background``.
        videos: id -> the dataset's video, for its masks.
    """

    name: str
    seed: int = 0
    masks: MaskSource | None = None
    videos: Mapping[str, Video] = field(default_factory=dict, repr=False)

    def said(self) -> dict[str, Any]:
        """What decides the clips, for records: ``time``, and ``seed`` or ``masks`` if they matter."""
        said: dict[str, Any] = {"time": self.name}
        if self.name == "shuffled":
            said["seed"] = self.seed
        if self.masks is not None:
            said["masks"] = self.masks.describe()
        return said

    def digest(self, of: str) -> str:
        """The digest of a test set under this order; ``of``: its own."""
        return hashlib.sha256(f"{of} {json.dumps(self.said(), sort_keys=True)}".encode()).hexdigest()

    def places(self, video_id: str, clip: int, frames: int) -> list[int] | None:
        """Which frame of the clip stands at each place, length ``frames``; None if all stay where they are.

        Args:
            video_id: the video.
            clip: number of the clip in the video, from 0 (its crops are in the same order).
            frames: T.
        """
        if self.name == "one-frame":
            return [frames // 2] * frames
        if self.name == "reversed":
            return list(range(frames))[::-1]
        if self.name == "shuffled":
            draw: list[int] = generator(self.seed, video_id, f"time/shuffled/{clip}").permutation(frames).tolist()
            return draw
        return None

    def frames(self, video_id: str) -> Iterator[np.ndarray]:
        """``frozen-background``: the frames of a video, uint8 (H, W, 3) RGB: inside the mask the video's own pixels,
        outside :func:`~benchmark_builder.video.still_background.still_background`. A frame without a mask has that of
        the nearest frame with one.

        Raises:
            BenchError: there is no mask, or the video cannot be read.
        """
        assert self.masks is not None
        video = self.videos[video_id]
        info = probe(video.path)
        try:
            track = self.masks.track(video, info.height, info.width)
        except LeftOut as error:
            raise _without_mask(video_id, str(error)) from None
        known = np.flatnonzero(track.covered)
        if not len(known):
            raise _without_mask(video_id, "no frame has a mask")

        def mask(index: int) -> np.ndarray:
            return track.mask(int(known[np.abs(known - index).argmin()]))

        count = info.frames or sum(1 for _ in read_frames(video.path))
        wanted = set(sampled(count).tolist())
        chosen = ((k, frame) for k, frame in enumerate(read_frames(video.path)) if k in wanted)
        background, _ = still_background(chosen, mask)
        for k, frame in enumerate(read_frames(video.path)):
            yield paste(frame, mask(k), background)


def _without_mask(video_id: str, why: str) -> BenchError:
    fix = "choose other --masks, or pass --allow-missing to score the rest"
    return BenchError(f"--time {FROZEN}: {video_id}: {why}; {fix}")


def drop_name(time: str, figure: str) -> str:
    """The name of a drop in records and leaderboards: ``drop_one_frame_iid``."""
    return f"drop_{time.replace('-', '_')}_{figure}"


def drop_parts(name: str) -> tuple[str, str] | None:
    """The order and the figure of a drop's name; None if it is none."""
    for time in TIMES:
        start = drop_name(time, "")
        if name.startswith(start) and len(name) > len(start):
            return time, name.removeprefix(start)
    return None
