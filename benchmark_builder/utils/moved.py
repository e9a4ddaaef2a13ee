"""Old module paths: until the next release they import the new modules, with a warning."""

import importlib
import importlib.machinery
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Old module -> new module.
MOVED = {
    "albar.actors": "albar.data.actors",
    "albar.bank": "albar.data.still_bank",
    "albar.companions": "albar.training.extras",
    "albar.compiled": "albar.training.accelerator",
    "albar.device": "albar.training.accelerator",
    "albar.logs": "albar.training.logs",
    "albar.methods.combined": "albar.methods.albar_stillmix",
    "albar.models.features": "albar.models.heads",
    "albar.optimise": "albar.training.optimizer",
    "albar.reference2d": "albar.training.reference2d",
    "albar.scenes": "albar.data.scenes",
    "albar.settings": "albar.training.settings",
    "albar.state": "albar.training.state",
    "albar.train": "albar.training.trainer",
    "albar.watch": "albar.training.validation",
    "benchmark_builder.build": "benchmark_builder.benchmark.build",
    "benchmark_builder.camera": "benchmark_builder.kinds.shaken",
    "benchmark_builder.check_video": "benchmark_builder.audit.check_video",
    "benchmark_builder.composite": "benchmark_builder.video.compositing",
    "benchmark_builder.conflfg": "benchmark_builder.kinds.conflfg",
    "benchmark_builder.device": "benchmark_builder.utils.device",
    "benchmark_builder.digests": "benchmark_builder.video.digest_cache",
    "benchmark_builder.display": "benchmark_builder.video.display",
    "benchmark_builder.encode": "benchmark_builder.video.encode",
    "benchmark_builder.errors": "benchmark_builder.utils.errors",
    "benchmark_builder.export": "benchmark_builder.benchmark.export",
    "benchmark_builder.files": "benchmark_builder.utils.files",
    "benchmark_builder.folders": "benchmark_builder.utils.folders",
    "benchmark_builder.frames": "benchmark_builder.video.decode",
    "benchmark_builder.inspect": "benchmark_builder.audit.inspect",
    "benchmark_builder.labels": "benchmark_builder.datasets.labels",
    "benchmark_builder.leakage": "benchmark_builder.audit.leakage",
    "benchmark_builder.leakage_probe": "benchmark_builder.audit.probe",
    "benchmark_builder.manifest": "benchmark_builder.benchmark.manifest",
    "benchmark_builder.masks.detector": "benchmark_builder.masks.networks.detector",
    "benchmark_builder.masks.jhmdb": "benchmark_builder.masks.annotations.jhmdb",
    "benchmark_builder.masks.maskrcnn": "benchmark_builder.masks.networks.maskrcnn",
    "benchmark_builder.masks.matlab": "benchmark_builder.masks.annotations.matlab",
    "benchmark_builder.masks.motion_actors": "benchmark_builder.masks.motion.actors",
    "benchmark_builder.masks.motion_belief": "benchmark_builder.masks.motion.belief",
    "benchmark_builder.masks.motion_camera": "benchmark_builder.masks.motion.camera",
    "benchmark_builder.masks.motion_colour": "benchmark_builder.masks.motion.colour",
    "benchmark_builder.masks.motion_cut": "benchmark_builder.masks.motion.cut",
    "benchmark_builder.masks.motion_evidence": "benchmark_builder.masks.motion.evidence",
    "benchmark_builder.masks.motion_people": "benchmark_builder.masks.motion.belief",
    "benchmark_builder.masks.motion_time": "benchmark_builder.masks.motion.time",
    "benchmark_builder.masks.prompts": "benchmark_builder.masks.networks.prompts",
    "benchmark_builder.masks.sam": "benchmark_builder.masks.networks.sam",
    "benchmark_builder.masks.sam2": "benchmark_builder.masks.networks.sam2",
    "benchmark_builder.masks.skeleton": "benchmark_builder.masks.networks.detector",
    "benchmark_builder.masks.tracking": "benchmark_builder.masks.networks.tracking",
    "benchmark_builder.masks.treat": "benchmark_builder.masks.treatment",
    "benchmark_builder.masks.ucf101_24": "benchmark_builder.masks.annotations.ucf101_24",
    "benchmark_builder.masks.ucf101_v2": "benchmark_builder.masks.annotations.ucf101_v2",
    "benchmark_builder.masks.weights": "benchmark_builder.masks.networks.weights",
    "benchmark_builder.merge": "benchmark_builder.benchmark.merge",
    "benchmark_builder.pictures": "benchmark_builder.utils.pictures",
    "benchmark_builder.planes": "benchmark_builder.layouts.video",
    "benchmark_builder.pool": "benchmark_builder.utils.pool",
    "benchmark_builder.preview": "benchmark_builder.benchmark.preview",
    "benchmark_builder.protocol_file": "benchmark_builder.benchmark.protocol_record",
    "benchmark_builder.recipes": "benchmark_builder.builders",
    "benchmark_builder.resume": "benchmark_builder.utils.resume",
    "benchmark_builder.rng": "benchmark_builder.utils.rng",
    "benchmark_builder.safe_pickle": "benchmark_builder.utils.safe_pickle",
    "benchmark_builder.scuba": "benchmark_builder.kinds.scuba",
    "benchmark_builder.scufo": "benchmark_builder.kinds.scufo",
    "benchmark_builder.selection": "benchmark_builder.video.selection",
    "benchmark_builder.shaken": "benchmark_builder.kinds.shaken",
    "benchmark_builder.stats": "benchmark_builder.benchmark.stats",
    "benchmark_builder.stills": "benchmark_builder.kinds.stills",
    "benchmark_builder.streams": "benchmark_builder.video.streams",
    "benchmark_builder.text": "benchmark_builder.utils.text",
    "benchmark_builder.torch_files": "benchmark_builder.utils.torch_files",
    "benchmark_builder.verify": "benchmark_builder.audit.verify",
    "benchmark_builder.virtual": "benchmark_builder.layouts.virtual",
    "evaluator.charts": "evaluator.reports.svg",
    "evaluator.compare": "evaluator.metrics.paired",
    "evaluator.compared": "evaluator.reports.comparison",
    "evaluator.foreign": "evaluator.predictions.mmaction",
    "evaluator.gallery": "evaluator.reports.gallery",
    "evaluator.inputs": "evaluator.inference.clips",
    "evaluator.intervals": "evaluator.metrics.intervals",
    "evaluator.leaderboard": "evaluator.reports.leaderboard",
    "evaluator.models.named": "evaluator.models.weights",
    "evaluator.models.ours": "evaluator.models.checkpoint",
    "evaluator.plots": "evaluator.reports.picture",
    "evaluator.processes": "evaluator.inference.processes",
    "evaluator.published": "evaluator.reports.published",
    "evaluator.report": "evaluator.reports.report",
    "evaluator.results": "evaluator.metrics.figures",
    "evaluator.show": "evaluator.reports.screen",
    "evaluator.sweep": "evaluator.compare_methods",
}


# The bases in importlib.abc are not used, since importing that takes as long as all of this package's start.


class _Loader:
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The import system makes an empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Replace the empty module by the new one; the import system then returns the new one."""
        sys.modules[module.__name__] = importlib.import_module(MOVED[module.__name__])


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in MOVED:
            return None
        _warn(fullname, MOVED[fullname], 3)
        return importlib.machinery.ModuleSpec(fullname, _Loader())  # type: ignore[arg-type]


def install() -> None:
    """Make old paths importable; this finder comes last, so that other imports do not get slower."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def names_of(package: str, module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package that was a module: finds its old names in ``module``, with a warning."""

    def find(name: str) -> object:
        if not name.startswith("__"):
            found = getattr(importlib.import_module(module), name, find)
            if found is not find:
                _warn(f"{package}.{name}", f"{module}.{name}", 3)
                return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module with changed names: ``names`` maps old names to new ones."""

    def find(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{names[name]}", 3)
        return getattr(importlib.import_module(module), names[name])

    return find


def _warn(old: str, new: str, level: int) -> None:
    warnings.warn(f"{old} is now {new}; the old name works until the next release", FutureWarning, stacklevel=level)
