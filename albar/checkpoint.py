"""Checkpoints: one file with all that evaluation needs. Tensors and plain types only, read with weights-only loading.

Identical runs write identical bytes (on one machine): no path, time or temporary name is in the file.

The same for other programs (:func:`export_weights`): as safetensors, with everything except the tensors as JSON in the
file's metadata; or as a ``.pth`` whose ``state_dict`` holds the tensors, with everything else under ``albar-bench``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import ConfigDict, Field
from torch import nn

from albar.clips.clips import ClipSampling
from albar.models import build_model, huggingface, is_own, model_spec
from albar.models.token_heads import with_token_head
from albar.models.token_network import TokenNetwork
from albar.models.weights import SAFETENSORS, read_torch_file
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json, sha256_file
from benchmark_builder.utils.options import SettingError
from benchmark_builder.utils.records import FileRecord, Says, Text
from benchmark_builder.utils.weights import read_safetensors, write_safetensors, write_torch_file

NAME = "model.ckpt"
STATE = "last.pt"  # the state of a run
ABOUT = "checkpoint"  # its entry with all that a checkpoint of this state has, except the weights
PTH = ".pth"
_FIX = "give a model.ckpt that `bench train` wrote"
_METADATA = "albar-bench"


def _are_classes(value: object) -> bool:
    return isinstance(value, list) and len(set(value)) == len(value) > 1


def _is_cost(value: object) -> bool:
    numbers = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in numbers)


def _has_seed(value: object) -> bool:
    seed = value.get("seed") if isinstance(value, dict) else None
    return seed in ("", None) or type(seed) is int


class CheckpointRecord(FileRecord):
    """What a checkpoint's file holds, checked; fields as in :class:`Checkpoint`."""

    FORMAT: ClassVar[int] = 1
    WHAT: ClassVar[str] = "a checkpoint of this toolkit"
    model_config = ConfigDict(arbitrary_types_allowed=True)

    format: Annotated[int, Field(ge=1), Says("a whole number from 1")]
    model: Text
    method: Text
    dataset: Text
    classes: Annotated[list[str], Says("a list of two class names or more, each once", _are_classes)]
    sampling: dict[str, object]
    settings: Annotated[dict[str, object], Says("a table of settings, with a whole number as seed", _has_seed)]
    digests: Annotated[dict[str, str], Says("a table of digests")]
    weights: Annotated[dict[str, torch.Tensor], Says("a table of tensors")]
    architecture: Annotated[dict[str, object] | None, Says("a table", null=True)] = None
    cost: Annotated[dict[str, int | float], Says("a table of numbers from 0", _is_cost)] = Field(
        default_factory=dict[str, int | float]
    )
    token_head: Annotated[dict[str, object] | None, Says("a table", null=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained network, read back.

    Attributes:
        path: the file.
        model: registered name, e.g. ``small3d``, ``hf:…``, or ``package.module:Name``.
        method: registry name, e.g. ``albar``.
        dataset: registry name of the training data.
        classes: class names in label order.
        sampling: how clips are cut for it.
        settings: the run's resolved settings, plain types.
        digests: of the training data and the code's versions, by name.
        weights: tensors by parameter name, on the CPU.
        digest: hex SHA-256 of the file.
        architecture: the configuration of an ``hf:`` network, so that its folder is not needed again; else empty.
        cost: ``forward_clips`` and ``backward_clips``, see :mod:`albar.training.cost`; empty: not counted (written by
            an older version).
        token_head: the settings of its head over tokens (:mod:`albar.models.token_network`); empty: its own head.
    """

    path: Path
    model: str
    method: str
    dataset: str
    classes: list[str]
    sampling: ClipSampling
    settings: dict[str, object]
    digests: dict[str, str]
    weights: dict[str, torch.Tensor]
    digest: str
    architecture: dict[str, object] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    token_head: dict[str, object] = field(default_factory=dict)

    def network(self, own: str | None = None) -> nn.Module:
        """The network with its weights, in evaluation mode, on the CPU; logits (B, classes).

        Args:
            own: ``package.module:Name`` of the network, if it is not part of this toolkit. A file alone never chooses a
                module that is imported: the user must name the same one.

        Raises:
            BenchError: a network of the user's own that ``own`` does not name; the weights are not this network's, or
                have another number of classes.
        """
        with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
            network = self._random_network(own)
            if self.token_head:
                network = self._with_token_head(network)
        try:
            network.load_state_dict(self.weights, strict=True)
        except (RuntimeError, TypeError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BenchError(
                f"{self.path}: the weights do not fit {self.model} with {len(self.classes)} classes "
                f"({lines[min(1, len(lines) - 1)]}); {_FIX}"
            ) from None
        return network.eval()

    def _with_token_head(self, network: nn.Module) -> nn.Module:
        try:
            return with_token_head(network, self.token_head, len(self.classes))
        except BenchError as error:
            raise BenchError(f"{self.path}: {error}") from None

    def _random_network(self, own: str | None) -> nn.Module:
        if self.architecture:
            return huggingface.from_architecture(self.architecture, len(self.classes), str(self.path))
        if is_own(self.model) and own != self.model:
            raise BenchError(f"{self.path}: its network is {self.model}, which is not part of this toolkit; if you "
                             f"know and trust that module, add --model {self.model}")  # fmt: skip
        try:
            return build_model(self.model, len(self.classes), self.sampling)
        except BenchError as error:
            raise BenchError(f"{self.path}: {error}") from None


def save_checkpoint(path: Path, **said: Any) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        said: arguments of :func:`entries`, by name.
    """
    network: nn.Module = said["network"]
    write_torch_file(path, {**entries(**said), "weights": dict(network.state_dict())})


def entries(
    *,
    network: nn.Module,
    model: str,
    method: str,
    dataset: str,
    classes: list[str],
    sampling: ClipSampling,
    settings: Mapping[str, object],
    digests: Mapping[str, str],
    cost: Mapping[str, float] | None = None,
) -> dict[str, object]:
    """The entries of a checkpoint without its weights. Fields as in :class:`Checkpoint`; ``settings`` plain types.

    A network's ``architecture`` (:class:`~albar.models.huggingface.HuggingFaceVideo` has one) and ``token_head``
    (:class:`~albar.models.token_network.TokenNetwork`) are kept too.
    """
    return {
        "format": CheckpointRecord.FORMAT,
        "model": model,
        "method": method,
        "dataset": dataset,
        "classes": list(classes),
        "sampling": sampling.to_dict(),
        "settings": dict(settings),
        "digests": dict(digests),
        "cost": dict(cost or {}),
        "architecture": getattr(network, "architecture", {}),
        **({"token_head": network.token_head} if isinstance(network, TokenNetwork) else {}),
    }


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, or the state last.pt of a run that has not ended; no code in the file is run.

    Raises:
        BenchError: no such file, not a checkpoint (a text file, another pickle), one of a later format, an entry that
            is missing or not what it must be, or a network this version does not know.
    """
    digest = sha256_file(path) if path.is_file() else ""
    content = _content(path)
    if path.name == STATE and sha256_file(path) != digest:  # a run has written its next epoch in between
        return load_checkpoint(path)
    found = CheckpointRecord.of(dict(content) if isinstance(content, Mapping) else content, path, _FIX)
    architecture = found.architecture or {}
    try:
        if not architecture and not is_own(found.model):
            model_spec(found.model)
        sampling = ClipSampling.from_dict(found.sampling)
    except SettingError as error:  # its own words name an option, which no one gave
        raise BenchError(f"{path}: clip setting {error.inside}; {_FIX}") from None
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from None
    return Checkpoint(
        path=path, model=found.model, method=found.method, dataset=found.dataset, classes=found.classes,
        sampling=sampling, settings=found.settings, digests=found.digests, weights=found.weights,
        digest=digest, architecture=architecture, cost=found.cost, token_head=found.token_head or {},
    )  # fmt: skip


def own_checkpoint(path: Path) -> Checkpoint | None:
    """A file (or a run's folder) of this toolkit, read; None if it is something else, such as weights of other code.

    Raises:
        BenchError: the file is a checkpoint of this toolkit, but damaged.
    """
    if path.is_dir():
        path = path / NAME
    if not path.is_file():
        return None
    if path.suffix.lower() == SAFETENSORS:
        return load_checkpoint(path) if _said(path) is not None else None
    content = read_torch_file(path, "file of weights", _FIX, foreign=True)
    ours = isinstance(content, Mapping) and any(
        known <= set(content) for known in ({_METADATA}, {"format", "weights", "sampling"}, {ABOUT, "model", "state"})
    )
    return load_checkpoint(path) if ours else None


def export_weights(checkpoint: Path, out: Path) -> Path:
    """Write a checkpoint for other programs, whole or not at all; :func:`load_checkpoint` reads it like the original.

    Equal checkpoints give equal bytes.

    Args:
        checkpoint: a model.ckpt, an export, or a run's folder.
        out: a file name that ends in ``.safetensors`` or ``.pth``.

    Returns:
        ``out``.

    Raises:
        BenchError: not a checkpoint, another suffix, or ``out`` is the checkpoint.
    """
    if out.suffix.lower() not in (SAFETENSORS, PTH):
        raise BenchError(
            f"{out}: weights are exported as {SAFETENSORS} or {PTH}; end the name in {SAFETENSORS} or {PTH}"
        )
    if checkpoint.is_dir():
        checkpoint = checkpoint / NAME
    loaded = load_checkpoint(checkpoint)
    if out.exists() and out.samefile(checkpoint):
        raise BenchError(f"{out}: is the checkpoint itself; choose another --out")
    told = ("classes", "cost", "dataset", "digests", "method", "model", "settings")
    said: dict[str, object] = {name: getattr(loaded, name) for name in told}
    said |= {
        "format": CheckpointRecord.FORMAT,
        "sampling": loaded.sampling.to_dict(),
        "architecture": loaded.architecture,
        **({"token_head": loaded.token_head} if loaded.token_head else {}),
    }
    if out.suffix.lower() == PTH:
        write_torch_file(out, {"state_dict": loaded.weights, _METADATA: said})
    else:
        write_safetensors(out, loaded.weights, {"format": "pt", _METADATA: json.dumps(said, sort_keys=True)})
    return out


def _content(path: Path) -> object:
    """The entries of a checkpoint or an export, not yet checked."""
    if path.suffix.lower() == SAFETENSORS:
        weights = read_safetensors(path, "checkpoint", _FIX)
        said = _said(path)
        if said is None:
            raise BenchError(
                f"{path}: has weights only; name their network, e.g. `bench eval swin3d_t --weights {path}`"
            )
        return {**said, "weights": weights}
    content = read_torch_file(path, "checkpoint", _FIX)
    if isinstance(content, Mapping) and isinstance(content.get(ABOUT), Mapping):
        return {**content[ABOUT], "weights": content.get("model")}
    if isinstance(content, Mapping) and {"state", "optimiser"} <= set(content):
        raise BenchError(
            f"{path}: the state of a run of an earlier version or of a probe, which cannot be scored; finish the run"
        )
    if isinstance(content, Mapping) and isinstance(content.get(_METADATA), Mapping):
        return {**content[_METADATA], "weights": content.get("state_dict")}
    return content


def _said(path: Path) -> dict[str, object] | None:
    """What a safetensors file says about its weights; None: it is not an export of this toolkit."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            text = (handle.metadata() or {}).get(_METADATA)
    except Exception as error:  # a damaged or malicious file can raise any exception
        raise BenchError(f"{path}: not a safetensors file ({str(error).splitlines()[0]}); {_FIX}") from None
    if text is None:
        return None
    try:
        return {**parse_json(text)}
    except (ValueError, TypeError):
        raise BenchError(f"{path}: what it says about its weights is not readable; {_FIX}") from None
