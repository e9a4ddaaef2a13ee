"""Networks whose attention torch computes: ALBAR's gradient penalty differentiates their gradients."""

import sys
from pathlib import Path

import pytest
from tiny_videos import make_actions

from albar.training.settings import TrainSettings
from albar.training.trainer import train
from benchmark_builder.utils.errors import BenchError

NETS = """
import torch
from torch import nn
from torch.nn import functional as F
from albar.clips.clips import ClipSampling

class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient * 2

class Attention(nn.Module):
    sampling = ClipSampling(frames=4, stride=1, size=16, resize=16)
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Linear(16 * 16, 8)
        self.head = nn.Linear(8, classes)
    def forward(self, x):
        x = self.first(x.flatten(3).flatten(1, 2))[:, None]  # (B, 1, 3 T, 8)
        return self.head(F.scaled_dot_product_attention(x, x, x)[:, 0].mean(1))

class Single(Attention):
    def forward(self, x):
        return super().forward(Once.apply(x))
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "attention_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "attention_nets", raising=False)
    return make_actions(tmp_path / "ucf", frames=6)


def settings(nets: Path, name: str, **more: object) -> TrainSettings:
    return TrainSettings(
        method="albar", model=f"attention_nets:{name}", dataset="ucf101", root=nets, split="all", epochs=1, batch=2,
        workers=0, device="cpu", out=nets.parent / "run", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_attention_of_torch_is_trained_with_the_penalty(nets: Path) -> None:
    assert train(settings(nets, "Attention", options={"gp": 1.0}), say=lambda line: None)


def test_what_cannot_be_differentiated_twice_is_told(nets: Path) -> None:
    with pytest.raises(BenchError, match=r"attention_nets:Single: cannot be differentiated twice .* or --set gp=0"):
        train(settings(nets, "Single", options={"gp": 1.0}), say=lambda line: None)
    assert train(settings(nets, "Single", options={"gp": 0}), say=lambda line: None)
