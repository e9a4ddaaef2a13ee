"""The optimiser: the learning rate of each group of parameters, and how it changes during a run."""

from collections.abc import Iterator

import torch
from torch import nn

from albar.training.recipe import RECIPES as RECIPES
from albar.training.recipe import Recipe as Recipe

# mmcv trains these parameters without decay at the full rate: of the keys in StillMix's configurations that occur in a
# parameter's name, the longest applies (mmcv 1.3.9, DefaultOptimizerConstructor); `backbone`, which lowers the rate, is
# shorter.
_TABLES = ("relative_position_bias_table", "absolute_pos_embed")


def make_optimiser(
    recipe: Recipe, model: nn.Module, head: nn.Module, extra: nn.Module | None, extra_lr: float
) -> torch.optim.Optimizer:
    """The optimiser; each of its groups has ``factor``, by which :func:`set_rate` multiplies ``recipe.lr``.

    Args:
        head: the part of ``model`` that is trained with the full rate.
        extra: modules that a method trains in addition to the network, with ``extra_lr`` times the full rate.
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
    """Set the learning rate of every group for a step at ``progress`` 0..1 of the run."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.lr * group["factor"] * recipe.rate(progress)


def _by_decay(recipe: Recipe, named: list[tuple[str, nn.Parameter]]) -> Iterator[tuple[float, list[nn.Parameter]]]:
    """Pairs of (weight decay, parameters), without empty groups."""
    spared = [p for n, p in named if recipe.decay == "weights" and (p.ndim <= 1 or "position" in n or "pos_" in n)]
    ids = {id(p) for p in spared}
    for decay, params in ((recipe.weight_decay, [p for _, p in named if id(p) not in ids]), (0.0, spared)):
        if params:
            yield decay, params
