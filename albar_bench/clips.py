"""Test clips of a benchmark as a torch dataset."""

from pathlib import Path

import torch
from torch.utils.data import Dataset

from albar.clips.clips import ClipSampling, normalise
from albar.clips.clips import sampling as sampling_of
from evaluator.inference.clips import read_clips
from evaluator.testsets import benchmark_set


class BenchmarkClips(Dataset[tuple[torch.Tensor, int, str]]):
    """Items ``(clip, label, id)``, in order of the ids; the clips are those that `bench eval` scores.

    ``clip`` is float32 (3, T, H, W), normalised as in the sampling; (V, 3, T, H, W) for V views per video. ``label`` is
    0-based; for ConflFG it is the class of the moving actor.
    """

    def __init__(self, folder: Path, sampling: str | ClipSampling, root: Path | None = None) -> None:
        """Raises BenchError if the sampling is unknown or the folder is not a benchmark."""
        self.sampling = sampling_of(sampling)
        self._set = benchmark_set(folder, root)

    def __len__(self) -> int:
        return len(self._set.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, str]:
        """Raises BenchError if the video is missing, damaged or changed since the build."""
        item = self._set.items[index]
        clips = normalise(read_clips(self._set, item, self.sampling), self.sampling)
        if clips.shape[2] == 1:  # a still is read as one frame; here it is repeated, as a network sees it
            clips = clips.expand(-1, -1, self.sampling.frames, -1, -1)
        views = self.sampling.views * self.sampling.crops
        if clips.shape[0] < views:  # every view in time of a still is the same
            clips = clips.repeat(views // clips.shape[0], 1, 1, 1, 1)
        return (clips[0] if views == 1 else clips), item.label, item.id
