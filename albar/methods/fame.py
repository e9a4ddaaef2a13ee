"""FAME, foreground-background merging (Ding et al., CVPR 2022): the moving part of one clip in front of another clip.

    1. where it moves: m = minmax blur( mean_t Σ_c |x_t − x_{t+1}| )
    2. which colours move:  q = P_f / (P_f + P_b), the colour's share among the half of the pixels with the largest m
       and among the tenth with the smallest (each counted once more than it is seen), in the clip's mean picture
    3. M = the share β of the pixels with the largest blurred q, the same at every instant
    4. x' = x M + x[π] (1 − M);  the label stays. The other clip's own foreground is not removed.

The published code multiplies the hue, which is in radians already, by 2π. Here the hue is right, unless
``hue=published``. It also rounds each colour coordinate after adding 1: what is half-way between two levels, as both
hue coordinates of an exact grey are, is rounded to the other of them (4.5 + 1 is rounded to 6, 4.5 to 4). Here this is
done with ``rounding=published``.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import nn
from torchvision.transforms.v2 import functional as pictures

from albar.methods.base import Batch, Companions, Method, MethodSettings
from albar.methods.common import chosen, per_clip, permutation
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import setting, share

LEVELS = 10  # of each of the three colour coordinates


class FameSettings(MethodSettings):
    """Settings of FAME."""

    beta: float = share(0.5, "β, share of the picture that is foreground; published: 0.5.")
    p: float = share(
        0.5,
        "Chance of a clip to be changed. Published for Swin-T on HMDB51: 0.5, from Kinetics weights and ImageNet's.",
    )
    hue: Literal["right", "published"] = setting(
        "right", "Right, or published: 2π times as large, to reproduce published figures."
    )
    rounding: Literal["plain", "published"] = setting(
        "plain", "Of the colour's levels: plain, or published (after adding 1; finetune)."
    )


class Fame(Method):
    """The mix above, then cross-entropy."""

    PRESETS: ClassVar[Mapping[str, FameSettings]] = {
        "finetune": FameSettings(rounding="published"),
        "scratch": FameSettings(),
    }
    settings: FameSettings

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        if clip.shape[2] < 2:
            raise BenchError("FAME needs motion, but clips have 1 frame; raise the clip setting frames")
        self.mean = torch.tensor(companions.sampling.mean, device=clip.device).view(3, 1, 1, 1)
        self.std = torch.tensor(companions.sampling.std, device=clip.device).view(3, 1, 1, 1)

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        rgb = x * self.std + self.mean
        front = foreground(rgb, s.beta, s.hue == "published", s.rounding == "published")[:, None, None]
        partner = permutation(len(x), draw, x.device)
        keep = chosen(s.p, len(x), draw, x.device)
        return dataclasses.replace(batch, clips=torch.where(front | ~per_clip(keep), x, x[partner]))


def foreground(
    rgb: torch.Tensor, beta: float, published_hue: bool = False, published_rounding: bool = False
) -> torch.Tensor:
    """M above: bool (B, H, W), int(β·H·W) pixels of each clip, of clips (B, 3, T, H, W) in 0..1."""
    motion = (rgb[:, :, 1:] - rgb[:, :, :-1]).abs().sum(dim=1).mean(dim=1)
    return moving_colours(motion, rgb.mean(dim=2), beta, published_hue, published_rounding)


def moving_colours(
    motion: torch.Tensor,
    picture: torch.Tensor,
    beta: float,
    published_hue: bool = False,
    published_rounding: bool = False,
) -> torch.Tensor:
    """Steps 2 and 3 above: bool (B, H, W), int(β·H·W) pixels of each.

    Args:
        motion: (B, H, W), how much each pixel changes, before the blur.
        picture: (B, 3, H, W) in 0..1, whose colours are counted.
    """
    height, width = picture.shape[-2:]
    pixels = height * width
    by_motion = ranked(blurred(motion))
    colours = colour_bins(picture, published_hue, published_rounding).flatten(1)
    moving = colour_shares(colours.gather(1, by_motion[:, : int(0.5 * pixels)]), unseen=0)
    resting = colour_shares(colours.gather(1, by_motion[:, pixels - int(0.1 * pixels) :]), unseen=1)
    q = (moving / (moving + resting)).gather(1, colours).view(-1, height, width)
    mask = torch.zeros(len(picture), pixels, dtype=torch.bool, device=picture.device)
    mask.scatter_(1, ranked(blurred(q))[:, : int(beta * pixels)], True)
    return mask.view(-1, height, width)


def ranked(values: torch.Tensor) -> torch.Tensor:
    """Pixels of (B, H, W) from the largest to the smallest, equal ones in reading order: int64 (B, H·W).

    The published code first stretches the values to 0..1, which changes no order.
    """
    return values.flatten(1).argsort(dim=1, descending=True, stable=True)


def blurred(values: torch.Tensor) -> torch.Tensor:
    """(B, H, W) under a Gaussian of k pixels, σ = k / 3; k is odd, about a tenth of the short side (23 of 224)."""
    kernel = int(0.1 * min(values.shape[-2:])) // 2 * 2 + 1
    return pictures.gaussian_blur(values.unsqueeze(1), [kernel, kernel], [kernel / 3, kernel / 3]).squeeze(1)


def colour_bins(rgb: torch.Tensor, published_hue: bool = False, published_rounding: bool = False) -> torch.Tensor:
    """Number of each pixel's colour, 0..999: (S cos H, S sin H, V) in ten levels each; (B, 3, H, W) -> (B, H, W)."""
    hue, saturation, value = hsv(rgb.clamp(0, 1))
    if published_hue:
        hue = 2 * math.pi * hue
    cosine, sine = (saturation * hue.cos() + 1) / 2, (saturation * hue.sin() + 1) / 2
    before = 1 if published_rounding else 0  # torch rounds a half to the even number
    levels = [(v * (LEVELS - 1) + before).round().long() - before for v in (cosine, sine, value)]
    return levels[0] + LEVELS * levels[1] + LEVELS**2 * levels[2]


def hsv(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hue in radians 0..2π, saturation and value 0..1, each (B, H, W), of pictures (B, 3, H, W) in 0..1."""
    red, green, blue = rgb.unbind(1)
    value, top = rgb.max(dim=1)
    chroma = value - rgb.amin(dim=1)
    c = chroma.where(chroma > 0, 1)  # of grey, any hue will do: its saturation is 0
    sextant = torch.where(
        top == 0, (green - blue) / c % 6, torch.where(top == 1, (blue - red) / c + 2, (red - green) / c + 4)
    )
    return sextant * (math.pi / 3), chroma / value.where(value > 0, 1), value


def colour_shares(colours: torch.Tensor, unseen: int) -> torch.Tensor:
    """Share of each colour among (B, n), every count ``unseen`` too high, as published: float (B, 1000)."""
    counts = torch.full((len(colours), LEVELS**3), float(unseen), device=colours.device)
    counts.scatter_add_(1, colours, torch.ones_like(colours, dtype=counts.dtype))
    return counts / counts.sum(dim=1, keepdim=True)
