"""SDN, "Why can't I dance in the mall?" (Choi et al., NeurIPS 2019): features without information on the scene, and an
uncertain answer if the actor is hidden.

φ are the pooled features, f is the action head, g a scene head, R_α the reversal of the gradient (times −α), s the
scene probabilities of another network, and x̃ the clip with its actors replaced by each frame's mean colour:

    stage 1:  L = CE(f φ(x), y) + CE(g R_α φ(x), s)
    stage 2:  L + ω_ent Σ p̃ log p̃,    p̃ = softmax f φ(x̃)

In stage 2, one optimiser step uses the sum for the same clips; the published code makes two steps, the second with
other clips. That code also trains only the new layers for some epochs, with their own rate; here all layers are always
trained.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional

from albar.methods.base import Batch, Companions, Method, MethodSettings, Terms
from albar.methods.common import sum_p_log_p
from albar.models.heads import logits_and_features
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import setting, share


class SdnSettings(MethodSettings):
    """Settings of SDN; the defaults are the published ones (R3D-18, Mini-Kinetics)."""

    adv: float = setting(1.0, "Weight of the scene head's cross-entropy; at 0 there is no scene head.", ge=0)
    alpha: float = setting(1.0, "α of the reversal in stage 1.", ge=0)
    alpha2: float = setting(0.5, "α of the reversal in stage 2.", ge=0)
    ent: float = setting(1.0, "ω_ent; at 0 stage 2 changes α only.", ge=0)
    stage2: float = share(
        0.5,
        "Share of the run after which stage 2 starts. Published: a second run, which starts from the first.",
    )
    coverage: float = share(0.7, "A clip is used for the entropy if at least this share of its frames shows an actor.")
    hidden: int = setting(3, "Hidden layers of g, with the width of the features.", of="layers", ge=0, le=1000)
    norm: Literal["batch", "layer"] = setting(
        "batch", "Norm of these layers: batch (published) or layer, which needs no large batch."
    )
    lr: float = setting(1.0, "Learning rate of g, as a factor of the run's.", ge=0)


class SDN(Method):
    """The objective above."""

    PRESETS: ClassVar[Mapping[str, SdnSettings]] = {
        "finetune": SdnSettings(),
        "scratch": SdnSettings(hidden=1, norm="layer"),
    }
    NEEDS: ClassVar[frozenset[str]] = frozenset({"actors", "scenes"})
    by_progress = True
    settings: SdnSettings

    @property
    def needs(self) -> frozenset[str]:
        weights = {"scenes": self.settings.adv, "actors": self.settings.ent}
        return frozenset(name for name, weight in weights.items() if weight > 0)

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        s = self.settings
        if s.adv == 0:
            return
        if companions.scenes < 2:
            raise BenchError(
                f"SDN unlearns the scene, but there are {companions.scenes} scenes; give the dataset scene labels"
            )
        training = model.training
        with torch.no_grad():
            _, features = logits_and_features(model.eval(), clip)
        model.train(training)
        self.extra = scene_head(features.shape[1], companions.scenes, s.hidden, s.norm).to(clip.device)
        self.extra_lr = s.lr

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        s = self.settings
        second = progress >= s.stage2
        logits, features = logits_and_features(model, batch.clips)
        ce = functional.cross_entropy(logits, batch.labels)
        loss, terms = ce, {"ce": ce.detach()}
        if s.adv > 0:
            if self.extra is None or batch.scenes is None:
                raise BenchError("SDN has no scenes; give the dataset scene labels")
            scene_logits = self.extra(reversed_gradient(features, s.alpha2 if second else s.alpha))
            scene_ce = functional.cross_entropy(scene_logits, batch.scenes)
            loss = loss + s.adv * scene_ce
            terms["scene_ce"] = scene_ce.detach()
        if s.ent > 0 and second:
            if batch.actors is None:
                raise BenchError("SDN has no masks of the actors; give --masks, a mask source for this dataset")
            # In the published code the option `is_mask_adv` is inverted, and the entropy is that of a head after the
            # reversal which is not trained with labels, so the features learn the opposite. The paper means the entropy
            # of the action head, without reversal.
            clips, counts = without_actors(batch.clips, batch.actors, s.coverage)
            each = sum_p_log_p(model(clips))
            negative_entropy = (each * counts).sum() / counts.sum().clamp(min=1)
            loss = loss + s.ent * negative_entropy
            terms["masked_entropy"] = -negative_entropy.detach()
        return loss, terms


def scene_head(width: int, scenes: int, hidden: int, norm: str) -> nn.Sequential:
    """The head g: ``hidden`` times Linear, norm, ReLU, then Linear; (B, width) -> logits (B, scenes)."""
    kind = nn.BatchNorm1d if norm == "batch" else nn.LayerNorm
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [nn.Linear(width, width), kind(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, scenes))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: float) -> torch.Tensor:
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.alpha * gradients[0], None


def reversed_gradient(x: torch.Tensor, alpha: float) -> torch.Tensor:
    """``x`` unchanged, but its gradient is multiplied by −α (Ganin & Lempitsky, ICML 2015)."""
    return _Reversed.apply(x, alpha)


def without_actors(clips: torch.Tensor, actors: torch.Tensor, coverage: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips with the actors replaced by each frame's mean colour, and which of the clips count.

    A frame without a mask may show people that were not found (the published code keeps such frames), so the whole
    frame is replaced.

    Args:
        clips: (B, 3, T, H, W).
        actors: (B, 1, T, H, W), above 0 on the actors.
        coverage: 0..1.

    Returns:
        Clips of the same shape; and float (B,), 1 if the clip counts, otherwise 0. It counts if at least ``coverage``
        of its frames, and at least one, show an actor.
    """
    masked = actors > 0
    found = masked.flatten(3).any(dim=3)[..., None, None]  # (B, 1, T, 1, 1)
    filled = torch.where(masked | ~found, clips.mean(dim=(3, 4), keepdim=True), clips)
    least = max(1, math.ceil(coverage * clips.shape[2] - 1e-6))  # 1e-6: 0.7 · 10 must be 7 in floating point too
    return filled, (found.sum(dim=(1, 2, 3, 4)) >= least).to(clips.dtype)
