"""Background sources: for (video, variant), one RGB image (H, W, 3), the same for the whole video.

``--backgrounds stripes`` or ``--backgrounds images:FOLDER``; :func:`background_source` builds it.
"""

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmark_builder.errors import BenchError


class BackgroundSource(Protocol):
    """Where backgrounds come from; must pickle (workers).

    Attributes:
        name: what the set is called in tables and folder names.
    """

    name: str

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str]:
        """Draw one background: uint8 (H, W, 3) RGB, and its name within the set."""
        ...

    def describe(self) -> dict[str, Any]:
        """What stands in protocol.json."""
        ...


KINDS = {
    "stripes": ("benchmark_builder.backgrounds.stripes", "Stripes"),
    "images": ("benchmark_builder.backgrounds.images", "ImageFolder"),
}


def background_source(spec: str) -> BackgroundSource:
    """Build the source that ``KIND`` or ``KIND:PATH`` names. Raises BenchError if unknown (lists the kinds)."""
    kind, _, path = spec.partition(":")
    if kind not in KINDS:
        raise BenchError(f"--backgrounds {spec}: unknown kind {kind!r}; choose from {', '.join(sorted(KINDS))}")
    module, name = KINDS[kind]
    source: BackgroundSource = getattr(importlib.import_module(module), name)(Path(path) if path else None)
    return source
