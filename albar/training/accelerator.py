"""Where a network runs, and in which numbers."""

import contextlib
from collections.abc import Iterator

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from benchmark_builder.utils.device import pick_device, world_size

__all__ = ["make_accelerator", "pick_device", "tf32"]


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Accelerate on ``device``, or on each process's own where several were started (`accelerate launch`).

    Args:
        device: as for :func:`pick_device`.
        precision: ``float32``, ``tf32``, ``bf16`` or ``auto`` (bf16 on a GPU, else float32).
    """
    on = pick_device(device)
    if on.type == "cuda" and on.index is not None:
        torch.cuda.set_device(on)
    # Accelerate keeps one state a process, of the first run's precision and device; a library may run several.
    AcceleratorState._reset_state(reset_partial_state=world_size() == 1)
    bf16 = precision == "bf16" or (precision == "auto" and on.type == "cuda")
    # ALBAR's two forwards of a step must see the same buffers, so none is broadcast in between.
    return Accelerator(
        cpu=on.type == "cpu",
        mixed_precision="bf16" if bf16 else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


@contextlib.contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Multiply float32 matrices in TF32 inside, on GPUs that can; as it was afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
