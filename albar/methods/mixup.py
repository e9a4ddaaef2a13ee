"""Mixup (Zhang et al., ICLR 2018) of clips and labels: one λ and one permutation π per batch.

λ ~ Beta(α, α),    x' = λ x + (1 − λ) x[π],    y' = λ y + (1 − λ) y[π]
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from albar.methods.base import Batch, Companions, Method, Settings
from albar.methods.common import beta, check_beta, check_numbers, chosen, per_clip, permutation, shares


@dataclass(frozen=True, slots=True, kw_only=True)
class MixupSettings(Settings):
    """Settings of Mixup.

    Attributes:
        alpha: α of the Beta distribution; published in StillMix's comparison: 0.2.
        p: chance of a clip to be mixed. Published for Swin-T, Kinetics weights, HMDB51: 0.75; the same from ImageNet's.
    """

    alpha: float = 0.2
    p: float = 0.75

    def __post_init__(self) -> None:
        check_beta(self, "Mixup", "alpha")
        check_numbers(self, "Mixup", 0, 1, "p")


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
