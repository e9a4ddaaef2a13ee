"""The optimiser: which parameters learn how fast, and how the rate moves over a run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmark_builder.utils.errors import BenchError

OPTIMISERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "step", "constant")
MOST = 10**6  # epochs, clips, passes: more is a slip
DECAYS = ("all", "weights", "mmcv")
# Learnt by mmcv's groups without decay, at the full rate: the longest of the keys in StillMix's configurations that are
# in a name decides (mmcv 1.3.9, DefaultOptimizerConstructor), and `backbone`, which lowers the rate, is shorter.
_TABLES = ("relative_position_bias_table", "absolute_pos_embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
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

    epochs: int
    batch: int
    lr: float
    accumulate: int = 1
    optimiser: str = "adamw"
    backbone_lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.05
    decay: str = "all"
    warmup: float = 0.0
    warmup_from: float = 0.0
    schedule: str = "cosine"
    by_epoch: bool = False
    milestones: tuple[float, ...] = (0.4, 0.8)
    gamma: float = 0.1
    clip_gradient: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate"):
            if not 1 <= getattr(self, name) <= MOST:
                raise BenchError(f"{_flag(name)} is {getattr(self, name)}; it must be at least 1, at most {MOST}")
        for name in ("lr", "weight_decay", "clip_gradient", "backbone_lr", "gamma"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BenchError(f"{_flag(name)} is {getattr(self, name)}; it must be a number, 0 or more")
        for name in ("warmup", "warmup_from", "momentum"):
            if not 0 <= getattr(self, name) <= 1:
                raise BenchError(f"{_flag(name)} is {getattr(self, name)}; it goes from 0 to 1")
        if not all(0 < m < 1 for m in self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise BenchError(f"--milestones is {self.milestones}; give shares of the run between 0 and 1, rising")
        for name, choices in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("decay", DECAYS)):
            if getattr(self, name) not in choices:
                raise BenchError(f"unknown {_flag(name)} {getattr(self, name)!r}; choose from {', '.join(choices)}")

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


def make_optimiser(
    recipe: Recipe, model: nn.Module, head: nn.Module, extra: nn.Module | None, extra_lr: float
) -> torch.optim.Optimizer:
    """The optimiser; each of its groups has ``factor``, by which :func:`set_rate` multiplies ``recipe.lr``.

    Args:
        head: the part of ``model`` that learns at the full rate.
        extra: what a method trains beside the network, at ``extra_lr`` times the full rate.
    """
    heads = {id(p) for p in head.parameters()}
    tables = {id(p) for n, p in model.named_parameters() if recipe.decay == "mmcv" and any(t in n for t in _TABLES)}
    named = [(n, p) for n, p in model.named_parameters() if id(p) not in tables]
    parts = [
        (1.0, [(n, p) for n, p in named if id(p) in heads]),
        (recipe.backbone_lr, [(n, p) for n, p in named if id(p) not in heads]),
        (extra_lr, list(extra.named_parameters()) if extra is not None else []),
    ]
    groups = [
        {"params": params, "factor": factor, "weight_decay": decay, "lr": recipe.lr * factor}
        for factor, part in parts
        for decay, params in _by_decay(recipe, part)
    ]
    if tables:
        params = [p for p in model.parameters() if id(p) in tables]
        groups.append({"params": params, "factor": 1.0, "weight_decay": 0.0, "lr": recipe.lr})
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    fused = all(p.device.type in ("cpu", "cuda") for p in model.parameters())
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)


def set_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, progress: float) -> None:
    """Set every group's rate for a step at ``progress`` 0..1 of the run."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.lr * group["factor"] * recipe.rate(progress)


def _by_decay(recipe: Recipe, named: list[tuple[str, nn.Parameter]]) -> Iterator[tuple[float, list[nn.Parameter]]]:
    """(weight decay, parameters), without empty groups."""
    spared = [p for n, p in named if recipe.decay == "weights" and (p.ndim <= 1 or "position" in n or "pos_" in n)]
    ids = {id(p) for p in spared}
    for decay, params in ((recipe.weight_decay, [p for _, p in named if id(p) not in ids]), (0.0, spared)):
        if params:
            yield decay, params


def _flag(name: str) -> Any:
    return "--" + name.replace("_", "-")
