"""The network at the start of a run: built by name, with random, published or trained weights."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from albar.checkpoint import Checkpoint, own_checkpoint
from albar.models import build_model, huggingface
from albar.models.heads import head_name
from albar.models.weights import FreshHead, Note, fit_weights
from albar.training.run_folder import one_line
from albar.training.settings import TrainSettings
from benchmark_builder.utils.errors import BenchError

Say = Callable[[str], None]


def first_network(settings: TrainSettings, classes: list[str], say: Say) -> nn.Module:
    """The network of ``settings`` for ``classes``, on the CPU; clips (B, 3, T, H, W) -> logits (B, classes).

    Raises:
        BenchError: the network or the weights are unknown, the weights do not fit, or with ``keep_head`` their head has
            another number of classes.
    """
    s = settings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Note)
        own = own_checkpoint(Path(s.weights)) if s.weights else None
        network = build_model(s.model_name, len(classes), s.clip_sampling, None if own else s.weights)
        if own:
            _take_weights(network, own, settings, classes, say)
    for warning in caught:
        if not issubclass(warning.category, Note):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif not issubclass(warning.category, FreshHead):
            say(str(warning.message))
        elif s.keep_head:
            raise BenchError(f"--keep-head: {warning.message}; train on the classes of the weights, or leave it out")
        else:
            say(f"{warning.message}; the head starts with random weights")
    return network


def _take_weights(network: nn.Module, own: Checkpoint, settings: TrainSettings, classes: list[str], say: Say) -> None:
    """Load the weights of a checkpoint of this toolkit; also its head if the classes are the same."""
    s = settings
    of_folders = own.model.startswith(huggingface.PREFIX) and s.model_name.startswith(huggingface.PREFIX)
    if own.model != s.model_name and not of_folders:
        raise BenchError(f"{own.path}: is a checkpoint of {own.model}, not of {s.model_name}; give --model {own.model}")
    if own.token_head:
        raise BenchError(
            f"{own.path}: its head looks at tokens ({own.method}), so its weights cannot start another run; give the "
            "weights that its own run started from"
        )
    differ = ""
    if own.classes != classes:
        k = next((k for k, (a, b) in enumerate(zip(own.classes, classes, strict=False)) if a != b), None)
        if k is None or len(own.classes) != len(classes):
            differ = f"{len(own.classes)}, the dataset has {len(classes)}"
        else:
            differ = f"class {k} is {own.classes[k]!r}, the dataset has {classes[k]!r}"
    fit_weights(network, own.weights, head_name(network) + ".", str(own.path), differ)
    head = "" if differ else ", its head too"
    say(f"weights of {own.path} ({own.model}, {own.method} on {own.dataset}) are taken{head}")


def check_network(network: nn.Module, name: str, clip: torch.Tensor, classes: int) -> None:
    """Test the network with one clip, float32 (1, 3, T, H, W), before anything is decoded.

    Raises:
        BenchError: it does not accept such clips, or does not return (1, classes).
    """
    try:
        with torch.no_grad():
            logits = network.eval()(clip)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise BenchError(
            f"model {name} takes no clips of {clip.shape[2]} frames at {clip.shape[-1]} pixels ({one_line(error)}); "
            "change the clip settings frames and size"
        ) from None
    if logits.shape != (1, classes):
        raise BenchError(f"model {name} gives {tuple(logits.shape)} for a clip, not (1, {classes})")
