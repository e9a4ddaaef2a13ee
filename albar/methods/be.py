"""BE, background erasing (Wang et al., CVPR 2021), as an augmentation of supervised training, without its
consistency loss: a still frame of the clip itself is laid over it. The label stays.

    λ ~ U(0, most),    x' = (1 − λ) x + λ x̄,    x̄ = one of x's own frames, drawn for each clip, at every instant
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import torch

from albar.methods.base import Batch, Method, MethodSettings
from albar.methods.common import chosen, per_clip
from benchmark_builder.utils.options import share


class BESettings(MethodSettings):
    """Settings of BE."""

    most: float = share(0.3, "Largest share of the still frame; published: 0.3.")
    p: float = share(
        0.25,
        "Chance of a clip to be changed. Published for Swin-T on HMDB51: 0.25 from Kinetics weights (finetune), 0.75 "
        "from ImageNet's (scratch).",
    )


class BE(Method):
    """The mix above, then cross-entropy."""

    PRESETS: ClassVar[Mapping[str, BESettings]] = {"finetune": BESettings(), "scratch": BESettings(p=0.75)}
    settings: BESettings

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        lam = s.most * float(torch.rand((), generator=draw))
        frame = torch.randint(x.shape[2], (len(x),), generator=draw).to(x.device)
        still = x[torch.arange(len(x), device=x.device), :, frame].unsqueeze(2)
        weight = lam * chosen(s.p, len(x), draw, x.device).to(x.dtype)
        return dataclasses.replace(batch, clips=torch.lerp(x, still, per_clip(weight)))
