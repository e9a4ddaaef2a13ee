"""Networks by name. Every network maps clips float32 (B, 3, T, H, W), normalised, to logits (B, classes)."""

import importlib
import inspect
from typing import Any, Protocol

from torch import nn

from albar.clips.clips import ClipSampling
from albar.models import huggingface
from albar.parts import MODELS, SPECS, ModelSpec
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line


class Builder(Protocol):
    """The signature of ``build`` in a model's module."""

    def __call__(self, name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module: ...


def is_own(name: str) -> bool:
    """Whether a name is ``package.module:Name`` of the user's own code, not a registered model or ``hf:…``."""
    return not name.startswith(huggingface.PREFIX) and name not in MODELS and MODELS.names_one(name)


def model_spec(name: str) -> ModelSpec:
    """A name of :data:`MODELS`, ``hf:FOLDER_OR_NAME`` (see :mod:`albar.models.huggingface`), or
    ``package.module:Name`` of the user's own (imported here; see :func:`build_model`).

    BenchError lists the choices.
    """
    if name.startswith(huggingface.PREFIX):
        clips, _ = huggingface.clip_sampling(huggingface.local_folder(name))
        return ModelSpec(huggingface.__name__, clips, (huggingface.PRETRAINED,))
    if name in SPECS:
        return SPECS[name]
    own = getattr(_maker(name), "sampling", None)
    if own is not None and not isinstance(own, (str, ClipSampling)):
        raise BenchError(f"--model {name}: its sampling is a {type(own).__name__}; give a ClipSampling or its name")
    return ModelSpec("", own)


def build_model(name: str, classes: int, sampling: ClipSampling, weights: str | None = None) -> nn.Module:
    """A network with ``classes`` outputs, its random parts drawn from torch's global generator.

    Args:
        name: a name of :data:`MODELS`, ``hf:FOLDER_OR_NAME``, or ``package.module:Name``: a function or class of the
            user's own, called with those of the arguments ``classes`` and ``sampling`` that it names, or with
            ``classes`` alone. The layer that gives the logits is called ``head``, ``fc`` or ``classifier``.
        classes: how many classes, at least 2.
        sampling: the clips it will see; networks of fixed input size are built for ``frames`` and ``size``.
        weights: None (random), the name of published weights such as ``KINETICS400_V1`` (``pretrained`` for the
            folder's own, with ``hf:``), or a file of weights. A head for another number of classes is not loaded; it
            starts from random weights, with the warning :class:`albar.models.weights.FreshHead`.

    Raises:
        BenchError: the name or the weights are unknown, the weights do not fit, or the user's network cannot be
            created.
    """
    spec = model_spec(name)
    if classes < 2:
        raise BenchError(f"model {name} needs at least 2 classes, the dataset has {classes}; choose another dataset")
    if not spec.module:
        return _own(name, classes, sampling, weights)
    builder: Builder = importlib.import_module(spec.module).build
    return builder(name, classes, sampling, weights)


def _maker(name: str) -> Any:
    found = MODELS.find(name)
    if found.argument is not None:
        raise BenchError(f"--model {name}: {found.name} takes nothing after a colon; leave it out")
    if not callable(found.part):
        raise BenchError(f"--model {name}: is a {type(found.part).__name__}; give a function or class that makes a "
                         "network")  # fmt: skip
    return found.part


def _own(name: str, classes: int, sampling: ClipSampling, weights: str | None) -> nn.Module:
    """A network from code that is not part of this toolkit."""
    maker = _maker(name)
    given = {"classes": classes, "sampling": sampling}
    try:
        taken = inspect.signature(maker).parameters
        if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            model = maker(**given)
        elif taken.keys() & given.keys():
            model = maker(**{k: v for k, v in given.items() if k in taken})
        else:
            model = maker(classes) if any(p.default is p.empty for p in taken.values()) else maker()
    except BenchError:
        raise
    except Exception as error:  # the user's code may raise any exception
        raise BenchError(f"--model {name}: gave no network ({type(error).__name__}: {first_line(error)}); fix it, or "
                         "let it take classes and sampling") from error  # fmt: skip
    if not isinstance(model, nn.Module):
        raise BenchError(f"--model {name}: gave a {type(model).__name__}; return an nn.Module, clips -> logits")
    if weights is not None:
        from albar.models.heads import head_name
        from albar.models.weights import load_weights

        load_weights(model, weights, head=f"{head_name(model)}.")
    return model
