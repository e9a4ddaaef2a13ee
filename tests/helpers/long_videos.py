"""Long videos and a network for tests of features: tiny, and exact."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tiny_videos import write_video
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models import build_model
from evaluator.models.base import ScoredModel
from evaluator.models.factory import from_object

SAMPLING = ClipSampling(frames=4, stride=2, size=16, resize=16, crop="centre", flip=0.0)


def noise(frames: int, height: int = 18, width: int = 24, seed: int = 0) -> np.ndarray:
    """uint8 (T, H, W, 3); no two frames are equal."""
    return np.random.default_rng([seed, frames]).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def long_videos(root: Path, counts: Sequence[int], fps: float = 10.0) -> dict[str, np.ndarray]:
    """Videos ``ROOT/v033.mkv`` … with these numbers of frames, without loss; their frames by id."""
    made = {f"v{count:03d}": noise(count) for count in counts}
    for name, frames in made.items():
        write_video(root / f"{name}.mkv", frames, fps)
    return made


def network(sampling: ClipSampling = SAMPLING, seed: int = 0) -> nn.Module:
    """small3d with random weights, ready for use; features of 96 units."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_model("small3d", 3, sampling).eval()


def scored(sampling: ClipSampling = SAMPLING, seed: int = 0) -> ScoredModel:
    """:func:`network` as a model to score."""
    made = network(sampling, seed)
    made.sampling = sampling  # type: ignore[assignment]
    return from_object(made, "tests.Tiny")


def tiny() -> nn.Module:
    """:func:`network` with its sampling, as a user's factory returns it."""
    made = network()
    made.sampling = SAMPLING  # type: ignore[assignment]
    return made
