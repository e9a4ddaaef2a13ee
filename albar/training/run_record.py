"""settings.json of a training run as a record: everything that determines its result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError

from albar.checkpoint import NAME as MODEL
from albar.methods import AnySettings, Method
from albar.models import huggingface
from albar.stillmix_settings import RESIZED_BEFORE
from albar.training.extras import deciding, without_folder
from albar.training.optimizer import Recipe
from albar.training.settings import EXACT, LAST, TrainSettings
from benchmark_builder.datasets.subset import ChosenIds
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.records import FileRecord, Says, Text, wrong
from benchmark_builder.video.record import Video

TextOrMissing = Annotated[str | None, Says("text")]
TextOrNull = Annotated[str | None, Says("text", null=True)]
Table = Annotated[dict[str, object] | None, Says("a table")]
Whole = Annotated[int | None, Says("a whole number")]
Share = Annotated[int | float | None, Field(ge=0, le=1), Says("a number from 0 to 1", null=True)]


class RunRecord(FileRecord):
    """Everything that determines a run's result, as plain types; files by name and digest, without their folders.

    A checkpoint stores it as ``settings``. Its digest depends on the order of the fields, which is the order here. None
    means that an older version did not write the field.
    """

    WHAT: ClassVar[str] = "the record of a run"

    method: Text
    method_settings: Table = None
    model: TextOrMissing = None
    weights: TextOrNull = None
    model_sha256: TextOrMissing = None
    weights_sha256: TextOrMissing = None
    preset: TextOrMissing = None
    recipe: Table = None
    processes: Whole = None
    precision: TextOrMissing = None  # resolved: ``float32``, ``tf32`` or ``bf16``
    compile: Annotated[bool | None, Says("true or false")] = None
    decode: TextOrMissing = None  # what decoded the training videos; only where it is not this toolkit
    dropout: Share = None
    keep: TextOrMissing = None  # the epoch whose weights are kept; only where it is not the last
    beside: Table = None  # data that the method needs in addition to the clips
    clip: Table = None
    dataset: TextOrMissing = None
    name: TextOrMissing = None  # what the user calls the data; only where given
    split: TextOrMissing = None
    fold: Whole = None
    subset: Table = None  # the list that named the videos; only where one did
    limit: Annotated[int | None, Says("a whole number", null=True)] = None
    validation: Share = None
    validation_split: TextOrMissing = None  # the part of the data for validation; only where one was used
    seed: Whole = None
    training_videos: TextOrMissing = None  # digest of ids and labels
    validation_videos: TextOrMissing = None
    raised: Annotated[list[int] | None, Says("a list of whole numbers")] = None  # numbers of epochs before they changed

    @classmethod
    def of_run(
        cls,
        settings: TrainSettings,
        method: Method,
        videos: Sequence[Video],
        kept_back: Sequence[Video],
        processes: int,
        precision: str,
        chosen: ChosenIds | None = None,
    ) -> Self:
        """The record of a run.

        Args:
            settings: settings of the run.
            method: the method with its settings.
            videos, kept_back: the videos for training and for validation.
            processes: number of processes that train together.
            precision: ``float32``, ``tf32`` or ``bf16``; ``auto`` is already resolved.
            chosen: what the list of ``subset`` means for the dataset.
        """
        s = settings
        said = {
            "method": s.method,
            "method_settings": method.settings.stored(),
            **sources(s),
            "preset": s.preset_name,
            "recipe": s.recipe.stored(),
            "processes": processes,
            "precision": precision,
            "compile": s.compile,
            **({"decode": s.decode} if s.decode != EXACT else {}),
            **({"dropout": s.dropout} if s.dropout else {}),
            **({"keep": s.kept_in_model} if s.kept_in_model != LAST else {}),
            "beside": deciding(method, s),
            "clip": s.clip_sampling.to_dict(),
            "dataset": s.dataset,
            **({"name": s.name} if s.name is not None else {}),
            "split": s.split,
            "fold": s.fold,
            **({"subset": {**chosen.listed.described(), "unknown": list(chosen.unknown)}} if chosen else {}),
            "limit": s.limit,
            "validation": s.validation_share,
            **({"validation_split": s.validation_split} if s.validation_split is not None else {}),
            "seed": s.seed,
            "training_videos": digest([[v.id, v.label] for v in videos]),
            "validation_videos": digest([[v.id, v.label] for v in kept_back]),
        }
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            raise BenchError(f"the run's settings: {wrong(error)}; report this") from None

    def plain(self) -> dict[str, object]:
        """The record as plain JSON values, without defaults. Values are not copied: the bytes of a pickle depend on
        which values are the same object, and checkpoints of equal runs must have equal bytes."""
        names = [name for name in type(self).model_fields if name in self.model_fields_set]
        return {name: getattr(self, name) for name in names} | (self.model_extra or {})

    def as_now(self, new: "RunRecord", method: AnySettings) -> "RunRecord":
        """A record of an earlier version in the present form: settings that did not exist then get their defaults,
        which do the same as that version did, and files are given by their names.

        Args:
            new: the record of the run that is to be continued.
            method: the settings of its method.
        """
        changes: dict[str, object] = {}
        if self.weights is not None and self.weights_sha256 is None and self.model_sha256 is None:
            digests = {"weights_sha256": new.weights_sha256, "model_sha256": new.model_sha256}
            changes |= {name: value for name, value in digests.items() if value is not None}
            if new.weights_sha256 is not None:
                changes["weights"] = Path(self.weights).name
        if self.validation_split is None and new.validation_split is not None:
            changes["validation_split"] = new.validation_split  # it was not stored; validation_videos tells others
        if self.recipe is not None:
            known = {name: f.default for name, f in Recipe.model_fields.items() if not f.is_required()}
            del known["lr_clips"]  # only stored where it is used
            changes["recipe"] = {k: list(v) if isinstance(v, tuple) else v for k, v in known.items()} | self.recipe
        if self.method_settings is not None:
            changes["method_settings"] = _with_defaults(self.method_settings, method)
        if self.beside is not None:
            beside = {k: RESIZED_BEFORE.get(k, v) for k, v in (new.beside or {}).items()} | self.beside
            masks = beside.get("masks")
            changes["beside"] = beside | ({"masks": without_folder(masks)} if isinstance(masks, str) else {})
        return self.replaced(**changes)


def sources(settings: TrainSettings) -> dict[str, object]:
    """The network and its initial weights for the record; files are given by name and digest."""
    model, weights = settings.model_name, settings.weights
    known: dict[str, object] = {"model": model, "weights": weights}
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


def _with_defaults(found: dict[str, object], settings: AnySettings) -> dict[str, object]:
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.defaults().items()}
    made: dict[str, object] = plain | found
    for name in settings.setting_names():  # the parts of a combined method
        part, kept = getattr(settings, name), made.get(name)
        if isinstance(part, AnySettings) and isinstance(kept, dict):
            made[name] = _with_defaults(kept, part)
    return made


SHOWN = 3  # names of further differences in a message


def digest(value: object) -> str:
    """SHA-256, hex, of plain types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def differences(found: Mapping[str, object], wanted: Mapping[str, object]) -> tuple[str, str]:
    """What differs in two records: the first difference as ``name value``, and the other value, with the names of the
    others."""
    listed = _differences(found, wanted)
    name, a, b = listed[0]
    others = [name for name, _, _ in listed[1:]]
    more = f" (and {', '.join(others[:SHOWN])}{', …' if len(others) > SHOWN else ''} differ)" if others else ""
    return f"{name} {a!r}", f"{b!r}{more}"


def _differences(
    found: Mapping[str, object], wanted: Mapping[str, object], prefix: str = ""
) -> list[tuple[str, object, object]]:
    listed: list[tuple[str, object, object]] = []
    for name in sorted(wanted.keys() | found.keys()):
        a, b = found.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            listed += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            listed.append((prefix + name, a, b))
    return listed
