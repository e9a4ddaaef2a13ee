"""VideoMix (Yun et al., 2020), spatial version: CutMix with the same box in all frames.

λ ~ Beta(α, α);  a box of int(W √(1 − λ)) × int(H √(1 − λ)) around a uniform pixel, clipped to the picture
x' = x[π] in the box, x outside;    y' = λ' y + (1 − λ') y[π],  1 − λ' = the clipped box's share of the area
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from albar.methods.base import Batch, Companions, Method, MethodSettings
from albar.methods.common import beta, beta_setting, chosen, per_clip, permutation, shares
from benchmark_builder.utils.options import share


class VideoMixSettings(MethodSettings):
    """Settings of VideoMix."""

    alpha: float = beta_setting(1.0, "α of the Beta distribution; published: 1.")
    p: float = share(
        0.25,
        "Probability that a clip is mixed. Published for Swin-T on HMDB51: 0.25 with Kinetics weights (finetune), 0.75 "
        "with ImageNet's (scratch).",
    )


class VideoMix(Method):
    """The mix above, then soft cross-entropy."""

    PRESETS: ClassVar[Mapping[str, VideoMixSettings]] = {
        "finetune": VideoMixSettings(),
        "scratch": VideoMixSettings(p=0.75),
    }
    settings: VideoMixSettings

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        self.classes = companions.classes

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        y = shares(batch.labels, self.classes)
        height, width = x.shape[-2:]
        rows, columns = box(height, width, beta(s.alpha, s.alpha, draw), draw)
        partner = permutation(len(x), draw, x.device)
        keep = chosen(s.p, len(x), draw, x.device)
        clips = x.clone()
        inside = x[..., rows, columns]
        clips[..., rows, columns] = torch.where(per_clip(keep), inside[partner], inside)
        area = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        return dataclasses.replace(
            batch, clips=clips, labels=torch.lerp(y, y[partner], area * keep.to(y.dtype)[:, None])
        )


def box(height: int, width: int, lam: float, draw: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns of the box above; empty if a side has less than 2 pixels."""
    sides = []
    for size in (height, width):
        half = int(size * math.sqrt(1 - lam)) // 2
        centre = int(torch.randint(size, (), generator=draw))
        sides.append(slice(max(centre - half, 0), min(centre + half, size)))
    return sides[0], sides[1]
