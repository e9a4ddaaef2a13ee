"""Writes the arrays of a video while its features are computed, so that they need not fit in memory."""

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmark_builder.utils.files import naming, whole_file
from evaluator.features.formats import FeatureFormat


class ArrayWriter:
    """The files of one video, in its format. A file under its final name is complete; call :meth:`finish` or
    :meth:`drop` at the end."""

    def __init__(self, out: Path, names: Sequence[str], layout: FeatureFormat) -> None:
        """names: of the files, relative to ``out``."""
        self.paths, self.layout = [out / name for name in names], layout
        self._stack = contextlib.ExitStack()
        self._files: list[BinaryIO] = []
        self._shapes: list[tuple[int, ...]] = []
        self.windows = 0
        try:
            # Renamed in reverse order: if the first file is there, all are.
            temporary = [self._stack.enter_context(whole_file(path)) for path in self.paths]
            with naming(out):
                self._files = [self._stack.enter_context(open(path, "wb")) for path in temporary]
        except BaseException:
            self.drop()
            raise

    def append(self, features: np.ndarray) -> None:
        """Add windows: float32 (n, crops, D)."""
        arrays = [np.ascontiguousarray(a, dtype="<f4") for a in self.layout.split(features)]
        with naming(self.paths[0]):
            for file, array in zip(self._files, arrays, strict=True):
                if not self.windows:
                    self._shapes.append(array.shape[1:])
                    file.write(_header(array.shape))
                file.write(array.tobytes())
        self.windows += len(features)

    def finish(self) -> str:
        """Write the lengths into the headers and give the files their final names. Returns the SHA-256 of their bytes,
        of several files one after another."""
        with naming(self.paths[0]):
            for file, shape in zip(self._files, self._shapes, strict=True):
                file.seek(0)
                file.write(_header((self.windows, *shape)))
                file.flush()
        self._stack.close()
        total = hashlib.sha256()
        for path in self.paths:
            with open(path, "rb") as handle:
                while part := handle.read(2**20):
                    total.update(part)
        return total.hexdigest()

    def drop(self) -> None:
        """Delete the unfinished files."""
        with contextlib.suppress(_Dropped):
            with self._stack:
                raise _Dropped


class _Dropped(Exception):
    pass


def _header(shape: tuple[int, ...]) -> bytes:
    """The header of a ``.npy`` file of float32; its length does not depend on the number of windows, for which numpy
    leaves room."""
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return made.getvalue()
