"""The input of an evaluation: test clips of several test sets as one stream of full batches.

Axes: B videos, V views (clips in time x crops) of each, 3 RGB, T frames, S = the crop's height and width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from albar.clips.clips import ClipSampling, ShortVideo, eval_clips, host_memory, still_clips
from albar.data.dataset import prepare_worker, started
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.video.decode import Frames
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.random_access import shape
from evaluator.testsets import Item, TestSet
from evaluator.time_order import TimeOrder


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of consecutive items.

    Attributes:
        places: index of each video's item in the requested list, length B.
        clips: uint8 (B · V, 3, T, S, S), the views of a video one after another, or (B · V, 3, 1, S, S) if every clip
            is one repeated frame; None if B is 0.
        errors: (index, error) for items without a clip.
    """

    places: list[int]
    clips: torch.Tensor | None
    errors: list[tuple[int, BenchError]]

    def pin_memory(self) -> "Batch":
        """A copy with the clips in page-locked memory (called by the loader if there is a GPU)."""
        return self if self.clips is None else Batch(self.places, self.clips.pin_memory(), self.errors)


def read_clips(s: TestSet, item: Item, sampling: ClipSampling, check: bool = True) -> torch.Tensor:
    """The views of one video, decoded only as far as needed; for a still, only one frame is decoded.

    Args:
        s: the test set.
        item: the video.
        sampling: how clips are cut, and their number.
        check: first compare the file with the digest in its manifest, if there is one.

    Returns:
        uint8 (views · crops, 3, T, S, S), or (crops, 3, 1, S, S) for a still.

    Raises:
        BenchError: the file is missing, damaged, or (:class:`ChangedFile`) differs from its manifest.
    """
    if not item.path.exists():
        raise BenchError(f"{item.path}: no such file; build the missing videos again, or get the dataset's")
    if check and item.sha256 and known_digest(item.path) != item.sha256:
        raise ChangedFile(f"{item.path}: changed since its manifest was written; delete the file and build it again")
    if s.still:
        return still_clips(next(s.frames(item)), sampling)
    frames = s.frames(item)
    count = item.frames or shape(frames if isinstance(frames, Frames) else item.path)[0]
    try:
        return _in_time(s, item, eval_clips(frames, count, sampling), sampling)
    except ShortVideo as short:
        if item.frames:
            raise BenchError(f"{item.path}: has {short.count} frames, its manifest says {count}; rebuild it") from None
        return _in_time(s, item, eval_clips(s.frames(item), short.count, sampling), sampling)


def _in_time(s: TestSet, item: Item, clips: torch.Tensor, sampling: ClipSampling) -> torch.Tensor:
    """The clips of a video, uint8 (views · crops, 3, T, S, S), in the order of the test set."""
    return clips if s.time is None else reordered(clips, s.time, item.id, sampling.views)


def reordered(clips: torch.Tensor, time: TimeOrder, video_id: str, views: int) -> torch.Tensor:
    """The clips of a video with their frames in another order; ``clips`` are changed.

    Args:
        clips: uint8 (views · crops, 3, T, S, S), views outermost.
        time: the order.
        video_id: the video's id, by which an order is drawn.
        views: number of clips in time.
    """
    crops = len(clips) // views
    for view in range(views):
        places = time.places(video_id, view, clips.shape[2])
        if places is not None:
            own = slice(view * crops, (view + 1) * crops)
            clips[own] = clips[own][:, :, places]
    return clips


def arranged(sets: Sequence[TestSet]) -> list[TestSet]:
    """The sets in reading order: first those of moving videos, then those of stills."""
    return sorted(sets, key=lambda s: s.still)


def order(sets: Sequence[TestSet]) -> list[tuple[TestSet, Item]]:
    """Every video of every set in reading order."""
    return [(s, item) for s in arranged(sets) for item in s.items]


def batches(
    listed: Sequence[tuple[TestSet, Item]], sampling: ClipSampling, batch: int = 8, workers: int = 0, check: bool = True
) -> Iterator[Batch]:
    """Clips of the listed videos, in their order; batches continue across sets and end only where stills begin.

    Args:
        listed: result of :func:`order`.
        sampling: how clips are cut.
        batch: clips per batch, at least 1; the views of a video stay together, so there may be more.
        workers: decoding processes; 0 decodes in this one.
        check: compare files with their manifests' digests.
    """
    if batch < 1:
        raise BenchError(f"--batch is {batch}; it must be at least 1")
    moving = [k for k, (s, _) in enumerate(listed) if not s.still]
    still = [k for k, (s, _) in enumerate(listed) if s.still]
    plan = []
    for part, views in ((moving, sampling.views * sampling.crops), (still, sampling.crops)):
        videos = max(1, batch // views)
        plan += [part[a : a + videos] for a in range(0, len(part), videos)]
    loader: DataLoader = DataLoader(
        _Clips(listed, sampling, check),
        batch_sampler=plan,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=prepare_worker,
    )
    return started(loader)


class _Clips(Dataset):
    def __init__(self, listed: Sequence[tuple[TestSet, Item]], sampling: ClipSampling, check: bool) -> None:
        self.listed = listed
        self.sampling, self.check = sampling, check

    def __len__(self) -> int:
        return len(self.listed)

    def __getitem__(self, k: int) -> tuple[int, torch.Tensor | None, BenchError | None]:
        s, item = self.listed[k]
        try:
            return k, read_clips(s, item, self.sampling, self.check), None
        # returned as a value, since an exception in a worker would lose its one-line message
        except BenchError as error:
            return k, None, (ChangedFile if isinstance(error, ChangedFile) else BenchError)(str(error))


def _collate(samples: list[tuple[int, torch.Tensor | None, BenchError | None]]) -> Batch:
    good = [(k, clip) for k, clip, _ in samples if clip is not None]
    errors = [(k, error) for k, _, error in samples if error is not None]
    if not good:
        return Batch([], None, errors)
    clips = [clip for _, clip in good]
    together = host_memory((sum(map(len, clips)), *clips[0].shape[1:]))
    return Batch([k for k, _ in good], torch.cat(clips, out=together), errors)
