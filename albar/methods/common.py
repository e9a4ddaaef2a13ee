"""What several methods share: draws, labels as shares, the entropy term, and the checks of their settings."""

import math

import numpy as np
import torch
from torch.nn import functional

from albar.methods.base import Settings
from benchmark_builder.utils.errors import BenchError


def chosen(p: float, batch: int, draw: torch.Generator, device: torch.device) -> torch.Tensor:
    """Which samples take the augmented clip, each with chance ``p``: bool (batch,), on ``device``."""
    return (torch.rand(batch, generator=draw) < p).to(device, non_blocking=True)


def beta(a: float, b: float, draw: torch.Generator) -> float:
    """One draw of Beta(a, b), 0..1. torch's own takes no generator, so numpy's is seeded by one draw of ``draw``."""
    seed = int(torch.randint(2**62, (), generator=draw))  # on the CPU: nothing waits for a GPU
    return float(np.random.default_rng(seed).beta(a, b))


def permutation(batch: int, draw: torch.Generator, device: torch.device) -> torch.Tensor:
    """Whose partner is whom, int64 (batch,), on ``device``. A sample may be its own, as published."""
    return torch.randperm(batch, generator=draw).to(device, non_blocking=True)


def shares(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Labels int64 (B,), or shares already, as float (B, classes)."""
    return labels if labels.ndim == 2 else functional.one_hot(labels, classes).float()


def per_clip(values: torch.Tensor) -> torch.Tensor:
    """(B,) as (B, 1, 1, 1, 1), to multiply clips with."""
    return values.view(-1, 1, 1, 1, 1)


def sum_p_log_p(logits: torch.Tensor, form: str = "stable") -> torch.Tensor:
    """Σ_k p log p of softmax(logits): (B, K) -> (B,), in −ln K..0.

    ``form``: ``stable``, finite for any finite logits, or ``reference``: NaN where a probability underflows to 0.
    """
    if form == "reference":
        p = functional.softmax(logits, dim=1)
        return (p * p.log()).sum(dim=1)
    log_p = functional.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1)


def check_numbers(settings: Settings, method: str, low: float, high: float, *names: str) -> None:
    """BenchError unless each named setting is a finite number, ``low`` <= number <= ``high``."""
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and low <= value <= high):
            wanted = f"from {low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
            raise BenchError(f"{method} setting {name} is {value}; it must be {wanted}")


def check_beta(settings: Settings, method: str, *names: str) -> None:
    """BenchError unless each named setting may be a parameter of a Beta distribution."""
    check_numbers(settings, method, 1e-3, 1e6, *names)  # beyond, its draws are 0 or 1, or one value, in float64


def check_count(settings: Settings, method: str, least: int, *names: str) -> None:
    """BenchError unless each named setting is a whole number from ``least`` to 1000, more than any needs."""
    for name in names:
        value = getattr(settings, name)
        if not is_count(value, least) or value > 1000:
            raise BenchError(f"{method} setting {name} is {value!r}; it must be a whole number from {least} to 1000")


def is_count(value: object, least: int) -> bool:
    """Whether ``value`` is a whole number, ``least`` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_choice(settings: Settings, method: str, name: str, *choices: str) -> None:
    """BenchError unless the named setting is one of ``choices``."""
    if getattr(settings, name) not in choices:
        raise BenchError(f"{method} setting {name} is {getattr(settings, name)!r}; choose from {', '.join(choices)}")
