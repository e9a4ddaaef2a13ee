"""Checkpoints: a file with all that evaluation needs. Tensors and plain types only, read with weights-only loading.

The same as safetensors (:func:`export_weights`): tensors by parameter name, all else as JSON in the file's metadata.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models import build_model, huggingface, model_spec
from albar.models.weights import read_torch_file, read_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json, sha256_file, whole_file

FORMAT = 1
SAFETENSORS = ".safetensors"
_MEND = "give a model.ckpt that `bench train` wrote"
_METADATA = "albar-bench"
_KEYS: dict[str, type] = {
    "format": int,
    "model": str,
    "method": str,
    "dataset": str,
    "classes": list,
    "sampling": dict,
    "settings": dict,
    "digests": dict,
    "weights": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained network, read back.

    Attributes:
        path: the file.
        model: registry name, e.g. ``small3d``, or ``hf:…``.
        method: registry name, e.g. ``albar``.
        dataset: registry name of the training data.
        classes: class names in label order.
        sampling: how clips are cut for it.
        settings: the run's resolved settings, plain types.
        digests: of the training data and the code's versions, by name.
        weights: tensors by parameter name, on the CPU.
        digest: hex SHA-256 of the file.
        architecture: the configuration of an ``hf:`` network, so that its folder is not needed again; else empty.
    """

    path: Path
    model: str
    method: str
    dataset: str
    classes: list[str]
    sampling: ClipSampling
    settings: dict[str, Any]
    digests: dict[str, str]
    weights: dict[str, torch.Tensor]
    digest: str
    architecture: dict[str, Any] = field(default_factory=dict)

    def network(self) -> nn.Module:
        """The network with its weights, in evaluation mode, on the CPU; logits (B, classes).

        Raises:
            BenchError: the weights are not this network's, or have another number of classes.
        """
        with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
            if self.architecture:
                network: nn.Module = huggingface.from_architecture(self.architecture, len(self.classes), str(self.path))
            else:
                network = build_model(self.model, len(self.classes), self.sampling)
        try:
            network.load_state_dict(self.weights, strict=True)
        except (RuntimeError, TypeError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BenchError(
                f"{self.path}: the weights do not fit {self.model} with {len(self.classes)} classes "
                f"({lines[min(1, len(lines) - 1)]}); {_MEND}"
            ) from None
        return network.eval()


def save_checkpoint(
    path: Path,
    *,
    network: nn.Module,
    model: str,
    method: str,
    dataset: str,
    classes: list[str],
    sampling: ClipSampling,
    settings: Mapping[str, Any],
    digests: Mapping[str, str],
) -> None:
    """Write a checkpoint, whole or not at all. Fields as in :class:`Checkpoint`; ``settings`` plain types.

    A network's ``architecture`` (:class:`~albar.models.huggingface.HuggingFaceVideo` has one) is kept too.
    """
    content = {
        "format": FORMAT,
        "model": model,
        "method": method,
        "dataset": dataset,
        "classes": list(classes),
        "sampling": sampling.to_dict(),
        "settings": dict(settings),
        "digests": dict(digests),
        "architecture": getattr(network, "architecture", {}),
        # Cloned: a view would drag the whole of its storage into the file.
        "weights": {name: value.detach().cpu().clone() for name, value in network.state_dict().items()},
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing that the file may hold is run.

    Raises:
        BenchError: no such file, no checkpoint (a text file, another pickle), a missing or misshapen entry, or a
            network this version does not know.
    """
    content = _read_safetensors(path) if path.suffix == SAFETENSORS else read_torch_file(path, "checkpoint", _MEND)
    if not isinstance(content, dict):
        raise BenchError(f"{path}: not a checkpoint of this toolkit; {_MEND}")
    for key, kind in _KEYS.items():
        if not isinstance(content.get(key), kind):
            state = "lacks" if key not in content else "has a misshapen"
            raise BenchError(f"{path}: not a checkpoint of this toolkit, it {state} entry {key!r}; {_MEND}")
    if content["format"] != FORMAT:
        raise BenchError(f"{path}: checkpoint format {content['format']}, this version reads {FORMAT}; train again")
    if not all(isinstance(c, str) for c in content["classes"]):
        raise BenchError(f"{path}: the class names are not text; {_MEND}")
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content["weights"].items()):
        raise BenchError(f"{path}: the weights are not a table of tensors; {_MEND}")
    architecture = content.get("architecture") or {}
    if not isinstance(architecture, dict):
        raise BenchError(f"{path}: not a checkpoint of this toolkit, it has a misshapen entry 'architecture'; {_MEND}")
    try:
        if not architecture:
            model_spec(content["model"])
        sampling = ClipSampling.from_dict(content["sampling"])
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from None
    fields = {k: content[k] for k in ("model", "method", "dataset", "classes", "settings", "digests", "weights")}
    return Checkpoint(path=path, sampling=sampling, digest=sha256_file(path), architecture=architecture, **fields)


def export_weights(checkpoint: Path, out: Path) -> Path:
    """Write a checkpoint as safetensors, whole or not at all; :func:`load_checkpoint` reads it like the original.

    Args:
        checkpoint: a model.ckpt.
        out: a file name that ends in ``.safetensors``.

    Returns:
        ``out``.

    Raises:
        BenchError: not a checkpoint, or another suffix.
    """
    from safetensors.torch import save_file

    if out.suffix != SAFETENSORS:
        raise BenchError(f"{out}: weights are exported as safetensors; end the name in {SAFETENSORS}")
    loaded = load_checkpoint(checkpoint)
    said = {k: getattr(loaded, k) for k in _KEYS if k not in ("format", "weights", "sampling")}
    said |= {"format": FORMAT, "sampling": loaded.sampling.to_dict(), "architecture": loaded.architecture}
    tensors = {name: value.contiguous() for name, value in loaded.weights.items()}
    with whole_file(out) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt", _METADATA: json.dumps(said, sort_keys=True)})
    return out


def _read_safetensors(path: Path) -> Any:
    from safetensors import safe_open

    weights = read_weights(path)
    with safe_open(path, framework="pt") as handle:
        text = (handle.metadata() or {}).get(_METADATA)
    if text is None:
        raise BenchError(
            f"{path}: holds weights alone; name their network, e.g. `bench eval swin3d_t --weights {path}`"
        )
    try:
        return {**parse_json(text), "weights": weights}
    except (ValueError, TypeError):
        raise BenchError(f"{path}: what it says of its weights is not readable; {_MEND}") from None
