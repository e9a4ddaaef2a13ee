"""torch.compile for objectives that differentiate twice."""

from contextlib import AbstractContextManager

import torch
from torch import nn


class Compiled(nn.Module):
    """A network through torch.compile, but where its input wants a gradient: that pass will be differentiated twice, as
    by ALBAR's penalty, which compiled code cannot be, and runs as it is."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.compiled = network, torch.compile(network)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the network's."""
        logits: torch.Tensor = (self.network if x.requires_grad else self.compiled)(x)
        return logits

    def no_sync(self) -> AbstractContextManager[None]:
        """Of a network on several devices: no exchange of gradients inside."""
        context: AbstractContextManager[None] = self.network.no_sync()  # type: ignore[operator]
        return context
