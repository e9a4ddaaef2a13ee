"""The logs of a training run: metrics.csv with one row per epoch; TensorBoard with the epochs and every step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from accelerate import Accelerator

from benchmark_builder.utils.files import write_csv

METRICS, BOARD = "metrics.csv", "tensorboard"


class Logs:
    """Context manager; writes logs into a run's folder. After a resume, TensorBoard may show the steps since the last
    saved state twice; metrics.csv never does."""

    def __init__(self, folder: Path, accelerator: Accelerator | None) -> None:
        """folder: the run's folder. accelerator: its trackers log there, in the first process only; None: none do."""
        self.folder, self.accelerator = folder, accelerator

    def __enter__(self) -> "Logs":
        if self.accelerator is not None:
            self.accelerator.init_trackers(BOARD)  # name of TensorBoard's folder
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        # Not end_training(): it would also end the group of processes.
        for tracker in self.accelerator.trackers if self.accelerator is not None else ():
            tracker.finish()

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """Log the terms of one update."""
        self._log("step", terms, step)

    def epoch(self, row: Mapping[str, float], rows: Sequence[Mapping[str, float]]) -> None:
        """Log the newest row, and write the table of all rows."""
        columns = list(dict.fromkeys(name for r in rows for name in r))
        write_csv(self.folder / METRICS, columns, list(rows))
        self._log("epoch", row, int(row["epoch"]))

    def _log(self, kind: str, values: Mapping[str, float], step: int) -> None:
        if self.accelerator is not None:
            self.accelerator.log({f"{kind}/{name}": value for name, value in values.items()}, step=step)
