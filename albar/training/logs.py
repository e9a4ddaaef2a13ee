"""What a run tells while it trains: metrics.csv, a row an epoch, and the same and every step for TensorBoard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmark_builder.utils.files import write_csv

METRICS, BOARD = "metrics.csv", "tensorboard"


class Logs:
    """Context manager; writes into a run's folder. TensorBoard's files are for looking: a resumed run may log the steps
    since its last state twice, metrics.csv never does."""

    def __init__(self, folder: Path, tensorboard: bool) -> None:
        self.folder = folder
        self._board = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / BOARD))

    def __enter__(self) -> "Logs":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._board is not None:
            self._board.close()

    def step(self, step: int, terms: Mapping[str, float]) -> None:
        """The terms of one update."""
        if self._board is not None:
            for name, value in terms.items():
                self._board.add_scalar(f"step/{name}", value, step)

    def epoch(self, row: Mapping[str, float], rows: Sequence[Mapping[str, float]]) -> None:
        """The newest row, and all of them."""
        columns = list(dict.fromkeys(name for r in rows for name in r))
        write_csv(self.folder / METRICS, columns, list(rows))
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(f"epoch/{name}", value, int(row["epoch"]))
