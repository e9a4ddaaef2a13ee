"""Mixup (Zhang et al., ICLR 2018) of clips and labels: one λ and one permutation π per batch.

λ ~ Beta(α, α),    x' = λ x + (1 − λ) x[π],    y' = λ y + (1 − λ) y[π]
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from albar.methods.base import Batch, Companions, Method, MethodSettings
from albar.methods.common import beta, beta_setting, chosen, per_clip, permutation, shares
from benchmark_builder.utils.options import share


class MixupSettings(MethodSettings):
    """Settings of Mixup."""

    alpha: float = beta_setting(0.2, "α of the Beta distribution; published in StillMix's comparison: 0.2.")
    p: float = share(
        0.75,
        "Chance of a clip to be mixed. Published for Swin-T, Kinetics weights, HMDB51: 0.75; the same from ImageNet's.",
    )


class Mixup(Method):
    """The mix above, then soft cross-entropy."""

    PRESETS: ClassVar[Mapping[str, MixupSettings]] = {"finetune": MixupSettings(), "scratch": MixupSettings()}
    settings: MixupSettings

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        self.classes = companions.classes

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        y = shares(batch.labels, self.classes)
        lam = beta(s.alpha, s.alpha, draw)
        partner = permutation(len(x), draw, x.device)
        weight = (1 - lam) * chosen(s.p, len(x), draw, x.device).to(x.dtype)  # at 0, lerp gives x exactly
        clips = torch.lerp(x, x[partner], per_clip(weight))
        return dataclasses.replace(batch, clips=clips, labels=torch.lerp(y, y[partner], weight.to(y.dtype)[:, None]))
