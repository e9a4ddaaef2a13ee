"""Networks whose head looks at tokens instead of at their mean: a backbone, a pooling module and a linear head.

The pooling module and its settings are in a checkpoint as ``token_head``, a table of plain values.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from albar.models.tokens import token_map, without_head
from benchmark_builder.utils.errors import BenchError

WIDTH_OF_MLP = 4  # as in V-JEPA 2: the hidden layer of an MLP has so many times the width
MOST = 2**14  # largest width of tokens, number of attention heads and blocks in a file
MOST_WEIGHTS = 10**9  # a malformed file allocates no memory


class AttentivePool(nn.Module):
    """Attentive pooling (V-JEPA 2, Assran et al. 2025): a learned query attends to the tokens.

        z = q + Σ_n a_n V x̂_n,    a = softmax_n (q W_q · W_k x̂_n / √d) in each attention head;    z + MLP(norm z)

    x̂ are the tokens, each normalised to mean 0 and variance 1 over its features (the gain and shift of a LayerNorm
    would be redundant: W_k and V follow). With more than one block, ``blocks`` - 1 self-attention blocks
    over the tokens come before.

    The query is the same for all clips, so W_k is applied to it and not to every token, and V to the attended mean: the
    same result at a cost of ``heads`` products per token instead of twice the width.
    """

    def __init__(self, width: int, heads: int, blocks: int = 1) -> None:
        """width: C of the tokens, a multiple of ``heads`` (of attention); blocks: at least 1."""
        super().__init__()
        self.heads = heads
        self.before = nn.ModuleList(SelfAttention(width, heads) for _ in range(blocks - 1))
        self.query = nn.Parameter(torch.empty(width))
        self.to_query, self.to_value = nn.Linear(width, width), nn.Linear(width, width)
        self.to_key = nn.Linear(width, width, bias=False)  # a bias would add the same to every token's weight
        self.norm, self.mlp = nn.LayerNorm(width), mlp(width)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=0.02)
        nn.init.trunc_normal_(self.query, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, t, h, w, C) or (B, N, C) -> (B, C)."""
        x = tokens.flatten(1, -2).float()
        for block in self.before:
            x = block(x)
        x = functional.layer_norm(x, x.shape[-1:])
        each = (self.heads, -1)
        query = self.to_query(self.query).unflatten(0, each)  # (heads, d)
        keys = torch.einsum("hd,hdc->hc", query, self.to_key.weight.unflatten(0, each))
        weights = (x @ keys.T / math.sqrt(query.shape[1])).softmax(dim=1)  # (B, N, heads)
        seen = weights.transpose(1, 2) @ x  # (B, heads, C)
        values = torch.einsum("bhc,hdc->bhd", seen, self.to_value.weight.unflatten(0, each)).flatten(1)
        z = self.query + values + self.to_value.bias
        pooled: torch.Tensor = z + self.mlp(self.norm(z))
        return pooled


class SelfAttention(nn.Module):
    """A transformer's block: (B, N, C) -> (B, N, C), normalised before attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out, self.mlp = nn.Linear(width, 3 * width), nn.Linear(width, width), mlp(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, 2))
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        made: torch.Tensor = x + self.mlp(self.norm2(x))
        return made


def mlp(width: int) -> nn.Sequential:
    """Two linear layers with a GELU between."""
    return nn.Sequential(nn.Linear(width, WIDTH_OF_MLP * width), nn.GELU(), nn.Linear(WIDTH_OF_MLP * width, width))


class TokenNetwork(nn.Module):
    """A backbone, a pooling module over its tokens, and a head: clips float32 (B, 3, T, H, W) -> logits (B, classes).

    Attributes:
        backbone: without its own head.
        pool: tokens (B, t, h, w, C) -> features (B, C).
        head: features -> logits.
        token_head: the settings of ``pool``, plain values; kept in a checkpoint.
    """

    def __init__(self, backbone: nn.Module, token_head: Mapping[str, object], classes: int) -> None:
        """backbone: its own head is removed, in place. token_head: see :func:`attentive_settings`.

        Raises:
            BenchError: the settings are malformed.
        """
        super().__init__()
        self.backbone = without_head(backbone)
        self.token_head = dict(token_head)
        self.pool: nn.Module = pool_of(token_head)
        self.head = nn.Linear(number(token_head, "width"), classes)

    @property
    def architecture(self) -> dict[str, object]:
        """That of the backbone, where it has one."""
        made: dict[str, object] = getattr(self.backbone, "architecture", {})
        return made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.pool(token_map(self.backbone, x)))
        return logits


def attentive_settings(width: int, heads: int, blocks: int) -> dict[str, object]:
    """Settings of :class:`AttentivePool` for tokens of ``width``: at most ``heads`` attention heads, as many as divide
    the width."""
    return {"kind": "attentive", "width": width, "heads": math.gcd(width, heads), "blocks": blocks}


def pool_of(token_head: Mapping[str, object]) -> AttentivePool:
    """The pooling module of these settings, with random weights.

    Raises:
        BenchError: unknown or malformed settings.
    """
    if token_head.get("kind") != "attentive":
        raise BenchError(f"its head over tokens is {str(token_head.get('kind'))[:40]!r}, which this version does not "
                         "know; update albar-bench, or train again")  # fmt: skip
    width, heads, blocks = (number(token_head, name) for name in ("width", "heads", "blocks"))
    if width % heads:
        raise BenchError(f"its head over tokens has {heads} attention heads, which do not divide the width {width}; "
                         "train again")  # fmt: skip
    if blocks * 12 * width**2 > MOST_WEIGHTS:
        raise BenchError(f"its head over tokens has {blocks} blocks of width {width}, over {MOST_WEIGHTS} weights; "
                         "train again")  # fmt: skip
    return AttentivePool(width, heads, blocks)


def number(token_head: Mapping[str, object], name: str) -> int:
    """A whole number of these settings; BenchError if it is something else or too large."""
    value = token_head.get(name)
    if type(value) is not int or not 1 <= value <= MOST:
        raise BenchError(f"its head over tokens has {name} {str(value)[:40]}, not a whole number from 1 to {MOST}; "
                         "train again")  # fmt: skip
    return value
