"""What a localization head is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from benchmark_builder.utils.rng import generator
from evaluator.downstream.localize.settings import HeadSettings
from evaluator.features.folder import FeatureVideo

Log = list[dict[str, float]]


class Found(NamedTuple):
    """The predictions of one video.

    Attributes:
        times: start and end in seconds, float64 (N, 2). labels: index of the class, int64 (N,).
        scores: float64 (N,), higher is more certain.
    """

    times: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass
class LocalVideo:
    """A video as heads take it. The features are the mean over crops.

    Attributes:
        video: of the folder.
        segments: start and end in seconds, float64 (N, 2). labels: index of the class, int64 (N,).
        kept: its features, if they stay in memory.
    """

    video: FeatureVideo
    segments: np.ndarray
    labels: np.ndarray
    kept: np.ndarray | None = None

    @property
    def id(self) -> str:
        return self.video.id

    def features(self) -> np.ndarray:
        """float32 (T, D). Raises BenchError if they cannot be read."""
        return self.kept if self.kept is not None else self.video.features().mean(1)

    def grid(self) -> np.ndarray:
        """Segments in windows, float64 (N, 2): 0 is the middle of the first window, 1 that of the second."""
        v = self.video
        return (self.segments * v.fps - v.window / 2) / v.stride

    def seconds(self, grid: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`grid`, within the video."""
        v = self.video
        return ((grid * v.stride + v.window / 2) / v.fps).clip(0, v.duration)


class Shape(NamedTuple):
    """What a head must know of the features.

    Attributes:
        dimension: D. window, stride: in frames.
        training, longest: windows of the longest training video, and of the longest video.
    """

    dimension: int
    window: int
    stride: int
    training: int
    longest: int


class Head:
    """Base class of heads. A user's own is ``--head package.module:Name``, a subclass of this one.

    Attributes:
        Settings: class of its settings.
        package: the package that it needs, for the record.
    """

    Settings: ClassVar[type[HeadSettings]] = HeadSettings
    package: ClassVar[str] = ""

    def __init__(self, settings: HeadSettings, classes: Sequence[str], shape: Shape) -> None:
        self.settings, self.classes, self.shape = settings, list(classes), shape

    def described(self) -> dict[str, object]:
        """All settings, as they are used."""
        return self.settings.model_dump()

    def train(self, videos: Sequence[LocalVideo], seed: int, device: torch.device, progress: bool, name: str) -> Log:
        """Train from the beginning; the same ``seed`` gives the same weights on the same machine.

        Args:
            videos: the training videos; some may have no segment.
            seed: of all draws. torch's own generator is as before afterwards.
            device: where to train. progress: show a bar, called ``name``.

        Returns:
            Numbers per epoch.

        Raises:
            BenchError: training fails.
        """
        raise NotImplementedError

    def predict(self, video: LocalVideo, device: torch.device) -> Found:
        """Find the segments of a video."""
        raise NotImplementedError


@contextmanager
def owned(device: torch.device, seed: int, what: str) -> Iterator[None]:
    """torch's own generator starts from ``seed`` inside, and is as before afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(generator(seed, what, "localize").integers(2**63)))
        yield
