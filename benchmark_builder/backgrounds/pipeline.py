"""A text-to-image pipeline of diffusers from a folder or the hub, opened so that nothing in the folder can run.

A folder of a pipeline has ``model_index.json`` (the pipeline's class, and library and class of each component) and one
folder per component. diffusers would import any installed module that this file names, and transformers can fetch code
that a configuration names; so before anything is loaded, only classes of these two libraries are accepted, no
configuration may name code, and weights must be safetensors. Python files in the folder are ignored.

torch and diffusers are imported on demand.
"""

import functools
import hashlib
import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.registry import first_line

PREFIX = "hf:"
INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")
CHECKERS = ("safety_checker", "feature_extractor", "image_encoder")  # are not loaded: scenes are to be checked by eye
_FIX = "give a folder (or hub name) of a text-to-image pipeline of diffusers with safetensors"
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".msgpack", ".h5")
_CODE = ("auto_map", "custom_pipelines", "custom_pipeline")  # keys that name code to fetch or to import
_KERNELS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")


@dataclass(frozen=True)
class PipelineFolder:
    """A folder that was checked.

    Attributes:
        folder: the folder.
        pipeline: name of the pipeline's class in diffusers.
        parts: component -> (library, class).
        sha256: digest of the names and contents of all files that are loaded.
    """

    folder: Path
    pipeline: str
    parts: Mapping[str, tuple[str, str]]
    sha256: str


def require_diffusers() -> None:
    """Raise BenchError if the optional library is not installed."""
    try:
        import diffusers  # noqa: F401
    except ImportError:
        raise BenchError("diffusers is not installed; install it with `pip install 'albar-bench[generate]'`") from None


def checked_folder(model: str) -> PipelineFolder:
    """The folder that ``hf:NAME_OR_FOLDER`` (or a path) means, checked; a hub name's files are fetched first.

    Raises:
        BenchError: it is neither a folder nor a name that can be fetched, is no text-to-image pipeline of diffusers,
            has no safetensors, or names code.
    """
    text = model.removeprefix(PREFIX)
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", text) or text.startswith("."):
            raise BenchError(f"--model {model}: no such folder; {_FIX}")
        folder = _fetched(text)
    index = read_json(folder / INDEX, "diffusers pipeline", _FIX)
    pipeline = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(index, dict) or not isinstance(pipeline, str) or pipeline not in _pipelines():
        raise BenchError(f"{folder / INDEX}: {str(pipeline)[:80]!r} is no text-to-image pipeline of diffusers; {_FIX}")
    parts, files = {}, [INDEX]
    for name, value in index.items():
        if name.startswith("_") or name in CHECKERS or not isinstance(value, list) or value == [None, None]:
            continue
        library, kind = value if len(value) == 2 else (None, None)
        if library not in LIBRARIES or not isinstance(kind, str) or not kind.isidentifier():
            raise BenchError(
                f"{folder / INDEX}: {name} is {str(value)[:80]}; only classes of diffusers and transformers are loaded"
            )
        if not re.fullmatch(r"\w+", name) or not (folder / name).is_dir():
            raise BenchError(f"{folder}: has no folder {name[:80]!r}, which {INDEX} names; complete it")
        files += _files(folder, name)
        parts[name] = (str(library), kind)
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file}\x1f{known_digest(folder / file)}\n".encode())
    return PipelineFolder(folder, pipeline, parts, total.hexdigest())


def _files(folder: Path, part: str) -> list[str]:
    """The files of a component, relative to the pipeline's folder. Raises BenchError if one names code, or for
    pickles."""
    found = sorted(p for p in (folder / part).iterdir() if p.is_file() and not p.name.startswith("."))
    weights = [p for p in found if p.suffix == ".safetensors"]
    pickles = [p for p in found if p.suffix in _PICKLES]
    if pickles and not weights:
        raise BenchError(f"{pickles[0]}: pickles are not read; get the pipeline's safetensors")
    for path in found:
        if path.suffix == ".json":
            for key, value in _entries(read_json(path, "configuration", "get the file again")):
                if (key in _CODE and value) or (key in _KERNELS and isinstance(value, str) and "/" in value):
                    raise BenchError(f"{path}: names code ({key}), which is not run; choose another pipeline")
    kept = (".json", ".txt", ".model", ".safetensors")
    return [f"{part}/{p.name}" for p in found if p.suffix in kept]


def _entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key of a JSON document with its value. ``read_json`` limits the depth of JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


@functools.cache
def _pipelines() -> frozenset[str]:
    require_diffusers()
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    return frozenset(found.__name__ for found in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values())


