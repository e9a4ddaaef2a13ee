"""Features of a network: what goes into its head, or the output of a layer, one vector per clip."""

import numpy as np
import torch
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models.heads import logits_and_features
from benchmark_builder.utils.errors import BenchError
from evaluator.models.base import Network

HEAD = "head"  # the layer whose input are the features, unless the user names another one


def require_module(network: Network, source: str) -> nn.Module:
    """The network, if its layers can be reached. Raises BenchError otherwise."""
    if not isinstance(network, nn.Module) or isinstance(network, torch.jit.ScriptModule):
        raise BenchError(
            f"{source}: gives logits only, its pooled features cannot be reached; give the checkpoint that it was made "
            "from, a network's name with --weights, hf:FOLDER_OR_NAME, or an nn.Module of your own"
        )
    return network


def pooled_features(
    network: nn.Module, clips: torch.Tensor, sampling: ClipSampling, batch: int, source: str, layer: str = HEAD
) -> torch.Tensor:
    """Features of clips, at least float32 (B, D), on the network's device.

    Args:
        network: clips -> logits.
        clips: float32 (B, 3, T, S, S), normalised.
        sampling: how the clips were cut, for messages. batch, source: the user's, for messages.
        layer: ``head``: what goes into the head (:func:`~albar.models.heads.logits_and_features`); otherwise the name
            of a module, whose output is averaged over all axes but the first and that of its channels.

    Raises:
        BenchError: the network gives none, has no such layer, or takes no clips of this size.
    """
    try:
        if layer == HEAD:
            _, features = logits_and_features(network, clips)
        else:
            features = _output(network, clips, layer)
    except BenchError as error:
        raise BenchError(f"{source}: its pooled features cannot be reached: {error}") from None
    except torch.OutOfMemoryError:
        raise BenchError(
            f"--batch {batch}: clips of this size do not fit into the GPU memory; give a smaller number"
        ) from None
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BenchError(
            f"{source}: gives no features of clips of {sampling.frames} frames at {sampling.size} pixels ({reason}); "
            "change --sampling or --clip, or choose another model"
        ) from error
    if features.ndim != 2 or len(features) != len(clips) or not features.shape[1]:
        where = "the input of its head" if layer == HEAD else f"the output of {layer}"
        raise BenchError(f"{source}: {where} is {tuple(features.shape)} for {len(clips)} clips, not "
                         f"({len(clips)}, units); choose another model or layer")  # fmt: skip
    return features


def as_numbers(features: torch.Tensor) -> np.ndarray:
    """float64 (B, D) in memory of the processor."""
    return features.double().cpu().numpy()


def _output(network: nn.Module, clips: torch.Tensor, layer: str) -> torch.Tensor:
    """The output of a module, (B, D), at least float32."""
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        some = [name for name, _ in network.named_modules() if name.count(".") <= 1 and name]
        raise BenchError(f"--layer {layer}: no such module; it has {', '.join(some[:12])}"
                         f"{' …' if len(some) > 12 else ''}")  # fmt: skip
    seen: list[object] = []
    handle = modules[layer].register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        network(clips)
    finally:
        handle.remove()
    if not seen:
        raise BenchError(f"--layer {layer}: did not run")
    output = seen[-1]
    if not isinstance(output, torch.Tensor):
        first = output[0] if isinstance(output, tuple) and output else getattr(output, "last_hidden_state", None)
        if not isinstance(first, torch.Tensor):
            raise BenchError(f"--layer {layer}: gives a {type(output).__name__}, not a tensor; choose another layer")
        output = first
    made = output.float() if output.dtype in (torch.bfloat16, torch.float16) else output
    if made.ndim > 3:  # a map: (B, C, …), in Swin networks (B, …, C)
        last = "swin_transformer" in type(network).__module__ or "swin_transformer" in type(modules[layer]).__module__
        made = made.flatten(1, -2).mean(1) if last else made.flatten(2).mean(2)
    elif made.ndim == 3:  # tokens: (B, N, D)
        made = made.mean(1)
    if made.ndim == 2 and len(made) != len(clips) and len(made) % len(clips) == 0:  # a row per frame
        made = made.unflatten(0, (len(clips), -1)).mean(1)
    return made
