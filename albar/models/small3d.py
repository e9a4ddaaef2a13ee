"""A small 3-D residual network (He et al. 2016, with 3-D kernels as in R3D-18) that trains from scratch on a CPU.

It sees each frame together with its change to the next (RGB difference, as in TSN, Wang et al. 2016): from frames
alone, motions of many pixels between two frames are learnt late, long after appearance.

A still clip can be a single frame: no stride in time, replicate padding in time, and GroupNorm, which keeps no
statistics in which moving and still clips could mix. T repeats of a frame and the frame alone give the same logits.
"""

import torch
from torch import nn
from torch.nn import functional

from albar.clips.clips import ClipSampling
from albar.models.weights import load_weights

STEM, WIDTHS = 8, (24, 48, 96)


class TimeConv(nn.Conv3d):
    """Convolution 3x3x3 that repeats the first and last frame beyond the ends (and pads space with zeros)."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__(channels, out, 3, stride=(1, stride, stride), padding=(0, 1, 1), bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, T, H, W) -> (B, out, T, H / stride, W / stride)."""
        if x.shape[2] == 1:  # all three frames of the kernel see the same frame: their sum, in a third of the time
            plane = functional.conv2d(x[:, :, 0], self.weight.sum(2), stride=self.stride[1:], padding=self.padding[1:])
            return plane[:, :, None]
        return super().forward(torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2))


class Block(nn.Module):
    """conv, norm, ReLU, conv, norm, plus the shortcut, ReLU; halves the picture."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = TimeConv(channels, out, 2), nn.GroupNorm(out // 8, out)
        self.conv2, self.norm2 = TimeConv(out, out), nn.GroupNorm(out // 8, out)
        self.shortcut = nn.Sequential(
            nn.Conv3d(channels, out, 1, stride=(1, 2, 2), bias=False), nn.GroupNorm(out // 8, out)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, T, H, W) -> (B, out, T, H / 2, W / 2)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Small3D(nn.Module):
    """Stem and three blocks of :data:`WIDTHS`, each halving the picture; mean over T, H, W; a head.

    Input float32 (B, 3, T, H, W), any T >= 1 and any H, W >= 16; output logits (B, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(TimeConv(6, STEM, 2), nn.GroupNorm(1, STEM), nn.ReLU())
        ins = (STEM, *WIDTHS[:-1])
        self.blocks = nn.Sequential(*(Block(i, o) for i, o in zip(ins, WIDTHS, strict=True)))
        self.head = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(with_change(x))).mean(dim=(2, 3, 4)))


def with_change(x: torch.Tensor) -> torch.Tensor:
    """(B, 3, T, H, W) -> (B, 6, T, H, W): frames, and their change to the next (the last: from the one before)."""
    change = x.diff(dim=2)
    return torch.cat([x, torch.cat([change, change[:, :, -1:]], 2) if x.shape[2] > 1 else torch.zeros_like(x)], 1)


def build(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """The builder of ``small3d``; see :func:`albar.models.build_model`."""
    model = Small3D(classes)
    if weights is not None:
        load_weights(model, weights, head="head.")
    return model
