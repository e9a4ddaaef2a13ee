"""How a benchmark's videos are stored on disk: the table of layouts, and what reads a video of any of them.

``video`` (H.264, near-lossless), ``lossless`` (FFV1), ``frames`` (a JPEG folder, as StillMix and mmaction2 read them),
``zip`` (of JPEGs, as ALBAR reads them; a still is one JPEG), ``virtual`` (only what is needed to compose it again).
A layout writes the frames of one video under a folder and says the relative name; :func:`read_any` reads all of them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from benchmark_builder.layouts.base import JPEG_NAME, JPEG_QUALITY, Layout, Sink, checked, class_of, jpeg
from benchmark_builder.layouts.frames import digest
from benchmark_builder.parts import LAYOUTS
from benchmark_builder.utils.errors import BenchError

__all__ = [
    "JPEG_NAME", "JPEG_QUALITY", "LAYOUTS", "Layout", "PixelDigest", "Sink", "class_of", "digest", "is_exact",
    "is_listed", "jpeg", "layout_of", "name_of", "read_any", "suffixes",
]  # fmt: skip


def layout_of(name: Any, path: Path) -> type[Layout]:
    """The class that reads a video of a benchmark.

    Args:
        name: the layout that protocol.json says. One from outside this toolkit must be trusted
            (:meth:`~benchmark_builder.utils.registry.Registry.trusted`).
        path: the video; its name decides among the layouts that are registered.
    """
    if isinstance(name, str) and name not in LAYOUTS.shipped and LAYOUTS.names_one(name):
        return checked(name, LAYOUTS.trusted(name))
    return _classes()[name_of(path)]


def name_of(path: Path) -> str:
    """The registered layout of a video's file or folder, by its name; ``video`` where nothing tells."""
    return next((name for name, kind in _classes().items() if kind.holds(path)), "video")


def is_exact(name: Any) -> bool:
    """Whether a layout, as protocol.json names it, gives back the composed pixels."""
    kind = _known(name)
    return kind is not None and kind.exact


def is_listed(name: Any) -> bool:
    """Whether a layout, as protocol.json names it, goes with a list file."""
    kind = _known(name)
    return kind is not None and kind.listed


def suffixes(name: Any = None) -> set[str]:
    """Every suffix of what a build writes; ``name``: a layout that it may have besides the registered ones."""
    kinds = [*_classes().values(), *filter(None, [_known(name)])]
    return {kind.suffix_of(still) for kind in kinds for still in (False, True)} - {""}


def read_any(path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
    """Yield the frames of a video in any registered layout: uint8 (H, W, 3) RGB.

    Args:
        path: a video file, a folder or a zip of frames, or one picture.
        expected: how many frames the manifest or a list says; it tells the frames from other pictures next to them
            (:func:`~benchmark_builder.utils.folders.series`), and nothing else.

    Raises:
        BenchError: it cannot be read.
    """
    return _classes()[name_of(path)].read(path, expected)


def _classes() -> dict[str, type[Layout]]:
    return {name: checked(name, LAYOUTS.find(name)) for name in LAYOUTS}


def _known(name: Any) -> type[Layout] | None:
    """The class of a name from protocol.json; None where it is none, or one that is not trusted."""
    try:
        return checked(name, LAYOUTS.trusted(name)) if isinstance(name, str) else None
    except BenchError:
        return None


class PixelDigest:
    """XXH3-128 over a video's frames: its size, then each frame's uint8 RGB bytes in order.

    It tells equal pixels from different ones at memory speed; against tampering, files have their SHA-256.
    """

    def __init__(self, height: int, width: int) -> None:
        self._hash = xxhash.xxh3_128(f"rgb24 {width}x{height}\n".encode())

    def update(self, frame: np.ndarray) -> None:
        self._hash.update(np.ascontiguousarray(frame).data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
