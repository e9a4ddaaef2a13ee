"""MIL ranking (Sultani, Chen & Shah, CVPR 2018): the highest segment of an abnormal video above that of a normal one.

    loss = 1/n Σ_normal Σ_abnormal max(0, 1 − max_t s_abnormal + max_t s_normal)
           + λ1 Σ_abnormal Σ_t (s_t − s_t+1)² + λ2 Σ_abnormal Σ_t s_t + 0.001 Σ w²

A network of three layers, 512-32-1, on each segment's L2-normalised features. As in the public code
(WaqasSultani/AnomalyDetectionCVPR2018): every pair of the batch is compared (the paper writes one pair), the second
layer has no ReLU, and the squared weights (not biases) of all layers are added with the factor 0.001.

Not as published: features of any length (theirs: C3D, 4096), the mean over crops of the scores, test videos scored per
window (theirs: per 1/32 of the video), and every video once per round (theirs: each step draws among all of them).
"""

from typing import ClassVar

import torch
from torch import nn

from benchmark_builder.utils.options import like
from evaluator.downstream.anomaly.base import Bag, Head, smoothness
from evaluator.downstream.anomaly.settings import HeadSettings


class MILSettings(HeadSettings):
    """Settings of MIL ranking: Adagrad with rate 0.01, 30 + 30 videos."""

    PUBLISHED_STEPS: ClassVar[int] = 20_000

    batch: int = like(HeadSettings, "batch", 30)
    lr: float = like(HeadSettings, "lr", 0.01)
    weight_decay: float = like(HeadSettings, "weight_decay", 0.001)
    dropout: float = like(HeadSettings, "dropout", 0.6)
    smooth: float = like(HeadSettings, "smooth", 8e-5)
    sparse: float = like(HeadSettings, "sparse", 8e-5)


class MIL(Head):
    """Three linear layers on each segment."""

    Settings = MILSettings
    settings: MILSettings

    def __init__(self, dimension: int, settings: HeadSettings) -> None:
        super().__init__(dimension, settings)
        layers = [nn.Linear(dimension, 512), nn.Linear(512, 32), nn.Linear(32, 1)]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        drop = settings.dropout
        self.score = nn.Sequential(
            layers[0], nn.ReLU(), nn.Dropout(drop), layers[1], nn.Dropout(drop), layers[2], nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> Bag:
        return Bag(self.score(nn.functional.normalize(x, dim=-1)).squeeze(-1).mean(1), x)

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        s, scores = self.settings, abnormal.scores
        return ranking(normal.scores, scores) + s.smooth * smoothness(scores) + s.sparse * scores.sum() + self._decay()

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(self.parameters(), lr=self.settings.lr, eps=1e-8)

    def _decay(self) -> torch.Tensor:
        squares = [m.weight.square().sum() for m in self.score if isinstance(m, nn.Linear)]
        return self.settings.weight_decay * torch.stack(squares).sum()


def ranking(normal: torch.Tensor, abnormal: torch.Tensor) -> torch.Tensor:
    """The hinge of all pairs: summed over abnormal videos, mean over normal ones; (B, T) each -> scalar."""
    top_normal, top_abnormal = normal.amax(1), abnormal.amax(1)
    return (1 - top_abnormal[None] + top_normal[:, None]).clamp(min=0).sum(1).mean()
