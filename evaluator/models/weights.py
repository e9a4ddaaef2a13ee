"""Networks by name with a weights file, and ALBAR's released checkpoints, which are such files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch

from albar.checkpoint import own_checkpoint
from albar.clips.clips import ClipSampling, sampling
from albar.models import MODELS, build_model, model_spec
from albar.models.weights import SAFETENSORS, fit_weights, prefix_of, read_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from evaluator import training_data
from evaluator.models import checkpoint as ours
from evaluator.models.base import ModelOptions, Network, ScoredModel

ALBAR_MODEL = "swin3d_t"
_TORCHVISION = [n for n in MODELS.shipped if model_spec(n).module == "albar.models.torchvision_video"]


def load(name: str, options: ModelOptions) -> ScoredModel:
    """A network in :data:`albar.models.MODELS` with ``--weights``: a file, or the name of published weights.

    Raises:
        BenchError: the weights are missing, or do not contain the head of the network.
    """
    if name not in _TORCHVISION and name != "small3d":
        raise BenchError(f"{name}: weights of this network are scored from a checkpoint; give its model.ckpt")
    if options.weights is None:
        raise BenchError(f"{name}: only the name of a network; give its --weights FILE")
    file = Path(options.weights)
    own = own_checkpoint(file)
    if own is not None:
        if own.model != name:
            raise BenchError(f"{own.path}: is a checkpoint of {own.model}, not of {name}; leave the network's name out")
        return ours.load(own.path)
    if file.is_file():
        found = read_weights(file, _names(name))
        return _model(f"{name} --weights {file}", name, file.stem, found.tensors, sha256_file(file), notes=found.notes)
    if name in _TORCHVISION:
        from albar.models.torchvision_video import published

        state, categories = published(name, options.weights)
        digest = hashlib.sha256(f"torchvision {name} {options.weights}".encode()).hexdigest()
        data = training_data.of_published(options.weights)
        return _model(f"{name} --weights {file}", name, options.weights, state, digest, categories, trained_on=data)
    raise BenchError(f"{file}: no such file of weights; give {name} one")


def load_release(path: Path) -> ScoredModel | None:
    """An ALBAR checkpoint: ``model_state_dict`` over torchvision's swin3d_t. None if the file is something else.

    It contains no class names. The outputs are assumed to have the benchmark's label order, and the clips are cut as in
    ALBAR's evaluation.
    """
    if path.suffix.lower() == SAFETENSORS or own_checkpoint(path) is not None:
        return None
    expected = _names(ALBAR_MODEL)
    found = read_weights(path, expected)
    if found.tensors.keys() != expected:
        raise BenchError(
            f"{path}: weights of another network than ALBAR's {ALBAR_MODEL}; name it: `bench eval NETWORK --weights "
            f"{path}`"
        )
    return _model(str(path), ALBAR_MODEL, "albar", found.tensors, sha256_file(path), notes=found.notes)


def _clips(name: str) -> ClipSampling:
    found = model_spec(name).sampling
    assert found is not None, "every network of this toolkit says how its clips are cut"
    return sampling(found)


def _names(name: str) -> set[str]:
    """The parameter names of a network."""
    with torch.device("meta"):
        return set(build_model(name, 2, _clips(name)).state_dict())


def _model(
    source: str,
    name: str,
    method: str,
    state: Mapping[str, torch.Tensor],
    digest: str,
    classes: list[str] | None = None,
    notes: tuple[str, ...] = (),
    trained_on: str = training_data.UNKNOWN,
) -> ScoredModel:
    head = "head."
    if name in _TORCHVISION:
        from albar.models.torchvision_video import head_prefix

        head = head_prefix(name)
    biases = [value for key, value in state.items() if key.startswith(head) and key.endswith("bias")]
    if not biases or biases[-1].ndim != 1:
        prefix = prefix_of(state.keys(), _names(name))
        why = f"({head}…){f'; {prefix}' if prefix else ''}"
        raise BenchError(f"{source}: the weights have no head {why}; give those of a whole {name}")
    outputs = len(biases[-1])
    clips = _clips(name)

    def network(device: torch.device) -> Network:
        with torch.random.fork_rng(devices=[]):  # creating a network draws random weights, which are replaced
            model = build_model(name, outputs, clips)
        fit_weights(model, state, head, source)
        return model.eval().to(device)

    if not classes:
        notes = (
            *notes,
            "the file contains no class names: its outputs are assumed to have the benchmark's label order",
        )
    return ScoredModel(
        source=source, kind="weights", method=method, model=name, digest=digest, sampling=clips, network=network,
        classes=classes, outputs=outputs, notes=notes, trained_on=trained_on,
    )  # fmt: skip
