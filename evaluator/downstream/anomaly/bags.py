"""The training videos as bags: features of a few segments, and whether the video is abnormal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted, letters
from evaluator.downstream.anomaly.frames import segments
from evaluator.features.folder import FeatureVideo

NORMAL = "normal"  # the label of normal videos, in letters of any case


def is_normal(video: FeatureVideo) -> bool:
    """Whether a video's label says that it is normal."""
    return video.label is not None and letters(video.label) == NORMAL


@dataclass(frozen=True)
class Bags:
    """Training videos.

    Attributes:
        features: float32 (N, crops, S, D), in memory: for UCF-Crime with one crop and D = 768 158 MB, with ten crops
            1.6 GB.
        labels: class of each video. abnormal: bool (N,). ids: of each video.
    """

    features: torch.Tensor
    labels: list[str]
    abnormal: np.ndarray
    ids: list[str]

    def part(self, own: np.ndarray) -> "Bags":
        """The videos at these places."""
        return Bags(
            self.features[torch.from_numpy(own)], [self.labels[k] for k in own], self.abnormal[own],
            [self.ids[k] for k in own],
        )  # fmt: skip


def read_bags(videos: Sequence[FeatureVideo], count: int, progress: bool) -> tuple[Bags, list[tuple[str, str]]]:
    """The training videos reduced to ``count`` segments; and id and reason of each that was left out.

    Raises:
        BenchError: no normal or no abnormal video can be used.
    """
    made: np.ndarray | None = None
    used: list[FeatureVideo] = []
    left_out: list[tuple[str, str]] = []
    for video in Bar(videos, desc="training videos", unit="video", disable=not progress):
        if video.label is None:
            left_out.append((video.id, "has no label"))
            continue
        try:
            one = segments(video.features(), count)
        except BenchError as error:
            left_out.append((video.id, str(error)))
            continue
        if made is None:  # not a list that is copied in the end: ten crops are gigabytes
            made = np.empty((len(videos), *one.shape), np.float32)
        made[len(used)] = one
        used.append(video)
    abnormal = np.array([not is_normal(v) for v in used], bool)
    for kind, number in (("normal", (~abnormal).sum()), ("abnormal", abnormal.sum())):
        if not number:
            if not used and left_out:
                raise BenchError(f"none of {counted(len(videos), 'training video')} can be used; the first: "
                                 f"{left_out[0][0]}: "
                                 f"{left_out[0][1]}")  # fmt: skip
            known = ", ".join(sorted({str(v.label) for v in videos})[:5]) or "none"
            why = f", {len(left_out)} left out" if left_out else ""
            raise BenchError(f"none of {counted(len(videos), 'training video')} can be used as {kind} (labels: "
                             f"{known}{why}; "
                             "normal videos have the label Normal); extract features of both kinds")  # fmt: skip
    assert made is not None
    features = torch.from_numpy(made[: len(used)])
    return Bags(features, [str(v.label) for v in used], abnormal, [v.id for v in used]), left_out


def split(bags: Bags, fraction: float, seed: int) -> tuple[Bags, Bags]:
    """Training and validation videos: of each class the rounded share, at least one if it has two; drawn by ``seed``.

    Raises:
        BenchError: a part would have no normal or no abnormal video.
    """
    chosen: list[int] = []
    for label in sorted(set(bags.labels)):
        own = np.flatnonzero([name == label for name in bags.labels])
        number = min(len(own) - 1, max(1, round(fraction * len(own))))
        chosen += generator(seed, label, "validation").permutation(own)[:number].tolist()
    held = np.zeros(len(bags.labels), bool)
    held[chosen] = True
    parts = bags.part(np.flatnonzero(~held)), bags.part(np.flatnonzero(held))
    for part in parts:
        if not part.abnormal.any() or part.abnormal.all():
            raise BenchError(f"--validation {fraction:g}: normal and abnormal videos are needed for training and for "
                             "validation, there are too few; leave it out")  # fmt: skip
    return parts


def batches(places: np.ndarray, size: int, seed: int, kind: str) -> Iterator[np.ndarray]:
    """Places of ``size`` videos, without end: every video once in an order that is drawn anew for each round; what does
    not fill a batch at the end of a round is left out of it."""
    rng = generator(seed, kind, "batches")
    while True:
        order = rng.permutation(places)
        yield from (order[k : k + size] for k in range(0, len(order) - size + 1, size))
