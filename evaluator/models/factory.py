"""Any callable of the user's own: ``package.module:factory``, where ``factory()`` gives clips -> logits."""

import hashlib
import re
from collections.abc import Sequence

import torch
from torch import nn

from albar.clips.clips import ClipSampling, sampling
from albar.models import MODELS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line
from evaluator.models.base import Network, ScoredModel

_SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_spec(text: str) -> bool:
    """Whether the text reads ``package.module:factory``."""
    return _SPEC.fullmatch(text) is not None


def load(spec: str) -> ScoredModel:
    """Import the module (the current folder is searched last) and call the factory.

    What it returns is called with normalised clips, float32 (B, 3, T, S, S), and gives logits (B, classes). It may
    have attributes: ``sampling`` (a :class:`~albar.clips.clips.ClipSampling` or a preset's name) and ``classes`` (names
    in the order of its outputs).

    Raises:
        BenchError: no such module or factory, a factory that fails, or one that returns nothing callable.
    """
    factory = MODELS.find(spec).part
    try:
        made = factory()
    except BenchError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise BenchError(f"{spec}: gave no model ({type(error).__name__}: {first_line(error)}); fix the factory, which "
                         "is called without arguments") from error  # fmt: skip
    return from_object(made, spec)


def from_object(made: object, name: str, classes: Sequence[str] | None = None) -> ScoredModel:
    """A callable that maps clips to logits, as a model to score.

    Args:
        made: as :func:`load` describes what a factory returns.
        name: what it is called in messages and records; what follows its last dot or colon names the method.
        classes: class names in the order of its outputs; None: its own ``classes``, if it has them.

    Raises:
        BenchError: it cannot be called, or its ``sampling`` or ``classes`` are of another type.
    """
    if not callable(made):
        raise BenchError(f"{name}: returned a {type(made).__name__}, which cannot be called; return clips -> logits")
    clips = getattr(made, "sampling", None)
    named = getattr(made, "classes", None) if classes is None else list(classes)
    if clips is not None and not isinstance(clips, (str, ClipSampling)):
        raise BenchError(f"{name}: its sampling is a {type(clips).__name__}; give a ClipSampling or a preset's name")
    if named is not None and not (isinstance(named, (list, tuple)) and all(isinstance(c, str) for c in named)):
        raise BenchError(f"{name}: its classes are no list of names; give one name per output")

    def network(device: torch.device) -> Network:
        return made.eval().to(device) if isinstance(made, nn.Module) else made

    notes = () if named else ("it names no classes: its outputs are taken in the benchmark's label order",)
    return ScoredModel(
        source=name, kind="factory", method=re.split(r"[.:]", name)[-1], model=type(made).__name__,
        digest=_digest(name, made), sampling=None if clips is None else sampling(clips), network=network,
        classes=None if named is None else list(named),
        lasting=False,  # what the code does is not in the digest
        notes=notes,
    )  # fmt: skip


def _digest(spec: str, made: object) -> str:
    """Names the model: the spec and, where it is a module, its tensors."""
    total = hashlib.sha256(spec.encode())
    if isinstance(made, nn.Module):
        for name, value in sorted(made.state_dict().items()):
            if isinstance(value, torch.Tensor):
                total.update(
                    name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                )
    return total.hexdigest()
