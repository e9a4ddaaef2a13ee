"""The actor's masks, cut exactly like the clips that a network sees."""

from collections.abc import Iterator

import numpy as np
import torch

from albar.clips.clips import ClipSampling, eval_clips, still_clips
from benchmark_builder.masks.base import MaskTrack
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.selection import indices
from evaluator.testsets import Item, TestSet

# Kinds whose frames show the actor (or, in background-only, what fills its place) where the source video does.
ALIGNED = ("scuba", "scufo", "conflfg", "human-only", "background-only", "appearance-free")


def benchmark_masks(s: TestSet, item: Item, sampling: ClipSampling) -> torch.Tensor:
    """The masks of a benchmark's video; of ConflFG the moving actor's.

    Returns:
        float32 (views · crops, T, S, S), 0..1: the share of each pixel of the clip that is inside the mask. For a still
        (crops, 1, S, S).

    Raises:
        BenchError: the kind has no masks for its frames, or they are missing or changed.
    """
    benchmark = s.benchmark
    if benchmark is None or s.kind not in ALIGNED:
        raise BenchError(f"{s.name}: videos of kind {s.kind} have no masks that fit them; choose a benchmark of kind "
                         f"{', '.join(ALIGNED)}")  # fmt: skip
    row = benchmark.by_id[item.id]
    scuba, base = (benchmark, row) if s.kind == "scuba" else (benchmark.origin, benchmark.base(row))
    if not base.mask_file:
        raise BenchError(f"{scuba.folder}: has no masks (an imported benchmark has none); use one that was built here")
    track, shown = scuba.masks(base), indices(base.source_frames)
    if s.still:
        if row.still_frame is None or row.still_frame >= len(shown):
            raise BenchError(f"{benchmark.folder}: does not record which frame {row.id} repeats; build it again")
        return _shares(still_clips(_picture(track.mask(shown[row.still_frame])), sampling))
    return _shares(eval_clips((_picture(track.mask(k)) for k in shown), len(shown), sampling))


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
    return np.repeat(mask.astype(np.uint8)[..., None] * 255, 3, 2)


def _shares(clips: torch.Tensor) -> torch.Tensor:
    return clips[:, 0].float() / 255
