"""The folder of a training run: whose it is, the record of all that decides its result, the state to resume from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.checkpoint import NAME as MODEL
from albar.methods import AnySettings, Method
from albar.models import huggingface
from albar.models.weights import read_torch_file
from albar.stillmix_settings import RESIZED_BEFORE
from albar.training.extras import deciding, without_folder
from albar.training.optimizer import Recipe
from albar.training.settings import TrainSettings
from albar.training.state import State
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, sha256_file, write_json
from benchmark_builder.utils.resume import held
from benchmark_builder.video.record import Video

SETTINGS, STATE = "settings.json", "last.pt"


class RunFolder:
    """A run's folder: settings.json (the record), last.pt (the state to resume from), model.ckpt once finished.

    Attributes:
        path: the folder.
        state, checkpoint: last.pt and model.ckpt in it, whether they exist or not.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.checkpoint = path, path / STATE, path / MODEL

    def claim(self, record: dict[str, Any], method: Any) -> None:
        """Make the folder this run's, or check that it is.

        Args:
            record: of this run, see :func:`run_record`.
            method: the settings of its method; their defaults, and those of the recipe, fill what a record of an
                earlier version does not have.

        Raises:
            BenchError: the folder holds another run (what differs is named) or other files.
        """
        path = self.path / SETTINGS
        if path.exists():
            found = read_json(path, "record of a run", "delete the folder or choose another --out")
            found = _as_now(found, record, method)
            begun = any((self.path / name).exists() for name in (STATE, MODEL))
            if found != record and not begun:  # it failed before anything was learnt: nothing would be lost
                write_json(path, record)
            elif found != record:
                was, now = _first_difference(found, record)
                raise BenchError(
                    f"{self.path} holds a run with {was}, this one has {now}; delete it or choose another --out"
                )
        elif others := held(self.path):
            raise BenchError(f"{self.path}: not empty, and not the folder of a run ({others[0]}); choose another --out")
        else:
            write_json(path, record)
        remove_leftovers(self.path)

    def save(self, state: State, network: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> None:
        """Write the state to resume from.

        Raises:
            BenchError: a weight is not finite: the loss shows it one step later, when such weights would be saved.
        """
        values = [v for v in network.state_dict().values() if v.is_floating_point()]
        if not all(torch.stack([v.isfinite().all() for v in values]).tolist()):
            raise BenchError(
                f"training stopped after step {state.step}: weights are not finite; {self.last_good()}; lower --lr and "
                "start again in a new folder"
            )
        state.save(self.state, network, extra, optimiser)

    def resume(self, network: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> State:
        """Load the saved state of the run into these three, and return where it stands; a new state if none is saved.

        Raises:
            BenchError: the saved state cannot be read, or is another run's.
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
        """Where the last saved state is, for a message."""
        return f"the last good state is {self.state}" if self.state.is_file() else "no state was saved yet"


def run_record(
    settings: TrainSettings,
    method: Method,
    videos: Sequence[Video],
    kept_back: Sequence[Video],
    processes: int,
    precision: str,
) -> dict[str, Any]:
    """All that decides a run's result, plain types; files by name and content, wherever they are.

    Args:
        settings: of the run.
        method: with its settings.
        videos, kept_back: trained on, and kept back for validation.
        processes: how many train together.
        precision: ``float32``, ``tf32`` or ``bf16``, resolved.
    """
    s = settings
    return {
        "method": s.method,
        "method_settings": method.settings.stored(),
        **sources(s),
        "preset": s.preset_name,
        "recipe": {k: list(v) if isinstance(v, tuple) else v for k, v in s.recipe.model_dump().items()},
        "processes": processes,
        "precision": precision,
        "compile": s.compile,
        **({"dropout": s.dropout} if s.dropout else {}),
        "beside": deciding(method, s),
        "clip": s.clip_sampling.to_dict(),
        "dataset": s.dataset,
        "split": s.split,
        "fold": s.fold,
        "limit": s.limit,
        "validation": s.validation,
        "seed": s.seed,
        "training_videos": digest([[v.id, v.label] for v in videos]),
        "validation_videos": digest([[v.id, v.label] for v in kept_back]),
    }


def sources(settings: TrainSettings) -> dict[str, Any]:
    """The network and its first weights, for the record: files by name and digest."""
    model, weights = settings.model_name, settings.weights
    known: dict[str, Any] = {"model": model, "weights": weights}
    if model.startswith(huggingface.PREFIX):
        folder = huggingface.local_folder(model)
        if folder == Path(model.removeprefix(huggingface.PREFIX)).expanduser():
            known["model"] = huggingface.PREFIX + folder.resolve().name
        known["model_sha256"] = huggingface.folder_digest(folder)
    file = Path(weights) if weights else Path()
    file = file / MODEL if weights and file.is_dir() else file
    if weights and file.is_file():
        known |= {"weights": file.name, "weights_sha256": sha256_file(file)}
    return known


def _as_now(found: Any, record: Mapping[str, Any], method: Any) -> Any:
    """An earlier version's record of a run as this one writes it: settings that did not exist have their defaults,
    which do what was done then, and files are given by their names."""
    if not isinstance(found, dict):
        return found
    found = {**found}
    if isinstance(found.get("weights"), str) and not {"weights_sha256", "model_sha256"} & found.keys():
        new = {k: v for k, v in record.items() if k in ("weights_sha256", "model_sha256")}
        found |= new | ({"weights": Path(found["weights"]).name} if "weights_sha256" in new else {})
    if isinstance(found.get("recipe"), dict):
        known = {name: f.default for name, f in Recipe.model_fields.items() if not f.is_required()}
        found["recipe"] = {k: list(v) if isinstance(v, tuple) else v for k, v in known.items()} | found["recipe"]
    if isinstance(found.get("method_settings"), dict):
        found["method_settings"] = _with_defaults(found["method_settings"], method)
    if isinstance(found.get("beside"), dict):
        found["beside"] = {k: RESIZED_BEFORE.get(k, v) for k, v in record["beside"].items()} | found["beside"]
        if isinstance(found["beside"].get("masks"), str):
            found["beside"]["masks"] = without_folder(found["beside"]["masks"])
    return found


def _with_defaults(found: dict[str, Any], settings: AnySettings) -> dict[str, Any]:
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.defaults().items()}
    made: dict[str, Any] = plain | found
    for name in settings.setting_names():  # the parts of a combined method
        part = getattr(settings, name)
        if isinstance(part, AnySettings) and isinstance(made.get(name), dict):
            made[name] = _with_defaults(made[name], part)
    return made


def digest(value: Any) -> str:
    """SHA-256, hex, of plain types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _first_difference(found: Any, wanted: dict[str, Any], prefix: str = "") -> tuple[str, str]:
    """How two records differ first, as ``name value`` of each."""
    found = found if isinstance(found, dict) else {}
    for name in sorted(wanted.keys() | found.keys()):
        a, b = found.get(name), wanted.get(name)
        if a != b:
            if isinstance(a, dict) and isinstance(b, dict):
                return _first_difference(a, b, f"{prefix}{name}.")
            return f"{prefix}{name} {a!r}", f"{b!r}"
    raise AssertionError("the records are equal")


def one_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
