"""Functions for several methods: draws, labels as shares, the entropy term, a field of their settings."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmark_builder.utils.options import setting


def chosen(p: float, batch: int, draw: torch.Generator, device: torch.device) -> torch.Tensor:
    """Which samples take the augmented clip, each with chance ``p``: bool (batch,), on ``device``."""
    return (torch.rand(batch, generator=draw) < p).to(device, non_blocking=True)


def beta(a: float, b: float, draw: torch.Generator) -> float:
    """One draw of Beta(a, b), 0..1. torch's own takes no generator, so numpy's is seeded by one draw of ``draw``."""
    seed = int(torch.randint(2**62, (), generator=draw))  # on the CPU: nothing waits for a GPU
    return float(np.random.default_rng(seed).beta(a, b))


def permutation(batch: int, draw: torch.Generator, device: torch.device) -> torch.Tensor:
    """The partner of each sample, int64 (batch,), on ``device``. A sample may be its own partner, as published."""
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


def beta_setting(default: float, help: str) -> Any:
    """A field that is a parameter of a Beta distribution; beyond its range, draws are 0 or 1, or one value, in
    float64."""
    return setting(default, help, ge=1e-3, le=1e6)
