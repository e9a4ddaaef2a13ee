"""Hugging Face video classifiers, from a folder or by their name on the hub."""

import torch

from albar.models import huggingface
from evaluator import training_data
from evaluator.models.base import Network, ScoredModel

PREFIX = huggingface.PREFIX


def load(spec: str) -> ScoredModel:
    """``hf:FOLDER_OR_NAME`` or a folder; its code is never run, its pickles are read with weights-only loading."""
    folder = huggingface.local_folder(spec)
    clips, notes = huggingface.clip_sampling(folder)
    classes = huggingface.class_names(folder)
    if classes is None:
        notes.append("config.json has no class names: the outputs are assumed to have the benchmark's label order")
    name = spec.removeprefix(PREFIX).rstrip("/").split("/")[-1]

    def network(device: torch.device) -> Network:
        return huggingface.pretrained(folder).eval().to(device)

    return ScoredModel(
        source=spec, kind="huggingface", method=name or folder.resolve().name,
        model=huggingface.read_config(folder)["model_type"], digest=huggingface.folder_digest(folder), sampling=clips,
        network=network, classes=classes, outputs=huggingface.outputs(folder), notes=tuple(notes),
        trained_on=training_data.of_folder(folder, classes),
    )  # fmt: skip
