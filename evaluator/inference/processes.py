"""Several processes on one evaluation (``accelerate launch … bench eval``): each predicts its share of the videos."""

import atexit
import datetime
from collections.abc import Sequence
from typing import TypeVar

import torch

from benchmark_builder.utils.device import world_size

Entry = TypeVar("Entry")
# A process that is done waits for the slowest; the library's ten minutes are for steps, not for whole test sets.
_PATIENCE = datetime.timedelta(days=7)


class Processes:
    """Which of the processes this one is; a single one where nothing launched several.

    Attributes:
        index, count: this process, from 0, of how many.
        device: where this one computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.index, self.count, self.device = 0, 1, device
        if world_size() > 1:
            from accelerate import PartialState

            state = PartialState(cpu=device.type == "cpu", timeout=_PATIENCE)
            self.index, self.count = state.process_index, state.num_processes
            self.device = device if device.type == "cpu" else state.device
            atexit.register(state.destroy_process_group)  # else its threads can outlive the interpreter, and abort

    @property
    def main(self) -> bool:
        """Whether this process writes and prints."""
        return self.index == 0

    def share(self, everything: Sequence[Entry]) -> list[Entry]:
        """This process's part: every ``count``-th entry. The shares are disjoint and together are everything."""
        return list(everything[self.index :: self.count])

    def gather(self, own: Entry) -> list[Entry]:
        """What each process has, in the order of their indices, on every process. All of them must call it."""
        if self.count == 1:
            return [own]
        parts: list[Entry] = [own] * self.count
        torch.distributed.all_gather_object(parts, own)
        return parts
