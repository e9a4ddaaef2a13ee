"""The properties of a model that evaluation needs, and the user's options for it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from albar.clips.clips import ClipSampling, sampling
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import composed, letters, read_lines, read_records
from evaluator.options import ModelOptions as ModelOptions
from evaluator.training_data import UNKNOWN

# Normalised clips, float32 (B, 3, T, S, S) on the device, to logits (B, outputs).
Network = Callable[[torch.Tensor], torch.Tensor]


class Texts(Protocol):
    """What makes classes of texts, see :class:`evaluator.models.zero_shot.ZeroShot`.

    Attributes:
        prompts: each with ``{}`` for the phrase of a class. phrases: in the order of the classes; empty: none yet.
        usual: whether the prompts are the default.
    """

    @property
    def prompts(self) -> tuple[str, ...]: ...

    @property
    def phrases(self) -> tuple[str, ...]: ...

    @property
    def usual(self) -> bool: ...

    def texts(self, prompt: str) -> list[str]:
        """The text of each class in one prompt."""

    def with_classes(self, model: "ScoredModel", classes: Sequence[str], dataset: str) -> "ScoredModel":
        """The model with these classes."""

    def with_prompts(self, prompts: tuple[str, ...]) -> "Texts":
        """The same with other prompts."""


@dataclass(frozen=True)
class SceneOutputs:
    """The scenes that a network says in addition to the action.

    Attributes:
        names: in the order of its outputs; empty: not known.
        network: loads it onto a device: clips as for :data:`Network` -> logits of the classes, then of the scenes.
    """

    names: tuple[str, ...]
    network: Callable[[torch.device], Network] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A model that is not loaded yet.

    Attributes:
        source: as given by the user.
        kind: ``checkpoint``, ``weights``, ``huggingface``, ``zero-shot``, ``torchscript``, ``torch.export`` or
            ``factory``.
        method, model: its name and architecture in the leaderboard. digest: hex SHA-256 of its weights. sampling: its
        preprocessing: size, frames, stride, normalisation, views. None: unknown. classes: class names in the
        order of its outputs. None: unknown. outputs: number of outputs, if it is known before it runs. strict:
        its classes must be exactly the benchmark's, in the same order (checkpoints of this toolkit). dataset: the
        training dataset, if known. trained_on: all that it was trained on, in words; see
        :mod:`evaluator.training_data`. recipe: how, without the seed; empty: unknown. seed: seed of its training run,
        if known. lasting: whether equal digests mean equal predictions, so that predictions on disk can be used again.
        notes: assumptions that were made; printed and stored. network: loads it onto a device, ready for use.
        own_sampling: the sampling before the user's changes.
        zero_shot: makes its classes of texts, see :meth:`with_classes`; None: it was trained on classes.
        scenes: None: it says the action alone.
        called: what the user calls the training dataset; empty: as it is registered.
        places: folders in which its run found the dataset. given_place: whether the user had given it; else it was the
            usual place. validation: the list of the videos that the run drew for validation, if there is one.
            chosen: whether its epoch was chosen by them.
    """

    source: str
    kind: str
    method: str
    model: str
    digest: str
    sampling: ClipSampling | None
    network: Callable[[torch.device], Network] = field(repr=False)
    classes: list[str] | None = None
    outputs: int | None = None
    strict: bool = False
    dataset: str = ""
    trained_on: str = UNKNOWN
    recipe: str = ""
    seed: object = ""
    lasting: bool = True
    notes: tuple[str, ...] = ()
    own_sampling: ClipSampling | None = None
    zero_shot: Texts | None = field(default=None, repr=False)
    scenes: SceneOutputs | None = None
    called: str = ""
    places: tuple[Path, ...] = ()
    given_place: bool = False
    validation: Path | None = None
    chosen: bool = False

    @property
    def clips(self) -> ClipSampling:
        """The sampling. Raises BenchError if neither the model nor the user defines it."""
        if self.sampling is None:
            raise BenchError(
                f"{self.source}: a {self.kind} model does not define its clip sampling; give --sampling NAME, and "
                "--clip NAME=VALUE for changes"
            )
        return self.sampling

    def with_classes(self, classes: Sequence[str], dataset: str) -> "ScoredModel":
        """A zero-shot model that has no classes yet, with these; any other model as it is.

        Args:
            classes: names in label order.
            dataset: whose classes they are; empty if it is unknown.

        Raises:
            BenchError: the texts of the classes do not fit the model.
        """
        if self.zero_shot is None or self.classes is not None:
            return self
        return self.zero_shot.with_classes(self, classes, dataset)

    def columns(self, wanted: Sequence[str], where: str) -> list[int]:
        """The output index of each wanted class.

        Args:
            wanted: the benchmark's classes, in label order.
            where: the benchmark, for error messages.

        Raises:
            BenchError: the classes or their number differ from the model's.
        """
        known = self.classes
        count = len(known) if known is not None else self.outputs
        if count is not None and count != len(wanted):
            fix = "choose a model trained on this dataset"
            raise BenchError(f"{where}: has {len(wanted)} classes, {self.source} knows {count}; {fix}")
        differ = [k for k, (a, b) in enumerate(zip(wanted, known or wanted, strict=True)) if composed(a) != composed(b)]
        if known is None or not differ:
            return list(range(len(wanted)))
        if self.strict:
            k = differ[0]
            fix = "use a checkpoint trained on these classes"
            raise BenchError(f"{where}: class {k} is {wanted[k]!r}, {self.source} has {known[k]!r}; {fix}")
        return match_classes(known, wanted, self.source, where)


