"""The ``frames`` layout: a folder of JPEGs per video, as StillMix and mmaction2 read them."""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmark_builder.layouts.base import Jpegs, Layout, Sink
from benchmark_builder.utils.files import naming, place_folder, sha256_file, write_bytes
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, files_of


class Frames(Layout):
    """``frames``: a folder of JPEGs."""

    listed = True

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
        with naming(path, temporary):
            temporary.mkdir(parents=True)
            try:
                yield _JpegFolder(temporary, self.quality, self.frame)
                place_folder(temporary, path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def holds(cls, path: Path) -> bool:
        return path.is_dir()


class _JpegFolder:
    def __init__(self, folder: Path, quality: int, frame: str) -> None:
        self.folder, self.frame, self.count = str(folder), frame, 0
        self._jpegs = Jpegs(quality)
        self._digest = hashlib.sha256()

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        name, data = self.frame.format(self.count), self._jpegs.encode(frame)
        write_bytes(f"{self.folder}/{name}", data)
        self._digest.update(_line(name, hashlib.sha256(data).hexdigest()))

    @property
    def sha256(self) -> str:
        """:func:`digest` of the written folder, without reading it."""
        return self._digest.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes; for a folder, of the sorted names and digests of all its pictures."""
    if not path.is_dir():
        return sha256_file(path)
    total = hashlib.sha256()
    for file in sorted(files_of(path, PICTURE_SUFFIXES)[0]):
        total.update(_line(file.name, sha256_file(file)))
    return total.hexdigest()


def _line(name: str, sha256: str) -> bytes:
    return f"{name} {sha256}\n".encode()
