"""RTFM, robust temporal feature magnitude (Tian et al., ICCV 2021): the k longest features of a video decide.

    1. a multi-scale temporal network: three dilated convolutions (1, 2, 4) and a non-local block over time, fused and
       added to the features
    2. scores from a network of three layers, 512-128-1
    3. of each video, the k = T/10 segments with the longest features X (mean over crops), their mean score s
    4. loss = BCE(s) + α mean( |m − ‖mean_k X_abnormal‖| + ‖mean_k X_normal‖ )² + λ1 smoothness + λ2 sparsity,
       the last two of abnormal videos

As in the public code (tianyu0207/RTFM): m = 100, dropout 0.7, which also keeps features from being chosen, and a
sparsity that is the L2 norm of the batch's scores (the paper writes Σ |s|).

Not as published: features of any length D, with D/4 channels in each branch (theirs: 2048 and 512, the same); 1 crop
or more (theirs: 10); smoothness within each video (their code also compares the last segment of a video with the
first of the next). Their code tests every 5 steps on the test videos and keeps the best; here the last step counts.
"""

from typing import ClassVar

import torch
from torch import nn

from benchmark_builder.utils.options import like, setting
from evaluator.downstream.anomaly.base import Bag, Head, classification, length, longest, smoothness, xavier
from evaluator.downstream.anomaly.settings import HeadSettings


class RTFMSettings(HeadSettings):
    """Settings of RTFM: Adam with rate 0.001, 32 + 32 videos."""

    PUBLISHED_STEPS: ClassVar[int] = 15_000

    weight_decay: float = like(HeadSettings, "weight_decay", 5e-3)
    margin: float = setting(100.0, "m, the length that features of abnormal videos should have.", ge=0, le=1e6)
    alpha: float = setting(1e-4, "α, weight of the lengths.", ge=0, le=100)


class RTFM(Head):
    """The temporal network and the scores."""

    Settings = RTFMSettings
    settings: RTFMSettings

    def __init__(self, dimension: int, settings: HeadSettings) -> None:
        super().__init__(dimension, settings)
        self.temporal = Temporal(dimension)
        self.drop = nn.Dropout(settings.dropout)
        self.score = nn.Sequential(
            nn.Linear(dimension, 512), nn.ReLU(), self.drop, nn.Linear(512, 128), nn.ReLU(), self.drop,
            nn.Linear(128, 1), nn.Sigmoid(),
        )  # fmt: skip
        xavier(self.modules())

    def forward(self, x: torch.Tensor) -> Bag:
        features = self.drop(self.temporal(x.flatten(0, 1))).view_as(x)
        return Bag(self.score(features).squeeze(-1).mean(1), features)

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        s, k = self.settings, max(1, normal.scores.shape[1] // 10)
        a, n = longest(abnormal, k, self.drop), longest(normal, k, self.drop)
        found = classification(n.score, a.score) + s.alpha * magnitude(n.features, a.features, s.margin)
        return found + s.smooth * smoothness(abnormal.scores) + s.sparse * length(abnormal.scores)


def magnitude(normal: torch.Tensor, abnormal: torch.Tensor, margin: float) -> torch.Tensor:
    """mean( |m − ‖mean_k X_abnormal‖| + ‖mean_k X_normal‖ )² over pairs of videos and crops.

    Features (B, crops, k, F) each -> scalar.
    """
    a, n = (torch.linalg.vector_norm(x.mean(2), dim=2) for x in (abnormal, normal))
    return ((margin - a).abs() + n).square().mean()


class Temporal(nn.Module):
    """The multi-scale temporal network: (N, T, D) -> (N, T, D)."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        inner = max(1, dimension // 4)
        self.pyramid = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(dimension, inner, 3, padding=dilation, dilation=dilation), nn.ReLU(), nn.BatchNorm1d(inner)
            )
            for dilation in (1, 2, 4)
        )
        self.reduce = nn.Sequential(nn.Conv1d(dimension, inner, 1, bias=False), nn.ReLU())
        self.attention = NonLocal(inner)
        self.fuse = nn.Sequential(
            nn.Conv1d(4 * inner, dimension, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm1d(dimension)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(1, 2)
        scales = [branch(x) for branch in self.pyramid]
        return (self.fuse(torch.cat([*scales, self.attention(self.reduce(x))], 1)) + x).transpose(1, 2)


class NonLocal(nn.Module):
    """Non-local block (Wang et al., CVPR 2018), dot product without softmax: (N, C, T) -> (N, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.theta, self.phi, self.g = (nn.Conv1d(channels, inner, 1) for _ in range(3))
        norm = nn.BatchNorm1d(channels)
        nn.init.zeros_(norm.weight)  # at first the block changes nothing
        self.out = nn.Sequential(nn.Conv1d(inner, channels, 1), norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # θ (φ g) instead of (θ φ) g, which is the same: memory grows with T, not with T².
        related = self.g(x) @ self.phi(x).transpose(1, 2) / x.shape[2]
        return self.out(related @ self.theta(x)) + x
