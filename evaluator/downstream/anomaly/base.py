"""What a head is, and the terms of losses that several heads use."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from evaluator.downstream.anomaly.settings import HeadSettings


class Bag(NamedTuple):
    """What a head says of B videos.

    Attributes:
        scores: mean over crops of the anomaly score of each segment, (B, T), 0..1.
        features: features inside the head, (B, crops, T, F), whose length (magnitude) some losses use.
    """

    scores: torch.Tensor
    features: torch.Tensor


class Head(nn.Module):
    """Base class of heads. A user's own is ``--head package.module:Name``, a subclass of this one.

    Attributes:
        Settings: class of its settings; the defaults are the published ones.
    """

    Settings: ClassVar[type[HeadSettings]] = HeadSettings

    def __init__(self, dimension: int, settings: HeadSettings) -> None:
        """A head with random weights (from torch's generator) for features of length ``dimension``."""
        super().__init__()
        self.dimension, self.settings = dimension, settings

    def forward(self, x: torch.Tensor) -> Bag:
        """Features (B, crops, T, D) of any number T of segments -> scores (B, T) and inner features."""
        raise NotImplementedError

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        """The loss, a scalar, of as many normal as abnormal videos, which passed the network together."""
        raise NotImplementedError

    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of its weights; Adam unless a head says otherwise."""
        s = self.settings
        return torch.optim.Adam(self.parameters(), lr=s.lr, weight_decay=s.weight_decay)


def smoothness(scores: torch.Tensor) -> torch.Tensor:
    """Sum of the squared differences of neighbouring segments of each video: (B, T) -> scalar."""
    return scores.diff(dim=1).square().sum()


def length(scores: torch.Tensor) -> torch.Tensor:
    """L2 norm of all scores of a batch, the sparsity term of the public code of RTFM and MGFN: (B, T) -> scalar.

    The papers write Σ |s|; the weight 8e-3 belongs to this form.
    """
    return torch.linalg.vector_norm(scores)


class Chosen(NamedTuple):
    """The k segments of each video with the longest features.

    Attributes:
        score: mean of their scores, (B,).
        features: theirs, (B, crops, k, F), the longest first.
    """

    score: torch.Tensor
    features: torch.Tensor


def longest(bag: Bag, k: int, drop: nn.Dropout) -> Chosen:
    """The k segments of each video whose features have the largest L2 norm (mean over crops).

    Before the choice, ``drop`` sets norms to 0, so that others are chosen, too (RTFM's public code).
    """
    norms = torch.linalg.vector_norm(bag.features, dim=3).mean(1)
    order = (norms * drop(torch.ones_like(norms))).topk(min(k, norms.shape[1]), dim=1).indices
    place = order[:, None, :, None].expand(-1, bag.features.shape[1], -1, bag.features.shape[3])
    return Chosen(bag.scores.gather(1, order).mean(1), bag.features.gather(2, place))


def classification(normal: torch.Tensor, abnormal: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of video scores (B,) each: normal videos are 0, abnormal ones 1; a scalar."""
    said = torch.cat([normal, abnormal])
    true = torch.cat([torch.zeros_like(normal), torch.ones_like(abnormal)])
    return nn.functional.binary_cross_entropy(said, true)


def xavier(modules: Iterable[nn.Module]) -> None:
    """Xavier's uniform weights and no bias for convolutions and linear layers."""
    for module in modules:
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
