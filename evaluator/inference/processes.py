"""Several processes on one evaluation (``accelerate launch … bench eval``): each predicts its share of the videos."""

import atexit
import datetime
from collections.abc import Sequence
from typing import TypeVar

import torch

from benchmark_builder.utils.device import world_size

Entry = TypeVar("Entry")
# A finished process waits for the slowest; the default timeout of ten minutes is too short for whole test sets.
_PATIENCE = datetime.timedelta(days=7)


class Processes:
    """The index of this process among several; a single process if none were launched.

    Attributes:
        index, count: index of this process, from 0, and number of processes. device: the device of this process.
    """

    def __init__(self, device: torch.device) -> None:
        self.index, self.count, self.device = 0, 1, device
        if world_size() > 1:
            from accelerate import PartialState

            state = PartialState(cpu=device.type == "cpu", timeout=_PATIENCE)
            self.index, self.count = state.process_index, state.num_processes
            self.device = device if device.type == "cpu" else state.device
            # otherwise its threads can outlive the interpreter and abort it
            atexit.register(state.destroy_process_group)

    @property
    def main(self) -> bool:
        """Whether this process writes and prints."""
        return self.index == 0

    def share(self, everything: Sequence[Entry]) -> list[Entry]:
        """The share of this process: every ``count``-th entry. Shares are disjoint and together contain all entries."""
        return list(everything[self.index :: self.count])

    def gather(self, own: Entry) -> list[Entry]:
        """The values of all processes, in the order of their indices, on every process. All processes must call it."""
        if self.count == 1:
            return [own]
        parts: list[Entry] = [own] * self.count
        torch.distributed.all_gather_object(parts, own)
        return parts
