"""The heads of a probe: many in one batched computation, their losses, and how a linear one becomes a network's own."""

import copy
import warnings
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional

from albar.data.features import Features
from benchmark_builder.utils.errors import BenchError


def cross_entropies(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of each head: (heads, B, classes), int64 (B,) -> (heads,)."""
    heads, batch, _ = logits.shape
    every = functional.cross_entropy(logits.flatten(0, 1), labels.repeat(heads), reduction="none")
    return every.view(heads, batch).mean(1)


class Heads(nn.Module):
    """Equal heads with weights of their own, in one batched computation; all start from the same weights.

    Attributes:
        each: the heads.
    """

    def __init__(self, head: nn.Module, count: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(copy.deepcopy(head) for _ in range(count))
        self._like = [copy.deepcopy(head).to("meta")]  # in a list: it is no part of this module

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, …) -> logits (heads, B, classes)."""
        names = [name for name, _ in self.each[0].named_parameters()]
        tables = [dict(head.named_parameters()) for head in self.each]
        stacked = {name: torch.stack([table[name] for table in tables]) for name in names}
        with warnings.catch_warnings():  # self-attention on a CPU has no batched form; it is done head by head
            warnings.filterwarnings("ignore", "There is a performance drop")
            logits: torch.Tensor = vmap(lambda weights: functional_call(self._like[0], weights, (features,)))(stacked)
        return logits


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of each feature over the training clips, float32 (D,); 1 where it does not vary."""

    mean: torch.Tensor
    deviation: torch.Tensor


def scale_of(training: Features) -> Scale:
    """The scale of features of shape (D,)."""
    count, total = 0, torch.zeros(training.shape, dtype=torch.float64)
    for part in training.parts(1024):
        count, total = count + len(part), total + part.double().sum(0)
    mean, squares = total / count, torch.zeros_like(total)
    for part in training.parts(1024):
        squares += (part.double() - mean).square().sum(0)
    deviation = (squares / count).sqrt()
    # 1e-6: what float32 makes of a constant
    return Scale(mean.float(), deviation.where(deviation > 1e-6 * (1 + mean.abs()), 1.0).float())


def unscaled(head: nn.Linear, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias with which plain features give the logits that ``head`` gives for scaled ones."""
    weight = head.weight.detach().double().cpu() / scale.deviation.double()
    bias = head.bias.detach().double().cpu() - weight @ scale.mean.double()
    return weight.float(), bias.float()


def put_linear(head: nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Put a linear map of the pooled features into a network's own head, in place.

    Args:
        head: a Linear layer or a 1 x 1 x 1 convolution, alone or after dropout.
        weight: (classes, D). bias: (classes,).

    Raises:
        BenchError: the head is something else.
    """
    layers = [m for m in head.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    others = [m for m in head.modules() if m not in layers and not isinstance(m, nn.Sequential | nn.Dropout)]
    own = layers[0] if len(layers) == 1 and not others else None
    if own is None or own.bias is None or own.weight.numel() != weight.numel() or len(own.weight) != len(weight):
        raise BenchError(
            f"the network's own head ({type(head).__name__}) is no linear map of its features, so a linear head cannot "
            "take its place; choose --set head=attentive, or another --model"
        )
    with torch.no_grad():
        own.weight.copy_(weight.view_as(own.weight))
        own.bias.copy_(bias)
