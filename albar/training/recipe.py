"""The recipe of a run: its length, batches, learning rates and optimiser."""

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator

from benchmark_builder.utils.options import Numbers, SettingsModel, setting, share

MOST = 10**6  # largest number of epochs, clips and passes; more is taken as a typing error
PANEL = "Optimiser"


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 < v < 1 for v in values) or list(values) != sorted(values):
        raise ValueError
    return values


Milestones = Annotated[Numbers, AfterValidator(_rising)]


class Recipe(SettingsModel):
    """The settings of the optimiser.

    Attributes:
        epochs: passes over the training videos.
        batch: clips per forward pass, on each device.
        accumulate: forward passes per step; their gradients are averaged.
        optimiser: ``adamw`` or ``sgd``.
        lr: the highest learning rate, used for the head.
        lr_clips: None, or the number of clips per step that ``lr`` is for. A step of n clips (batch · accumulate ·
            devices) then has the rate lr · n / lr_clips: the linear scaling rule of Goyal et al., "Accurate, Large
            Minibatch SGD: Training ImageNet in 1 Hour" (2017).
        backbone_lr: factor on ``lr`` for all other parameters.
        momentum: momentum of SGD.
        weight_decay: weight decay of both optimisers.
        decay: the parameters with weight decay: ``all``; ``weights``: all except biases, norms and position tables; or
            ``mmcv``, the effect of StillMix's configurations in mmcv: all except the position tables, which are
            trained with the full rate.
        warmup: share of the run in which the rate rises linearly.
        warmup_from: share of the rate at the start of the warm-up.
        schedule: the rate after the warm-up: ``cosine`` (half a cosine to 0), ``step`` (times ``gamma`` at each
            milestone) or ``constant``.
        by_epoch: if True, the schedule changes once per epoch and counts from the start of the run, with the warm-up as
            a factor (as mmcv does); if False, it changes with every step and counts from the end of the warm-up.
        milestones: shares of the run, for ``step``.
        gamma: factor at each milestone, for ``step``.
        clip_gradient: largest gradient norm; 0: gradients are not clipped.
    """

    epochs: int = setting(..., "Passes over the videos.", ge=1, le=MOST, panel=PANEL)
    batch: int = setting(..., "Clips per forward pass, on each device.", ge=1, le=MOST, panel=PANEL)
    lr: float = setting(..., "Highest learning rate, used for the head.", ge=0, panel=PANEL)
    lr_clips: int | None = setting(
        None, "Clips per step that --lr is for; a step of n clips has lr x n / lr_clips (linear scaling).",
        shown="--lr is used as it is", ge=1, le=MOST, panel=PANEL,
    )  # fmt: skip
    accumulate: int = setting(1, "Forward passes per step.", ge=1, le=MOST, panel=PANEL)
    optimiser: Literal["adamw", "sgd"] = setting("adamw", "The optimiser.", panel=PANEL)
    backbone_lr: float = setting(1.0, "Factor on it for all parameters except the head's.", ge=0, panel=PANEL)
    momentum: float = share(0.9, "SGD's momentum.", panel=PANEL)
    weight_decay: float = setting(0.05, "Weight decay.", ge=0, panel=PANEL)
    decay: Literal["all", "weights", "mmcv"] = setting(
        "all", "Parameters with decay: all, weights (no biases, norms), or mmcv (as StillMix).", panel=PANEL
    )
    warmup: float = share(0.0, "Share of the run in which the rate rises.", panel=PANEL)
    warmup_from: float = share(0.0, "Share of the rate at the start of the warm-up.", panel=PANEL)
    schedule: Literal["cosine", "step", "constant"] = setting("cosine", "How the rate falls after that.", panel=PANEL)
    by_epoch: bool = setting(False, "Change the rate once per epoch only.", panel=PANEL)
    milestones: Milestones = setting(
        (0.4, 0.8), "When it falls, for step.", give="shares of the run between 0 and 1, rising", panel=PANEL
    )
    gamma: float = setting(0.1, "Factor at each milestone, for step.", ge=0, panel=PANEL)
    clip_gradient: float = setting(0.0, "Largest gradient norm; 0: no limit.", ge=0, panel=PANEL)

    def scaled(self, clips: int) -> Self:
        """The recipe for steps of ``clips`` clips: with the learning rate by which they are trained."""
        return self if self.lr_clips is None else self.replaced(lr=self.lr * clips / self.lr_clips, lr_clips=None)

    def stored(self) -> dict[str, object]:
        """Plain values for the record of a run. ``lr_clips`` is left out where it is not used: earlier versions had
        none."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in self.model_dump().items()}
        return {k: v for k, v in values.items() if k != "lr_clips" or v is not None}

    def rate(self, progress: float) -> float:
        """The factor on every learning rate at ``progress`` 0..1 of the run."""
        rising = progress < self.warmup
        risen = self.warmup_from + (1 - self.warmup_from) * progress / self.warmup if rising else 1.0
        if self.by_epoch:
            epoch = math.floor(progress * self.epochs + 1e-9)  # 1e-9: rounding error of progress
            return risen * self._scheduled(epoch / self.epochs)
        if rising:
            return risen
        if self.schedule == "cosine":
            return self._scheduled((progress - self.warmup) / max(1 - self.warmup, 1e-9))
        return self._scheduled(progress)

    def _scheduled(self, share: float) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "step":
            return self.gamma ** sum(share >= m for m in self.milestones)
        return 0.5 * (1 + math.cos(math.pi * share))

    def progress(self, step: int, steps: int) -> float:
        """The progress, 0..1, at which the rate for ``step`` of ``steps`` is computed: in the middle of the step, or at
        its start (``by_epoch``)."""
        return (step if self.by_epoch else step + 0.5) / steps


RECIPES = {
    # The recipe of ALBAR (ICLR 2025): Kinetics weights, no gradient clipping.
    "finetune": Recipe(epochs=50, batch=6, lr=1e-5, warmup=0.08),
    # Small networks from scratch on a CPU. With 16 clips per step ALBAR's contrasted accuracy was 12 points higher than
    # with 32, in the same time (one seed, on a rendered validation set).
    "scratch": Recipe(epochs=3, batch=16, lr=3e-3, warmup=0.2, clip_gradient=1.0),
    # Small networks that `bench compare --pretrain` has trained before; a tenth of the rate.
    "pretrained": Recipe(epochs=3, batch=16, lr=8e-4, warmup=0.2, clip_gradient=1.0),
}

PROBE = "probe"  # the method whose heads have rates and weight decays of their own: `lr` is a factor on them
PROBE_RECIPE = Recipe(epochs=20, batch=64, lr=1.0, weight_decay=0.0)  # V-JEPA 2's epochs and schedule


def presets_of(method: str) -> dict[str, Recipe]:
    """The recipes that a method can have, by their presets; a probe has one for all."""
    return dict.fromkeys(RECIPES, PROBE_RECIPE) if method == PROBE else RECIPES


def preset_values(name: str) -> str:
    """The values of a setting in every preset, for `--help`: ``finetune 6, scratch 16, pretrained 16``, or one value
    that all have; empty where no preset sets it."""
    values = {preset: getattr(recipe, name) for preset, recipe in RECIPES.items()}
    texts = {preset: f"{v:g}" if isinstance(v, float) else str(v) for preset, v in values.items() if v is not None}
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), "")
    return ", ".join(f"{preset} {text}" for preset, text in texts.items())
