"""Mask sources: for a Video, which frames are covered and a boolean mask (H, W) for each.

``--masks KIND`` or ``--masks KIND:PATH`` names one; :func:`mask_source` builds it.
"""

import importlib
from pathlib import Path

from benchmark_builder.errors import BenchError
from benchmark_builder.masks.base import MaskSource, MaskTrack

__all__ = ["KINDS", "MaskSource", "MaskTrack", "mask_source"]

# kind -> (module, class); imported on demand, so that a source's dependencies cost only those who use it.
KINDS = {
    "ucf101-24": ("benchmark_builder.masks.ucf101_24", "UCF101_24Boxes"),
    "truth": ("benchmark_builder.masks.stored", "TruthMasks"),
    "stored": ("benchmark_builder.masks.stored", "StoredMasks"),
    "motion": ("benchmark_builder.masks.motion", "MotionMasks"),
}


def mask_source(spec: str, dataset_root: Path) -> MaskSource:
    """Build the source that ``KIND`` or ``KIND:PATH`` names.

    Args:
        spec: e.g. ``motion`` or ``ucf101-24:annotations/pyannot.pkl``.
        dataset_root: the dataset's folder, where a source without PATH looks for its files.

    Raises:
        BenchError: unknown kind (the message lists the kinds), or files that are missing or not what they should be.
    """
    kind, _, path = spec.partition(":")
    if kind not in KINDS:
        raise BenchError(f"--masks {spec}: unknown kind {kind!r}; choose from {', '.join(sorted(KINDS))}")
    module, name = KINDS[kind]
    source: MaskSource = getattr(importlib.import_module(module), name)(Path(path) if path else None, dataset_root)
    return source
