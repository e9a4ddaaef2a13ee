"""Reading strangers' pickles: numpy arrays and plain containers, nothing else. No code in the file can run."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_builder.errors import BenchError

# What numpy arrays and scalars need to come back, under the module names of numpy 1 and 2. The names map to the
# objects themselves, so nothing is looked up that a file could choose.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),  # how Python 3 pickles an array's bytes under protocol 2
    ("collections", "OrderedDict"),
}


Extra = Mapping[tuple[str, str], Callable[..., Any]]


class _Unpickler(pickle.Unpickler):
    extra: Extra

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.extra:
            return self.extra[module, name]
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if module.startswith("numpy.core"):
            module = module.replace("numpy.core", "numpy._core")
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for a persistent object")


def load(path: Path, what: str, extra: Extra | None = None, mend: str = "get the file from its publisher") -> Any:
    """Unpickle ``path`` admitting numpy arrays and plain containers only (latin-1 text, as Python 2 wrote it).

    Args:
        path: the file.
        what: what it should be, for messages.
        extra: (module, name) that the file may ask for besides -> what it gets for it. The file chooses the arguments
            of the call, so give only callables that are harmless whatever they are called with.
        mend: what the user can do about a file that is refused, for messages.

    Raises:
        BenchError: the file is missing, is no pickle, or asks for anything else (it is refused before it runs).
    """
    try:
        with open(path, "rb") as handle:
            unpickler = _Unpickler(handle, encoding="latin1")
            unpickler.extra = extra or {}
            value = unpickler.load()
    except FileNotFoundError:
        raise BenchError(f"{path}: no such file; give the {what}") from None
    except IsADirectoryError:
        raise BenchError(f"{path}: is a folder; give the {what} itself") from None
    except pickle.UnpicklingError as error:
        raise BenchError(f"{path}: refused, not a plain {what} ({_line(error)}); {mend}") from None
    except Exception as error:  # a damaged pickle can raise anything: TypeError, EOFError, MemoryError, …
        kind = type(error).__name__
        raise BenchError(f"{path}: not a readable {what} ({kind}); {mend}") from None
    _check_plain(value, path, what)
    return value


def _check_plain(value: Any, path: Path, what: str) -> None:
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        raise BenchError(f"{path}: refused, holds an array of objects; get the {what} from its publisher")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
