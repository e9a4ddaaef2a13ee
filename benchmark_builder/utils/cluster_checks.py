"""What every machine of a cluster must have in common: versions, code, sources, and the folder that is written to.

:func:`look` runs on each machine before it gets work, also where this toolkit is missing: it is sent as code, so this
module imports nothing but Python's own libraries. :func:`differences` compares what it found with this machine.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = ("benchmark_builder", "albar", "evaluator", "albar_bench", "manifests")
# Libraries whose version can change a pixel or a figure, by their names in a package registry.
LIBRARIES = (
    "av", "numpy", "opencv-python-headless", "pillow", "imageio-ffmpeg", "scipy", "torch", "torchvision",
    "transformers", "segment-anything", "accelerate", "safetensors",
)  # fmt: skip
# Settings of the driver's environment that decide results or where files are; every machine gets the same.
PASSED = (
    "BENCH_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "OPENCV_",
    "HF_HOME",
    "HF_HUB_",
    "TORCH_HOME",
    "XDG_CACHE_HOME",
    "CUBLAS_",
)
_ENDS = 1 << 16  # bytes at the start and at the end of a source file that are compared


@dataclass(frozen=True)
class Origin:
    """The process that gives out the work, as other machines need to know it.

    Attributes:
        folder: its current folder.
        path: its ``sys.path``.
        environment: its variables of :data:`PASSED`.
        main: name of its main module, or the path of its main script; "" if there is none.
    """

    folder: str
    path: tuple[str, ...]
    environment: Mapping[str, str]
    main: str

    @classmethod
    def here(cls) -> "Origin":
        module = sys.modules["__main__"]
        spec = getattr(module, "__spec__", None)
        main = spec.name if spec is not None else getattr(module, "__file__", None) or ""
        if main and spec is None:
            main = str(Path(main).absolute())
        kept = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
        return cls(str(Path.cwd()), tuple(filter(None, sys.path)), kept, main)


@dataclass(frozen=True)
class Question:
    """What :func:`look` looks at.

    Attributes:
        origin: of the driver.
        files: absolute paths of files and folders that the work reads or writes.
        shared: absolute paths of folders that the work writes to, each with a file of this random name in it.
        token: that name.
        modules: names of the user's own modules.
    """

    origin: Origin
    files: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    token: str = ""
    modules: tuple[str, ...] = ()


def look(question: Question) -> dict[str, str]:
    """What is found on this machine: a name of a fact -> its value. Equal dicts: this machine can do the work."""
    adopt_path(question.origin)
    found = {"Python": platform.python_version(), "processor": platform.machine(), "system": platform.system()}
    found["folder to work in"] = "is there" if os.path.isdir(question.origin.folder) else "missing"  # noqa: PTH112
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    for name in PACKAGES:
        found[f"code of {name}"] = _code(name)
    for name in question.modules:
        found[f"module {name}"] = _code(name)
    found["ffmpeg"] = _ffmpeg(question.origin.environment.get("BENCH_FFMPEG", ""))
    for path in question.files:
        found[path] = _source(Path(path))
    for folder in question.shared:
        found[f"{folder} as a shared folder"] = _shared(Path(folder), question.token)
    return found


def adopt_path(origin: Origin) -> None:
    """Import modules from where the driver imports them, where these folders exist."""
    there = [p for p in origin.path if os.path.exists(p) or not os.path.isabs(p)]  # noqa: PTH110, PTH117
    sys.path[:] = [*there, *(p for p in sys.path if p not in there)]
    importlib.invalidate_caches()


def _code(name: str) -> str:
    """A digest of a package's files, or of a module's file; "missing" if it is not installed. Nothing is imported."""
    spec = None
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(name)
    if spec is None:
        return "missing"
    total = hashlib.sha256()
    for folder in map(Path, spec.submodule_search_locations or ()):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".toml", ".csv", ".txt", ".json") and path.is_file():
                total.update(f"{path.relative_to(folder).as_posix()}\n".encode(errors="surrogateescape"))
                total.update(hashlib.sha256(path.read_bytes()).digest())
    if not spec.submodule_search_locations and spec.origin and os.path.isfile(spec.origin):  # noqa: PTH113
        total.update(Path(spec.origin).read_bytes())
    return total.hexdigest()[:12]


def _ffmpeg(own: str) -> str:
    binary = own
    if not binary:
        try:
            import imageio_ffmpeg

            binary = imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            binary = "ffmpeg"
    try:
        done = subprocess.run([binary, "-version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    return " ".join(done.stdout.decode(errors="replace").split()[:3])


def _source(path: Path) -> str:
    """What a path is: a folder, or a file with its size and a digest of its ends."""
    try:
        if path.is_dir():
            return "a folder"
        size = path.stat().st_size
        with open(path, "rb") as handle:
            ends = handle.read(_ENDS)
            handle.seek(max(0, size - _ENDS))
            ends += handle.read(_ENDS)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return f"a file of {size} bytes, {hashlib.sha256(ends).hexdigest()[:12]}"


def _shared(folder: Path, token: str) -> str:
    """Whether the driver's file is in the folder, and files can be written and renamed there."""
    own = folder / f".tmp-{uuid.uuid4().hex}"
    try:
        os.listdir(folder)  # noqa: PTH208  # makes a network file system look again
        if not (folder / token).is_file():
            return "is another folder there"
        own.write_text(token)
        own.replace(own.with_name(f"{own.name}-2"))
        own.with_name(f"{own.name}-2").unlink()
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return "is the same"


@contextlib.contextmanager
def marked(folders: Sequence[Path], token: str) -> Iterator[None]:
    """Put a file called ``token`` into each folder for a while."""
    paths = [folder / token for folder in folders]
    try:
        for path in paths:
            path.touch()
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """How a machine differs from this one, a line each: ``numpy 1.26.4, here 2.1.0``."""
    lines = []
    for name, value in here.items():
        other = there.get(name, "not known")
        if other != value:
            lines.append(f"{name}: {other}, here {value}")
    return lines


def inside(*objects: Any) -> tuple[list[Path], set[str]]:
    """Every :class:`~pathlib.Path` in objects, in the order of their first use, and every device of a network."""
    import io
    import pickle

    paths: dict[Path, None] = {}
    devices: set[str] = set()

    class Finder(pickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, Path):
                paths.setdefault(value)
            device = getattr(value, "__dict__", {}).get("device")
            if isinstance(device, str):
                devices.add(device)
            return NotImplemented

    for one in objects:
        with contextlib.suppress(Exception):  # one that cannot be pickled is reported by the pool
            Finder(io.BytesIO()).dump(one)
    return list(paths), devices
