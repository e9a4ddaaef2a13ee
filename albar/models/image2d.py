"""torchvision's image networks over clips: each frame on its own, logits averaged over time (TSN, Wang et al. 2016).

They cannot see motion, which is what StillMix's reference network is for.
"""

from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model

from albar.clips.clips import ClipSampling
from albar.models.torchvision_video import published
from albar.models.weights import fit_weights, load_weights


class Framewise(nn.Module):
    """An image network on every frame; input float32 (B, 3, T, H, W), output logits (B, classes)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, frames = x.shape[:3]
        logits: torch.Tensor = self.network(x.transpose(1, 2).flatten(0, 1))
        return logits.view(batch, frames, -1).mean(1)


def build(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """The builder of ``NAME_2d``; see :func:`albar.models.build_model`."""
    base = name.removesuffix("_2d")
    network: nn.Module = get_model(base, weights=None, num_classes=classes)
    head = "head." if base.startswith("swin") else "fc."
    if weights is not None and Path(weights).is_file():
        load_weights(network, weights, head)
    elif weights is not None:
        state, _ = published(base, weights)
        fit_weights(network, state, head, weights)
    return Framewise(network)
