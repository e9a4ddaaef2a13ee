"""Checkpoints that ``bench train`` wrote, and their safetensors exports."""

from pathlib import Path

import torch

from albar.checkpoint import STATE as STATE
from albar.checkpoint import Checkpoint, load_checkpoint
from albar.models import is_own
from albar.models.slots import scene_names, slot_network
from albar.training.places import VALIDATION_IDS, data_places
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import safe_name
from evaluator import training_data
from evaluator.models.base import Network, SceneOutputs, ScoredModel

NAME = "model.ckpt"
RECORD = "settings.json"


def load(path: Path, own: str | None = None) -> ScoredModel:
    """Read a checkpoint with weights-only loading; no code in the file is run.

    Args:
        path: the file.
        own: ``package.module:Name`` of its network, if it is the user's own.

    Raises:
        BenchError: the file is not a checkpoint, or ``own`` is not the network of the checkpoint.
    """
    loaded = load_checkpoint(path)
    if own is not None and own != loaded.model:
        raise BenchError(f"--model {own}: {path} is a checkpoint of {loaded.model}; leave it out, or name that")

    def network(device: torch.device) -> Network:
        return loaded.network(own).to(device)

    def with_scenes(device: torch.device) -> Network:
        return slot_network(loaded.network(own).to(device)).both

    places, given = data_places(path.parent)
    ids = path.parent / VALIDATION_IDS
    name = safe_name(loaded.model) if is_own(loaded.model) else loaded.model
    return ScoredModel(
        source=str(path), kind="checkpoint", method=_label(loaded), model=name, digest=loaded.digest,
        sampling=loaded.sampling, network=network, classes=list(loaded.classes), strict=True, dataset=loaded.dataset,
        trained_on=training_data.of_run(loaded.dataset, loaded.settings),
        recipe=training_data.recipe_of(loaded.settings), seed=loaded.settings.get("seed", ""),
        scenes=SceneOutputs(_scenes(loaded), with_scenes) if loaded.token_head.get("kind") == "slots" else None,
        called=training_data.called(loaded.settings), places=tuple(places), given_place=given,
        validation=ids if ids.is_file() else None, chosen="kept_epoch" in loaded.settings,
    )  # fmt: skip


def _label(loaded: Checkpoint) -> str:
    """The method, and after how many epochs if these are not all of its run: ``albar (epoch 2 of 10)``."""
    recipe, done = loaded.settings.get("recipe"), loaded.settings.get("trained_epochs")
    epochs = recipe.get("epochs") if isinstance(recipe, dict) else None
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (epochs, done))
    if not numbers or done >= epochs:  # type: ignore[operator]
        return loaded.method
    return f"{loaded.method} (epoch {done:.3g} of {epochs:g})"


def _scenes(loaded: Checkpoint) -> tuple[str, ...]:
    """The scenes in the order of the outputs; empty if they are not known: older versions did not store them."""
    try:
        names = scene_names(loaded.token_head)
    except BenchError as error:
        raise BenchError(f"{loaded.path}: {error}") from None
    beside = loaded.settings.get("beside")
    teacher = beside.get("places", "known") if isinstance(beside, dict) else "known"
    if names or teacher == "known":  # of another render
        return names
    from albar.data.scenes import PLACE_NAMES

    return PLACE_NAMES if loaded.token_head.get("scenes") == len(PLACE_NAMES) else ()
