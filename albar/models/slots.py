"""DEVIAS's head (Bae et al., ECCV 2024): two slots compete for the tokens of a backbone; one tells the action, the
other the scene.

    A = softmax over the slots of (W_q norm s) · (W_k norm x_n) / √d      each token is divided among the slots
    s ← s + W_o Σ_n (A_n / Σ_m A_m) W_v norm x_n;    s ← s + MLP(norm s)   several times

One linear layer gives every slot a logit for each action and each scene. In a test, the action is read from the slot
that is surest of an action, the scene from the slot that is surest of a scene.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from albar.models.token_network import TokenNetwork, mlp, number
from albar.models.tokens import token_map, without_head
from benchmark_builder.utils.errors import BenchError

SLOTS = 2
LONGEST = 200  # characters of a scene's name in a file
EPSILON = 1e-7  # as published: keeps a slot without tokens finite


class SlotLayer(nn.Module):
    """One round of slot attention."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.norm_slots, self.norm_tokens, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.to_query, self.to_key, self.to_value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.out, self.mlp = nn.Linear(inner, width), mlp(width)

    def forward(self, slots: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Slots (B, S, C), tokens (B, N, C) -> new slots, and A, the mean over the heads: (B, S, N)."""
        x = self.norm_tokens(tokens)
        query, key, value = (
            made.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for made in (self.to_query(self.norm_slots(slots)), self.to_key(x), self.to_value(x))
        )
        shares = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).softmax(dim=2)  # (B, heads, S, N)
        weights = shares / (shares.sum(dim=3, keepdim=True) + EPSILON)
        slots = slots + self.out((weights @ value).transpose(1, 2).flatten(2))
        return slots + self.mlp(self.norm_mlp(slots)), shares.mean(dim=1)


class SlotAttention(nn.Module):
    """Tokens (B, t, h, w, C) -> slots (B, 2, C), and how each token is divided among them in the last round:
    (B, 2, t, h, w), which sums to 1 over the slots."""

    def __init__(self, width: int, heads: int, head_width: int, depth: int, tied: bool) -> None:
        """depth: rounds; tied: all with the same weights."""
        super().__init__()
        self.depth = depth
        self.latents = nn.Parameter(torch.randn(SLOTS, width))
        self.layers = nn.ModuleList(SlotLayer(width, heads, head_width) for _ in range(1 if tied else depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = tokens.flatten(1, 3)
        slots = self.latents.expand(len(x), -1, -1)
        shares = x
        for k in range(self.depth):
            slots, shares = self.layers[k % len(self.layers)](slots, x)
        return self.norm(slots), shares.unflatten(2, tokens.shape[1:4])


class SlotNetwork(TokenNetwork):
    """A backbone, slots and their head: clips float32 (B, 3, T, H, W) -> the action's logits (B, classes).

    Attributes:
        classes: number of actions; the outputs of ``head`` after these are scenes.
    """

    def __init__(self, backbone: nn.Module, token_head: Mapping[str, object], classes: int) -> None:
        nn.Module.__init__(self)
        self.backbone, self.token_head, self.classes = without_head(backbone), dict(token_head), classes
        width, heads, head_width, depth, scenes = (
            number(token_head, name) for name in ("width", "heads", "head_width", "depth", "scenes")
        )
        scene_names(token_head)
        weights = depth * (4 * heads * head_width * width + 8 * width**2)
        if weights > 10**9:
            raise BenchError(f"its slots have {weights} weights, over {10**9}; train again")
        self.pool = SlotAttention(width, heads, head_width, depth, token_head.get("tied") is True)
        self.head = nn.Linear(width, classes + scenes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slots, _ = self.pool(token_map(self.backbone, x))
        return self.action_logits(slots)

    def both(self, x: torch.Tensor) -> torch.Tensor:
        """Clips -> the logits of :meth:`forward`, then those of the scene: (B, classes + scenes)."""
        slots, _ = self.pool(token_map(self.backbone, x))
        return torch.cat([self.action_logits(slots), self.scene_logits(slots)], dim=1)

    def every_logit(self, slots: torch.Tensor) -> torch.Tensor:
        """Slots (B, 2, C) -> logits (B, 2, classes + scenes)."""
        return functional.linear(slots, self.head.weight, self.head.bias)

    def action_logits(self, slots: torch.Tensor) -> torch.Tensor:
        """Slots (B, 2, C) -> the action's logits (B, classes)."""
        logits: torch.Tensor = self.head(self._surest(slots, slice(None, self.classes)))[:, : self.classes]
        return logits

    def scene_logits(self, slots: torch.Tensor) -> torch.Tensor:
        """Slots (B, 2, C) -> the scene's logits (B, scenes)."""
        chosen = self._surest(slots, slice(self.classes, None))
        return functional.linear(chosen, self.head.weight, self.head.bias)[:, self.classes :]

    def _surest(self, slots: torch.Tensor, outputs: slice) -> torch.Tensor:
        """The slot with the highest probability of one of these outputs: (B, C)."""
        surest = self.every_logit(slots).softmax(dim=2)[..., outputs].amax(dim=2).argmax(dim=1)
        return slots[torch.arange(len(slots), device=slots.device), surest]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one forward of a :class:`SlotNetwork` gives.

    Attributes:
        action: logits (B, classes).
        slots: (B, 2, C).
        shares: (B, 2, t, h, w), how each token is divided among the slots.
    """

    action: torch.Tensor
    slots: torch.Tensor
    shares: torch.Tensor


def slot_network(model: nn.Module) -> SlotNetwork:
    """The network of slots itself, of which ``model`` may be a wrapper (several devices).

    Raises:
        BenchError: there is none.
    """
    found = next((m for m in model.modules() if isinstance(m, SlotNetwork)), None)
    if found is None:
        raise BenchError(f"{type(model).__name__} has no slots; DEVIAS trains a network of its own")
    return found


def seen_slots(model: nn.Module, clips: torch.Tensor) -> Seen:
    """One forward through ``model``; gradients flow through all of it.

    Raises:
        BenchError: the slots did not run.
    """
    caught: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = slot_network(model).pool.register_forward_hook(lambda module, inputs, outputs: caught.append(outputs))
    try:
        action = model(clips)
    finally:
        handle.remove()
    if not caught:  # a compiled network may have been traced without the hook
        raise BenchError("the slots of the network did not run; train without --compile")
    return Seen(action, *caught[-1])


def slot_settings(
    width: int, heads: int, head_width: int, depth: int, tied: bool, scenes: int, names: Sequence[str] = ()
) -> dict[str, object]:
    """The settings of a :class:`SlotNetwork`, as a checkpoint keeps them; ``names``: of the scenes, in order."""
    said = {"kind": "slots", "width": width, "heads": heads, "head_width": head_width, "depth": depth, "tied": tied,
            "scenes": scenes}  # fmt: skip
    return {**said, **({"scene_names": list(names)} if names else {})}


def scene_names(token_head: Mapping[str, object]) -> tuple[str, ...]:
    """The scenes in the order of a :class:`SlotNetwork`'s outputs; empty: not known (written by an older version).

    Raises:
        BenchError: they are not as many different names as there are scenes.
    """
    names = token_head.get("scene_names", [])
    told = (
        [name for name in names if isinstance(name, str) and 0 < len(name) <= LONGEST]
        if isinstance(names, list)
        else []
    )
    if told != names or (told and not len(told) == len(set(told)) == token_head.get("scenes")):
        raise BenchError(f"its scene_names are not {token_head.get('scenes')} different names; train again")
    return tuple(told)
