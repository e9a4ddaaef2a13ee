"""The device of a network, its precision, and torch.compile."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from benchmark_builder.utils.device import pick_device, world_size

__all__ = ["compiled", "make_accelerator", "pick_device", "tf32"]


def make_accelerator(device: str, precision: str, folder: Path) -> Accelerator:
    """Accelerate on ``device``, or with several processes (`accelerate launch`), on each process's own device.

    Args:
        device: as for :func:`pick_device`.
        precision: ``float32``, ``tf32``, ``bf16`` or ``auto`` (bf16 on a GPU, else float32).
        folder: the run's folder, in which its trackers write.
    """
    on = pick_device(device)
    if on.type == "cuda" and on.index is not None:
        torch.cuda.set_device(on)
    # Accelerate keeps the state of the first run (precision, device) per process; one process may have several runs.
    AcceleratorState._reset_state(reset_partial_state=world_size() == 1)
    bf16 = precision == "bf16" or (precision == "auto" and on.type == "cuda")
    # The two forward passes of an ALBAR step must use the same buffers, so none is broadcast in between.
    return Accelerator(
        cpu=on.type == "cpu",
        mixed_precision="bf16" if bf16 else "no",
        project_dir=folder,
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


@contextlib.contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Context manager: use TF32 for float32 matrix products on GPUs that support it, and then restore the settings."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def compiled(network: nn.Module, twice: bool) -> nn.Module:
    """``network`` with torch.compile; ``twice``: for an objective that is differentiated twice."""
    return Compiled(network) if twice else torch.compile(network)  # type: ignore[return-value]


class Compiled(nn.Module):
    """A network with torch.compile. If its input requires a gradient, the pass is not compiled: it is differentiated
    twice (ALBAR's penalty), and compiled code cannot be."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.compiled = network, torch.compile(network)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same as the network's ``forward``."""
        logits: torch.Tensor = (self.network if x.requires_grad else self.compiled)(x)
        return logits

    def no_sync(self) -> AbstractContextManager[None]:
        """For a network on several devices: context manager without exchange of gradients."""
        context: AbstractContextManager[None] = self.network.no_sync()  # type: ignore[operator]
        return context
