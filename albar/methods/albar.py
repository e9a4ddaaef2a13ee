"""ALBAR (Fioresi et al., ICLR 2025, "ALBAR: Adversarial Learning approach to mitigate Biases in Action Recognition"):
adversarial training so that a still clip does not reveal the class. This file contains only the objective of the paper.

With f the network, x a clip, y its class, x̄ one frame of x repeated to the clip's length, and p̄ = softmax f(x̄):

    L = CE(f(x), y) − ω_adv·CE(f(x̄), y) + ω_ent·Σ p̄ log p̄ + ω_gp·‖∂ Σ f(x̄) / ∂x̄‖₂

    term                      here                              source
    CE(f(x), y)               PaperAlbar.loss                   paper and published code
    − ω_adv·CE(f(x̄), y)       PaperAlbar.static_cross_entropy   paper and published code
    ω_ent·Σ p̄ log p̄           sum_p_log_p                       paper; entropy=reference: published code
    ω_gp·‖∂ Σ f(x̄) / ∂x̄‖₂     gradient_norm                     paper; penalty=reference: published code

There is one network and no gradient reversal: backbone and head are both trained to be wrong and uncertain on still
clips.

The published code differs from the formula in two places, which can be chosen by settings. It computes the norm of the
gradient for each column of pixels and averages over the columns (``penalty=reference``), which is 1/W to 1/√W of the
norm over the whole clip (1/√W where all columns have the same share), so its weight of 10 is one of 10/√W or less in
the formula (``penalty=summed``); and its entropy is NaN where a probability underflows (``entropy=reference``).

`bench train albar` trains :class:`albar.methods.albar_extended.Albar`, which adds further settings of this project to
this objective; in the preset ``finetune`` they are all off.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from albar.methods.base import Batch, Companions, Method, MethodSettings, Terms
from albar.methods.common import sum_p_log_p
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.moved import names_of
from benchmark_builder.utils.options import setting

__getattr__ = names_of(__name__, "albar.methods.albar_extended")  # where Albar and AlbarSettings are now


class PaperSettings(MethodSettings):
    """Settings of the paper; the weights by default are those of the published code for HMDB51."""

    adv: float = setting(1.0, "ω_adv, weight of the adversarial cross-entropy.", ge=0)
    ent: float = setting(4.25, "ω_ent, weight of the negative entropy.", ge=0)
    gp: float = setting(10.0, "ω_gp, weight of the gradient penalty; at 0 it is not computed.", ge=0)
    still: Literal["middle", "random"] | Annotated[int, Field(ge=0)] = setting(
        "middle",
        "The frame of the clip that is repeated: middle (frame T // 2, published: 16 of 32), random (one per sample), "
        "or its index.",
        give="middle, random or the number of a frame from 0",
    )
    penalty: Literal["summed", "softmax", "reference"] = setting(
        "summed",
        "The function that is differentiated: reference (the summed logits, with the norm as the published code "
        "takes it, for each "
        "column of pixels; finetune), summed (the same with the norm over the clip, the paper's formula; a head whose "
        "columns sum to zero makes both vanish), or softmax (log p̄ of the true class, which no such head can null, "
        "with the norm over the clip).",
    )
    entropy: Literal["stable", "reference"] = setting(
        "stable",
        "Stable (from log-softmax), or reference: p̄ times its logarithm as the published code has it, which gives "
        "NaN, and so stops the run, where a probability underflows (finetune).",
    )


class PaperAlbar(Method):
    """The objective above."""

    settings: PaperSettings

    @property
    def double_backward(self) -> bool:
        return self.settings.gp > 0

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        frames = clip.shape[2]
        if isinstance(self.settings.still, int) and self.settings.still >= frames:
            raise BenchError(f"ALBAR setting still is {self.settings.still}, but clips have {frames} frames; lower it")

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        s = self.settings
        ce = functional.cross_entropy(model(batch.clips), batch.labels)

        still = self.still_clips(unmixed(batch), draw)
        if s.gp > 0:
            still.requires_grad_()
        logits = model(still)
        static_ce = self.static_cross_entropy(logits, batch.labels)
        negative_entropy = sum_p_log_p(logits, s.entropy).mean()
        loss = ce - s.adv * static_ce + s.ent * negative_entropy
        terms = {"ce": ce.detach(), "static_ce": static_ce.detach(), "static_entropy": -negative_entropy.detach()}
        if s.gp > 0:
            penalty = self.gradient_penalty(logits, still, batch.labels)
            loss = loss + s.gp * penalty
            terms["penalty"] = penalty.detach()
        return loss, terms

    def still_clips(self, clips: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """x̄ of every clip of a step."""
        return self.still_clip(clips, draw)

    def still_clip(self, clips: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """x̄, (B, 3, T, H, W), of ``clips`` of that shape: one frame of each, repeated without a copy."""
        batch, _, frames, height, width = clips.shape
        if self.settings.still == "random":
            chosen = torch.randint(frames, (batch,), generator=draw).to(clips.device)
            index = chosen.view(batch, 1, 1, 1, 1).expand(-1, 3, 1, height, width)
            frame = clips.detach().gather(2, index)
        else:
            at = frames // 2 if self.settings.still == "middle" else int(self.settings.still)
            frame = clips.detach()[:, :, at : at + 1]
        return frame.expand(-1, -1, frames, -1, -1)

    def static_cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """CE(f(x̄), y), the mean over the still clips."""
        return functional.cross_entropy(logits, labels)

    def gradient_penalty(self, logits: torch.Tensor, still: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """‖∂ Σ f(x̄) / ∂x̄‖₂ of ``logits`` = f(``still``), the mean over the still clips."""
        return gradient_norm(logits, still, labels, self.settings.penalty)


def unmixed(batch: Batch) -> torch.Tensor:
    """The clips from which stills are taken: as they were before an augmentation (``albar+stillmix``) changed them."""
    return batch.clips if batch.plain is None else batch.plain


def gradient_norm(logits: torch.Tensor, clips: torch.Tensor, labels: torch.Tensor, penalty: str) -> torch.Tensor:
    """mean_b ‖∂ target_b / ∂clips_b‖₂, over all axes of each sample; differentiable (double backward).

    Args:
        logits: (B, K), a function of ``clips``; each sample's of its own clip only.
        clips: (B, C, T, H, W) that requires grad.
        labels: (B,) or (B, K).
        penalty: ``summed``: target = Σ_k logits; ``softmax``: target = log softmax at the true class; ``reference``:
            target as in ``summed``, but with the norm over C, T and H only, averaged over the W columns.
    """
    log_p = penalty == "softmax"
    target = -functional.cross_entropy(logits, labels, reduction="sum") if log_p else logits.sum()
    (gradient,) = torch.autograd.grad(target, clips, create_graph=True)
    if penalty == "reference":
        # norm() gives a column without gradient (a still one at the picture's rim) the slope 0; sqrt() would give NaN.
        return gradient.flatten(1, 3).norm(dim=1).mean()
    return gradient.flatten(1).norm(dim=1).mean()
