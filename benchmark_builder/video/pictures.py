"""Videos stored as one picture per frame: a folder, or a zip, of PNGs or JPEGs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, entries, files_of, series

# One picture: its name for messages, and what reads its bytes.
Member = tuple[str, Callable[[], bytes]]

# Decoding directly to RGB costs less than exchanging the channels afterwards, and gives the same pixels; opencv 4.10
# does not have it.
_RGB: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)


class Pictures(Iterator[np.ndarray]):
    """The frames of such a video, in order: uint8 (H, W, 3) RGB. Each is read when it is requested.

    Args:
        path: the folder or zip, for messages.
        members: lists the pictures in order; called when the first frame is requested.

    Raises:
        BenchError: a frame is not a picture, or differs in size from the one before.
    """

    def __init__(self, path: Path, members: Callable[[], Iterator[Member]]) -> None:
        self._path, self._open = path, members
        self._members: Iterator[Member] | None = None
        self._size: tuple[int, int] | None = None
        self.count = 0  # frames so far, also those that were skipped

    def __next__(self) -> np.ndarray:
        name, read = self._next()
        image = picture(read(), name)
        self._size = same_size(self._path, self.count - 1, self._size, (image.shape[1], image.shape[0]))
        return image

    def skip(self) -> bool:
        """Skip the next frame: it is neither read nor decoded. Returns False if there is no frame."""
        try:
            self._next()
        except StopIteration:
            return False
        return True

    def _next(self) -> Member:
        if self._members is None:
            self._members = self._open()
        found = next(self._members)
        self.count += 1
        return found


def folder_frames(path: Path, expected: int | None = None, version: int = 2) -> Pictures:
    """The frames of a folder of pictures; arguments as for :func:`~benchmark_builder.video.decode.read_frames`."""

    def members() -> Iterator[Member]:
        names = pictures(path, expected) if version > 1 else sorted(files_of(path, PICTURE_SUFFIXES)[0])
        return ((str(name), name.read_bytes) for name in names)

    return Pictures(path, members)


def pictures(folder: Path, expected: int | None = None) -> list[Path]:
    """The frames of a folder of pictures, in order: one series (:func:`~benchmark_builder.utils.folders.series`).

    Args:
        folder: a folder of PNG or JPEG pictures whose names end in numbers.
        expected: expected number of frames, if a list contains it.

    Raises:
        BenchError: the folder has no pictures, or several series.
    """
    return [folder / name for _, name in series((p.name for p in entries(folder)), folder, expected)]


def picture(data: bytes, name: str) -> np.ndarray:
    """Decode a PNG or JPEG: uint8 (H, W, 3) RGB.

    Raises BenchError with ``name`` if it is not a picture, or is too large.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _RGB or cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than benchmark_builder allows
        image = None
    if image is None:
        raise BenchError(f"{name}: not a readable picture; replace the file")
    return image if _RGB else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def png_size(data: bytes) -> tuple[int, int]:
    """(height, width) from the header of a PNG; nothing is decoded. Raises ValueError if it is not a PNG."""
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("it is not a PNG")
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])


def same_size(path: Path, count: int, before: tuple[int, int] | None, now: tuple[int, int]) -> tuple[int, int]:
    """Returns ``now``; raises BenchError if it differs from ``before``. Sizes are (width, height)."""
    if before not in (None, now):
        old, new = (f"{w}x{h}" for w, h in (before or now, now))
        raise BenchError(f"{path}: its size changes from {old} to {new} after frame {count}; replace it")
    return now
