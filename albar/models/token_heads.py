"""Heads over tokens by their kind: what a checkpoint with a ``token_head`` needs."""

from collections.abc import Mapping

from torch import nn

from albar.models.slots import SlotNetwork
from albar.models.token_network import TokenNetwork


def with_token_head(backbone: nn.Module, token_head: Mapping[str, object], classes: int) -> TokenNetwork:
    """A network of these settings, with random weights in the head; ``backbone`` loses its own, in place.

    Raises:
        BenchError: unknown or malformed settings.
    """
    kind = SlotNetwork if token_head.get("kind") == "slots" else TokenNetwork
    return kind(backbone, token_head, classes)
