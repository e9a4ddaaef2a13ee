"""ActorCutMix (Zou et al., CVIU 2023): the actors of one clip in front of the scene of another.

M is 1 on the actors; clip i is paired with clip j = B − 1 − i (the batch reversed):

    x' = x_i M_i + x_j (1 − M_j)(1 − M_i)
    y' = w y_i + (1 − w) y_j,    w = 1 − (1 − r)⁴,    r = mean of M_i

Where both have actors the scene has a hole of the mean colour, as published. A clip with no actor, or filled by its
actors, has nothing to mix. The published code still pairs it: the scene of the other clip turns grey, and it takes a
share of the label. Here neither clip of such a pair is changed, unless ``invalid=published``; nor is the middle one of
an odd batch.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import nn

from albar.methods.base import Batch, Companions, Method, MethodSettings
from albar.methods.common import chosen, per_clip, shares
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import setting, share


class ActorCutMixSettings(MethodSettings):
    """Settings of ActorCutMix."""

    p: float = share(
        0.25,
        "Chance of a clip to be changed. Published for Swin-T on HMDB51: 0.25 from Kinetics weights (finetune), 0.75 "
        "from ImageNet's (scratch).",
    )
    power: float = setting(4.0, "4 in the formula of w, as published.", ge=1, le=100)
    invalid: Literal["spared", "published"] = setting(
        "spared",
        "What happens to the partner of a clip with no actor, or filled by its actors: spared (not changed), or "
        "published: its scene turns grey and its label is shared, to reproduce published figures.",
    )


class ActorCutMix(Method):
    """The mix above, then soft cross-entropy."""

    PRESETS: ClassVar[Mapping[str, ActorCutMixSettings]] = {
        "finetune": ActorCutMixSettings(),
        "scratch": ActorCutMixSettings(p=0.75),
    }
    NEEDS: ClassVar[frozenset[str]] = frozenset({"actors"})
    settings: ActorCutMixSettings

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        self.classes = companions.classes

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        if batch.actors is None:
            raise BenchError("ActorCutMix has no masks of the actors; give --masks, a mask source for this dataset")
        x, actors, s = batch.clips, batch.actors, self.settings
        y = shares(batch.labels, self.classes)
        n = len(x)

        ratio = actors.mean(dim=(1, 2, 3, 4))
        valid = (ratio > 0) & (ratio < 1)
        lone = torch.arange(n, device=x.device) == torch.arange(n - 1, -1, -1, device=x.device)
        keep = chosen(s.p, n, draw, x.device) & valid & ~lone
        if s.invalid == "spared":
            keep &= valid.flip(0)
        else:  # it counts as filled by its actors, so it has no scene
            actors = torch.where(per_clip(valid), actors, 1.0)

        scene = (x * (1 - actors)).flip(0)
        clips = torch.where(per_clip(keep), x * actors + scene * (1 - actors), x)
        weight = ((1 - ratio) ** s.power * keep).to(y.dtype)  # 1 − w, the partner's share
        return dataclasses.replace(batch, clips=clips, labels=torch.lerp(y, y.flip(0), weight[:, None]))
