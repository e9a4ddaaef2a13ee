"""Videos to batches: a torch dataset over Video records, an in-memory cache of decoded frames, a resumable order."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from albar.clips.clips import (
    ClipSampling,
    Cut,
    ShortVideo,
    assemble,
    eval_box,
    eval_indices,
    host_memory,
    picked,
    train_cut,
)
from albar.data.actors import ActorMasks
from albar.data.torchcodec_clips import cut_there, decoded
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.malloc import keep_freed
from benchmark_builder.utils.pool import one_cv2_thread
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import Frames, probe, read_frames
from benchmark_builder.video.random_access import shape
from benchmark_builder.video.record import Video

_KEPT = 4  # batches per worker: two that DataLoader requests in advance, one being copied, one to spare
Key = tuple[int, int]  # (epoch, index of the video)


class FrameCache:
    """Every frame of every video, decoded once, if they fit; otherwise nothing.

    A partial cache would only ever keep the first videos of the list.
    """

    def __init__(self, videos: Sequence[Video], limit_mb: int, progress: bool = False) -> None:
        """Decode at once. Raises BenchError naming the first file that cannot be decoded."""
        self.frames: list[np.ndarray] | None = None  # uint8 (N, H, W, 3) by video
        limit = limit_mb * 2**20
        info = probe(videos[0].path)
        if info.width * info.height * 3 * max(info.frames, 1) * len(videos) > limit:  # as if all were like the first
            return
        kept, used = [], 0
        for video in Bar(videos, desc="decoding", unit="video", disable=not progress):
            kept.append(np.stack(list(read_frames(video.path))))
            used += kept[-1].nbytes
            if used > limit:
                return
        self.frames = kept


class Sample(NamedTuple):
    """One clip, or a batch of them with an axis B before the others.

    Attributes:
        clip: uint8 (3, T, size, size).
        label: int64 ().
        actors: uint8 (1, T, size, size), 0..255, cut like the clip; empty (0,) where the method needs none.
        video: int64 (), its index.
    """

    clip: torch.Tensor
    label: torch.Tensor
    actors: torch.Tensor
    video: torch.Tensor


class ClipDataset(Dataset[Sample | BenchError]):
    """Clips of videos. ``dataset[epoch, index]`` is a :class:`Sample`.

    A training clip is drawn from (seed, video id, epoch); a test clip is the centred one. A video that cannot be
    decoded gives the BenchError itself, because raising in a worker process would hide its message in a traceback;
    :func:`batches` raises it.

    ``copied``: every batch of a worker is copied before the worker's next but two is read, as by the thread that fills
    page-locked memory. Then workers use their memory again: new shared memory costs 4 ms per clip of 32 frames.
    """

    copied = False

    def __init__(
        self,
        videos: Sequence[Video],
        sampling: ClipSampling,
        seed: int,
        train: bool,
        cache: FrameCache | None = None,
        actors: ActorMasks | None = None,
        torchcodec_on: torch.device | None = None,
    ) -> None:
        """torchcodec_on: where torchcodec decodes the video files; None: this toolkit decodes them."""
        self.videos = list(videos)
        self.sampling = sampling
        self.seed = seed
        self.train = train
        self.cached = cache.frames if cache else None
        self.actors = actors
        self.torchcodec_on = torchcodec_on
        self._shapes: dict[int, tuple[int, int, int]] = {}  # frames, height, width
        self._kept: list[torch.Tensor] = []

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: Key) -> Sample | BenchError:
        epoch, index = key
        try:
            return self._sample(epoch, index)
        except BenchError as error:
            return BenchError(str(error))

    def __getitems__(self, keys: Sequence[Key]) -> Sample | BenchError:
        """A batch; its clips are cut directly into the memory that the main process gets. The first error in it."""
        samples, clips = [], self._memory(len(keys))
        for (epoch, index), into in zip(keys, clips, strict=True):
            try:
                samples.append(self._sample(epoch, index, into))
            except BenchError as error:
                return BenchError(str(error))
        return Sample(clips, *(torch.stack(parts) for parts in list(zip(*samples, strict=True))[1:]))

    def _memory(self, clips: int) -> torch.Tensor:
        """Memory for a batch; in a worker, where the batches are copied, that of an earlier one."""
        s = self.sampling
        shape = (clips, 3, s.frames, s.size, s.size)
        if self.torchcodec_on is not None and self.torchcodec_on.type != "cpu":
            return torch.empty(shape, dtype=torch.uint8, device=self.torchcodec_on)
        if not self.copied or get_worker_info() is None:
            return host_memory(shape)
        if len(self._kept) < _KEPT:
            self._kept.append(host_memory(shape))
        else:
            self._kept.append(self._kept.pop(0))
        if len(self._kept[-1]) < clips:
            self._kept[-1] = host_memory(shape)
        return self._kept[-1][:clips]

    def _sample(self, epoch: int, index: int, into: torch.Tensor | None = None) -> Sample:
        video = self._video(index)
        frames, height, width = self._shape(index, video)
        cut = self._cut(epoch, index, (frames, height, width))
        try:
            clip = self._clip(index, video, cut, into)
        except ShortVideo as short:  # the header promised more: draw again from what there is
            self._shapes[index] = short.count, height, width
            cut = self._cut(epoch, index, self._shapes[index])
            clip = self._clip(index, self._video(index), cut, into)
        actors = torch.empty(0, dtype=torch.uint8)
        if self.actors is not None:
            masks = self.actors.of(index, np.unique(cut.indices).tolist(), height, width)
            actors = assemble(masks, cut, self.sampling.size)
        return Sample(clip, torch.tensor(self.videos[index].label), actors, torch.tensor(index))

    def _clip(
        self, index: int, video: Iterator[np.ndarray] | np.ndarray, cut: Cut, into: torch.Tensor | None
    ) -> torch.Tensor:
        """The pixels of a clip, written to ``into`` if it is given."""
        size = self.sampling.size
        if self.torchcodec_on is None or not isinstance(video, Frames):
            on_gpu = into is not None and into.device.type != "cpu"
            clip = assemble(_chosen(video, cut), cut, size, None if on_gpu else into)
            return into.copy_(clip) if into is not None and on_gpu else clip
        _, height, width = self._shapes[index]
        frames = decoded(video.path, cut, height, width, self.torchcodec_on)
        if frames.device.type == "cpu":
            return assemble(dict(zip(cut.indices.tolist(), frames.numpy(), strict=True)), cut, size, into)
        clip = cut_there(frames, cut, size)
        return clip if into is None else into.copy_(clip)

    def _video(self, index: int) -> Iterator[np.ndarray] | np.ndarray:
        return read_frames(self.videos[index].path) if self.cached is None else self.cached[index]

    def _shape(self, index: int, video: Iterator[np.ndarray] | np.ndarray) -> tuple[int, int, int]:
        """Frames, height and width of a video; the first is what its file states, until it proves wrong."""
        if isinstance(video, np.ndarray):
            return video.shape[0], video.shape[1], video.shape[2]
        if index not in self._shapes:
            self._shapes[index] = shape(video if isinstance(video, Frames) else self.videos[index].path)
        return self._shapes[index]

    def _cut(self, epoch: int, index: int, sizes: tuple[int, int, int]) -> Cut:
        frames, height, width = sizes
        if not self.train:
            return Cut(eval_indices(frames, self.sampling), eval_box(height, width, self.sampling), False)
        draw = generator(self.seed, self.videos[index].id, f"epoch/{epoch}")
        return train_cut(frames, height, width, self.sampling, draw)


def _chosen(video: Iterator[np.ndarray] | np.ndarray, cut: Cut) -> Iterable[tuple[int, np.ndarray]]:
    """The frames of a clip with their numbers in the video."""
    if isinstance(video, np.ndarray):
        return {int(i): video[i] for i in cut.indices}.items()
    return picked(video, cut.indices)


class Order(Sampler[list[Key]]):
    """Batches of (epoch, index) for a whole run, each epoch shuffled anew from (seed, epoch); videos at its end that
    do not fill a batch are left out of that epoch. Starts at any step, so that a resumed run sees what an uninterrupted
    one would."""

    def __init__(
        self, videos: int, batch: int, epochs: int, seed: int, first_step: int = 0, share: tuple[int, int] = (0, 1)
    ) -> None:
        """batch: clips per step; share: (i, n) for the i-th of n processes (from 0), which takes batch / n of each."""
        self.videos, self.batch, self.epochs, self.seed, self.first_step = videos, batch, epochs, seed, first_step
        self.share = share
        self.steps_per_epoch = videos // batch

    def __len__(self) -> int:
        return self.steps_per_epoch * self.epochs - self.first_step

    def __iter__(self) -> Iterator[list[Key]]:
        for epoch in range(self.first_step // self.steps_per_epoch, self.epochs):
            order = generator(self.seed, "order", f"epoch/{epoch}").permutation(self.videos)
            done = max(self.first_step - epoch * self.steps_per_epoch, 0)
            own = self.batch // self.share[1]
            for k in range(done, self.steps_per_epoch):
                first = k * self.batch + self.share[0] * own
                yield [(epoch, int(i)) for i in order[first : first + own]]


def batches(
    dataset: ClipDataset, order: Iterable[list[Key]], workers: int, pin: bool = False
) -> Generator[Sample, None, None]:
    """Batches of samples in ``order``, whatever the number of ``workers`` (processes; 0: none).

    Raises:
        BenchError: a video cannot be decoded; the message names the file. Nothing is left out silently.
    """
    dataset.copied = pin and torch.cuda.is_available()
    loader = DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=workers,
        pin_memory=pin,
        collate_fn=_as_it_is,
        worker_init_fn=prepare_worker,
    )
    for batch in started(loader):
        if isinstance(batch, BenchError):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def prepare_worker(worker: int) -> None:
    """Settings of a decoding process: its next clip needs the memory of this one."""
    keep_freed()


def started(loader: DataLoader) -> Iterator[Any]:
    """The batches of a loader, whose decoding processes are started now.

    They are forks, which would wait for ever for OpenCV's threads of this process: so they have one thread.
    """
    with one_cv2_thread() if loader.num_workers else nullcontext():
        return iter(loader)


def in_turn(videos: int, batch: int) -> list[list[Key]]:
    """Every video once, unshuffled, the last batch perhaps smaller: the order of an evaluation."""
    return [[(0, i) for i in range(k, min(k + batch, videos))] for k in range(0, videos, batch)]
