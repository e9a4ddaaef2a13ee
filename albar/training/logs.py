"""The logs of a training run: metrics.csv with one row per epoch; trackers (TensorBoard, …) with the epochs and every
step; a line per epoch for the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from accelerate import Accelerator

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.registry import first_line

METRICS, BOARD = "metrics.csv", "tensorboard"
PROJECT = "albar-bench"  # what trackers other than TensorBoard call the collection of runs


class Logs:
    """Context manager; writes logs into a run's folder. After a resume, TensorBoard may show the steps since the last
    saved state twice; metrics.csv never does."""

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        trackers: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Prepare the logs; trackers start when the context is entered, in the first process only.

        Args:
            folder: the run's folder.
            accelerator: starts the trackers.
            trackers: their names, see :data:`albar.training.settings.TRACKERS`.
            settings: the run's record, which trackers show next to the metrics.
        """
        self.folder, self.accelerator, self.names, self.settings = folder, accelerator, trackers, dict(settings or {})
        self.trackers: list[Any] = []

    def __enter__(self) -> "Logs":
        for name in self.names:
            self.accelerator.log_with, self.accelerator.trackers = [name], []  # started one by one: their names differ
            try:
                if name == BOARD:
                    self.accelerator.init_trackers(BOARD)  # name of TensorBoard's folder
                else:
                    folder = self.folder.resolve()
                    own = {"name": folder.name, "dir": str(folder)} if name == "wandb" else {}
                    self.accelerator.init_trackers(PROJECT, plain(self.settings), {name: own})
            except Exception as error:  # a tracker's package can raise anything: no account, no network, an old version
                raise BenchError(
                    f"--track {name}: did not start ({type(error).__name__}: {first_line(error)}); correct that, or "
                    "leave it out"
                ) from error
            self.trackers += self.accelerator.trackers
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        # Not end_training(): it would also end the group of processes.
        for tracker in self.trackers:
            tracker.finish()

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """Log the terms of one update."""
        self._log("step", terms, step)

    def epoch(self, row: Mapping[str, float], rows: Sequence[Mapping[str, float]]) -> None:
        """Log the newest row, and write the table of all rows."""
        columns = list(dict.fromkeys(name for r in rows for name in r))
        write_csv(self.folder / METRICS, columns, list(rows))
        self._log("epoch", row, int(row.get("step", row["epoch"])), int(row["epoch"]))

    def _log(self, kind: str, values: Mapping[str, float], step: int, epoch: int | None = None) -> None:
        """``epoch``: counted for TensorBoard, where each curve has its own axis; others have one, of steps."""
        named = {f"{kind}/{name}": value for name, value in values.items()}
        for tracker in self.trackers:
            tracker.log(named, step=step if epoch is None or tracker.name != BOARD else epoch)


def plain(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """A record as numbers and texts, as trackers take it: tables by names with dots, lists as texts."""
    found: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= plain(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found


def epoch_line(row: Mapping[str, float], epochs: int, left: float, loss: str = "loss") -> str:
    """The line on screen after an epoch: ``epoch 2/10: loss 1.85, validation 41.7 %, still 8.3 %, 0:12, 1:36 left``.

    Args:
        row: the epoch's row of metrics.csv. ``still`` is the accuracy on clips of one repeated frame.
        epochs: number of epochs of the run.
        left: seconds that the rest of the run takes, estimated.
        loss: the column of the loss.
    """
    parts = [f"{loss} {row[loss]:.4g}"] if loss in row else []
    for name, column in (("validation", "val_acc"), ("still", "val_still_acc")):
        if column in row:
            parts.append(f"{name} {row[column]:.1f} %")
    parts += [f"took {clock(row['seconds'])}"] if "seconds" in row else []
    ended = int(row["epoch"]) >= epochs
    return f"epoch {int(row['epoch'])}/{epochs}: {', '.join([*parts, *([] if ended else [f'{clock(left)} left'])])}"


def clock(seconds: float) -> str:
    """A duration as ``0:07``, ``12:30`` or ``5:02:11``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
