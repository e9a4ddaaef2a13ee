"""Reading weights from files, never running what such a file may hold."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.safe_pickle import Refused
from benchmark_builder.utils.torch_files import check_torch_file

# Where training codes keep the weights in what they save; ALBAR's release uses model_state_dict.
_MEND = "give a file of weights saved with torch.save(model.state_dict(), …)"
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_torch_file(path: Path, what: str, mend: str) -> Any:
    """What ``torch.save`` wrote, on the CPU; only tensors and plain types are accepted, nothing is run.

    Raises:
        BenchError: no such file, or not a file of tensors and plain types (another pickle, a text file, …).
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such {what}; {mend}")
    try:
        check_torch_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks about foreign pickles; they are refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Refused as error:
        raise BenchError(
            f"{path}: not a {what} of tensors and plain values ({error}), so it was not opened; {mend}"
        ) from None
    except Exception:  # a damaged or hostile file makes the unpickler raise anything
        raise BenchError(f"{path}: not a {what} of tensors and plain values, so it was not opened; {mend}") from None


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A network's tensors by parameter name, from a ``.pt``/``.pth``/``.ckpt`` file or a ``.safetensors`` one."""
    mend = _MEND
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise BenchError(f"{path}: no such file of weights; {mend}")
        try:
            from safetensors.torch import load_file
        except ImportError:
            raise BenchError(f"{path}: reading .safetensors needs `pip install safetensors`") from None
        try:
            return load_file(path)
        except Exception as error:
            raise BenchError(f"{path}: not a safetensors file ({str(error).splitlines()[0]}); {mend}") from None
    found = tensors_in(path)
    if found is None:
        raise BenchError(f"{path}: holds no table of tensors; {mend}")
    return found


def tensors_in(path: Path) -> dict[str, torch.Tensor] | None:
    """The table of tensors in what ``torch.save`` wrote, bare or as a training code wraps it; None if there is none."""
    if path.suffix == ".safetensors":
        return None
    found = read_torch_file(path, "file of weights", _MEND)
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, torch.Tensor) for v in found.values()):
        return None
    return {str(name).removeprefix("module."): value for name, value in found.items()}


class FreshHead(UserWarning):
    """Weights came with a head for other classes, which was left out: the network's own starts from random numbers."""


def warn_fresh_head(source: str, had: int, wanted: int) -> None:
    """Say so, as :class:`FreshHead`; ``had`` 0: the weights have no head."""
    its = f"a head for {had} classes" if had else "no head"
    warnings.warn(f"weights {source} have {its}, the dataset has {wanted} classes", FreshHead, stacklevel=2)


def load_weights(model: nn.Module, weights: str, head: str) -> None:
    """Load a file into ``model``; every tensor must be there and fit, but for a head of another class count.

    Args:
        model: changed in place.
        weights: the file.
        head: prefix of the head's parameter names, e.g. ``"head."``.

    Warns :class:`FreshHead` where the head was left out.
    """
    fit_weights(model, read_weights(Path(weights)), head, weights)


def fit_weights(model: nn.Module, state: Mapping[str, torch.Tensor], head: str, source: str) -> None:
    """As :func:`load_weights`, from tensors; ``source`` names them in errors."""
    own = model.state_dict()
    heads = [name for name in own if name.startswith(head)]
    other_head = any(name in state and state[name].shape != own[name].shape for name in heads)
    used = {k: v for k, v in state.items() if not (other_head and k.startswith(head))}
    expected = [k for k in own if not (other_head and k in heads)]
    missing = [k for k in expected if k not in used]
    unknown = [k for k in used if k not in own]
    misfits = [k for k in expected if k in used and used[k].shape != own[k].shape]
    for names, fault in ((missing, "lacks"), (unknown, "has unknown"), (misfits, "has another shape for")):
        if names:
            raise BenchError(
                f"weights {source} do not fit {type(model).__name__}: the file {fault} {len(names)} tensors, "
                f"first {names[0]!r}; give weights of the same network"
            )
    if other_head:
        widest = max((name for name in heads if name in state), key=lambda name: state[name].ndim)
        warn_fresh_head(source, len(state[widest]), len(own[widest]))
    model.load_state_dict({**{k: own[k] for k in heads if other_head}, **used})
