"""Any callable of the user: ``package.module:factory``, where ``factory()`` returns a function clips -> logits."""

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
    """Whether the text has the form ``package.module:factory``."""
    return _SPEC.fullmatch(text) is not None


def load(spec: str) -> ScoredModel:
    """Import the module (the current folder is searched last) and call the factory.

    The returned object is called with normalised clips, float32 (B, 3, T, S, S), and returns logits (B, classes). It
    may have attributes: ``sampling`` (a :class:`~albar.clips.clips.ClipSampling` or a preset's name) and ``classes``
    (names in the order of its outputs).

    Raises:
        BenchError: the module or factory is missing, the factory fails, or its result cannot be called.
    """
    factory = MODELS.find(spec).part
    try:
        made = factory()
    except BenchError:
        raise
    except Exception as error:  # the user's code may raise any exception
        raise BenchError(f"{spec}: returned no model ({type(error).__name__}: {first_line(error)}); fix the factory, "
                         "which is called without arguments") from error  # fmt: skip
    return from_object(made, spec)


def from_object(made: object, name: str, classes: Sequence[str] | None = None) -> ScoredModel:
    """A callable that maps clips to logits, as a model to score.

    Args:
        made: the result of a factory, see :func:`load`.
        name: its name in messages and records; the text after the last dot or colon is the name of the method.
        classes: class names in the order of its outputs; None: its attribute ``classes``, if it has one.

    Raises:
        BenchError: it cannot be called, or its ``sampling`` or ``classes`` have a wrong type.
    """
    if not callable(made):
        raise BenchError(f"{name}: returned a {type(made).__name__}, which cannot be called; return clips -> logits")
    clips = getattr(made, "sampling", None)
    named = getattr(made, "classes", None) if classes is None else list(classes)
    if clips is not None and not isinstance(clips, (str, ClipSampling)):
        raise BenchError(f"{name}: its sampling is a {type(clips).__name__}; give a ClipSampling or a preset's name")
    if named is not None and not (isinstance(named, (list, tuple)) and all(isinstance(c, str) for c in named)):
        raise BenchError(f"{name}: its classes are not a list of names; give one name per output")

    def network(device: torch.device) -> Network:
        return made.eval().to(device) if isinstance(made, nn.Module) else made

    notes = () if named else ("it has no class names: its outputs are assumed to have the benchmark's label order",)
    return ScoredModel(
        source=name, kind="factory", method=re.split(r"[.:]", name)[-1], model=type(made).__name__,
        digest=_digest(name, made), sampling=None if clips is None else sampling(clips), network=network,
        classes=None if named is None else list(named),
        lasting=False,  # the digest does not cover the code
        notes=notes,
    )  # fmt: skip


def _digest(spec: str, made: object) -> str:
    """The digest of the model: of the spec and, if it is a module, its tensors."""
    total = hashlib.sha256(spec.encode())
    if isinstance(made, nn.Module):
        for name, value in sorted(made.state_dict().items()):
            if isinstance(value, torch.Tensor):
                total.update(
                    name.encode() + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                )
    return total.hexdigest()
