"""torchvision's video networks, with a head for any class count."""

from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from albar.clips import ClipSampling
from albar.models.weights import fit_weights, load_weights
from benchmark_builder.errors import BenchError

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
    if Path(weights).is_file():
        load_weights(model, weights, head_prefix(name))
    else:
        state, _ = published(name, weights)
        fit_weights(model, state, head_prefix(name), weights)
    return model


def head_prefix(name: str) -> str:
    """What the names of the head's parameters start with."""
    return next((prefix for start, prefix in _HEADS.items() if name.startswith(start)), "fc.")


def published(name: str, weights: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Weights that torchvision publishes for a network, and their class names.

    Raises:
        BenchError: no weights of that name, or they cannot be fetched.
    """
    known = get_model_weights(name)
    if weights not in known.__members__:
        raise BenchError(
            f"unknown weights {weights!r} for {name}: no such file, nor one of {', '.join(known.__members__)}"
        )
    entry = known[weights]
    try:
        return entry.get_state_dict(progress=True, check_hash=True), list(entry.meta["categories"])
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BenchError(
            f"weights {weights} of {name} could not be fetched ({reason}); download {entry.url} elsewhere and give "
            "the file as --weights"
        ) from None