def apply_options(model: ScoredModel, options: ModelOptions) -> ScoredModel:
    """The model with the user's name, training data, sampling, prompts and classes."""
    if options.prompts:
        if model.zero_shot is None:
            raise BenchError(f"--prompt {options.prompts[0]}: leave it out, {model.source} was trained on classes; "
                             "prompts are for models that compare videos with texts")  # fmt: skip
        model = replace(model, zero_shot=model.zero_shot.with_prompts(options.prompts))
    if options.classes is not None:
        if model.strict:
            options.refuse("classes", "a checkpoint contains its class names")
        given = class_list(options.classes)
        if model.outputs not in (None, len(given)):
            raise BenchError(
                f"{options.classes}: names {len(given)} classes, {model.source} has {model.outputs} outputs; give one "
                "name a line and output"
            )
        if model.zero_shot is not None:
            model = replace(model, classes=None).with_classes(given, "")
        model = replace(model, classes=given)
    clips = sampling(options.sampling) if options.sampling else model.sampling
    changes = {
        **options.clip,
        **{k: getattr(options, k) for k in ("views", "crops") if getattr(options, k) is not None},
    }
    if changes and clips is None:
        clips = replace(model, sampling=None).clips  # raises an error that says what to give
    clips = clips.replaced(changes) if clips is not None else None
    told = options.trained_on or model.trained_on
    return replace(
        model, sampling=clips, own_sampling=model.sampling, method=options.method or model.method, trained_on=told
    )


def class_list(path: Path) -> list[str]:
    """The names in a list of classes, in order: one per line, with or without numbers that count up from 0 or 1, as in
    UCF101's ``classInd.txt`` and the ``NAME-classes.csv`` of `bench score --template`.

    Raises:
        BenchError: it cannot be read, or its lines start with numbers in another order.
    """
    lines = [line for _, line in read_lines(path, "list of class names", "give one name per line")]
    if lines and lines[0].replace(" ", "").lower() == "number,class":
        rows = [(row["number"], row["class"]) for row in read_records(path, ["number", "class"], "list of class names")]
    else:
        found = [re.fullmatch(r"(\d+)(?:\s*[,;\t]\s*|\s+)(\S.*)", line, re.ASCII) for line in lines]
        rows = [(m[1], m[2]) for m in found if m]
        if len(rows) < max(2, len(lines)):
            return lines
    start = rows[0][0] if rows and rows[0][0] in ("0", "1") else "0"
    if [number for number, _ in rows] != [str(k) for k in range(int(start), int(start) + len(rows))]:
        raise BenchError(f"{path}: its numbers do not count up by one from 0 or 1; sort it, or give one name per line")
    return [name for _, name in rows]


def match_classes(known: Sequence[str], wanted: Sequence[str], source: str, where: str) -> list[int]:
    """Index in ``known`` of each wanted class, by name; case, spaces and punctuation are ignored.

    Raises:
        BenchError: a wanted class is unknown, or two known ones differ only in case, spaces or punctuation.
    """
    places: dict[str, list[int]] = {}
    for k, name in enumerate(known):
        places.setdefault(letters(name), []).append(k)
    absent = [name for name in wanted if letters(name) not in places]
    if absent:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise BenchError(
            f"{where}: {source} has no class {absent[0]!r}{more}; its first is {known[0]!r}; choose a model of these "
            "classes, or name its outputs with --classes FILE"
        )
    found = [places[letters(name)] for name in wanted]
    if any(len(k) > 1 for k in found) or len({k[0] for k in found}) < len(wanted):
        twin = next((known[k[0]] for k in found if len(k) > 1), wanted[0])
        raise BenchError(f"{source}: class {twin!r} is listed twice; name its outputs with --classes FILE")
    return [k[0] for k in found]
