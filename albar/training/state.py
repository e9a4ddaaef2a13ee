"""Where a training run stands: what a stopped run needs to go on, and the rows of metrics.csv."""

import dataclasses
import time
from pathlib import Path

import torch
from torch import nn

from benchmark_builder.utils.files import whole_file


@dataclasses.dataclass
class State:
    """Where a run stands, plain types.

    Attributes:
        step: steps done.
        rows: one a finished epoch, as in metrics.csv.
        sums: of each term over the clips of the epoch so far.
        clips: of the epoch so far.
        seconds, cpu_seconds: of the epoch so far, of this process.
    """

    step: int = 0
    rows: list[dict[str, float]] = dataclasses.field(default_factory=list)
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    clips: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._clock = time.monotonic(), time.process_time()

    def _tick(self) -> None:
        now = time.monotonic(), time.process_time()
        self.seconds += now[0] - self._clock[0]
        self.cpu_seconds += now[1] - self._clock[1]
        self._clock = now

    def count(self, terms: dict[str, float], clips: int) -> None:
        """One step is done."""
        self._tick()
        self.step += 1
        self.clips += clips
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * clips

    def end_epoch(self, epoch: int, lr: float, watched: dict[str, float]) -> dict[str, float]:
        """Turn the sums into a row, and return it: means of the terms, the rate, what was watched, time and speed."""
        row: dict[str, float] = {"epoch": epoch, "step": self.step, "lr": lr}
        row |= {name: total / self.clips for name, total in self.sums.items()}
        row |= watched
        row |= {"clips_per_second": self.clips / max(self.seconds, 1e-9)}
        self._tick()
        row |= {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}
        self.rows.append(row)
        self.sums, self.clips, self.seconds, self.cpu_seconds = {}, 0, 0.0, 0.0
        return row

    def save(self, path: Path, model: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> None:
        """Write all that a stopped run needs; ``extra`` is what the method trains beside the network."""
        content = {
            "state": dataclasses.asdict(self),
            "model": model.state_dict(),
            "extra": extra.state_dict() if extra is not None else {},
            "optimiser": optimiser.state_dict(),
        }
        with whole_file(path) as temporary:
            torch.save(content, temporary)
