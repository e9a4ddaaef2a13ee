"""The ``zip`` layout: a zip of JPEGs per video, as ALBAR reads them; a still is one JPEG."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np

from benchmark_builder.layouts.base import ZIP_DATE, Jpegs, Layout, Sink, jpeg
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, whole_file, zip_member
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, series
from benchmark_builder.video.pictures import Member, Pictures, picture

STILL = ".jpg"


class Zipped(Layout):
    """``zip``: a zip of JPEGs, or one JPEG."""

    suffix = ".zip"
    listed = True

    @classmethod
    def suffix_of(cls, still: bool = False) -> str:
        return STILL if still else cls.suffix

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            yield _JpegZip(archive, self.quality, self.frame)

    def write_still(self, path: Path, image: np.ndarray, count: int, fps: float, planes: np.ndarray | None) -> None:
        with whole_file(path) as temporary:
            temporary.write_bytes(jpeg(image, self.quality))

    @classmethod
    def holds(cls, path: Path) -> bool:
        return path.suffix.lower() in (cls.suffix, *PICTURE_SUFFIXES) and not path.is_dir()

    @classmethod
    def read(cls, path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
        return _zipped(path, expected) if path.suffix.lower() == cls.suffix else _single(path)

    @classmethod
    def video(cls, path: Path, count: int) -> Iterator[np.ndarray]:
        return repeat(next(cls.read(path)), count) if path.suffix == STILL else cls.read(path, count)


class _JpegZip:
    def __init__(self, archive: zipfile.ZipFile, quality: int, frame: str) -> None:
        self.archive, self.frame, self.count = archive, frame, 0
        self._jpegs = Jpegs(quality)

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        self.archive.writestr(zipfile.ZipInfo(self.frame.format(self.count), ZIP_DATE), self._jpegs.encode(frame))


def _zipped(path: Path, expected: int | None) -> Pictures:
    def members() -> Iterator[Member]:
        with _readable(path):
            archive = open_zip(path)
        for _, name in series(archive.namelist(), path, expected):
            yield f"{path}:{name}", partial(member, archive, name)

    def member(archive: zipfile.ZipFile, name: str) -> bytes:
        with _readable(path):
            return zip_member(archive, name)

    return Pictures(path, members)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path}: not a readable zip of frames ({error}); build it again") from None


def _single(path: Path) -> Iterator[np.ndarray]:
    yield picture(path.read_bytes(), str(path))
