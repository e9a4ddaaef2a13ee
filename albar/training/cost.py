"""What a training step costs: how many clips pass through the network, forward and backward.

Counted while training, so that the figure is that of the method with its settings, whatever they are. A clip of fewer
frames (or pixels) than those of the run counts as its share, such as 1/8 for a still clip of one frame.

Plain cross-entropy passes every training clip forward once and backward once. A gradient penalty passes a clip backward
twice more: once for its gradient, and once for the gradient of that. What is computed outside the network (masks,
mixes, heads of a method's own) is not counted, and neither are the reference networks of StillMix.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # tables of costs are read without torch
    import torch
    from torch import nn

FORWARD, BACKWARD = "forward_clips", "backward_clips"


class Passes:
    """Counts the passes through a network.

    Attributes:
        forward, backward: numbers of clips since :meth:`taken` or :meth:`restart`.
    """

    def __init__(self, network: "nn.Module", clip: tuple[int, ...]) -> None:
        """Start to count.

        Args:
            network: as the method calls it (wrapped for several devices, or compiled).
            clip: the shape of one training clip, (3, T, H, W).
        """
        self.values = math.prod(clip)
        self.forward = self.backward = 0.0
        network.register_forward_hook(self._passed, with_kwargs=True)

    def taken(self, clips: int) -> dict[str, float]:
        """The numbers so far per training clip, of which there were ``clips``; counting starts again from 0."""
        found = {FORWARD: self.forward / clips, BACKWARD: self.backward / clips}
        self.restart()
        return found

    def restart(self) -> None:
        """Count from 0 again, after passes that are no training, such as validation."""
        self.forward = self.backward = 0.0

    def _passed(self, module: "nn.Module", args: tuple[Any, ...], named: dict[str, Any], logits: Any) -> None:
        import torch

        tensors = [x for x in (*args, *named.values()) if isinstance(x, torch.Tensor)]
        if not tensors:
            return
        clips = tensors[0].numel() / self.values

        def went_back(gradient: "torch.Tensor") -> None:
            self.backward += clips

        def gradient_of_input(gradient: "torch.Tensor") -> None:
            if gradient.requires_grad:  # it is differentiated again: a penalty
                gradient.register_hook(went_back)

        self.forward += clips
        if isinstance(logits, torch.Tensor) and logits.requires_grad:
            logits.register_hook(went_back)
            if tensors[0].requires_grad:
                tensors[0].register_hook(gradient_of_input)


def over_epochs(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means over the epochs of a run, from the rows of its metrics.csv; empty if one has no count (older versions)."""
    rows = list(rows)
    if not rows or any(name not in row for row in rows for name in (FORWARD, BACKWARD)):
        return {}
    return {name: sum(row[name] for row in rows) / len(rows) for name in (FORWARD, BACKWARD)}
