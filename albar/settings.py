"""What a training run is decided by, and the two recipes it starts from."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from albar.clips import ClipSampling, sampling
from albar.methods import PRESETS
from albar.models import model_spec
from benchmark_builder.errors import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the optimiser runs; see :class:`TrainSettings`."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    warmup: float
    clip_gradient: float


RECIPES = {
    # ALBAR's (methods.md, 1): Kinetics weights, no gradient clipping.
    "finetune": Recipe(epochs=50, batch=6, lr=1e-5, weight_decay=0.05, warmup=0.08, clip_gradient=0.0),
    # Small networks from scratch on a CPU (methods.md, 4).
    "scratch": Recipe(epochs=10, batch=32, lr=3e-3, weight_decay=0.05, warmup=0.2, clip_gradient=1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Settings of a run. None means: what the preset or the model says.

    Attributes:
        method: key of :data:`albar.methods.METHODS`.
        dataset, root, split, fold: what to train on, as in :func:`benchmark_builder.datasets.read_dataset`.
        model: key of :data:`albar.models.MODELS`; None: ``small3d`` for synthactions, else ``swin3d_t``.
        weights: None (random), a published set's name (``KINETICS400_V1``), or a file.
        preset: ``finetune`` or ``scratch``: recipe and method settings; None: ``finetune`` with weights,
            else ``scratch``.
        options: settings of the method to change, e.g. ``{"adv": 0.5}``.
        sampling: name of a clip sampling; None: the model's.
        clip: clip settings to change, e.g. ``{"frames": 16}``.
        epochs, batch: whole numbers from 1.
        lr: the highest learning rate, after the warm-up.
        weight_decay: AdamW's.
        warmup: share of the steps in which the rate rises from 0; it then falls to 0 along half a cosine.
        clip_gradient: largest gradient norm; 0: not clipped.
        seed: of every draw: initial weights, validation part, order, clips, dropout.
        limit: use only so many videos of the split, drawn from the seed.
        validation: share of the videos kept back to watch the run; they are never trained on and choose nothing.
        out: the run's folder; None: runs/DATASET-METHOD-sSEED.
        workers: decoding processes; 0: none.
        cache_mb: keep all decoded frames in memory if they need no more than this.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, …
        save_steps: also write the state to resume from every so many steps; 0: after each epoch only.
        progress: show bars.
    """

    method: str = "albar"
    dataset: str = "synthactions"
    root: Path | None = None
    split: str = "train"
    fold: int = 1
    model: str | None = None
    weights: str | None = None
    preset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    sampling: str | None = None
    clip: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    warmup: float | None = None
    clip_gradient: float | None = None
    seed: int = 0
    limit: int | None = None
    validation: float = 0.1
    out: Path | None = None
    workers: int = 0
    cache_mb: int = 1024
    device: str = "auto"
    save_steps: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BenchError(f"--{name} is {value}; it must be at least 1")
        for name in ("workers", "save_steps", "cache_mb"):
            if getattr(self, name) < 0:
                raise BenchError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it cannot be negative")
        for name in ("lr", "weight_decay", "clip_gradient"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise BenchError(f"--{name.replace('_', '-')} is {value}; it must be a number, 0 or more")
        if self.warmup is not None and not 0 <= self.warmup <= 1:
            raise BenchError(f"--warmup is {self.warmup}; it is a share of the run, 0..1")
        if not 0 <= self.validation < 1:
            raise BenchError(
                f"--validation is {self.validation}; it is a share of the training videos, from 0 to below 1"
            )
        if self.preset is not None and self.preset not in PRESETS:
            raise BenchError(f"unknown preset {self.preset!r}; choose from {', '.join(PRESETS)}")
        model_spec(self.model_name)

    @property
    def model_name(self) -> str:
        return self.model or ("small3d" if self.dataset == "synthactions" else "swin3d_t")

    @property
    def preset_name(self) -> str:
        return self.preset or ("finetune" if self.weights else "scratch")

    @property
    def recipe(self) -> Recipe:
        """The preset's, with what was set here instead."""
        base = RECIPES[self.preset_name]
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(Recipe)}
        return dataclasses.replace(base, **{name: value for name, value in own.items() if value is not None})

    @property
    def clip_sampling(self) -> ClipSampling:
        return sampling(self.sampling or model_spec(self.model_name).sampling).replaced(self.clip)

    @property
    def folder(self) -> Path:
        return self.out or Path("runs") / f"{self.dataset}-{self.method}-s{self.seed}"
