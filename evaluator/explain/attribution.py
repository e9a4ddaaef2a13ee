"""Integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017), by captum.

For a clip x, a baseline b and the logit f of one class::

    attribution_i = (x_i − b_i) · ∫₀¹ ∂f(b + α (x − b)) / ∂x_i dα

Attributions sum to f(x) − f(b) (completeness). The integral is a Gauss-Legendre sum of ``steps`` gradients, which is
exact if f is a polynomial of degree 2 · steps or lower along the path.
"""

from dataclasses import dataclass

import torch

from albar.clips.clips import ClipSampling, normalise
from benchmark_builder.utils.errors import BenchError
from evaluator.models.base import Network


class NotExplainable(BenchError):
    """The network gives no gradients, or cannot take the clips: no video of it can be explained."""


@dataclass(frozen=True)
class Attribution:
    """The attributions of one clip.

    Attributes:
        values: float32 (3, T, S, S), on the CPU.
        score, baseline_score: the logit of the class for the clip and for the baseline.
    """

    values: torch.Tensor
    score: float
    baseline_score: float

    @property
    def gap(self) -> float:
        """Sum of the attributions minus (score − baseline_score): the error of the sum; 0 with enough steps."""
        return float(self.values.double().sum()) - (self.score - self.baseline_score)

    @property
    def heat(self) -> torch.Tensor:
        """Absolute attribution per pixel and frame, summed over colours: float64 (T, S, S)."""
        return self.values.double().abs().sum(0)


def logits_of(network: Network, clips: torch.Tensor, source: str) -> torch.Tensor:
    """Logits, (B, outputs), of normalised clips, float32 (B, 3, T, S, S).

    Raises:
        NotExplainable: the network does not take such clips, or returns something else.
    """
    try:
        logits = network(clips)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        frames, size = clips.shape[2], clips.shape[-1]
        raise NotExplainable(
            f"{source}: cannot compute gradients for clips of {frames} frames at {size} pixels ({reason}); change "
            "--sampling or --clip, lower --batch, or choose a model that gives gradients"
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(clips):
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise NotExplainable(
            f"{source}: returned {shape} for {len(clips)} clips, not ({len(clips)}, classes); fix the network"
        )
    return logits


def require_gradients(network: Network, clip: torch.Tensor, source: str) -> None:
    """Raise NotExplainable if no logit of a clip, float32 (3, T, S, S), has a gradient."""
    asked = clip[None].clone().requires_grad_()
    logits = logits_of(network, asked, source)
    fix = "it is an exported program or runs outside torch; give the checkpoint that it was made from"
    if not logits.requires_grad:
        raise NotExplainable(f"{source}: gives no gradients, which integrated gradients need; {fix}")
    try:
        found = torch.autograd.grad(logits.sum(), asked, allow_unused=True)[0]
    except RuntimeError as error:
        raise NotExplainable(f"{source}: gives no gradients ({str(error).splitlines()[0][:200]}); {fix}") from error
    if found is None:
        raise NotExplainable(f"{source}: its outputs do not depend on the clip by gradients; {fix}")


def baseline_of(clip: torch.Tensor, sampling: ClipSampling, kind: str) -> torch.Tensor:
    """The baseline of a normalised clip, of the same shape: ``black``, or ``mean``, the sampling's mean colour."""
    if kind == "mean":
        return torch.zeros_like(clip)
    return normalise(torch.zeros(clip.shape, dtype=torch.uint8, device=clip.device), sampling)


def attribute(
    network: Network, clip: torch.Tensor, baseline: torch.Tensor, target: int, steps: int, batch: int, source: str
) -> Attribution:
    """Integrated gradients of one clip.

    Args:
        network: the network, in evaluation mode.
        clip, baseline: normalised, float32 (3, T, S, S), on the network's device.
        target: index of the output to explain.
        steps: number of gradients.
        batch: maximum number of clips per pass.
        source: name of the model, for messages.

    Raises:
        NotExplainable: the network does not take such clips.
        BenchError: a score or an attribution is not finite.
    """
    from captum.attr import IntegratedGradients

    with torch.no_grad():
        ends = logits_of(network, torch.stack([clip, baseline]), source)
    gradients = IntegratedGradients(lambda clips: logits_of(network, clips, source))
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            values = gradients.attribute(
                clip[None], baselines=baseline[None], target=target, n_steps=steps, internal_batch_size=batch
            )
    except torch.OutOfMemoryError:
        raise NotExplainable(
            f"--batch {batch}: clips of this size do not fit into the GPU memory; give a smaller number"
        ) from None
    found = Attribution(values[0].detach().float().cpu(), float(ends[0, target]), float(ends[1, target]))
    if not torch.isfinite(found.values).all() or not all(map(_finite, (found.score, found.baseline_score))):
        raise BenchError("its scores or attributions are not finite")
    return found


def _finite(value: float) -> bool:
    return abs(value) < float("inf")  # False for nan, too
