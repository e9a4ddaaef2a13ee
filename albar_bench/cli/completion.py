"""Values that shells complete after an option (`bench --install-completion`): choices, and names of parts and of files
that ship. They are looked up when a key is pressed, without torch."""

import importlib
from collections.abc import Callable, Iterable

Complete = Callable[[str], list[str]]

# Setting -> its values: words, a folder of manifests/ whose TOML files they name, or ``module:name`` of a table.
# A setting that has another meaning in one model has a line ``Model.setting``; the argument of a command that takes
# no model, ``function.argument``.
_VALUES: dict[str, tuple[str, ...] | str] = {
    "anomaly_head": "evaluator.parts:HEADS",
    "backgrounds": "benchmark_builder.parts:BACKGROUNDS",
    "config": "training/",
    "dataset": "benchmark_builder.parts:DATASETS",
    "device": ("auto", "cpu", "cuda"),
    "engine": ("local", "ray"),
    "heads": "evaluator.parts:HEADS",
    "kind": "benchmark_builder.kinds:KINDS",
    "kinds": "benchmark_builder.kinds:KINDS",
    "layout": "benchmark_builder.parts:LAYOUTS",
    "localize_head": "evaluator.parts:LOCALIZERS",
    "masks": "benchmark_builder.parts:MASKS",
    "methods": "albar.parts:METHODS",
    "on": ("ucf-crime", "thumos14", "synthlong"),
    "peer": "benchmark_builder.benchmark.peers:PEERS",
    "prompts": "benchmark_builder.parts:MASKS",
    "protocol": "protocols/",
    "reference": "benchmark_builder.parts:MASKS",
    "slices": "evaluator.parts:SLICES",
    "split": ("auto", "train", "test", "val", "all"),
    "time": ("one-frame", "shuffled", "reversed", "frozen-background"),
    "AnomalyOptions.head": "evaluator.parts:HEADS",
    "ExportSettings.layout": ("frames", "video", "lossless", "zip", "qa"),
    "FeaturesFiles.dataset": ("ucf-crime", "thumos14", "synthlong", "folder"),
    "GenerateSettings.prompts": (),
    "ImportSettings.backgrounds": (),
    "ImportSettings.split": (),
    "LocalizeOptions.head": "evaluator.parts:LOCALIZERS",
    "ModelOptions.prompts": (),
    "SegmentSettings.dataset": ("ucf-crime", "thumos14", "synthlong"),
    "TrainSettings.model": "albar.parts:MODELS",
    "TrainSettings.reference": (),
    "fetch.name": "benchmark_builder.pretrained.table:NETWORKS",
    "paper.name": "papers/",
    "train.method": "albar.parts:METHODS",
}


def complete(owner: str, name: str, choices: Iterable[str] = ()) -> Complete | None:
    """What completes the values of a setting; None where they cannot be listed: then the shell offers files.

    Args:
        owner: the model that has the setting, or the function of the command that has the argument.
        name: the setting's.
        choices: its only values, if it has choices.
    """
    values = tuple(choices) or _VALUES.get(f"{owner}.{name}", _VALUES.get(name, ()))
    return (lambda incomplete: [w for w in _words(values) if w.startswith(incomplete)]) if values else None


def _words(values: tuple[str, ...] | str) -> Iterable[str]:
    if isinstance(values, tuple):
        return values
    if values.endswith("/"):
        from manifests import resource

        files = (path.name for path in resource(values[:-1]).iterdir())
        return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))
    module, _, attribute = values.partition(":")
    return list(getattr(importlib.import_module(module), attribute))
