"""torchvision's video networks, with a head for any class count."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from albar.clips.clips import ClipSampling
from albar.models.weights import fit_weights, weights_for
from benchmark_builder.utils.errors import BenchError

_IMAGE_NETWORKS = {"swin3d_t": "swin_t", "swin3d_s": "swin_s", "swin3d_b": "swin_b"}
_HEADS = {"swin3d": "head.", "mvit": "head.", "s3d": "classifier."}  # the 3-D ResNets have "fc."


def build(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """The builder of torchvision's networks; see :func:`albar.models.build_model`."""
    if name.startswith("mvit") and (sampling.frames, sampling.size) != (16, 224):
        raise BenchError(
            f"model {name} takes 16 frames of 224 pixels only (its position tables have that size), the clips have "
            f"{sampling.frames} of {sampling.size}; set the clip settings frames and size"
        )
    model: nn.Module = get_model(name, weights=None, num_classes=classes)
    if weights is None:
        return model
    image = _IMAGE_NETWORKS.get(name)
    if Path(weights).is_file():
        state = weights_for(model, weights)
        if image and "features.0.0.weight" in state:  # its patches are flat: weights of the image network
            state = inflated(state, model)
        fit_weights(model, state, head_prefix(name), weights)
    elif image and weights in get_model_weights(image).__members__:
        fit_weights(model, inflated(published(image, weights)[0], model), head_prefix(name), weights)
    else:
        state, _ = published(name, weights)
        fit_weights(model, state, head_prefix(name), weights)
    return model


def inflated(image: Mapping[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of an image Swin Transformer for the video network of its size (Liu et al., CVPR 2022).

    Each patch's kernel is repeated in time and divided by the repeats, the table of position biases is repeated for
    every distance in time. A still clip then gives the logits of the image.

    Args:
        image: torchvision's swin_t, swin_s or swin_b, by name.
        model: torchvision's swin3d_t, swin3d_s or swin3d_b; only its shapes are used.
    """
    own = model.state_dict()
    made: dict[str, torch.Tensor] = {}
    for name, value in image.items():
        stage, _, rest = name.removeprefix("features.").partition(".")
        if name.startswith("features.0."):
            name = {"0": "patch_embed.proj.", "2": "patch_embed.norm."}.get(rest[0], "") + rest.partition(".")[2]
        elif name.startswith("features."):
            name = f"features.{int(stage) - 1}.{rest}"
        wanted = own[name].shape if name in own else value.shape
        if name == "patch_embed.proj.weight":
            value = value.unsqueeze(2).repeat(1, 1, wanted[2], 1, 1) / wanted[2]
        elif name.endswith("relative_position_bias_table"):
            value = value.repeat(wanted[0] // len(value), 1)
        elif name.endswith("relative_position_index"):
            value = own[name]  # follows from the window alone
        made[name] = value
    return made


def head_prefix(name: str) -> str:
    """What the names of the head's parameters start with."""
    return next((prefix for start, prefix in _HEADS.items() if name.startswith(start)), "fc.")


def published(name: str, weights: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Weights that torchvision publishes for a network, and their class names.

    Raises:
        BenchError: no weights of that name, or they cannot be downloaded.
    """
    known = get_model_weights(name)
    if weights not in known.__members__:
        raise BenchError(
            f"unknown weights {weights!r} for {name}: not a file, and not one of {', '.join(known.__members__)}"
        )
    entry = known[weights]
    try:
        return entry.get_state_dict(progress=True, check_hash=True), list(entry.meta["categories"])
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BenchError(
            f"weights {weights} of {name} could not be downloaded ({reason}); download {entry.url} elsewhere and give "
            "the file as --weights"
        ) from None
