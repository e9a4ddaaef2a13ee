"""Networks by name. Every network maps clips float32 (B, 3, T, H, W), normalised, to logits (B, classes)."""

import importlib
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from albar.clips.clips import ClipSampling
from albar.models import huggingface
from benchmark_builder.utils.errors import BenchError


class Builder(Protocol):
    """What a model's module offers under ``build``."""

    def __call__(self, name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module: ...


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a network's code is and how it likes its clips.

    Attributes:
        module: has ``build(name, classes, sampling, weights)``; imported only when the network is asked for.
        sampling: the clips to use by default: a preset's name, or the sampling itself.
        pretrained: names of published weights, the first being the usual choice; empty if there are none.
    """

    module: str
    sampling: str | ClipSampling
    pretrained: tuple[str, ...] = ()


_TORCHVISION = "albar.models.torchvision_video"
_IMAGES = "albar.models.image2d"
_K400 = ("KINETICS400_V1",)
_IN1K = ("IMAGENET1K_V1",)
MODELS: dict[str, ModelSpec] = {
    "small3d": ModelSpec("albar.models.small3d", "8x2-48"),
    "swin3d_t": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, *_IN1K)),
    "swin3d_s": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, *_IN1K)),
    "swin3d_b": ModelSpec(_TORCHVISION, "albar-32x2-224", (*_K400, "KINETICS400_IMAGENET22K_V1", *_IN1K)),
    "mvit_v2_s": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "mvit_v1_b": ModelSpec(_TORCHVISION, "16x4-224", _K400),
    "s3d": ModelSpec(_TORCHVISION, "32x2-224", _K400),
    "r3d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "mc3_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "r2plus1d_18": ModelSpec(_TORCHVISION, "16x2-112", _K400),
    "swin_t_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
    "resnet18_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
    "resnet50_2d": ModelSpec(_IMAGES, "32x2-224", _IN1K),
}


def model_spec(name: str) -> ModelSpec:
    """A key of :data:`MODELS`, or ``hf:FOLDER_OR_NAME`` (see :mod:`albar.models.huggingface`).

    BenchError lists the choices.
    """
    if name.startswith(huggingface.PREFIX):
        clips, _ = huggingface.clip_sampling(huggingface.local_folder(name))
        return ModelSpec(huggingface.__name__, clips, (huggingface.PRETRAINED,))
    if name not in MODELS:
        raise BenchError(f"unknown model {name!r}; choose from {', '.join(MODELS)}, or hf:FOLDER_OR_NAME")
    return MODELS[name]


def build_model(name: str, classes: int, sampling: ClipSampling, weights: str | None = None) -> nn.Module:
    """A network with ``classes`` outputs, its random parts drawn from torch's global generator.

    Args:
        name: a key of :data:`MODELS`, or ``hf:FOLDER_OR_NAME``.
        classes: how many classes, at least 2.
        sampling: the clips it will see; networks of fixed input size are built for ``frames`` and ``size``.
        weights: None (random), the name of published weights such as ``KINETICS400_V1`` (``pretrained`` for the
            folder's own, with ``hf:``), or a file of weights. A head for another number of classes is left out and
            starts fresh, with the warning :class:`albar.models.weights.FreshHead`.

    Raises:
        BenchError: unknown name, unknown weights, or weights that do not fit.
    """
    spec = model_spec(name)
    if classes < 2:
        raise BenchError(f"model {name} needs at least 2 classes, the dataset has {classes}; choose another dataset")
    builder: Builder = importlib.import_module(spec.module).build
    return builder(name, classes, sampling, weights)
