"""DEVIAS (Bae et al., ECCV 2024): two slots over the tokens of a network, one for the action and one for the scene.

The clips are mixed as in FAME, M being the moving part: x' = x M + x[π] (1 − M), so the scene is x[π]'s. With s the
scene probabilities of another network, slots z_0 and z_1, P = softmax of their logits for all actions and scenes, and a
the slot that is matched with the action:

    a = argmax_k P_k[y] + P_{1−k}[argmax s]                       (Hungarian matching of two slots and two labels)
    L = CE(P_a, y) + ω_scene KL(s ‖ P_{1−a}) + ω_distill mean (A_a − M_t)² + ω_mask BCE(g(z_a), M) + ω_cos cos(z_0, z_1)

A_a is the share of each token that slot a got in the last round of slot attention, M_t the moving part between the two
frames of the token's step in time, and g a small network, in training only. Masks are averaged over each token's area.

As in the published code, ω_scene is divided by the number of outputs (its KL divergence of one clip is averaged over
them), the actions in s have the probability of its least likely scene over e, and the sigmoid of g is applied twice
(``sigmoid=once`` is right). Otherwise:

- s is that of the whole videos, computed before training, and a mixed clip has that of its partner; there the
  teacher sees every mixed clip. The one-hot scenes of synthactions count as :data:`LEAST` where they are 0.
- Slots are trained with the rate of the backbone (published: 0.1 of the rate, with layer-wise decay of the rates).
- No model is selected on SCUBA videos (an option of the published code), nor on any other.
"""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional

from albar.methods.base import Batch, Companions, Method, MethodSettings, Terms
from albar.methods.common import chosen, per_clip, permutation, shares
from albar.methods.fame import foreground, moving_colours
from albar.models.slots import SlotNetwork, seen_slots, slot_network, slot_settings
from albar.models.tokens import token_map
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import setting, share

LEAST = 1e-4  # probability of a scene that a teacher rules out
MASK_LAYERS = (512, 256)  # hidden layers of g


class DeviasSettings(MethodSettings):
    """Settings of DEVIAS; the defaults are those published for UCF101 (VideoMAE ViT-B)."""

    scene: float = setting(
        4000.0, "ω_scene, divided by the number of outputs (actions and scenes); published: 4000.", ge=0
    )
    distill: float = setting(1.0, "ω_distill, of the slot's attention against the moving part.", ge=0)
    mask: float = setting(1.0, "ω_mask, of the mask that is predicted from the slot.", ge=0)
    cosine: float = setting(1.0, "ω_cos, of the similarity of the slots.", ge=0)
    beta: float = share(0.3, "β, share of the picture that moves. Published: 0.3 on UCF101, 0.5 on Kinetics-400.")
    p: float = share(0.4, "Chance of a clip to be mixed. Published: 0.4 on UCF101, 0.8 on Kinetics-400.")
    depth: int = setting(
        4, "Rounds of slot attention. Published: 4 on UCF101, 8 on Kinetics-400.", of="rounds", ge=1, le=64
    )
    tied: bool = setting(True, "The same weights in every round, as published.")
    heads: int = setting(4, "Attention heads of the slots.", of="heads", ge=1, le=256)
    head_width: int = setting(512, "Width of each.", of="features", ge=1, le=4096)
    sigmoid: Literal["once", "twice"] = setting(
        "once", "Of the predicted mask: once, or twice as in the published code."
    )
    hue: Literal["right", "published"] = setting("right", "As in fame.")
    rounding: Literal["plain", "published"] = setting("plain", "As in fame.")


SMALL = DeviasSettings(scene=16.0, depth=2, head_width=24)  # for networks such as small3d, on synthactions


