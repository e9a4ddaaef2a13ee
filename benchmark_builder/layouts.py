"""How a benchmark's videos lie on disk: ``video`` (H.264), ``lossless`` (FFV1), ``frames`` (JPEG folder), ``zip``.

A layout writes the frames of one video under a folder and says the relative name; :func:`read_any` reads all of them.
"""

import hashlib
import io
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from benchmark_builder.encode import FFV1, H264, H264_EXACT, open_video
from benchmark_builder.errors import BenchError
from benchmark_builder.files import sha256_file, whole_file
from benchmark_builder.frames import read_frames

JPEG_QUALITY = 95
JPEG_NAME = "frame{:06d}.jpg"  # 1-based, as StillMix and mmaction2 read them
_DATE = (1980, 1, 1, 0, 0, 0)


class Sink(Protocol):
    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB."""
        ...


def file_of(layout: str, video_id: str) -> str:
    """Relative file (or folder) name of a video in a layout."""
    suffix = {"video": ".mp4", "lossless": ".mkv", "frames": "", "zip": ".zip"}[layout]
    return f"videos/{video_id}{suffix}"


@contextmanager
def open_sink(layout: str, path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
    """Write one video; it appears under ``path`` once whole."""
    with LAYOUTS[layout](path, width, height, fps) as sink:
        yield sink


@contextmanager
def open_still(layout: str, path: Path, width: int, height: int, fps: float, planes: bool) -> Iterator[Sink]:
    """Write a video of one repeated frame; in ``video`` it is coded without loss, so that it stays still.

    Args:
        planes: the sink takes yuv420p planes, uint8 (H·3/2, W), as :func:`~benchmark_builder.frames.read_planes`
            gives them (only for ``video``).
    """
    if layout == "video":
        pixels = "yuv420p" if planes else "rgb24"
        with open_video(path, width, height, fps, H264_EXACT, pixels) as encoder:
            yield encoder
    else:
        with open_sink(layout, path, width, height, fps) as sink:
            yield sink


@contextmanager
def _video(path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
    with open_video(path, width, height, fps, H264) as encoder:
        yield encoder


@contextmanager
def _lossless(path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
    with open_video(path, width, height, fps, FFV1) as encoder:
        yield encoder


class _JpegFolder:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        (self.folder / JPEG_NAME.format(self.count)).write_bytes(jpeg(frame))


@contextmanager
def _frames(path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        yield _JpegFolder(temporary)
        if path.exists():  # a folder cannot be renamed onto a filled one
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _JpegZip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive, self.count = archive, 0

    def write(self, frame: np.ndarray) -> None:
        self.count += 1
        self.archive.writestr(zipfile.ZipInfo(JPEG_NAME.format(self.count), _DATE), jpeg(frame))


@contextmanager
def _zip(path: Path, width: int, height: int, fps: float) -> Iterator[Sink]:
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        yield _JpegZip(archive)


LAYOUTS: dict[str, Callable] = {"video": _video, "lossless": _lossless, "frames": _frames, "zip": _zip}


def jpeg(frame: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an RGB frame, uint8 (H, W, 3), as JPEG."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise BenchError("a frame could not be encoded as JPEG")
    return data.tobytes()


def read_any(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a video in any layout: uint8 (H, W, 3) RGB. Raises BenchError where it cannot be read."""
    if path.is_dir():
        names = sorted(p for p in path.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not names:
            raise BenchError(f"{path}: holds no frames; build it again")
        for name in names:
            yield _picture(name.read_bytes(), str(name))
    elif path.suffix == ".zip":
        try:
            archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
            names_in = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
            for entry in names_in:
                yield _picture(archive.read(entry), f"{path}:{entry}")
        except (OSError, zipfile.BadZipFile) as error:
            raise BenchError(f"{path}: not a readable zip of frames ({error}); build it again") from None
        if not names_in:
            raise BenchError(f"{path}: holds no frames; build it again")
    else:
        yield from read_frames(path)


def _picture(data: bytes, name: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise BenchError(f"{name}: not a readable picture; build it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or, for a folder of frames, of its sorted names and their digests."""
    if not path.is_dir():
        return sha256_file(path)
    total = hashlib.sha256()
    for frame in sorted(path.iterdir()):
        total.update(f"{frame.name} {sha256_file(frame)}\n".encode())
    return total.hexdigest()


class PixelDigest:
    """SHA-256 over a video's frames: its size, then each frame's uint8 RGB bytes in order."""

    def __init__(self, height: int, width: int) -> None:
        self._hash = hashlib.sha256(f"rgb24 {width}x{height}\n".encode())

    def update(self, frame: np.ndarray) -> None:
        self._hash.update(np.ascontiguousarray(frame).data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
