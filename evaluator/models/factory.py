"""Any callable of the user's own: ``package.module:factory``, where ``factory()`` gives clips -> logits."""

import hashlib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.clips.clips import ClipSampling, sampling
from benchmark_builder.utils.errors import BenchError
from evaluator.models.base import Network, ScoredModel

_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_spec(text: str) -> bool:
    """Whether the text reads ``package.module:factory``."""
    return _SPEC.fullmatch(text) is not None


def load(spec: str) -> ScoredModel:
    """Import the module (the current directory first) and call the factory.

    What it returns is called with normalised clips, float32 (B, 3, T, S, S), and gives logits (B, classes). It may
    have attributes: ``sampling`` (a :class:`~albar.clips.clips.ClipSampling` or a preset's name) and ``classes`` (names in
    the order of its outputs).

    Raises:
        BenchError: no such module or factory, a factory that fails, or one that returns nothing callable.
    """
    module_name, _, attribute = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
        made = found()
    except BenchError:
        raise
    except Exception as error:  # the user's code may raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise BenchError(f"{spec}: gave no model ({type(error).__name__}: {reason}); fix the factory") from error
    if not callable(made):
        raise BenchError(f"{spec}: returned a {type(made).__name__}, which cannot be called; return clips -> logits")
    clips = getattr(made, "sampling", None)
    classes = getattr(made, "classes", None)
    if clips is not None and not isinstance(clips, (str, ClipSampling)):
        raise BenchError(f"{spec}: its sampling is a {type(clips).__name__}; give a ClipSampling or a preset's name")
    if classes is not None and not (isinstance(classes, (list, tuple)) and all(isinstance(c, str) for c in classes)):
        raise BenchError(f"{spec}: its classes are no list of names; give one name an output")

    def network(device: torch.device) -> Network:
        return made.eval().to(device) if isinstance(made, nn.Module) else made

    notes = () if classes else ("it names no classes: its outputs are taken in the benchmark's label order",)
    return ScoredModel(
        source=spec, kind="factory", method=attribute.split(".")[-1], model=type(made).__name__,
        digest=_digest(spec, made), sampling=None if clips is None else sampling(clips), network=network,
        classes=None if classes is None else list(classes),
        lasting=False,  # what the code does is not in the digest
        notes=notes,
    )  # fmt: skip


def _digest(spec: str, made: Any) -> str:
    """Names the model: the spec and, where it is a module, its tensors."""
    total = hashlib.sha256(spec.encode())
    if isinstance(made, nn.Module):
        for name, value in sorted(made.state_dict().items()):
            if isinstance(value, torch.Tensor):
                total.update(
                    name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                )
    return total.hexdigest()
