"""Weights from files into a network; the files are read by :mod:`benchmark_builder.utils.weights`."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import nn

from benchmark_builder.utils import weights as files
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.weights import SAFETENSORS, Weights, prefix_of, read_torch_file, without_prefix

__all__ = ["SAFETENSORS", "FreshHead", "Note", "Weights", "fit_weights", "load_weights", "prefix_of", "read_torch_file",
           "read_weights", "warn_fresh_head", "weights_for", "without_prefix"]  # fmt: skip

FIX = "give a file of weights saved with torch.save(model.state_dict(), …)"


class Note(UserWarning):
    """What the user should know about the weights that are used."""


class FreshHead(Note):
    """Weights came with a head for other classes, which was left out; the network's own starts from random numbers."""


def read_weights(path: Path, known: Collection[str] = ()) -> Weights:
    """A network's tensors by parameter name, from a ``.pt``/``.pth``/``.ckpt`` file or a ``.safetensors`` one.

    Args:
        path: the file.
        known: the names of the network's parameters, where it is known.

    Raises:
        BenchError: no such file, or no weights in it.
    """
    return files.read_weights(path, "file of weights", FIX, known)


def weights_for(model: nn.Module, weights: str) -> dict[str, torch.Tensor]:
    """As :func:`read_weights`, for ``model``; warns :class:`Note` where the file holds more than one table."""
    found = read_weights(Path(weights), model.state_dict().keys())
    for note in found.notes:
        warnings.warn(note, Note, stacklevel=2)
    return found.tensors


def warn_fresh_head(source: str, had: int, wanted: int) -> None:
    """Say so, as :class:`FreshHead`; ``had`` 0: the weights have no head."""
    its = f"a head for {had} classes" if had else "no head"
    warnings.warn(f"weights {source} have {its}, the dataset has {wanted} classes", FreshHead, stacklevel=2)


def load_weights(model: nn.Module, weights: str, head: str) -> None:
    """Load a file into ``model``; every tensor must be there and fit, except a head of another class count.

    Args:
        model: changed in place.
        weights: the file.
        head: prefix of the head's parameter names, e.g. ``"head."``.

    Warns with :class:`FreshHead` where the head was left out, or the file has none.
    """
    fit_weights(model, weights_for(model, weights), head, weights)


def fit_weights(
    model: nn.Module, state: Mapping[str, torch.Tensor], head: str, source: str, other_classes: str = ""
) -> None:
    """As :func:`load_weights`, from tensors.

    Args:
        model, head: as there.
        state: tensors by name.
        source: names them in errors.
        other_classes: how the classes of the weights differ from the dataset's, where that is known; their head is then
            left out even if it has the right size.
    """
    own = model.state_dict()
    heads = [name for name in own if name.startswith(head)]
    theirs = [name for name in heads if name in state]
    fresh = bool(other_classes) or not theirs or any(state[name].shape != own[name].shape for name in theirs)
    used = {k: v for k, v in state.items() if not (fresh and k.startswith(head))}
    expected = [k for k in own if not (fresh and k in heads)]
    missing = [k for k in expected if k not in used]
    unknown = [k for k in used if k not in own]
    misfits = [k for k in expected if k in used and used[k].shape != own[k].shape]
    for names, fault in ((missing, "lacks"), (unknown, "has unknown"), (misfits, "has another shape for")):
        if names:
            prefix = prefix_of(state.keys(), own.keys()) if names is not misfits else ""
            raise BenchError(
                f"weights {source} do not fit {type(model).__name__}: the file {fault} {len(names)} tensors, "
                f"first {names[0]!r}{f' ({prefix})' if prefix else ''}; give weights of the same network"
            )
    if other_classes:
        warnings.warn(f"weights {source} have a head for other classes: {other_classes}", FreshHead, stacklevel=2)
    elif fresh:
        widest = max(theirs, key=lambda name: state[name].ndim) if theirs else heads[0]
        warn_fresh_head(source, len(state[widest]) if theirs else 0, len(own[heads[-1]]))
    model.load_state_dict({**{k: own[k] for k in heads if fresh}, **used})
