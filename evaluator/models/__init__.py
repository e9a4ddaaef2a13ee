"""Models of any framework that can be scored. :func:`load_model` chooses the module that reads them.

| ``bench eval …`` | read by |
| --- | --- |
| a model.ckpt, its .safetensors export, or a run's folder (also before its end) | checkpoint.py |
| ALBAR's released checkpoints; ``swin3d_t --weights FILE`` | weights.py |
| a folder with a config.json, ``hf:FOLDER_OR_NAME`` | huggingface.py |
| TorchScript, torch.export (.pt2) | exported.py |
| ``package.module:factory`` | factory.py |
"""

from pathlib import Path

from albar.models import MODELS
from benchmark_builder.utils.errors import BenchError
from evaluator.models import checkpoint as ours
from evaluator.models import exported, factory, huggingface
from evaluator.models import weights as named
from evaluator.models.base import ModelOptions, ScoredModel, apply_options

__all__ = ["ModelOptions", "ScoredModel", "load_model"]

_FORMS = (
    "give a checkpoint, a network's name with --weights, hf:FOLDER_OR_NAME, a TorchScript or .pt2 file, or "
    "package.module:factory"
)


def load_model(spec: str | Path, options: ModelOptions | None = None) -> ScoredModel:
    """The model for ``bench eval SPEC``.

    Args:
        spec: a path, a name or ``package.module:factory``; see the table above.
        options: the user's options for it.

    Raises:
        BenchError: the model is missing, an option does not apply to its type, or the file would run code.
    """
    options = options or ModelOptions()
    return apply_options(_load(spec, options), options)


def _load(spec: str | Path, options: ModelOptions) -> ScoredModel:
    text, path = str(spec), Path(spec)
    if text in MODELS.shipped and not path.is_file():
        options.refuse("model", "MODEL is already the name of a network")
        return named.load(text, options)
    if text.startswith(huggingface.PREFIX):
        options.refuse("weights", "a Hugging Face folder contains its weights")
        return huggingface.load(text)
    if not path.exists() and (text in MODELS or factory.is_spec(text)):
        options.refuse("model", "MODEL already names the network")
        options.refuse("weights", "the factory loads its own")
        return factory.load(text)
    options.refuse("weights", "it is only for the name of a network, e.g. swin3d_t")
    if path.is_dir():
        if (path / "config.json").is_file():
            return huggingface.load(text)
        if (path / ours.NAME).is_file():
            return ours.load(path / ours.NAME, options.model)
        if (path / ours.STATE).is_file():
            return ours.load(path / ours.STATE, options.model)
        if (path / ours.RECORD).is_file():
            raise BenchError(f"{path}: a run that has finished no epoch yet; wait, or continue it with `bench train`")
        raise BenchError(f"{path}: a folder with neither a config.json nor a {ours.NAME}; {_FORMS}")
    if not path.is_file():
        raise BenchError(f"{text}: no such model; {_FORMS}")
    kind = exported.kind_of(path)
    if kind:
        return exported.load(path, kind, options.trust)
    return named.load_release(path) or ours.load(path, options.model)
