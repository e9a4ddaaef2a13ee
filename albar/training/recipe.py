"""The recipe of a run: how long, how fast and by which optimiser the network learns."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator

from benchmark_builder.utils.options import Numbers, SettingsModel, setting, share

MOST = 10**6  # epochs, clips, passes: more is a slip
PANEL = "Optimiser"


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 < v < 1 for v in values) or list(values) != sorted(values):
        raise ValueError
    return values


Milestones = Annotated[Numbers, AfterValidator(_rising)]


class Recipe(SettingsModel):
    """How the optimiser runs.

    Attributes:
        epochs: passes over the training videos.
        batch: clips of a forward pass, on each device.
        accumulate: forward passes a step; their gradients are averaged.
        optimiser: ``adamw`` or ``sgd``.
        lr: the highest learning rate, that of the head.
        backbone_lr: factor of ``lr`` for everything but the head.
        momentum: SGD's.
        weight_decay: both optimisers'.
        decay: what it holds for: ``all`` parameters; ``weights``: not for biases, norms and position tables; or
            ``mmcv``: what StillMix's configurations come to in mmcv: for all but the position tables, and these learn
            at the full rate.
        warmup: share of the run in which the rate rises in a line.
        warmup_from: share of the rate at which it starts.
        schedule: after that: ``cosine`` (half a cosine to 0), ``step`` (times ``gamma`` at each milestone) or
            ``constant``.
        by_epoch: the schedule moves once per epoch, and counts from the start of the run, with the warm-up as a factor
            (mmcv's way); else it moves with every step, and counts from the end of the warm-up.
        milestones: shares of the run, for ``step``.
        gamma: factor, for ``step``.
        clip_gradient: largest gradient norm; 0: not clipped.
    """

    epochs: int = setting(..., "Passes over the videos.", ge=1, le=MOST, panel=PANEL)
    batch: int = setting(..., "Clips of a forward pass, on each device.", ge=1, le=MOST, panel=PANEL)
    lr: float = setting(..., "Highest learning rate, the head's.", ge=0, panel=PANEL)
    accumulate: int = setting(1, "Forward passes per step.", ge=1, le=MOST, panel=PANEL)
    optimiser: Literal["adamw", "sgd"] = setting("adamw", "The optimiser.", panel=PANEL)
    backbone_lr: float = setting(1.0, "Factor of it for all but the head.", ge=0, panel=PANEL)
    momentum: float = share(0.9, "SGD's momentum.", panel=PANEL)
    weight_decay: float = setting(0.05, "Weight decay.", ge=0, panel=PANEL)
    decay: Literal["all", "weights", "mmcv"] = setting(
        "all", "What it holds for: all, weights (no biases, norms), or mmcv (StillMix's).", panel=PANEL
    )
    warmup: float = share(0.0, "Share of the run in which the rate rises.", panel=PANEL)
    warmup_from: float = share(0.0, "Share of the rate at which it starts.", panel=PANEL)
    schedule: Literal["cosine", "step", "constant"] = setting("cosine", "How the rate falls after that.", panel=PANEL)
    by_epoch: bool = setting(False, "The schedule moves once per epoch.", panel=PANEL)
    milestones: Milestones = setting(
        (0.4, 0.8), "When it falls, for step.", give="shares of the run between 0 and 1, rising", panel=PANEL
    )
    gamma: float = setting(0.1, "Factor at each milestone, for step.", ge=0, panel=PANEL)
    clip_gradient: float = setting(0.0, "Largest gradient norm; 0: any.", ge=0, panel=PANEL)

    def rate(self, progress: float) -> float:
        """The factor of every learning rate at ``progress`` 0..1 of the run."""
        rising = progress < self.warmup
        risen = self.warmup_from + (1 - self.warmup_from) * progress / self.warmup if rising else 1.0
        if self.by_epoch:
            epoch = math.floor(progress * self.epochs + 1e-9)  # that of its first step, whatever the division left
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
        """Where in the run, 0..1, the rate of ``step`` of ``steps`` is taken: in the step's middle, or at its start
        (``by_epoch``)."""
        return (step if self.by_epoch else step + 0.5) / steps


RECIPES = {
    # ALBAR's (methods.md, 1): Kinetics weights, no gradient clipping.
    "finetune": Recipe(epochs=50, batch=6, lr=1e-5, warmup=0.08),
    # Small networks from scratch on a CPU. At 16 clips a step ALBAR had 12 points more contrasted accuracy than at 32,
    # in the same time (one seed, on a validation render).
    "scratch": Recipe(epochs=3, batch=16, lr=3e-3, warmup=0.2, clip_gradient=1.0),
}
