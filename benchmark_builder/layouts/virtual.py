"""The ``virtual`` layout: what is needed to compose a video again, instead of its frames.

A file is a zip of PNGs: a SCUBA video's background, a still, or a ConflFG donor with its mask. The rest is the dataset
itself, the masks beside the videos, and the manifest. Reading gives the pixels that the lossless layout holds.
"""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark_builder.protocol_file import needed
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, whole_file, zip_member
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.camera import shake
from benchmark_builder.video.compositing import add_donor, compose
from benchmark_builder.video.decode import picture
from benchmark_builder.video.selection import indices, source_frames

if TYPE_CHECKING:
    from benchmark_builder.benchmark.manifest import Benchmark, Row

_DATE = (1980, 1, 1, 0, 0, 0)


def write(path: Path, images: Mapping[str, np.ndarray]) -> None:
    """Store named images, uint8 (H, W, 3) RGB or bool (H, W), without loss; whole or not at all."""
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, image in images.items():
            stored = image.astype(np.uint8) * 255 if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            ok, png = cv2.imencode(".png", stored)
            if not ok:
                raise BenchError(f"{path}: {name} could not be encoded")
            archive.writestr(zipfile.ZipInfo(f"{name}.png", _DATE), png.tobytes())


def read(path: Path, name: str) -> np.ndarray:
    """One stored image: uint8 (H, W, 3) RGB. Raises BenchError if it is not there or cannot be read."""
    try:
        return picture(zip_member(open_zip(path), f"{name}.png"), f"{path}:{name}.png")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path}: not a readable virtual video ({error}); build it again") from None


def frames(benchmark: "Benchmark", row: "Row") -> Iterator[np.ndarray]:
    """Compose a virtual video: yields uint8 (H, W, 3) RGB, as the lossless layout would hold them."""
    path = benchmark.path(row)
    if benchmark.kind == "scuba":
        return _scuba(benchmark, row, read(path, "background"))
    if benchmark.kind == "conflfg":
        return _conflfg(benchmark, row, read(path, "donor"), read(path, "mask")[..., 0] > 0)
    still = read(path, "still")
    if benchmark.kind == "shaken":
        draw = generator(row.seed, row.id, "shake")
        return shake(still, float(needed(benchmark.protocol, "shake", benchmark.folder)), draw, row.frames, row.fps)
    return iter([still] * row.frames)


def _scuba(benchmark: "Benchmark", row: "Row", background: np.ndarray) -> Iterator[np.ndarray]:
    source, track = benchmark.source(row), benchmark.masks(row)
    shown = indices(row.source_frames)
    feather = float(needed(benchmark.protocol, "mask_settings.feather", benchmark.folder))
    for index, frame in source_frames(source, shown, row.height, row.width, benchmark.version):
        yield compose(frame, track.mask(index), background, feather)


def _conflfg(benchmark: "Benchmark", row: "Row", donor: np.ndarray, mask: np.ndarray) -> Iterator[np.ndarray]:
    scuba, base = benchmark.origin, benchmark.base(row)
    track = scuba.masks(base)
    order = needed(benchmark.protocol, "conflfg.order", benchmark.folder)
    for index, frame in zip(indices(base.source_frames), scuba.frames(base), strict=True):
        yield add_donor(frame, track.mask(index), donor, mask, order)
