"""The input of a network's head: the pooled features of any network, together with its logits."""

import torch
from torch import nn
from torch.nn import functional

from benchmark_builder.utils.errors import BenchError

# small3d, torchvision's Swin and MViT; its 3-D ResNets; its S3D and Hugging Face's video classifiers
HEADS = ("head", "fc", "classifier")


def find_head(model: nn.Module) -> nn.Module:
    """The module that turns features into logits: the one named as in :data:`HEADS` that is nested least deep; of
    several, the only linear layer (VideoPrism's ``head`` is a pooling layer, its ``classifier`` gives the logits).

    Raises:
        BenchError: there is no such module, or more than one.
    """
    return model.get_submodule(head_name(model))


def head_name(model: nn.Module) -> str:
    """The name of this module; raises as :func:`find_head`."""
    found = [(name.count("."), name) for name, _ in model.named_modules() if name.split(".")[-1] in HEADS]
    least = min((depth for depth, _ in found), default=0)
    heads = [name for depth, name in found if depth == least]
    if len(heads) > 1:
        heads = [name for name in heads if isinstance(model.get_submodule(name), nn.Linear)] or heads
    if len(heads) != 1:
        count = "no" if not heads else "more than one"
        raise BenchError(
            f"{type(model).__name__} has {count} module named {', '.join(HEADS)}, so its features cannot be found; "
            "choose another --model, or call the layer that gives the logits of your own one `head`"
        )
    return heads[0]


def drop_features(model: nn.Module, share: float) -> None:
    """In training, hide a ``share`` of the features from the head: dropout that adds no layer, so that weights keep
    their names."""
    if share > 0:
        find_head(model).register_forward_pre_hook(
            lambda head, inputs: (functional.dropout(inputs[0], share, head.training),)
        )


def logits_and_features(model: nn.Module, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One forward; gradients flow through both.

    Args:
        model: clips -> logits (B, classes).
        clips: (B, 3, T, H, W).

    Returns:
        Logits (B, classes) and what went into the head, (B, D), at least float32; averaged over time and space where
        the head looks at a map (S3D) or at single frames (NAME_2d).

    Raises:
        BenchError: no head is found, or it does not run.
    """
    seen: list[torch.Tensor] = []
    handle = find_head(model).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        logits = model(clips)
    finally:
        handle.remove()
    if not seen:  # a compiled network may have been traced without the hook
        raise BenchError(f"the head of {type(model).__name__} did not run; train without --compile")
    features = seen[-1].flatten(2).mean(dim=2) if seen[-1].ndim > 2 else seen[-1]
    if len(features) != len(clips):  # a row per frame (NAME_2d): its logits are averaged, and so are its features
        features = features.unflatten(0, (len(clips), -1)).mean(dim=1)
    return logits, features.float() if features.dtype in (torch.bfloat16, torch.float16) else features
