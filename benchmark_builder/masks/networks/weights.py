"""Networks of mask sources: reading weights without running code, and running inference."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from benchmark_builder.utils import weights
from benchmark_builder.utils.errors import BenchError

Build = Callable[[], torch.nn.Module]


def hub_file(name: str) -> Path:
    """The path of a downloaded checkpoint of this file name in torch hub's cache."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def read_weights(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by name, on the CPU; see :func:`benchmark_builder.utils.weights.read_weights`.

    Args:
        what: the expected content of the file, for the message.

    Raises:
        BenchError: the file is missing, is not a checkpoint, or contains objects that could run code.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such file; give {what}")
    try:
        return weights.read_weights(path, "file", f"give {what}, saved as plain weights").tensors
    except BenchError as error:
        raise BenchError(f"{path}: cannot be read as weights: {str(error).removeprefix(f'{path}: ')}") from None


def fitting(state: Mapping[str, torch.Tensor], builders: Mapping[str, Build]) -> list[str]:
    """The networks that can load ``state``. No memory is allocated for their weights."""
    return [name for name, build in builders.items() if _fits(_hollow(build), state)]


@cache
def _hollow(build: Build) -> torch.nn.Module:
    with torch.device("meta"):
        return build()


def _fits(network: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> bool:
    # Try it with the network, since it may accept older names of its weights.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that copying to the meta device has no effect
        try:
            network.load_state_dict(dict(state))
        except RuntimeError:
            return False
    return True


@contextmanager
def computing(device: torch.device) -> Iterator[None]:
    """Inference. On a CPU it uses one thread, so that sums are bit-identical for any number of workers.

    Raises:
        BenchError: the GPU memory is too small.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    except torch.cuda.OutOfMemoryError:
        raise BenchError(
            "the GPU memory is too small; give a smaller --chunk, fewer --workers or --device cpu"
        ) from None
    finally:
        torch.set_num_threads(threads)