@functools.cache
def _fetched(name: str) -> Path:
    require_diffusers()
    from diffusers import DiffusionPipeline

    try:
        return Path(DiffusionPipeline.download(name, use_safetensors=True, trust_remote_code=False))
    except Exception as error:  # no network, no such name, no access: the hub has an exception for each
        raise BenchError(
            f"{PREFIX}{name}: not a folder here, and cannot be downloaded from the hub ({first_line(error)}); "
            "download it elsewhere and give the folder"
        ) from None


def accepted(pipeline: str) -> frozenset[str]:
    """Names of the arguments with which a pipeline of diffusers is called."""
    import diffusers

    return frozenset(inspect.signature(getattr(diffusers, pipeline).__call__).parameters)


class Painter:
    """Makes pictures from prompts with a pipeline.

    Args:
        found: the checked folder.
        device: name of a torch device.
        dtype: name of the type of the weights, ``float32`` or ``bfloat16``.

    Raises:
        BenchError: the pipeline cannot be loaded, or its weights are not complete.
    """

    def __init__(self, found: PipelineFolder, device: str, dtype: str) -> None:
        import diffusers
        import torch

        index = read_json(found.folder / INDEX, "diffusers pipeline", _FIX)
        none = {name: None for name in CHECKERS if name in index}
        if "requires_safety_checker" in inspect.signature(getattr(diffusers, found.pipeline).__init__).parameters:
            none["requires_safety_checker"] = False  # type: ignore[assignment]
        try:
            with _listening() as said:
                self._pipeline: Any = getattr(diffusers, found.pipeline).from_pretrained(
                    found.folder, use_safetensors=True, local_files_only=True,
                    trust_remote_code=False, **none,
                )  # fmt: skip
        except MemoryError:
            raise
        except Exception as error:  # a damaged or malicious file can raise any exception
            raise BenchError(f"{found.folder}: cannot be loaded ({first_line(error)[:300]}); {_FIX}") from None
        fresh = [line for line in said if "newly initialized" in line or "MISSING" in line]
        if fresh:
            raise BenchError(f"{found.folder}: its weights are not complete ({first_line_of(fresh[0])}); complete it")
        self._pipeline.to(device, getattr(torch, dtype))
        self._pipeline.set_progress_bar_config(disable=True)
        self._folder = found.folder

    def paint(self, seed: int, **given: Any) -> np.ndarray:
        """A picture, uint8 (H, W, 3) RGB.

        Args:
            seed: of its noise, which is drawn on the CPU, so that it is the same on every device.
            given: arguments of the pipeline: ``prompt``, ``height``, ``width``, …

        Raises:
            BenchError: the pipeline fails, its values are not finite, or the picture has one colour only.
        """
        import torch

        noise = torch.Generator("cpu").manual_seed(seed)
        try:
            with _listening():
                made = self._pipeline(**given, generator=noise, output_type="np").images[0]
        except torch.OutOfMemoryError:
            raise BenchError("the pipeline does not fit into the GPU memory; give a smaller --size") from None
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, AssertionError) as error:
            raise BenchError(f"{self._folder}: cannot make this picture ({first_line(error)[:300]})") from None
        if not isinstance(made, np.ndarray) or made.ndim != 3 or made.shape[2] != 3:
            raise BenchError(f"{self._folder}: made no picture of three colours; {_FIX}")
        if not np.isfinite(made).all():
            raise BenchError(f"{self._folder}: made values that are not finite; give --precision float32")
        picture: np.ndarray = np.rint(made.clip(0, 1) * 255).astype(np.uint8)
        if (picture == picture[:1, :1]).all():
            raise BenchError(f"{self._folder}: made a picture of a single colour; give another --seed or --precision")
        return picture


def first_line_of(text: str) -> str:
    """The first line of a message, shortened."""
    return (text.strip().splitlines() or [""])[0][:200]


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keep what diffusers and transformers warn of, in place of showing it; without their progress bars."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    said: list[str] = []
    keep = Keep(logging.WARNING)
    libraries = (diffusers_logging, transformers_logging)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(list(logger.handlers), logger.propagate) for logger in loggers]
    for library, logger in zip(libraries, loggers, strict=True):
        library.disable_progress_bar()
        logger.handlers, logger.propagate = [keep], False
    try:
        yield said
    finally:
        for library, logger, (handlers, propagate) in zip(libraries, loggers, before, strict=True):
            library.enable_progress_bar()
            logger.handlers, logger.propagate = handlers, propagate
