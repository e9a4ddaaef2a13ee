"""The folder of a training run: the record of everything that determines its result, and the state to resume from."""

from pathlib import Path

import torch
from torch import nn

from albar.checkpoint import NAME as MODEL
from albar.methods import AnySettings
from albar.models.weights import read_torch_file
from albar.training.run_record import RunRecord, first_difference
from albar.training.state import State
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, write_json
from benchmark_builder.utils.resume import held
from benchmark_builder.utils.weights import write_torch_file

SETTINGS, STATE, BEST_STATE = "settings.json", "last.pt", "best.pt"


class RunFolder:
    """A run's folder: settings.json (the record), last.pt (the state to resume from), best.pt (the weights of the best
    epoch so far, if these are kept), and at the end model.ckpt.

    Attributes:
        path: the folder.
        state, checkpoint: paths of last.pt and model.ckpt in it, which may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.checkpoint = path, path / STATE, path / MODEL

    def claim(self, record: RunRecord, method: AnySettings) -> None:
        """Write the record of this run into the folder, or check that the folder belongs to this run.

        Args:
            record: the record of this run.
            method: the settings of its method; their defaults, and those of the recipe, replace fields that are missing
                in a record of an earlier version.

        Raises:
            BenchError: the folder contains another run (the error says what differs) or other files.
        """
        path = self.path / SETTINGS
        if path.exists():
            fix = "delete the folder or choose another --out"
            found = RunRecord.of(read_json(path, "record of a run", fix), path, fix).as_now(record, method).plain()
            wanted = record.plain()
            begun = any((self.path / name).exists() for name in (STATE, MODEL))
            if found != wanted and not begun:  # the other run has no saved state, so nothing is lost
                write_json(path, wanted)
            elif found != wanted:
                was, now = first_difference(found, wanted)
                raise BenchError(
                    f"{self.path} holds a run with {was}, this one has {now}; delete it or choose another --out"
                )
        elif others := held(self.path):
            raise BenchError(f"{self.path}: not empty, and not the folder of a run ({others[0]}); choose another --out")
        else:
            write_json(path, record.plain())
        remove_leftovers(self.path)

    def save(self, state: State, network: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> None:
        """Write the state to resume from.

        Raises:
            BenchError: a weight is not finite. The loss shows this only one step later, when the weights are already
                saved.
        """
        values = [v for v in network.state_dict().values() if v.is_floating_point()]
        if not all(torch.stack([v.isfinite().all() for v in values]).tolist()):
            raise BenchError(
                f"training stopped after step {state.step}: weights are not finite; {self.last_good()}; lower --lr and "
                "start again in a new folder"
            )
        state.save(self.state, network, extra, optimiser)

    def save_best(self, network: nn.Module, epoch: int) -> None:
        """Write the weights of the best epoch so far, as best.pt."""
        write_torch_file(self.path / BEST_STATE, {"epoch": epoch, "model": network.state_dict()})

    def best_epoch(self) -> int | None:
        """The epoch whose weights are in best.pt; None if there are none, or they cannot be read."""
        path = self.path / BEST_STATE
        try:
            found = read_torch_file(path, "weights of the best epoch", "") if path.is_file() else None
        except BenchError:
            return None
        epoch = found.get("epoch") if isinstance(found, dict) else None
        return epoch if isinstance(epoch, int) else None

    def load_best(self, network: nn.Module, epoch: int) -> None:
        """Load the weights of the best epoch into the network.

        Raises:
            BenchError: best.pt is missing, cannot be read, or has the weights of another epoch.
        """
        path, fix = self.path / BEST_STATE, f"delete {self.state} to train from the start"
        found = read_torch_file(path, "weights of the best epoch", fix)
        if not isinstance(found, dict) or found.get("epoch") != epoch:
            raise BenchError(f"{path}: does not have the weights of epoch {epoch}, the best one; {fix}")
        try:
            network.load_state_dict(found["model"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BenchError(f"{path}: not this run's weights ({one_line(error)}); {fix}") from None

    def resume(self, network: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> State:
        """Load the saved state into these three objects, and return the run's state; a new one if none is saved.

        Raises:
            BenchError: the saved state cannot be read, or belongs to another run.
        """
        path = self.state
        if not path.is_file():
            return State()
        fix = f"delete {path} to train from the start"
        saved = read_torch_file(path, "state to resume from", fix)
        try:
            network.load_state_dict(saved["model"])
            if extra is not None:
                extra.load_state_dict(saved["extra"])
            optimiser.load_state_dict(saved["optimiser"])
            for parameter, kept in optimiser.state.items():
                if any(v.ndim and v.shape != parameter.shape for v in kept.values() if isinstance(v, torch.Tensor)):
                    raise ValueError("its optimiser is another network's")
            return State.read(saved["state"], self.path)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            raise BenchError(f"{path}: not this run's state ({one_line(error)}); {fix}") from None

    def last_good(self) -> str:
        """A note on where the last saved state is, for messages."""
        return f"the last good state is {self.state}" if self.state.is_file() else "no state was saved yet"


def one_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
