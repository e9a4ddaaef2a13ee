"""Checkpoints that ``bench train`` wrote, and their safetensors exports."""

from pathlib import Path

import torch

from albar.checkpoint import load_checkpoint
from evaluator.models.base import Network, ScoredModel

NAME = "model.ckpt"


def load(path: Path) -> ScoredModel:
    """Read weights-only; nothing that the file may hold is run."""
    loaded = load_checkpoint(path)

    def network(device: torch.device) -> Network:
        return loaded.network().to(device)

    return ScoredModel(
        source=str(path), kind="checkpoint", method=loaded.method, model=loaded.model, digest=loaded.digest,
        sampling=loaded.sampling, network=network, classes=list(loaded.classes), strict=True, dataset=loaded.dataset,
        seed=loaded.settings.get("seed", ""),
    )  # fmt: skip
