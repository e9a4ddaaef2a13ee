"""The actor's masks, cut exactly like the clips that a network sees."""

from collections.abc import Iterator

import numpy as np
import torch

from albar.clips.clips import ClipSampling, eval_clips, still_clips
from benchmark_builder import kinds
from benchmark_builder.masks.base import MaskTrack
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.selection import indices
from evaluator.testsets import Item, TestSet

_FIX = "choose a benchmark of another kind, or set actor_stays or define actor_masks() in your own kind"


def benchmark_masks(s: TestSet, item: Item, sampling: ClipSampling) -> torch.Tensor:
    """The masks of a benchmark's video: what its kind says (:meth:`benchmark_builder.kinds.base.Kind.actor_masks`).

    Returns:
        float32 (views · crops, T, S, S), 0..1: the share of each pixel of the clip that is inside the mask. For a still
        (crops, 1, S, S).

    Raises:
        BenchError: the kind has no masks for its frames, or they are missing or changed.
    """
    benchmark = s.benchmark
    kind = None if benchmark is None else kinds.registered(benchmark.kind, benchmark.protocol.described)
    if benchmark is None or kind is None:
        raise BenchError(f"{s.name}: videos of kind {s.kind} have no masks that fit them; {_FIX}")
    row = benchmark.by_id[item.id]
    scuba, base = (benchmark, row) if s.kind == "scuba" else (benchmark.origin, benchmark.base(row))
    if not base.mask_file:
        raise BenchError(f"{scuba.folder}: has no masks (an imported benchmark has none); use one that was built here")
    track, shown = scuba.masks(base), indices(base.source_frames)
    masks = kind.read(benchmark.protocol).actor_masks(benchmark, row, lambda k: track.mask(shown[k]))
    if masks is None:
        raise BenchError(f"{s.name}: videos of kind {s.kind} have no masks that fit them; {_FIX}")
    if s.still:
        return _shares(still_clips(_picture(next(masks)), sampling))
    return _shares(eval_clips(map(_picture, masks), row.frames, sampling))


def video_masks(track: MaskTrack, frames: int, size: tuple[int, int], sampling: ClipSampling) -> torch.Tensor:
    """The masks of a video that has ``frames`` frames of ``size`` (height, width), as :func:`benchmark_masks`.

    A frame without a mask has an empty one.
    """

    def pictures() -> Iterator[np.ndarray]:
        for k in range(frames):
            covered = k < len(track.covered) and track.covered[k]
            yield _picture(track.mask(k) if covered else np.zeros(size, bool))

    return _shares(eval_clips(pictures(), frames, sampling))


def _picture(mask: np.ndarray) -> np.ndarray:
    shares = mask.astype(np.uint8) * 255 if mask.dtype == bool else mask
    return np.repeat(shares[..., None], 3, 2)


def _shares(clips: torch.Tensor) -> torch.Tensor:
    return clips[:, 0].float() / 255
