"""The tokens of a network: its last feature map, before the mean over space and time that its own head looks at.

A head that looks at tokens (attentive pooling, slots) takes the place of the network's own: :func:`without_head`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from albar.models.heads import head_name
from albar.models.huggingface import HuggingFaceVideo
from albar.models.small3d import Small3D, with_change
from benchmark_builder.utils.errors import BenchError

if TYPE_CHECKING:
    from torchvision.models.video.mvit import MViT
    from torchvision.models.video.resnet import VideoResNet
    from torchvision.models.video.s3d import S3D
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    from albar.models.image2d import Framewise


def token_map(model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    """The last feature map of a network.

    A network of the user's own defines it as a method ``tokens(clips)`` with the result below.

    Args:
        model: a network of this toolkit (small3d, torchvision's, Hugging Face's), or one with a method ``tokens``.
        clips: float32 (B, 3, T, S, S), normalised.

    Returns:
        (B, t, h, w, C): t steps in time and h rows of w tokens, each with C features. Class tokens are left out.

    Raises:
        BenchError: the network's tokens are not known, or it gives none of this shape.
    """
    own = getattr(model, "tokens", None)
    if callable(own):
        made = own(clips)
        if not (isinstance(made, torch.Tensor) and made.ndim == 5 and len(made) == len(clips)):
            shape = tuple(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
            raise BenchError(f"{type(model).__name__}.tokens gives {shape}; return a tensor (B, t, h, w, C)")
        return made
    for kind in type(model).__mro__:
        if kind.__module__.startswith(("albar.", "torchvision.")) and kind.__name__ in _TOKENS:
            return _TOKENS[kind.__name__](model, clips)
    raise BenchError(
        f"the tokens of {type(model).__name__} are not known; give your network a method tokens(clips) that returns "
        "(B, t, h, w, C), or choose a head that takes pooled features (for a probe: --set head=linear)"
    )


def without_head(model: nn.Module) -> nn.Module:
    """``model`` without the parts that only its own logits need, so that every weight is used for the tokens.

    Changed in place; it can then only be given to :func:`token_map`.
    """
    parts = [head_name(model)]
    if isinstance(model, HuggingFaceVideo) and isinstance(getattr(model.network, "fc_norm", None), nn.Module):
        parts.append("network.fc_norm")
    for part in parts:
        parent, _, name = part.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
    return model


def _small3d(model: Small3D, clips: torch.Tensor) -> torch.Tensor:
    return _channels_last(model.blocks(model.stem(with_change(clips))))


def _resnet(model: "VideoResNet", clips: torch.Tensor) -> torch.Tensor:
    x = model.stem(clips)
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
    return _channels_last(x)


def _s3d(model: "S3D", clips: torch.Tensor) -> torch.Tensor:
    return _channels_last(model.features(clips))


def _swin(model: "SwinTransformer3d", clips: torch.Tensor) -> torch.Tensor:
    tokens: torch.Tensor = model.norm(model.features(model.pos_drop(model.patch_embed(clips))))
    return tokens


def _mvit(model: "MViT", clips: torch.Tensor) -> torch.Tensor:
    x = model.pos_encoding(model.conv_proj(clips).flatten(2).transpose(1, 2))
    shape = (model.pos_encoding.temporal_size, *model.pos_encoding.spatial_size)
    for block in model.blocks:
        x, shape = block(x, shape)
    tokens: torch.Tensor = model.norm(x)[:, 1:].unflatten(1, shape)  # the first is the class token
    return tokens


def _framewise(model: "Framewise", clips: torch.Tensor) -> torch.Tensor:
    frames, network = clips.transpose(1, 2).flatten(0, 1), model.network
    if hasattr(network, "layer4"):  # a ResNet
        x = network.maxpool(network.relu(network.bn1(network.conv1(frames))))  # type: ignore[operator]
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = layer(x)  # type: ignore[operator]
        made = x.permute(0, 2, 3, 1)
    else:
        made = network.norm(network.features(frames))  # type: ignore[operator]
    tokens: torch.Tensor = made.unflatten(0, (len(clips), -1))
    return tokens


def _huggingface(model: HuggingFaceVideo, clips: torch.Tensor) -> torch.Tensor:
    config: Any = model.network.config
    base: nn.Module = getattr(model.network, config.model_type)
    found: torch.Tensor = base(pixel_values=clips.transpose(1, 2)).last_hidden_state
    frames, size = clips.shape[2], clips.shape[-1]
    if config.model_type == "vivit":
        steps, high, wide = config.tubelet_size
        return found[:, 1:].unflatten(1, (frames // steps, size // high, size // wide))
    side = size // config.patch_size
    if config.model_type == "timesformer":
        return found[:, 1:].unflatten(1, (side, side, frames)).permute(0, 3, 1, 2, 4)  # time is its innermost axis
    return found.unflatten(1, (frames // config.tubelet_size, side, side))


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """(B, C, t, h, w) -> (B, t, h, w, C)."""
    return x.permute(0, 2, 3, 4, 1)


_TOKENS: dict[str, Callable[..., torch.Tensor]] = {  # by name, so that small3d needs no torchvision
    "Small3D": _small3d,
    "VideoResNet": _resnet,
    "S3D": _s3d,
    "SwinTransformer3d": _swin,
    "MViT": _mvit,
    "Framewise": _framewise,
    "HuggingFaceVideo": _huggingface,
}
