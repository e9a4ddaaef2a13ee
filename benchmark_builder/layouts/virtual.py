"""The ``virtual`` layout: stores the parts needed to compose a video again, instead of its frames.

A file is a zip of PNGs: a SCUBA video's background, a still, or a ConflFG donor with its mask. A background that moves
is not stored: the file says which video it is, with its digest. The other parts are the dataset, the masks stored
alongside the videos, and the manifest. Each kind composes its videos
(:meth:`benchmark_builder.kinds.base.Kind.compose`), with the same pixels as in the lossless layout.
"""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.layouts.base import ZIP_DATE, Layout, Sink
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, whole_file, zip_member
from benchmark_builder.video.decode import picture


class Virtual(Layout):
    """``virtual``: only the parts. The frames given to the writer are used for the digest, but not stored."""

    suffix = ".virtual"
    exact = True
    composed = True

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        yield _Nothing()

    def store(self, path: Path, parts: Mapping[str, np.ndarray | str]) -> None:
        write(path, parts)


class _Nothing:
    def write(self, frame: np.ndarray) -> None:
        """Frames are used only for the digest."""


def write(path: Path, parts: Mapping[str, np.ndarray | str]) -> None:
    """Store named images, uint8 (H, W, 3) RGB or bool (H, W), without loss, and texts; completely or not at all."""
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, image in parts.items():
            if isinstance(image, str):
                archive.writestr(zipfile.ZipInfo(f"{name}.json", ZIP_DATE), image.encode())
                continue
            stored = image.astype(np.uint8) * 255 if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            ok, png = cv2.imencode(".png", stored)
            if not ok:
                raise BenchError(f"{path}: encoding {name} failed")
            archive.writestr(zipfile.ZipInfo(f"{name}.png", ZIP_DATE), png.tobytes())


def read(path: Path, name: str) -> np.ndarray:
    """One stored image: uint8 (H, W, 3) RGB. Raises BenchError if it is missing or cannot be read."""
    return picture(_member(path, f"{name}.png"), f"{path}:{name}.png")


def read_text(path: Path, name: str) -> str:
    """One stored text. Raises BenchError if it is missing or cannot be read."""
    return _member(path, f"{name}.json").decode("utf-8", "replace")


def has_text(path: Path, name: str) -> bool:
    """Whether a file has a stored text. Raises BenchError if it cannot be read."""
    try:
        return f"{name}.json" in open_zip(path).namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def _member(path: Path, name: str) -> bytes:
    try:
        return zip_member(open_zip(path), name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> BenchError:
    return BenchError(f"{path}: not a readable virtual video ({error}); build it again")
