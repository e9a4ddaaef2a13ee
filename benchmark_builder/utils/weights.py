"""The only reader and writer of files of network weights. No code in such a file is run.

Training programs save the same weights in many forms: directly, under ``state_dict`` or ``model``, with the prefixes of
DataParallel (``module.``), of torch.compile (``_orig_mod.``) or of a wrapping module (``model.``, ``net.``), together
with options (an ``argparse.Namespace``), with averaged (EMA) weights. :func:`read_weights` reads all of them.
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
from typing import Any, TypeVar

import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file
from benchmark_builder.utils.safe_pickle import Refused
from benchmark_builder.utils.torch_files import check_torch_file

SAFETENSORS = ".safetensors"
Value = TypeVar("Value")
MOST_STAND_INS = 200  # maximum number of types of objects next to the weights
# Names under which training programs store the weights, the most common first.
_TABLES = ("state_dict", "model_state_dict", "model", "weights", "module", "net", "network", "model_state", "params")
_AVERAGED = re.compile(r"(^|[._])(ema|averaged?|swa|shadow)([._]|$)", re.IGNORECASE)
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|(^|_)rng|(^|_)args|config|hyper|loops", re.IGNORECASE)
# Prefixes that wrappers add to the names of a whole network.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "_forward_module.")
# Prefixes that they add to the names of a part; no network has a part with such a name.
_INSIDE = re.compile(r"(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# Never replaced by an empty class: such a name in a file of weights is an attack, not an option of a training program.
_CALLS = frozenset(
    "__builtin__ builtins os posix nt sys subprocess importlib runpy ctypes shutil socket pty code codeop commands "
    "webbrowser pickle _pickle marshal timeit cProfile pdb bdb pip".split()
)
_BUILTINS = frozenset("object slice range list dict tuple set frozenset int float str bool bytes complex".split())


@dataclass(frozen=True, slots=True)
class Weights:
    """The result of :func:`read_weights`.

    Attributes:
        tensors: by parameter name, on the CPU, without prefixes that all names had.
        notes: messages for the user: which of several tables was used.
    """

    tensors: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def write_torch_file(path: Path, content: Mapping[str, object]) -> None:
    """Write tensors and plain values with ``torch.save``, completely or not at all; equal content gives equal bytes.

    Tensors are copied to the CPU and stored separately (a view would store its whole base tensor).
    """
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        torch.save(_canonical(content), handle)  # with a path, torch would store the temporary name in the file


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors, completely or not at all; equal content gives equal bytes."""
    from safetensors.torch import save

    data = save({name: value.contiguous() for name, value in tensors.items()}, dict(metadata))
    # The library writes the metadata in a random order. The header is its length, JSON, blanks.
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


def _canonical(value: object) -> object:
    """The same content in new containers with one object per text: pickle writes identical and equal objects
    differently, and a resumed run has other objects than an uninterrupted one."""
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
    """Read a file of ``torch.save`` on the CPU; only tensors and plain types are accepted, no code is run.

    Args:
        path: the file.
        what: the expected content, for messages.
        fix: how to fix a file that is refused, for messages.
        foreign: a file of another program: other objects than weights (options, paths, configurations) are replaced by
            empty classes, which run no code; large files are mapped, not copied.

    Raises:
        BenchError: the file is missing, or does not contain only tensors and plain types (another pickle, a text file,
            …).
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such {what}; {fix}")
    try:
        check_torch_file(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged or malicious file can raise any exception
        reason = f" ({error})" if isinstance(error, Refused) else ""
        raise BenchError(
            f"{path}: not a {what} of tensors and plain values{reason}, so it was not opened; {fix}"
        ) from None
    admitted: dict[str, Any] = {}
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns about other pickles; they are refused below
                found = [(stand_in, name) for name, stand_in in admitted.items()]
                with torch.serialization.safe_globals(found) if found else nullcontext():  # type: ignore[arg-type]
                    return torch.load(
                        path, map_location="cpu", weights_only=True, mmap=(foreign and zipfile.is_zipfile(path)) or None
                    )
        except MemoryError:
            raise
        except Exception as error:  # a damaged or malicious file can make the unpickler raise any exception
            name = _refused_global(error)
            if foreign and name and name not in admitted and _admissible(name) and len(admitted) < MOST_STAND_INS:
                admitted[name] = _stand_in(name)
                continue
            filled = re.search(r"Can only (SETITEM|append).* but got <class '_\.(.+)'>", str(error))
            if filled and filled[2] in admitted and admitted[filled[2]].kind is None:
                admitted[filled[2]] = _stand_in(filled[2], OrderedDict if filled[1] == "SETITEM" else list)
                continue
            said = re.search(r"WeightsUnpickler error: (.+)", str(error))
            reason = f"it contains {name}" if name else said[1] if said else _one_line(error)
            raise BenchError(
                f"{path}: not a {what} of tensors and plain values ({reason}), so it was not opened; {fix}"
            ) from None


def _refused_global(error: Exception) -> str | None:
    """The class or function that the unpickler refused."""
    found = re.search(r"Unsupported global: GLOBAL (\S+) was not|unsupported GLOBAL (\S+) whose module", str(error))
    name = next((name for name in found.groups() if name), None) if found else None
    return f"builtins.{name}" if name and "." not in name else name  # torch omits this module


def _admissible(name: str) -> bool:
    module, _, rest = name.partition(".")
    return module not in _CALLS or (module == "builtins" and rest in _BUILTINS)


def _stand_in(name: str, kind: type | None = None) -> Any:
    """An empty class that replaces a class named in a file: it accepts all arguments and does nothing.

    ``kind``: OrderedDict or list, if the file fills the object item by item; the unpickler allows this only for these
    types.
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
    """A network's tensors by parameter name, from a file of ``torch.save`` or a ``.safetensors`` file.

    Args:
        path: the file.
        what: the expected content, for messages.
        fix: how to fix a file that is refused, for messages.
        known: the parameter names of the network, if it is known; see :func:`without_prefix`.

    Raises:
        BenchError: the file is missing, cannot be read, contains no table of tensors, or several tables without a
            common name.
    """
    if path.suffix.lower() == SAFETENSORS:
        return Weights(without_prefix(read_safetensors(path, what, fix), known))
    content = read_torch_file(path, what, fix, foreign=True)
    tensors, notes = _table(path, content, fix)
    return Weights(without_prefix(tensors, known), notes)


