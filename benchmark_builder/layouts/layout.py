"""How a benchmark's videos lie on disk.

``video`` (H.264, near-lossless), ``lossless`` (FFV1), ``frames`` (a JPEG folder, as StillMix and mmaction2 read them),
``zip`` (of JPEGs, as ALBAR reads them; a still is one JPEG), ``virtual`` (only what is needed to compose it again).
A layout writes the frames of one video under a folder and says the relative name; :func:`read_any` reads all of them.
"""

import hashlib
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import xxhash

from benchmark_builder.settings import DEFAULTS, LayoutSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import naming, open_zip, sha256_file, whole_file, zip_member
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, files_of, series
from benchmark_builder.video.decode import picture, read_frames
from benchmark_builder.video.encode import FFV1, H264, H264_EXACT, Encoder, open_video
from benchmark_builder.video.planes import to_planes

JPEG_QUALITY: int = DEFAULTS["jpeg_quality"]
JPEG_NAME = "frame{:06d}.jpg"  # 1-based, as StillMix and mmaction2 read them
_DATE = (1980, 1, 1, 0, 0, 0)


class Sink(Protocol):
    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB."""
        ...


SUFFIX = {"video": ".mp4", "lossless": ".mkv", "frames": "", "zip": ".zip", "virtual": ".virtual"}


@dataclass(frozen=True)
class Layout:
    """A layout and its settings: ``name`` is a key of :data:`SUFFIX`, ``quality`` that of JPEGs, 1..100, ``frame`` the
    pattern of their names in a folder or zip, numbers from 1."""

    name: str = "video"
    quality: int = JPEG_QUALITY
    frame: str = JPEG_NAME

    def __post_init__(self) -> None:
        if self.name not in SUFFIX:
            raise BenchError(f"--layout {self.name}: unknown; choose from {', '.join(SUFFIX)}")
        LayoutSettings(layout=self.name, jpeg_quality=self.quality)

    def file_of(self, video_id: str, still: bool = False) -> str:
        """Relative name of a video's file or folder; ``still``: of a video that is one repeated frame."""
        return f"videos/{video_id}{'.jpg' if still and self.name == 'zip' else SUFFIX[self.name]}"

    @contextmanager
    def open(self, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
        """Write one video; it appears under ``path`` once whole. ``virtual`` writes nothing here."""
        if self.name == "video":
            planar = width % 2 == height % 2 == 0
            with open_video(path, width, height, fps, H264, "yuv420p" if planar else "rgb24") as encoder:
                yield _Planes(encoder) if planar else encoder
        elif self.name == "lossless":
            with open_video(path, width, height, fps, FFV1) as sink:
                yield sink
        elif self.name == "frames":
            with _frames(path, self.quality, self.frame) as sink:
                yield sink
        elif self.name == "zip":
            with _zip(path, self.quality, self.frame) as sink:
                yield sink
        else:
            yield _Nothing()

    def write_still(self, path: Path, image: np.ndarray, count: int, fps: float, planes: np.ndarray | None) -> None:
        """Write a video of one frame repeated; in ``video`` it is coded without loss, so that it stays still.

        Args:
            path: its final name.
            image: uint8 (H, W, 3) RGB.
            count: how many frames long.
            fps: frames a second.
            planes: the same picture as a stored H.264 video holds it, uint8 (H·3/2, W) yuv420p; then those are
                written, bit for bit (``video`` only).
        """
        height, width = image.shape[:2]
        if self.name == "zip":
            with whole_file(path) as temporary:
                temporary.write_bytes(jpeg(image, self.quality))
        elif self.name == "video":
            if planes is None and width % 2 == height % 2 == 0:
                planes = to_planes(image)
            pixels, frame = ("rgb24", image) if planes is None else ("yuv420p", planes)
            with open_video(path, width, height, fps, H264_EXACT, pixels) as encoder:
                for _ in range(count):
                    encoder.write(frame)
        else:
            with self.open(path, width, height, fps) as sink:
                for _ in range(count):
                    sink.write(image)


class _Planes:
    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def write(self, frame: np.ndarray) -> None:
        self.encoder.write(to_planes(frame))


class _Nothing:
    def write(self, frame: np.ndarray) -> None:
        """Composed for its digest alone."""


class _JpegFolder:
    def __init__(self, folder: Path, quality: int, frame: str) -> None:
        self.folder, self.quality, self.frame, self.count = str(folder), quality, frame, 0
        self._digest = hashlib.sha256()

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        name, data = self.frame.format(self.count), jpeg(frame, self.quality)
        with open(f"{self.folder}/{name}", "wb") as handle:
            handle.write(data)
        self._digest.update(_line(name, hashlib.sha256(data).hexdigest()))

    @property
    def sha256(self) -> str:
        """:func:`digest` of what was written, without reading it back."""
        return self._digest.hexdigest()


@contextmanager
def _frames(path: Path, quality: int, frame: str) -> Iterator[Sink]:
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    with naming(path, temporary):
        temporary.mkdir(parents=True)
        try:
            yield _JpegFolder(temporary, quality, frame)
            if path.exists():  # a folder cannot be renamed onto a filled one
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


class _JpegZip:
    def __init__(self, archive: zipfile.ZipFile, quality: int, frame: str) -> None:
        self.archive, self.quality, self.frame, self.count = archive, quality, frame, 0

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        self.archive.writestr(zipfile.ZipInfo(self.frame.format(self.count), _DATE), jpeg(frame, self.quality))


@contextmanager
def _zip(path: Path, quality: int, frame: str) -> Iterator[Sink]:
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        yield _JpegZip(archive, quality, frame)


def jpeg(frame: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an RGB frame, uint8 (H, W, 3), as JPEG."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise BenchError("a frame could not be encoded as JPEG")
    return data.tobytes()


def read_any(path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
    """Yield the frames of a video in any layout: uint8 (H, W, 3) RGB.

    Args:
        path: a video file, a folder or a zip of frames, or one picture.
        expected: how many frames the manifest or a list says; it tells the frames from other pictures next to them
            (:func:`~benchmark_builder.utils.folders.series`), and nothing else.

    Raises:
        BenchError: it cannot be read.
    """
    suffix = "" if path.is_dir() else path.suffix.lower()
    if suffix == ".zip":
        return _zipped(path, expected)
    return _single(path) if suffix in PICTURE_SUFFIXES else read_frames(path, expected=expected)


def _zipped(path: Path, expected: int | None) -> Iterator[np.ndarray]:
    try:
        archive = open_zip(path)
        for _, name in series(archive.namelist(), path, expected):
            yield picture(zip_member(archive, name), f"{path}:{name}")
    except (OSError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path}: not a readable zip of frames ({error}); build it again") from None


def _single(path: Path) -> Iterator[np.ndarray]:
    yield picture(path.read_bytes(), str(path))


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or, for a folder, of the sorted names of all its pictures and their digests."""
    if not path.is_dir():
        return sha256_file(path)
    total = hashlib.sha256()
    for file in sorted(files_of(path, PICTURE_SUFFIXES)[0]):
        total.update(_line(file.name, sha256_file(file)))
    return total.hexdigest()


def _line(name: str, sha256: str) -> bytes:
    return f"{name} {sha256}\n".encode()


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
