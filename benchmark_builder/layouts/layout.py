"""How a benchmark's videos are stored on disk: the table of layouts, and functions that read a video of any layout.

``video`` (H.264, near-lossless), ``lossless`` (FFV1), ``frames`` (a JPEG folder, as StillMix and mmaction2 read them),
``zip`` (of JPEGs, as ALBAR reads them; a still is one JPEG), ``virtual`` (only the parts needed to compose it again). A
layout writes the frames of one video in a folder and returns the relative name; :func:`read_any` reads any layout.
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


def layout_of(name: object, path: Path) -> type[Layout]:
    """The class that reads a video of a benchmark.

    Args:
        name: the layout in protocol.json. A layout that is not part of this toolkit must be trusted
            (:meth:`~benchmark_builder.utils.registry.Registry.trusted`).
        path: the video; its name decides between the registered layouts.
    """
    if isinstance(name, str) and name not in LAYOUTS.shipped and LAYOUTS.names_one(name):
        return checked(name, LAYOUTS.trusted(name))
    return _classes()[name_of(path)]


def name_of(path: Path) -> str:
    """The registered layout of a video's file or folder, by its name; ``video`` if the name does not show it."""
    return next((name for name, kind in _classes().items() if kind.holds(path)), "video")


def is_exact(name: object) -> bool:
    """Whether reading a layout, named as in protocol.json, returns exactly the composed pixels."""
    kind = _known(name)
    return kind is not None and kind.exact


def is_listed(name: object) -> bool:
    """Whether a layout, named as in protocol.json, has a list file."""
    kind = _known(name)
    return kind is not None and kind.listed


def suffixes(name: object = None) -> set[str]:
    """Every suffix that a build writes; ``name``: another possible layout in addition to the registered ones."""
    kinds = [*_classes().values(), *filter(None, [_known(name)])]
    return {kind.suffix_of(still) for kind in kinds for still in (False, True)} - {""}


def read_any(path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
    """Yield the frames of a video in any registered layout: uint8 (H, W, 3) RGB.

    Args:
        path: a video file, a folder or a zip of frames, or one picture.
        expected: number of frames in the manifest or a list; only used to distinguish the frames from other pictures in
            the same folder (:func:`~benchmark_builder.utils.folders.series`).

    Raises:
        BenchError: it cannot be read.
    """
    return _classes()[name_of(path)].read(path, expected)


def _classes() -> dict[str, type[Layout]]:
    return {name: checked(name, LAYOUTS.find(name)) for name in LAYOUTS}


def _known(name: Any) -> type[Layout] | None:
    """The class for a name from protocol.json; None if it is not a layout, or not trusted."""
    try:
        return checked(name, LAYOUTS.trusted(name)) if isinstance(name, str) else None
    except BenchError:
        return None


class PixelDigest:
    """XXH3-128 over a video's frames: its size, then each frame's uint8 RGB bytes in order.

    It detects different pixels at memory speed; against manipulation, files have their SHA-256.
    """

    def __init__(self, height: int, width: int) -> None:
        self._hash = xxhash.xxh3_128(f"rgb24 {width}x{height}\n".encode())

    def update(self, frame: np.ndarray) -> None:
        self._hash.update(np.ascontiguousarray(frame).data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
