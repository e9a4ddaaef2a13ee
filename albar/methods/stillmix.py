"""StillMix (Li et al., ICCV 2023): every frame of the clip is mixed with the same still frame, one from which a 2-D
network can guess the class. The still content then gives no information on the class; the label is unchanged.

    λ ~ Beta(a, b),    x' = λ x + (1 − λ) tile(z),    z drawn for each clip from the bank of biased frames

The bank is made with the 2-D reference network. ``frames=random`` needs no reference and takes a random frame of
another clip of the batch: the paper's variant "Random". All settings are in :mod:`albar.stillmix_settings`.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torchvision.transforms.v2 import functional as pictures

from albar.clips.clips import normalise
from albar.methods.base import Batch, Companions, Method
from albar.methods.common import beta, chosen, per_clip
from albar.stillmix_settings import MIX, StillMixSettings
from benchmark_builder.utils.errors import BenchError


class StillMix(Method):
    """The mix above, then cross-entropy."""

    PRESETS: ClassVar[Mapping[str, StillMixSettings]] = MIX
    NEEDS: ClassVar[frozenset[str]] = frozenset({"bank"})
    settings: StillMixSettings

    @property
    def needs(self) -> frozenset[str]:
        return self.NEEDS if self.settings.frames == "bank" else frozenset()

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        self.sampling = companions.sampling
        if self.settings.frames == "bank":
            if companions.bank is None or not len(companions.bank):
                raise BenchError("StillMix has no bank of frames; give --reference, or set the method's frames=random")
            self.bank = fitted(companions.bank, clip.shape[-2:]).to(clip.device)

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        lam = beta(s.a, s.b, draw)
        still = self.biased_frames(x, draw) if s.frames == "bank" else frames_of_others(x, draw)
        weight = (1 - lam) * chosen(s.p, len(x), draw, x.device).to(x.dtype)
        return dataclasses.replace(batch, clips=torch.lerp(x, still, per_clip(weight)))

    def biased_frames(self, x: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """The frame z for each clip, normalised: (B, 3, 1, H, W)."""
        index = torch.randint(len(self.bank), (len(x),), generator=draw).to(x.device)
        return normalise(self.bank[index].unsqueeze(2), self.sampling).to(x.dtype)


def frames_of_others(x: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """A random frame of a different clip, for each clip of (B, 3, T, H, W): (B, 3, 1, H, W)."""
    batch, _, frames = x.shape[:3]
    if batch < 2:
        raise BenchError("StillMix takes frames of other clips, but a batch has one clip; set --batch to 2 or more")
    other = (torch.arange(batch) + torch.randint(1, batch, (batch,), generator=draw)) % batch
    frame = torch.randint(frames, (batch,), generator=draw)
    return x[other.to(x.device), :, frame.to(x.device)].unsqueeze(2)


def fitted(bank: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Pictures uint8 (Q, 3, h, w), resized to ``size`` (H, W) as in the paper; a few at a time, to save memory."""
    if bank.shape[-2:] == size:
        return bank
    return torch.cat([pictures.resize(part, list(size), antialias=True) for part in bank.split(64)])
