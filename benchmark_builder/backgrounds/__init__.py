"""Background sources: for (video, variant), one RGB image (H, W, 3), the same for the whole video.

``--backgrounds stripes``, ``plain``, ``noise`` or ``images:FOLDER``; :func:`background_source` builds it.
"""

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmark_builder.utils.errors import BenchError


class BackgroundSource(Protocol):
    """Where backgrounds come from; must pickle (workers).

    Attributes:
        name: what the set is called in tables and folder names.
    """

    name: str

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        """Draw one background: uint8 (H, W, 3) RGB, its name within the set, and names drawn that were unreadable."""
        ...

    def describe(self) -> dict[str, Any]:
        """What stands in protocol.json."""
        ...


FITS = ("cover", "stretch")
GREYS = ("keep", "redraw")
KINDS = {
    "stripes": ("benchmark_builder.backgrounds.stripes", "Stripes"),
    "images": ("benchmark_builder.backgrounds.images", "ImageFolder"),
    "plain": ("benchmark_builder.backgrounds.plain", "Plain"),
    "noise": ("benchmark_builder.backgrounds.plain", "Noise"),
}


def background_source(spec: str, fit: str = "cover", grey: str = "keep") -> BackgroundSource:
    """Build the source that ``KIND`` or ``KIND:PATH`` names.

    Args:
        spec: e.g. ``stripes`` or ``images:places365/test_256``.
        fit: how pictures meet the frame: ``cover`` (scaled to cover it, centre cropped) or ``stretch`` (to its size by
            Pillow's bicubic, as StillMix).
        grey: ``keep`` grey pictures as RGB, or ``redraw``: pictures are read and drawn as StillMix does.

    Raises:
        BenchError: an unknown kind (the message lists them), fit or grey, or a folder without pictures.
    """
    kind, _, path = spec.partition(":")
    if kind not in KINDS:
        raise BenchError(f"--backgrounds {spec}: unknown kind {kind!r}; choose from {', '.join(sorted(KINDS))}")
    if fit not in FITS:
        raise BenchError(f"--fit {fit}: choose from {', '.join(FITS)}")
    if grey not in GREYS:
        raise BenchError(f"--grey {grey}: choose from {', '.join(GREYS)}")
    module, name = KINDS[kind]
    options = {"grey": grey} if kind == "images" else {}  # the others draw no picture of a folder
    made = getattr(importlib.import_module(module), name)
    source: BackgroundSource = made(Path(path) if path else None, fit, **options)
    return source
