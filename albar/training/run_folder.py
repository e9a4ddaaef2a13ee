"""The folder of a training run: the record of everything that determines its result, and the state to resume from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from albar.checkpoint import NAME as MODEL
from albar.checkpoint import STATE
from albar.methods import AnySettings
from albar.models.weights import read_torch_file
from albar.training.raising import epochs_of, float_of, only_epochs_differ, raise_refused
from albar.training.run_record import RunRecord, differences
from albar.training.state import State
from benchmark_builder.utils.command_line import record_command
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, write_json
from benchmark_builder.utils.resume import held
from benchmark_builder.utils.weights import write_torch_file

SETTINGS, BEST_STATE = "settings.json", "best.pt"


Say = Callable[[str], None]


class RunFolder:
    """A run's folder: settings.json (the record), last.pt (the state to resume from), best.pt (the weights of the best
    epoch so far, if these are kept), epoch-0005.ckpt … (if these are kept), and at the end model.ckpt.

    Attributes:
        path: the folder.
        state, checkpoint: paths of last.pt and model.ckpt in it, which may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.checkpoint = path, path / STATE, path / MODEL

    def claim(
        self, record: RunRecord, method: AnySettings, by_progress: bool = False, say: Say = lambda line: None
    ) -> RunRecord:
        """Write the record of this run into the folder, or check that the folder belongs to this run.

        Args:
            record: the record of this run.
            method: the settings of its method; their defaults, and those of the recipe, replace fields that are missing
                in a record of an earlier version.
            by_progress: whether its loss depends on the share of the run that is done.
            say: called with a line for the user if the number of epochs is changed.

        Returns:
            The record, which also says from which numbers of epochs the run was raised.

        Raises:
            BenchError: the folder contains another run (the error says what differs) or other files.
        """
        path = self.path / SETTINGS
        if path.exists():
            fix = "delete the folder or choose another --out"
            kept = RunRecord.of(read_json(path, "record of a run", fix), path, fix).as_now(record, method)
            begun = any((self.path / name).exists() for name in (STATE, MODEL))
            if begun and kept.raised is not None:
                record = record.replaced(raised=kept.raised)
            if begun and only_epochs_differ(kept, record):
                record = self._raise(kept, record, by_progress, say)
                remove_leftovers(self.path)
                return record
            found, wanted = kept.plain(), record.plain()
            if found != wanted and not begun:  # the other run has no saved state, so nothing is lost
                write_json(path, wanted)
            elif found != wanted:
                was, now = differences(found, wanted)
                raise BenchError(
                    f"{self.path} holds a run with {was}, this one has {now}; give the options of that run to continue "
                    "it, delete it, or choose another --out"
                )
        elif others := held(self.path):
            raise BenchError(f"{self.path}: not empty, and not the folder of a run ({others[0]}); choose another --out")
        else:
            write_json(path, record.plain())
        record_command(path)
        remove_leftovers(self.path)
        return record

    def _raise(self, kept: RunRecord, record: RunRecord, by_progress: bool, say: Say) -> RunRecord:
        """Take another number of epochs for the run in this folder; returns the record with it.

        Raises:
            BenchError: the epochs that were trained would have been others, or there are more of them.
        """
        was, now = epochs_of(kept), epochs_of(record)
        asked = f"--epochs {now}: {self.path} has a run of {was} epochs"
        elsewhere = "choose another --out"
        finished = self.checkpoint.is_file()
        if finished and not self.state.is_file():
            raise BenchError(
                f"{asked}, whose state to resume from ({STATE}) was not kept; {elsewhere}, or train on from its "
                f"weights with --weights {self.path} --out NEW"
            )
        done = was if finished else self._epochs_done()
        if now < done:
            raise BenchError(f"{asked}, of which {done} are trained; give at least {done}, or {elsewhere}")
        why = raise_refused(kept, was, now, done, by_progress)
        if why:
            raise BenchError(
                f"{asked}, and {why}; {elsewhere} for a run of {now} epochs, or train on from these weights with "
                f"--weights {self.path} --out NEW"
            )
        said = f"{was} epochs are now {now}"
        if finished:  # first this, then the record: a run that is killed in between is continued as unfinished
            aside = self.path / f"model-{was}-epochs{self.checkpoint.suffix}"
            self.checkpoint.replace(aside)
            said += f"; the checkpoint after {was} is now {aside.name}"
        if float_of(kept, "warmup"):  # the warm-up is a share of the first number
            record = record.replaced(raised=[*(kept.raised or []), was])
        write_json(self.path / SETTINGS, record.plain())
        say(f"{self.path}: {said}")
        return record

    def _epochs_done(self) -> int:
        """The number of epochs that the saved state has finished or begun; 0 if it cannot be read."""
        try:
            saved = read_torch_file(self.state, "state to resume from", "")
        except BenchError:
            return 0
        state = saved.get("state") if isinstance(saved, dict) else None
        rows = state.get("rows") if isinstance(state, dict) else saved.get("rows") if isinstance(saved, dict) else None
        begun = bool(state.get("clips")) if isinstance(state, dict) else False
        return (len(rows) if isinstance(rows, list) else 0) + begun

    def of_epoch(self, epoch: int) -> Path:
        """The path of the checkpoint after an epoch, from 1."""
        return self.path / f"epoch-{epoch:04d}{self.checkpoint.suffix}"

    def drop_state(self) -> None:
        """Remove what only a run that goes on needs."""
        for name in (STATE, BEST_STATE):
            (self.path / name).unlink(missing_ok=True)

    def save(
        self,
        state: State,
        network: nn.Module,
        extra: nn.Module | None,
        optimiser: torch.optim.Optimizer,
        about: Mapping[str, object] | None = None,
    ) -> None:
        """Write the state to resume from; ``about``: the entries of a checkpoint of it, without its weights.

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
        state.save(self.state, network, extra, optimiser, about)

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
