"""What a model was trained on, as far as its own files say so: one short text for records and leaderboards.

Nothing is guessed from a model's name. What no file says is :data:`UNKNOWN`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import as_file
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted, letters, read_lines, read_text
from manifests import resource

UNKNOWN = "unknown"
CARD = "README.md"  # the model card of a Hugging Face folder
LONGEST = 300  # characters of such a text
_MOST_NAMED = 6  # data sets of a model card
_MOST_RUNS = 8  # that were started from each other; a file of a stranger may name any number
_FRONT = 2**16  # characters of a model card's header that are read
# In the names of torchvision's weights (KINETICS400_IMAGENET22K_V1), in the order of training.
_TOKENS = {
    "IMAGENET1K": "ImageNet-1k",
    "IMAGENET22K": "ImageNet-22k",
    "KINETICS400": "Kinetics-400",
    "KINETICS600": "Kinetics-600",
}
LABEL_MAPS = ("hmdb51", "ucf101", "kinetics400")


def of_run(dataset: str, settings: Mapping[str, object], depth: int = 0) -> str:
    """The training data of a checkpoint of `bench train`, such as ``Kinetics-400, then hmdb51 (train)``.

    Args:
        dataset: the dataset that it was trained on.
        settings: the run's record, as the checkpoint holds it; entries of another type are ignored.
        depth: how many runs were started from this one.
    """
    details = [settings.get("split")]
    fold, limit, subset = settings.get("fold"), settings.get("limit"), settings.get("subset")
    details += [f"split {fold}"] if isinstance(fold, int) and fold != 1 else []
    details += [counted(limit, "video")] if isinstance(limit, int) else []
    if isinstance(subset, Mapping):
        details.append(f"subset {subset.get('name') or subset.get('file')}")
    told = ", ".join(part for part in details if isinstance(part, str) and part)
    name = called(settings) or dataset
    own = f"{name} ({told})" if told else name
    first = _before(settings, depth)
    return shortened(f"{first}, then {own}" if first else own)


def called(settings: Mapping[str, object]) -> str:
    """What the user calls the data of a run; empty if it has no name of its own."""
    name = settings.get("name")
    return name if isinstance(name, str) else ""


def _before(settings: Mapping[str, object], depth: int) -> str:
    """The data of the weights that a run started from; empty for a run from scratch."""
    weights, model, first = settings.get("weights"), settings.get("model"), settings.get("started_from")
    if isinstance(first, Mapping) and depth < _MOST_RUNS:
        dataset, own = first.get("dataset"), first.get("settings")
        if isinstance(dataset, str) and isinstance(own, Mapping):
            return of_run(dataset, own, depth + 1)
    if not isinstance(weights, str):
        return ""
    if settings.get("weights_sha256") is None and (known := of_published(weights)) != UNKNOWN:
        return known
    name = model if weights == "pretrained" and isinstance(model, str) else weights
    return f"{name} ({UNKNOWN})"


def recipe_of(settings: Mapping[str, object]) -> str:
    """How a checkpoint of `bench train` was trained, without its seed: ``preset=scratch; epochs=6; …; #1a2b3c4d``.

    First what is most often changed (preset, epochs, batch, learning rate, the method's settings), then eight digits
    of a digest of all settings. What the seed draws is not part of it: the videos of a limit or of the validation
    part, and the reference network of StillMix. Runs of the same text differ in their seeds alone.

    Args:
        settings: the run's record, as the checkpoint holds it.

    Returns:
        the text; empty if the settings cannot be written as JSON.
    """
    rest = {k: v for k, v in settings.items() if k not in _DRAWN}
    if isinstance(beside := rest.get("beside"), Mapping):
        rest["beside"] = {k: v for k, v in beside.items() if k != "scores_sha256"}
    try:
        digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]
    except (TypeError, ValueError, RecursionError):
        return ""
    recipe, method = settings.get("recipe"), settings.get("method_settings")
    said = {"preset": settings.get("preset")}
    said |= {k: recipe.get(k) for k in ("epochs", "batch", "lr")} if isinstance(recipe, Mapping) else {}
    said |= dict(method) if isinstance(method, Mapping) else {}
    told = [f"{k}={v}" for k, v in said.items() if isinstance(v, bool | int | float) or (isinstance(v, str) and v)]
    return "; ".join([*(shortened(one.replace(";", ","))[:40] for one in told[:_MOST_SETTINGS]), f"#{digest}"])


# Entries of a run's record that its seed decides, and the seed.
_DRAWN = ("seed", "training_videos", "validation_videos")
_MOST_SETTINGS = 20


def of_published(weights: str) -> str:
    """The data in the name of torchvision's weights: ``Kinetics-400`` for ``KINETICS400_V1``, pre-training first."""
    if not re.fullmatch(r"[A-Z0-9_]+", weights):
        return UNKNOWN
    found = [name for token, name in _TOKENS.items() if token in weights.split("_")]
    return ", then ".join(found) or UNKNOWN


def of_folder(folder: Path, classes: Sequence[str] | None) -> str:
    """The data that a Hugging Face folder states: ``datasets`` in the header of its model card.

    If it states none, but its outputs are the classes of a dataset known here, this is said: it suggests the data.

    Args:
        folder: the folder. A header that cannot be read states nothing; no code in it is run.
        classes: the names of the model's outputs, or None.
    """
    named = _card_datasets(folder / CARD)
    if named:
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        return shortened(", ".join(named[:_MOST_NAMED]) + more)
    alike = next((name for name in LABEL_MAPS if classes and _class_letters(name) == _letters(classes)), None)
    return UNKNOWN if alike is None else f"{UNKNOWN}; classes of {alike}"


def _card_datasets(card: Path) -> list[str]:
    """``datasets`` in the YAML header of a model card; empty if there is none."""
    import yaml  # type: ignore[import-untyped]

    if not card.is_file():
        return []
    try:
        text = read_text(card, "model card")
    except BenchError:
        return []
    header = re.match(r"\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", text[:_FRONT], re.DOTALL)
    try:
        # The base loader makes text, lists and tables only: no other type, no object.
        said = yaml.load(header[1], Loader=yaml.BaseLoader) if header else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    named = said.get("datasets") if isinstance(said, dict) else None
    listed = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return list(dict.fromkeys(name.strip() for name in listed if isinstance(name, str) and name.strip()))


@cache
def _class_letters(dataset: str) -> list[str]:
    with as_file(resource("label_maps", f"{dataset}.txt")) as path:
        return _letters([line for _, line in read_lines(path)])


def _letters(classes: Sequence[str]) -> list[str]:
    return sorted(letters(name) for name in classes)


def shortened(text: str) -> str:
    """A text of others for a cell of a table: at most :data:`LONGEST` characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
