"""Models of Hugging Face, from a folder or by their name on the hub: video classifiers, and models that compare videos
with texts (:mod:`evaluator.models.zero_shot`)."""

import torch

from albar.models import huggingface
from benchmark_builder.utils.errors import BenchError
from evaluator import training_data
from evaluator.models import zero_shot
from evaluator.models.base import Network, ScoredModel

PREFIX = huggingface.PREFIX
_FIX = "give the folder (or hub name) of a video classifier, or of a model that compares videos with texts"


def load(spec: str) -> ScoredModel:
    """``hf:FOLDER_OR_NAME`` or a folder; its code is never run, its pickles are read with weights-only loading.

    Raises:
        BenchError: there is no such folder, its ``model_type`` is unknown, or its files are malformed.
    """
    folder = huggingface.local_folder(spec)
    kind = huggingface.read_any_config(folder, _FIX).get("model_type")
    if isinstance(kind, str) and kind in zero_shot.KINDS:
        return zero_shot.load(spec, folder)
    if not isinstance(kind, str) or kind not in huggingface.KINDS:
        raise BenchError(
            f"{folder / 'config.json'}: model_type {str(kind)[:40]!r} is not one of {', '.join(huggingface.KINDS)} "
            f"(classifiers) or {', '.join(zero_shot.KINDS)} (zero-shot); {_FIX}"
        )
    clips, notes = huggingface.clip_sampling(folder)
    classes = huggingface.class_names(folder)
    if classes is None:
        notes.append("config.json has no class names: the outputs are assumed to have the benchmark's label order")
    name = spec.removeprefix(PREFIX).rstrip("/").split("/")[-1]

    def network(device: torch.device) -> Network:
        return huggingface.pretrained(folder).eval().to(device)

    return ScoredModel(
        source=spec, kind="huggingface", method=name or folder.resolve().name,
        model=kind, digest=huggingface.folder_digest(folder), sampling=clips,
        network=network, classes=classes, outputs=huggingface.outputs(folder), notes=tuple(notes),
        trained_on=training_data.of_folder(folder, classes),
    )  # fmt: skip