def read_safetensors(path: Path, what: str, fix: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, by their names in the file. Raises BenchError if the file is missing."""
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
    except Exception as error:  # a damaged or malicious file can raise any exception
        raise BenchError(f"{path}: not a safetensors file ({_one_line(error)}); {fix}") from None


def _table(path: Path, content: object, fix: str) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The table of tensors in a file's content, and notes on the others."""
    found = _tables(content)
    if not found:
        held = type(content).__qualname__ if not isinstance(content, Mapping) else ""
        inside = next((type(v).__qualname__ for v in _values(content) if type(v).__qualname__ not in _PLAIN), held)
        held = f" (it contains {inside})" if inside and inside not in _PLAIN else ""
        raise BenchError(f"{path}: contains no table of tensors{held}; {fix}")
    for name, table in list(found.items()):  # torch.optim.swa_utils.AveragedModel stores a counter next to its weights
        if table.pop("n_averaged", None) is not None:
            found = {f"{k}.averaged".lstrip(".") if k == name else k: v for k, v in found.items()}
    averaged = [name for name in found if _AVERAGED.search(name)]
    plain = [name for name in found if name not in averaged]
    usual = [name for known in ("", *_TABLES) for name in plain if name == known or name.split(".")[-1] == known]
    chosen = usual or plain or averaged
    if len(chosen) > 1 and not usual:
        raise BenchError(f"{path}: contains several tables of tensors ({', '.join(chosen)}); save only the one to use")
    taken, notes = chosen[0], []
    if averaged and taken not in averaged:
        notes.append(
            f"{path}: the weights under {taken!r} are used; averaged (EMA) weights under {averaged[0]!r} are not: to "
            "use them, save them in a separate file"
        )
    elif averaged:
        notes.append(f"{path}: the averaged (EMA) weights under {taken!r} are used, it contains no others")
    elif len(found) > 1:
        rest = ", ".join(repr(name) for name in found if name != taken)
        notes.append(f"{path}: the weights under {taken!r} are used, not those under {rest}")
    return found[taken], tuple(notes)


_PLAIN = ("dict", "OrderedDict", "list", "tuple", "str", "int", "float", "bool", "NoneType", "Tensor", "bytes", "set")


def _values(content: object) -> Iterable[object]:
    return content.values() if isinstance(content, Mapping) else [content]


def _tables(content: object, depth: int = 3) -> dict[str, dict[str, torch.Tensor]]:
    """Every table of tensors by parameter name in ``content``, by its position (``""``: the content itself)."""
    if not isinstance(content, Mapping) or not depth:
        return {}
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in content.items():
        if isinstance(key, str) and not _NO_WEIGHTS.search(key):
            found |= {f"{key}.{inner}".rstrip("."): table for inner, table in _tables(value, depth - 1).items()}
    own = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    # A table of weights contains mostly tensors; counters, versions and states next to them are not weights. If there
    # are nested tables, tensors next to them are statistics of the training.
    plain = all(isinstance(v, torch.Tensor | int | float | str | None) for v in content.values())
    if own and not found and (plain or 2 * len(own) > len(content)):
        found[""] = own
    return found


def without_prefix(tensors: Mapping[str, Value], known: Collection[str] = ()) -> dict[str, Value]:
    """The table without the prefixes that wrappers added to *every* name, in any order and number.

    Args:
        tensors: by name.
        known: the expected names. If given, any prefix common to all names is removed if the names then fit; otherwise
            those in :data:`PREFIXES`.
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
    """A hint on the prefixes of names that fit no network, for an error; empty if there is no common prefix."""
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
