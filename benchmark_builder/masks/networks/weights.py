"""Networks of the mask sources that have one: their weights read without running code, and how they compute."""

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
    """Where torch hub keeps a downloaded checkpoint of that file name."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def read_weights(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by name, on the CPU; see :func:`benchmark_builder.utils.weights.read_weights`.

    Args:
        what: what the file should be, for the message.

    Raises:
        BenchError: the file is missing, no checkpoint, or holds what could run code.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such file; give {what}")
    try:
        return weights.read_weights(path, "file", f"give {what}, saved as plain weights").tensors
    except BenchError as error:
        raise BenchError(f"{path}: cannot be read as weights: {str(error).removeprefix(f'{path}: ')}") from None


def fitting(state: Mapping[str, torch.Tensor], builders: Mapping[str, Build]) -> list[str]:
    """Those of the networks that can load ``state``. No memory is taken for their weights."""
    return [name for name, build in builders.items() if _fits(_hollow(build), state)]


@cache
def _hollow(build: Build) -> torch.nn.Module:
    with torch.device("meta"):
        return build()


def _fits(network: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> bool:
    # The network is asked, as it may know older names of its weights than its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing is copied to where there is no memory
        try:
            network.load_state_dict(dict(state))
        except RuntimeError:
            return False
    return True


@contextmanager
def computing(device: torch.device) -> Iterator[None]:
    """Inference; on a CPU by one thread: its sums come out the same bit for bit, however many workers there are.

    Raises:
        BenchError: the GPU's memory does not suffice.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    except torch.cuda.OutOfMemoryError:
        raise BenchError(
            "the GPU's memory does not suffice; give a smaller --chunk, fewer --workers or --device cpu"
        ) from None
    finally:
        torch.set_num_threads(threads)
