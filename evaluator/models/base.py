"""What evaluation needs to know of a model, and what a user may say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from albar.clips.clips import ClipSampling, sampling
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import composed, letters, read_lines
from evaluator.options import ModelOptions as ModelOptions

# Normalised clips, float32 (B, 3, T, S, S) on the device, to logits (B, outputs).
Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A model, not yet loaded.

    Attributes:
        source: as the user gave it.
        kind: ``checkpoint``, ``weights``, ``huggingface``, ``torchscript``, ``torch.export`` or ``factory``.
        method, model: what the leaderboard calls it and its architecture.
        digest: hex SHA-256 that names its weights.
        sampling: its preprocessing: size, frames, stride, normalisation, views. None: it does not say.
        classes: class names in the order of its outputs. None: it does not say.
        outputs: how many outputs it has, where that is known before it runs.
        strict: its classes must be the benchmark's to the letter and in its order (our own checkpoints).
        dataset: what it was trained on, where known.
        seed: of its training run, where known.
        lasting: equal digests mean equal predictions, so predictions on disk need not be made again.
        notes: what had to be assumed; printed and stored.
        network: loads it onto a device, ready to be called.
        own_sampling: the sampling before the user changed it.
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
    seed: Any = ""
    lasting: bool = True
    notes: tuple[str, ...] = ()
    own_sampling: ClipSampling | None = None

    @property
    def clips(self) -> ClipSampling:
        """The sampling; BenchError where neither the model nor the user says it."""
        if self.sampling is None:
            raise BenchError(
                f"{self.source}: a {self.kind} model does not say how it likes its clips; pass --sampling NAME, and "
                "--clip NAME=VALUE for what differs"
            )
        return self.sampling

    def columns(self, wanted: Sequence[str], where: str) -> list[int]:
        """Which output each wanted class is.

        Args:
            wanted: the benchmark's classes, in label order.
            where: the benchmark, for errors.

        Raises:
            BenchError: other classes than the model's, or another number.
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
    """The model as the user wants it called and fed."""
    if options.classes is not None:
        if model.strict:
            options.refuse("classes", "a checkpoint names its own")
        given = [line for _, line in read_lines(options.classes, "list of class names", "give one name per line")]
        if model.outputs not in (None, len(given)):
            raise BenchError(
                f"{options.classes}: names {len(given)} classes, {model.source} has {model.outputs} outputs; give one "
                "name a line and output"
            )
        model = replace(model, classes=given)
    clips = sampling(options.sampling) if options.sampling else model.sampling
    changes = {
        **options.clip,
        **{k: getattr(options, k) for k in ("views", "crops") if getattr(options, k) is not None},
    }
    if changes and clips is None:
        clips = replace(model, sampling=None).clips  # raises, saying what to give
    clips = clips.replaced(changes) if clips is not None else None
    return replace(model, sampling=clips, own_sampling=model.sampling, method=options.method or model.method)


def match_classes(known: Sequence[str], wanted: Sequence[str], source: str, where: str) -> list[int]:
    """Index in ``known`` of each wanted class, by name; case, spaces and signs do not count.

    Raises:
        BenchError: a wanted class is not known, or two known ones differ in case, spaces or signs alone.
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
        raise BenchError(f"{source}: class {twin!r} stands twice; name its outputs with --classes FILE")
    return [k[0] for k in found]