class Devias(Method):
    """The objective above."""

    PRESETS: ClassVar[Mapping[str, DeviasSettings]] = {
        "finetune": DeviasSettings(sigmoid="twice", hue="published", rounding="published"),
        "scratch": SMALL,
        "pretrained": SMALL,
    }
    NEEDS: ClassVar[frozenset[str]] = frozenset({"scenes"})
    settings: DeviasSettings

    def adapted(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> nn.Module:
        s = self.settings
        if companions.scenes < 2:
            raise BenchError(f"DEVIAS learns the scene, but there are {companions.scenes} scenes; give the dataset "
                             "scene labels")  # fmt: skip
        training = model.training
        with torch.no_grad():
            width = token_map(model.eval(), clip).shape[-1]
        model.train(training)
        names = companions.scene_names
        said = slot_settings(width, s.heads, s.head_width, s.depth, s.tied, companions.scenes, names)
        return SlotNetwork(model, said, companions.classes).to(clip.device)

    def prepare(self, model: nn.Module, clip: torch.Tensor, companions: Companions) -> None:
        if clip.shape[2] < 2:
            raise BenchError("DEVIAS needs motion, but clips have 1 frame; raise the clip setting frames")
        self.mean = torch.tensor(companions.sampling.mean, device=clip.device).view(3, 1, 1, 1)
        self.std = torch.tensor(companions.sampling.std, device=clip.device).view(3, 1, 1, 1)
        training = model.training
        with torch.no_grad():
            seen = seen_slots(model.eval(), clip)
        model.train(training)
        cells, width = seen.shares.shape[3] * seen.shares.shape[4], seen.slots.shape[2]
        if self.settings.mask > 0:
            sizes = (width, *MASK_LAYERS, cells)
            layers = [part for a, b in pairwise(sizes) for part in (nn.ReLU(), nn.Linear(a, b))]
            self.extra = nn.Sequential(*layers[1:]).to(clip.device)

    def augment(self, batch: Batch, draw: torch.Generator) -> Batch:
        x, s = batch.clips, self.settings
        front = foreground(self._colours(x), s.beta, *self._published())[:, None, None]
        partner = permutation(len(x), draw, x.device)
        keep = chosen(s.p, len(x), draw, x.device)
        mixed = torch.where(front | ~per_clip(keep), x, x[partner])
        scenes = batch.scenes
        if scenes is not None:
            scenes = torch.where(keep[:, None], scenes[partner], scenes)
        return dataclasses.replace(batch, clips=mixed, scenes=scenes, plain=x)

    def loss(
        self, model: nn.Module, batch: Batch, draw: torch.Generator, progress: float
    ) -> tuple[torch.Tensor, Terms]:
        s, network = self.settings, slot_network(model)
        if batch.scenes is None:
            raise BenchError("DEVIAS has no scenes; give the dataset scene labels")
        seen = seen_slots(model, batch.clips)
        logits = network.every_logit(seen.slots)  # (B, 2, outputs)
        labels = shares(batch.labels, network.classes)
        action = matched(logits, labels.argmax(1), network.classes + batch.scenes.argmax(1))
        each = torch.arange(len(action), device=action.device)
        actions = functional.pad(labels, (0, batch.scenes.shape[1]))
        ce = functional.cross_entropy(logits[each, action], actions)
        scene = scene_divergence(logits[each, 1 - action], batch.scenes)
        with torch.no_grad():
            still, steps = self.masks(batch.clips if batch.plain is None else batch.plain, seen.shares.shape[2:])
        distill = functional.mse_loss(seen.shares[each, action].float(), steps)
        cosine = functional.cosine_similarity(seen.slots[:, 0], seen.slots[:, 1], dim=1).mean()
        loss = ce + s.scene / logits.shape[2] * scene + s.distill * distill + s.cosine * cosine
        found = network.scene_logits(seen.slots).argmax(1) == batch.scenes.argmax(1)
        terms = {
            "ce": ce,
            "scene_kl": scene,
            "attention": distill,
            "cosine": cosine,
            "scene_acc": 100 * found.float().mean(),
        }
        loss = loss + 0 * seen.action.sum()  # no term looks at this output, so the pass back would not be counted
        if self.extra is not None:
            mask = mask_loss(self.extra(seen.slots[each, action]), still.flatten(1), s.sigmoid == "twice")
            loss = loss + s.mask * mask
            terms["mask"] = mask
        return loss, {name: value.detach() for name, value in terms.items()}

    def watched(self, model: nn.Module, clips: torch.Tensor, scenes: torch.Tensor) -> dict[str, torch.Tensor]:
        """Whether the scene slot names the scene that the teacher finds likeliest: ``scene_acc``."""
        slots = seen_slots(model, clips).slots
        return {"scene_acc": slot_network(model).scene_logits(slots).argmax(1) == scenes.argmax(1)}

    def masks(self, clips: torch.Tensor, cells: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
        """The moving part M of normalised clips (B, 3, T, H, W), averaged over the area of each token.

        Args:
            cells: (t, h, w) of the tokens.

        Returns:
            float32 in 0..1: (B, h, w) of the whole clip, and (B, t, h, w) of each step in time, from its two first
            frames.
        """
        s, rgb = self.settings, self._colours(clips)
        steps, high, wide = cells
        frames = rgb.shape[2]
        first = [min(k * frames // steps, frames - 2) for k in range(steps)]
        motion = (rgb[:, :, [k + 1 for k in first]] - rgb[:, :, first]).abs().sum(dim=1)  # (B, t, H, W)
        picture = rgb.mean(dim=2)
        each = moving_colours(
            motion.flatten(0, 1), picture.repeat_interleave(steps, dim=0), s.beta, *self._published()
        ).unflatten(0, (-1, steps))
        whole = foreground(rgb, s.beta, *self._published())
        pooled = functional.adaptive_avg_pool2d(torch.cat([whole[:, None], each], dim=1).float(), (high, wide))
        return pooled[:, 0], pooled[:, 1:]

    def _colours(self, clips: torch.Tensor) -> torch.Tensor:
        return clips * self.std + self.mean

    def _published(self) -> tuple[bool, bool]:
        return self.settings.hue == "published", self.settings.rounding == "published"


def matched(logits: torch.Tensor, action: torch.Tensor, scene: torch.Tensor) -> torch.Tensor:
    """Which of two slots is the action's: int64 (B,), 0 or 1; the other is the scene's.

    The assignment with the highest sum of probabilities; of two slots there are only two. Slot 0 if they are equal.

    Args:
        logits: (B, 2, outputs).
        action, scene: int64 (B,), the outputs to be assigned.
    """
    p = logits.detach().softmax(dim=2)
    each = torch.arange(len(p), device=p.device)
    as_first = p[each, 0, action] + p[each, 1, scene]
    as_second = p[each, 1, action] + p[each, 0, scene]
    return (as_second > as_first).long()


def scene_divergence(logits: torch.Tensor, scenes: torch.Tensor) -> torch.Tensor:
    """Mean over clips of KL(s ‖ P) in nats, summed over all outputs.

    Args:
        logits: (B, classes + scenes).
        scenes: (B, scenes), probabilities. Every action is given the least likely of the batch divided by e, and all
            are normalised again.
    """
    known = scenes.clamp(min=LEAST).log()
    actions = (known.min() - 1).expand(len(known), logits.shape[1] - known.shape[1])
    wanted = torch.cat([actions, known], dim=1).log_softmax(dim=1)
    return functional.kl_div(logits.log_softmax(dim=1), wanted, reduction="batchmean", log_target=True)


def mask_loss(logits: torch.Tensor, masks: torch.Tensor, twice: bool) -> torch.Tensor:
    """Mean binary cross-entropy of (B, h · w) with masks in 0..1; ``twice``: the sigmoid is applied twice."""
    return functional.binary_cross_entropy_with_logits(logits.sigmoid() if twice else logits, masks)
