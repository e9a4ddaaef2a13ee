"""The device on which a network runs."""

import os
from typing import TYPE_CHECKING

from benchmark_builder.utils import engine
from benchmark_builder.utils.errors import BenchError

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> "torch.device":
    """``auto``: the GPU if there is one; otherwise a torch device name. Raises BenchError if it is not available."""
    import torch  # here, so that who needs no network loads no torch

    if engine.current().gpus and name in ("auto", "cuda") and not torch.cuda.is_available():
        return torch.device("cuda")  # this machine gives out the work; others have GPUs
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise BenchError(f"--device {name} cannot be used ({reason}); give auto, cpu or cuda") from None
    return device


def world_size() -> int:
    """The number of processes that run together, as set by `accelerate launch` (or torchrun).

    Raises:
        BenchError: ``$WORLD_SIZE`` is not a number.
    """
    said = os.environ.get("WORLD_SIZE", "1")
    if not said.isdecimal() or len(said) > 6 or int(said) < 1:
        raise BenchError(
            f"WORLD_SIZE={said[:40]}: is not a number of processes; unset it, or start with `accelerate launch`"
        )
    return int(said)
