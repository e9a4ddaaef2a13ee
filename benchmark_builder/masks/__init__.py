"""Mask sources: for a Video, which frames are covered and a boolean mask (H, W) for each.

``--masks KIND`` or ``--masks KIND:PATH`` names one; :func:`mask_source` builds it.
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

from benchmark_builder.masks.base import ActorBox, BoxedTrack, MaskSource, MaskTrack
from benchmark_builder.utils.errors import BenchError

__all__ = ["KINDS", "ActorBox", "BoxedTrack", "MaskSource", "MaskTrack", "mask_source", "settings_of"]

# kind -> (module, class); imported on demand, so that a source's dependencies cost only those who use it.
KINDS = {
    "ucf101-24": ("benchmark_builder.masks.annotations.ucf101_24", "UCF101_24Boxes"),
    "ucf101-v2": ("benchmark_builder.masks.annotations.ucf101_v2", "UCF101V2Boxes"),
    "jhmdb": ("benchmark_builder.masks.annotations.jhmdb", "PuppetMasks"),
    "folder": ("benchmark_builder.masks.folder", "FolderMasks"),
    "rle": ("benchmark_builder.masks.rle", "RLEMasks"),
    "truth": ("benchmark_builder.masks.stored", "TruthMasks"),
    "boxes": ("benchmark_builder.masks.boxes", "BoxesOf"),
    "stored": ("benchmark_builder.masks.stored", "StoredMasks"),
    "motion": ("benchmark_builder.masks.motion.source", "MotionMasks"),
    "maskrcnn": ("benchmark_builder.masks.networks.maskrcnn", "MaskRCNNMasks"),
    "detector": ("benchmark_builder.masks.networks.maskrcnn", "DetectorBoxes"),
    "sam": ("benchmark_builder.masks.networks.sam", "SamMasks"),
    "sam2": ("benchmark_builder.masks.networks.sam2", "Sam2Masks"),
}


def mask_source(spec: str, dataset_root: Path, **options: Any) -> MaskSource:
    """Build the source that ``KIND`` or ``KIND:PATH`` names.

    Args:
        spec: e.g. ``motion`` or ``ucf101-24:annotations/pyannot.pkl``.
        dataset_root: the dataset's folder, where a source without PATH looks for its files.
        options: settings of the source, e.g. ``actors="first"``; None stands for the source's default.

    Raises:
        BenchError: unknown kind (the message lists the kinds), a setting that this source does not have, or files
            that are missing or not what they should be.
    """
    kind, _, path = spec.partition(":")
    given = {key: value for key, value in options.items() if value is not None}
    for key in sorted(given.keys() - settings_of(spec)):
        flag = f"--{key.replace('_', '-')} {given[key]}"
        raise BenchError(f"{flag}: --masks {kind} has no such setting; leave it out or choose other --masks")
    source: MaskSource = _class(spec)(Path(path) if path else None, dataset_root, **given)
    return source


def settings_of(spec: str) -> set[str]:
    """Names of the settings that the source of a ``KIND`` or ``KIND:PATH`` has. BenchError if it is unknown."""
    kind, _, path = spec.partition(":")
    if kind == "boxes" and path.partition(":")[0] != "boxes":  # those of the source whose boxes they are
        return settings_of(path) if path else set()
    return set(inspect.signature(_class(spec)).parameters.keys() - {"path", "dataset_root"})


def _class(spec: str) -> Any:
    kind = spec.partition(":")[0]
    if kind not in KINDS:
        raise BenchError(f"--masks {spec}: unknown kind {kind!r}; choose from {', '.join(sorted(KINDS))}")
    module, name = KINDS[kind]
    return getattr(importlib.import_module(module), name)
