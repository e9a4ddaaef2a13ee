"""MGFN, magnitude-contrastive glance-and-focus network (Chen et al., AAAI 2023).

    1. features, and a tenth of their length through a convolution of its own, as 64 channels
    2. blocks of a convolution, an aggregation over time and a feed-forward layer: three glance blocks (attention over
       the whole video) of 64 channels, three focus blocks (a convolution over 5 segments) of 128, two of 1024
    3. a score per segment; of each video, the k = 3 segments with the longest features, their mean score s
    4. loss = BCE(s) + λ3 (0.001 far(n, a) + near(n) + near(a)) + λ1 smoothness + λ2 sparsity. With M the L1 norms of
       the k features of a video: near = mean ‖M − M'‖² of two videos of the same kind,
       far = mean max(0, 200 − ‖M_a − M_n‖)²

As in the public code (carolchenyx/MGFN.): the constants; smoothness of all videos; sparsity, which is the L2 norm of
the scores, of the **normal** videos (the paper and its name for it say abnormal ones); a score's features after the
last layer norm; aggregation in focus blocks with one kernel per head.

Not as published: features of any length (theirs: 2048 in the code); 1 crop or more; pairs of near are the first and the
second half of the batch's videos, each crop with the same crop (their code halves the list of crops, which with ten
crops compares crops of the same video). Their code does not shuffle the videos, so that the same 16 + 16 always meet;
here they are shuffled. It tests every epoch on the test videos and keeps the best; here the last step counts.
"""

from typing import ClassVar

import torch
from torch import nn

from benchmark_builder.utils.options import like, setting
from evaluator.downstream.anomaly.base import Bag, Head, classification, length, longest, smoothness
from evaluator.downstream.anomaly.settings import HeadSettings

WIDTHS, DEPTHS = (64, 128, 1024), (3, 3, 2)
PER_HEAD, KERNEL = 64, 5  # channels per head; segments that a focus block combines


class MGFNSettings(HeadSettings):
    """Settings of MGFN: Adam with rate 0.001, 16 + 16 videos."""

    PUBLISHED_STEPS: ClassVar[int] = 50_000  # 1,000 epochs of UCF-Crime's 800 normal videos

    batch: int = like(HeadSettings, "batch", 16)
    weight_decay: float = like(HeadSettings, "weight_decay", 5e-4)
    k: int = setting(3, "Segments per video that decide.", of="segments", ge=1, le=10**4)
    lengths: float = setting(0.1, "How much of the features' length is added to them.", ge=0, le=100)
    contrast: float = setting(1e-3, "λ3, weight of the contrast of lengths.", ge=0, le=100)
    far: float = setting(1e-3, "Weight of normal against abnormal videos within it.", ge=0, le=100)
    margin: float = setting(200.0, "Distance of lengths beyond which nothing is gained.", ge=0, le=1e6)


class MGFN(Head):
    """The three stages and the scores."""

    Settings = MGFNSettings
    settings: MGFNSettings

    def __init__(self, dimension: int, settings: HeadSettings) -> None:
        super().__init__(dimension, settings)
        self.tokens = nn.Conv1d(dimension, WIDTHS[0], 3, padding=1)
        self.lengths = nn.Conv1d(1, WIDTHS[0], 3, padding=1)
        layers: list[nn.Module] = []
        for stage, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
            if stage:
                layers += [ChannelNorm(WIDTHS[stage - 1]), nn.Conv1d(WIDTHS[stage - 1], width, 1)]
            layers += [Block(width, Focus(width) if stage else Glance(width)) for _ in range(depth)]
        self.stages = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(WIDTHS[-1])
        self.score = nn.Linear(WIDTHS[-1], 1)
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: torch.Tensor) -> Bag:
        flat = x.flatten(0, 1).transpose(1, 2)
        lengths = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        made = self.stages(self.tokens(flat) + self.settings.lengths * self.lengths(lengths))
        features = self.norm(made.transpose(1, 2)).unflatten(0, x.shape[:2])
        return Bag(self.score(features).sigmoid().squeeze(-1).mean(1), features)

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        s = self.settings
        a, n = longest(abnormal, s.k, self.drop), longest(normal, s.k, self.drop)
        of_n, of_a = (torch.linalg.vector_norm(c.features, ord=1, dim=3) for c in (n, a))
        contrast = s.far * far(of_n, of_a, s.margin) + near(of_n) + near(of_a)
        found = classification(n.score, a.score) + s.contrast * contrast
        smooth = smoothness(normal.scores) + smoothness(abnormal.scores)
        return found + s.smooth * smooth + s.sparse * length(normal.scores)


def near(lengths: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of the lengths, (B, crops, k), of the first half of videos from the second; 0 for one."""
    half = len(lengths) // 2
    if not half:
        return lengths.new_zeros(())
    return (lengths[half : 2 * half] - lengths[:half]).square().sum(2).mean()


def far(normal: torch.Tensor, abnormal: torch.Tensor, margin: float) -> torch.Tensor:
    """Mean of max(0, margin − distance)² of lengths (B, crops, k), of the i-th normal and the i-th abnormal video."""
    distance = nn.functional.pairwise_distance(abnormal, normal)
    return (margin - distance).clamp(min=0).square().mean()


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (N, C, T)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """A convolution over 3 segments, an aggregation over time, a feed-forward layer, each added: (N, C, T) -> same."""

    def __init__(self, width: int, over_time: nn.Module) -> None:
        super().__init__()
        self.local, self.over_time = nn.Conv1d(width, width, 3, padding=1), over_time
        self.forwards = nn.Sequential(
            ChannelNorm(width), nn.Conv1d(width, 4 * width, 1), nn.GELU(), nn.Conv1d(4 * width, width, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.local(x)
        x = x + self.over_time(x)
        return x + self.forwards(x)


class Glance(nn.Module):
    """Self-attention over all segments: (N, C, T) -> (N, C, T)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // PER_HEAD
        self.norm = ChannelNorm(width)
        self.qkv = nn.Conv1d(width, 3 * width, 1, bias=False)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            part.unflatten(1, (self.heads, PER_HEAD)).transpose(2, 3) for part in self.qkv(self.norm(x)).chunk(3, 1)
        )
        found = nn.functional.scaled_dot_product_attention(q, k, v)  # scale PER_HEAD^-½; no T x T matrix in memory
        return self.out(found.transpose(2, 3).flatten(1, 2))


class Focus(nn.Module):
    """A convolution over time with one kernel per head, which its channels share: (N, C, T) -> (N, C, T)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // PER_HEAD
        self.norm = nn.BatchNorm1d(width)
        self.value = nn.Conv1d(width, width, 1, bias=False)
        self.over_time = nn.Conv1d(self.heads, self.heads, KERNEL, padding=KERNEL // 2, groups=self.heads)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = self.value(self.norm(x))
        shared = self.over_time(value.reshape(-1, self.heads, value.shape[2]))
        return self.out(shared.reshape(value.shape))
