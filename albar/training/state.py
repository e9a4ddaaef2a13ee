"""The state of a training run: what a stopped run needs to continue, and the rows of metrics.csv."""

import dataclasses
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.checkpoint import ABOUT
from albar.training.logs import METRICS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_table
from benchmark_builder.utils.weights import write_torch_file

# Columns of metrics.csv about the machine's speed. They are stored only there, so that identical runs have identical
# states.
CLOCK = ("clips_per_second", "seconds", "cpu_seconds")


@dataclasses.dataclass
class State:
    """The state of a run, as plain types.

    Attributes:
        step: number of finished steps.
        rows: one per finished epoch, as in metrics.csv.
        sums: sum of each term over the clips of the epoch so far.
        clips: number of clips of the epoch so far.
    """

    step: int = 0
    rows: list[dict[str, float]] = dataclasses.field(default_factory=list)
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    clips: int = 0

    def __post_init__(self) -> None:
        self._start_clock()

    def _start_clock(self) -> None:
        """Seconds, processor seconds and clips of the epoch so far, in this process."""
        self._seconds, self._cpu_seconds, self._timed = 0.0, 0.0, 0
        self._clock = time.monotonic(), time.process_time()

    def _tick(self) -> None:
        now = time.monotonic(), time.process_time()
        self._seconds += now[0] - self._clock[0]
        self._cpu_seconds += now[1] - self._clock[1]
        self._clock = now

    def count(self, terms: dict[str, float], clips: int) -> None:
        """Count one finished step."""
        self._tick()
        self.step += 1
        self.clips += clips
        self._timed += clips
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * clips

    def end_epoch(self, epoch: int, lr: float, watched: dict[str, float]) -> dict[str, float]:
        """Make a row from the sums, and return it: means of the terms, learning rate, validation results, time, speed.

        Time counts from the start of the epoch, or from where the run was resumed in it.
        """
        row: dict[str, float] = {"epoch": epoch, "step": self.step, "lr": lr}
        row |= {name: total / self.clips for name, total in self.sums.items()}
        row |= watched
        row |= {"clips_per_second": self._timed / max(self._seconds, 1e-9)}
        self._tick()
        row |= {"seconds": self._seconds, "cpu_seconds": self._cpu_seconds}
        self.rows.append(row)
        self.sums, self.clips = {}, 0
        self._start_clock()
        return row

    def best_epoch(self) -> int:
        """The finished epoch with the highest accuracy on the validation videos, from 1; of equal ones, the first."""
        best = max(self.rows, key=lambda row: row.get("val_acc", -math.inf))
        return int(best["epoch"])

    def save(
        self,
        path: Path,
        model: nn.Module,
        extra: nn.Module | None,
        optimiser: torch.optim.Optimizer,
        about: Mapping[str, object] | None = None,
    ) -> None:
        """Write everything that a stopped run needs.

        Args:
            path: the file.
            model, extra: the network, and what the method trains in addition to it.
            optimiser: the optimiser.
            about: the entries of a checkpoint of this state, without its weights.

        Identical runs write identical bytes: times are only in metrics.csv.
        """
        state = dataclasses.asdict(self)
        state["rows"] = [{k: v for k, v in row.items() if k not in CLOCK} for row in self.rows]
        content = {
            "state": state,
            "model": model.state_dict(),
            "extra": extra.state_dict() if extra is not None else {},
            "optimiser": optimiser.state_dict(),
            **({ABOUT: dict(about)} if about else {}),
        }
        write_torch_file(path, content)

    @classmethod
    def read(cls, saved: Any, folder: Path) -> "State":
        """The state that :meth:`save` wrote as ``state``; times of finished epochs are read from the run's metrics.csv.

        Raises:
            ValueError: it is malformed.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(saved, Mapping) or not set(names) <= set(saved):
            raise ValueError("its entry 'state' is malformed")
        state = cls(**{name: saved[name] for name in names})  # earlier versions also stored times
        whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in (state.step, state.clips))
        tables = isinstance(state.rows, list) and all(_numbers(row) for row in [*state.rows, state.sums])
        if not (whole and tables):
            raise ValueError("its entry 'state' is malformed")
        times = _times(folder / METRICS) if state.rows else {}
        state.rows = [row | times.get(int(row.get("epoch", 0)), {}) for row in state.rows]
        return state


def _numbers(row: object) -> bool:
    return isinstance(row, dict) and all(isinstance(k, str) and isinstance(v, int | float) for k, v in row.items())


def _times(path: Path) -> dict[int, dict[str, float]]:
    """Epoch -> its columns about time; unreadable values are left empty in the next table."""
    try:
        names, rows = read_table(path)
    except BenchError:
        return {}
    times: dict[int, dict[str, float]] = {}
    for row in rows:
        cells = dict(zip(names, row, strict=False))
        try:
            found = {name: float(cells[name]) for name in CLOCK if cells.get(name)}
            times[int(cells["epoch"])] = {name: value for name, value in found.items() if math.isfinite(value)}
        except (KeyError, ValueError):
            continue
    return times
