"""Networks by name. Every network maps clips float32 (B, 3, T, H, W), normalised, to logits (B, classes)."""

import importlib
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from albar.clips import ClipSampling
from benchmark_builder.errors import BenchError


class Builder(Protocol):
    """What a model's module offers under ``build``."""

    def __call__(self, name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module: ...


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a network's code is and how it likes its clips.

    Attributes:
        module: has ``build(name, classes, sampling, weights)``; imported only when the network is asked for.
        sampling: name of the clip sampling preset to use by default.
        pretrained: names of published weights, the first being the usual choice; empty if there are none.
    """

    module: str
    sampling: str
    pretrained: tuple[str, ...] = ()


_TORCHVISION = "albar.models.torchvision_video"
_K400 = ("KINETICS400_V1",)
MODELS: dict[str, ModelSpec] = {
    "small3d": ModelSpec("albar.models.small3d", "8x2-48"),
    "swin3d_t": ModelSpec(_TORCHVISION, "albar-32x2-224", _K400),
    "swin3d_s": ModelSpec(_TORCHVISION, "albar-32x2-224", _K400),
    "swin3d_b": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, "KINETICS400_IMAGENET22K_V1")),
    "mvit_v2_s": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "mvit_v1_b": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "s3d": ModelSpec(_TORCHVISION, "32x2-224", _K400),
    "r3d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "mc3_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "r2plus1d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
}


def model_spec(name: str) -> ModelSpec:
    """BenchError lists the choices."""
    if name not in MODELS:
        raise BenchError(f"unknown model {name!r}; choose from {', '.join(MODELS)}")
    return MODELS[name]


def build_model(name: str, classes: int, sampling: ClipSampling, weights: str | None = None) -> nn.Module:
    """A network with ``classes`` outputs, its random parts drawn from torch's global generator.

    Args:
        name: a key of :data:`MODELS`.
        classes: how many classes, at least 2.
        sampling: the clips it will see; networks of fixed input size are built for ``frames`` and ``size``.
        weights: None (random), the name of published weights such as ``KINETICS400_V1``, or a file of weights. A head
            for another number of classes is left out and starts fresh.

    Raises:
        BenchError: unknown name, unknown weights, or weights that do not fit.
    """
    spec = model_spec(name)
    if classes < 2:
        raise BenchError(f"model {name} needs at least 2 classes, the dataset has {classes}; choose another dataset")
    builder: Builder = importlib.import_module(spec.module).build
    return builder(name, classes, sampling, weights)
