"""Files of network weights: the one reader and the one writer. Nothing that such a file may hold is run.

Training codes save the same weights in many ways: bare, under ``state_dict`` or ``model``, with the prefixes of
DataParallel (``module.``), of torch.compile (``_orig_mod.``) or of a wrapping module (``model.``, ``net.``), together
with their options (an ``argparse.Namespace``), with averaged (EMA) weights. :func:`read_weights` reads them all.
"""

import json
import re
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file
from benchmark_builder.utils.safe_pickle import Refused
from benchmark_builder.utils.torch_files import check_torch_file

SAFETENSORS = ".safetensors"
MOST_STAND_INS = 200  # kinds of objects besides the weights
# Under which names training codes keep the weights, the usual first.
_TABLES = ("state_dict", "model_state_dict", "model", "weights", "module", "net", "network", "model_state", "params")
_AVERAGED = re.compile(r"(^|[._])(ema|averaged?|swa|shadow)([._]|$)", re.IGNORECASE)
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|(^|_)rng|(^|_)args|config|hyper|loops", re.IGNORECASE)
# What wrappers put before the names of a whole network.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "_forward_module.")
# What they put before the names of a part; no network calls a part so.
_INSIDE = re.compile(r"(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# Never read as a stand-in: such a name in a file of weights is an attack, not an option of a training code.
_CALLS = frozenset(
    "__builtin__ builtins os posix nt sys subprocess importlib runpy ctypes shutil socket pty code codeop commands "
    "webbrowser pickle _pickle marshal timeit cProfile pdb bdb pip".split()
)
_BUILTINS = frozenset("object slice range list dict tuple set frozenset int float str bool bytes complex".split())


@dataclass(frozen=True, slots=True)
class Weights:
    """What :func:`read_weights` found.

    Attributes:
        tensors: by parameter name, on the CPU, without the prefixes that all names had.
        notes: lines for the user: which of several tables was taken.
    """

    tensors: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def write_torch_file(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with ``torch.save``, whole or not at all; equal content gives equal bytes.

    Tensors are stored as copies of their own (a view would drag its whole storage along), on the CPU.
    """
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        torch.save(_canonical(content), handle)  # given a path, torch would store the temporary name inside


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors, whole or not at all; equal content gives equal bytes."""
    from safetensors.torch import save

    data = save({name: value.contiguous() for name, value in tensors.items()}, dict(metadata))
    # The library writes the metadata in an order that changes from call to call. The header: its length, JSON, blanks.
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header = {
        "__metadata__": dict(sorted(metadata.items())),
        **{k: header[k] for k in sorted(header) if k != "__metadata__"},
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        handle.write(memoryview(data)[end:])


def _canonical(value: Any) -> Any:
    """The same content as new containers and one object per text: pickle writes what is one object differently from
    what is equal only, and a resumed run has other objects than an undisturbed one."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {_canonical(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_canonical(v) for v in value)
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    return sys.intern(str(value)) if isinstance(value, str) else value


def read_torch_file(path: Path, what: str, fix: str, foreign: bool = False) -> Any:
    """What ``torch.save`` wrote, on the CPU; only tensors and plain types are accepted, nothing is run.

    Args:
        path: the file.
        what: what it should be, for messages.
        fix: how to fix a file that is refused, for messages.
        foreign: another code's file: objects besides the weights (options, paths, configurations) are read as empty
            stand-ins, which run nothing; large files are mapped, not copied.

    Raises:
        BenchError: no such file, or not a file of tensors and plain types (another pickle, a text file, …).
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such {what}; {fix}")
    try:
        check_torch_file(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged or hostile file makes the check raise anything
        reason = f" ({error})" if isinstance(error, Refused) else ""
        raise BenchError(
            f"{path}: not a {what} of tensors and plain values{reason}, so it was not opened; {fix}"
        ) from None
    admitted: dict[str, Any] = {}
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's remarks about foreign pickles; they are refused below
                found = [(stand_in, name) for name, stand_in in admitted.items()]
                with torch.serialization.safe_globals(found) if found else nullcontext():  # type: ignore[arg-type]
                    return torch.load(
                        path, map_location="cpu", weights_only=True, mmap=(foreign and zipfile.is_zipfile(path)) or None
                    )
        except MemoryError:
            raise
        except Exception as error:  # a damaged or hostile file makes the unpickler raise anything
            name = _refused_global(error)
            if foreign and name and name not in admitted and _admissible(name) and len(admitted) < MOST_STAND_INS:
                admitted[name] = _stand_in(name)
                continue
            filled = re.search(r"Can only (SETITEM|append).* but got <class '_\.(.+)'>", str(error))
            if filled and filled[2] in admitted and admitted[filled[2]].kind is None:
                admitted[filled[2]] = _stand_in(filled[2], OrderedDict if filled[1] == "SETITEM" else list)
                continue
            said = re.search(r"WeightsUnpickler error: (.+)", str(error))
            reason = f"it holds {name}" if name else said[1] if said else _one_line(error)
            raise BenchError(
                f"{path}: not a {what} of tensors and plain values ({reason}), so it was not opened; {fix}"
            ) from None


def _refused_global(error: Exception) -> str | None:
    """The class or function that the unpickler met and does not admit."""
    found = re.search(r"Unsupported global: GLOBAL (\S+) was not|unsupported GLOBAL (\S+) whose module", str(error))
    name = next((name for name in found.groups() if name), None) if found else None
    return f"builtins.{name}" if name and "." not in name else name  # torch leaves that module out


def _admissible(name: str) -> bool:
    module, _, rest = name.partition(".")
    return module not in _CALLS or (module == "builtins" and rest in _BUILTINS)


def _stand_in(name: str, kind: type | None = None) -> Any:
    """An empty class in place of the one that a file names: whatever it is called with, it does nothing.

    ``kind``: OrderedDict or list, where the file fills the object item by item, which the unpickler allows of no other.
    """

    base: Any = list if kind is list else object

    class StandIn(base):
        def __new__(cls, *args: object) -> Any:
            return OrderedDict() if kind is OrderedDict else super().__new__(cls)

        def __init__(self, *args: object) -> None: ...

        def __setstate__(self, state: object) -> None: ...

    StandIn.kind = kind
    StandIn.__module__, StandIn.__qualname__ = "_", name
    return StandIn


def read_weights(path: Path, what: str, fix: str, known: Collection[str] = ()) -> Weights:
    """A network's tensors by parameter name, from what ``torch.save`` wrote or from a ``.safetensors`` file.

    Args:
        path: the file.
        what: what it should be, for messages.
        fix: how to fix a file that is refused, for messages.
        known: the parameter names of the network they are for, where that is known; see :func:`without_prefix`.

    Raises:
        BenchError: no such file, unreadable, or it holds no table of tensors, or several without one that is usual.
    """
    if path.suffix.lower() == SAFETENSORS:
        return Weights(without_prefix(read_safetensors(path, what, fix), known))
    content = read_torch_file(path, what, fix, foreign=True)
    tensors, notes = _table(path, content, fix)
    return Weights(without_prefix(tensors, known), notes)


def read_safetensors(path: Path, what: str, fix: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, by the names that they have there. BenchError if there is no such file."""
    if not path.is_file():
        raise BenchError(f"{path}: no such {what}; {fix}")
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise BenchError(f"{path}: reading .safetensors needs `pip install safetensors`") from None
    try:
        return load_file(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged or hostile file makes the reader raise anything
        raise BenchError(f"{path}: not a safetensors file ({_one_line(error)}); {fix}") from None


def _table(path: Path, content: Any, fix: str) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The table of tensors in a file's content, and what to say of the others."""
    found = _tables(content)
    if not found:
        held = type(content).__qualname__ if not isinstance(content, Mapping) else ""
        inside = next((type(v).__qualname__ for v in _values(content) if type(v).__qualname__ not in _PLAIN), held)
        held = f" (it holds {inside})" if inside and inside not in _PLAIN else ""
        raise BenchError(f"{path}: holds no table of tensors{held}; {fix}")
    for name, table in list(found.items()):  # torch.optim.swa_utils.AveragedModel counts next to its weights
        if table.pop("n_averaged", None) is not None:
            found = {f"{k}.averaged".lstrip(".") if k == name else k: v for k, v in found.items()}
    averaged = [name for name in found if _AVERAGED.search(name)]
    plain = [name for name in found if name not in averaged]
    usual = [name for known in ("", *_TABLES) for name in plain if name == known or name.split(".")[-1] == known]
    chosen = usual or plain or averaged
    if len(chosen) > 1 and not usual:
        raise BenchError(
            f"{path}: holds several tables of tensors ({', '.join(chosen)}); save the one to use by itself"
        )
    taken, notes = chosen[0], []
    if averaged and taken not in averaged:
        notes.append(
            f"{path}: the weights under {taken!r} are taken; averaged (EMA) ones under {averaged[0]!r} are not: to use "
            "them, save them in a file of their own"
        )
    elif averaged:
        notes.append(f"{path}: the averaged (EMA) weights under {taken!r} are taken, it holds no others")
    elif len(found) > 1:
        rest = ", ".join(repr(name) for name in found if name != taken)
        notes.append(f"{path}: the weights under {taken!r} are taken, not those under {rest}")
    return found[taken], tuple(notes)


_PLAIN = ("dict", "OrderedDict", "list", "tuple", "str", "int", "float", "bool", "NoneType", "Tensor", "bytes", "set")


def _values(content: Any) -> Iterable[Any]:
    return content.values() if isinstance(content, Mapping) else [content]


def _tables(content: Any, depth: int = 3) -> dict[str, dict[str, torch.Tensor]]:
    """Every table of tensors by parameter name in ``content``, by where it is (``""``: it is the content itself)."""
    if not isinstance(content, Mapping) or not depth:
        return {}
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in content.items():
        if isinstance(key, str) and not _NO_WEIGHTS.search(key):
            found |= {f"{key}.{inner}".rstrip("."): table for inner, table in _tables(value, depth - 1).items()}
    own = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    # Most of a table of weights are tensors; counts, versions and states next to them are no weights. Where there are
    # tables further inside, tensors next to those are statistics of the training.
    plain = all(isinstance(v, torch.Tensor | int | float | str | None) for v in content.values())
    if own and not found and (plain or 2 * len(own) > len(content)):
        found[""] = own
    return found


def without_prefix(tensors: Mapping[str, Any], known: Collection[str] = ()) -> dict[str, Any]:
    """The table without the prefixes that wrappers put before *every* name, in any order and number.

    Args:
        tensors: by name.
        known: the names that are wanted. Given these, any prefix that all names share is removed if names then fit;
            otherwise those of :data:`PREFIXES`.
    """
    names = {name: _INSIDE.sub("", name) for name in map(str, tensors)}
    if len(set(names.values())) < len(names):
        names = {name: name for name in names}
    cuts, rest = [0], list(names.values())
    while rest and all("." in name.strip(".") for name in rest):
        first = rest[0].partition(".")[0] + "."
        if not all(name.startswith(first) for name in rest):
            break
        cuts.append(cuts[-1] + len(first))
        rest = [name[len(first) :] for name in rest]
    wanted = frozenset(known)
    fitting = [sum(name[cut:] in wanted for name in names.values()) for cut in cuts]
    if any(fitting):
        cut = cuts[fitting.index(max(fitting))]
    else:
        cut, one = 0, next(iter(names.values()), "")
        for start, end in pairwise(cuts):
            if one[start:end] not in PREFIXES:
                break
            cut = end
    return {name[cut:]: tensors[original] for original, name in names.items()}


def prefix_of(names: Collection[str], known: Collection[str] = ()) -> str:
    """What to say of the prefixes of names that fit no network, for an error: empty if nothing stands out."""
    firsts: dict[str, int] = {}
    for name in names:
        first = name.partition(".")[0] + "." if "." in name else ""
        firsts[first] = firsts.get(first, 0) + 1
    own = {name.partition(".")[0] + "." for name in known}
    foreign = {first: count for first, count in firsts.items() if first and first not in own}
    if not foreign:
        return ""
    first = max(foreign, key=lambda key: (key in PREFIXES, foreign[key]))
    count = foreign[first]
    if count == len(names):
        return f"all its names start with {first!r}"
    return f"{count} of its {len(names)} names start with {first!r}, the others do not"


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
