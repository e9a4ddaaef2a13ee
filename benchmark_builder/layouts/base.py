"""The interface of a layout: how a benchmark's videos are stored on disk. One class per layout."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import cv2
import numpy as np

from benchmark_builder.parts import LAYOUTS
from benchmark_builder.settings import DEFAULTS, LayoutSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import read_frames

JPEG_QUALITY: int = DEFAULTS["jpeg_quality"]
JPEG_NAME = "frame{:06d}.jpg"  # 1-based, as StillMix and mmaction2 read them
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp, so that equal frames give equal bytes


class Sink(Protocol):
    """Where the frames of one video are written, in order."""

    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB."""
        ...


class Layout:
    """A layout and its settings; ``Layout("zip", 90)`` returns an instance of the class with this name.

    Class attributes, which a subclass sets:
        suffix: file suffix of a video; empty for a folder.
        exact: whether reading returns exactly the composed frames.
        composed: whether only parts are stored (:meth:`store`), and a video is composed again when it is read.
        listed: whether other programs need a list file, which is then written as well.
        timed: whether a file contains its frame rate.
        takes_planes: whether :meth:`write_still` uses ``planes``.
        takes_files: whether a dataset's own video file is one of this layout as it is, so that an export links to it.

    Attributes:
        name: a name in :data:`~benchmark_builder.layouts.layout.LAYOUTS`, or ``package.module:Name``.
        quality: JPEG quality, 1..100.
        frame: pattern of frame names in a folder or zip, numbers from 1.
    """

    suffix: ClassVar[str] = ""
    exact: ClassVar[bool] = False
    composed: ClassVar[bool] = False
    listed: ClassVar[bool] = False
    timed: ClassVar[bool] = False
    takes_planes: ClassVar[bool] = False
    takes_files: ClassVar[bool] = False

    def __new__(cls, name: str = "video", *args: Any, **options: Any) -> Self:
        if cls is not Layout:
            return super().__new__(cls)
        found: type[Self] = class_of(name)
        return found.__new__(found)

    def __init__(self, name: str = "video", quality: int = JPEG_QUALITY, frame: str = JPEG_NAME) -> None:
        LayoutSettings(layout=name, jpeg_quality=quality)
        self.name, self.quality, self.frame = name, quality, frame

    @classmethod
    def suffix_of(cls, still: bool = False) -> str:
        """The file suffix of a video; ``still``: for a video that is one repeated frame."""
        return cls.suffix

    def file_of(self, video_id: str, still: bool = False) -> str:
        """Relative name of a video's file or folder; ``still``: for a video that is one repeated frame."""
        return f"videos/{video_id}{self.suffix_of(still)}"

    def open(self, path: Path, width: int, height: int, fps: float) -> AbstractContextManager[Sink]:
        """Write one video; it appears at ``path`` when it is complete. Every layout has its own."""
        raise BenchError(f"--layout {self.name}: has no open(), which a layout needs")

    def write_still(self, path: Path, image: np.ndarray, count: int, fps: float, planes: np.ndarray | None) -> None:
        """Write a video that is one repeated frame.

        Args:
            path: its final name.
            image: uint8 (H, W, 3) RGB.
            count: number of frames.
            fps: frames per second.
            planes: the same picture as stored in an H.264 video, uint8 (H·3/2, W) yuv420p; a layout with
                :attr:`takes_planes` writes exactly these.
        """
        height, width = image.shape[:2]
        with self.open(path, width, height, fps) as sink:
            for _ in range(count):
                sink.write(image)

    def store(self, path: Path, parts: Mapping[str, np.ndarray | str]) -> None:
        """Store the parts from which a video is composed again: named images uint8 (H, W, 3) RGB or bool (H, W), or
        texts.

        A layout that stores whole videos does nothing.
        """

    @classmethod
    def holds(cls, path: Path) -> bool:
        """Whether a file or folder is a video of this layout, judged by its name."""
        return path.suffix.lower() == cls.suffix and not path.is_dir()

    @classmethod
    def read(cls, path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
        """Yield the stored frames: uint8 (H, W, 3) RGB.

        Args:
            path: the file or folder.
            expected: number of frames in the manifest or a list; only used to distinguish the frames from other
                pictures in the same folder.

        Raises:
            BenchError: it cannot be read.
        """
        return read_frames(path, expected=expected)

    @classmethod
    def video(cls, path: Path, count: int) -> Iterator[np.ndarray]:
        """As :meth:`read`, for a video of ``count`` frames: a still that is stored once is repeated."""
        return cls.read(path, count)


def jpeg(frame: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an RGB frame, uint8 (H, W, 3), as JPEG."""
    return bytes(Jpegs(quality).encode(frame))


class Jpegs:
    """Encodes the frames of one video as JPEG: :func:`jpeg` with less copying of memory."""

    def __init__(self, quality: int = JPEG_QUALITY) -> None:
        self._settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
        self._bgr: np.ndarray | None = None  # the order that OpenCV encodes; the memory is used again

    def encode(self, frame: np.ndarray) -> memoryview:
        """Encode one frame: uint8 (H, W, 3) RGB."""
        self._bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR, self._bgr)
        ok, data = cv2.imencode(".jpg", self._bgr, self._settings)
        if not ok:
            raise BenchError("encoding a frame as JPEG failed")
        return data.data


def class_of(name: str) -> Any:
    """The class of a layout that the user named.

    Raises:
        BenchError: the layout is unknown, or the user's class is not a layout.
    """
    return checked(name, LAYOUTS.find(name))


def checked(name: str, found: Any) -> type[Layout]:
    """The class that a registry found for ``name``. Raises BenchError if it is not a layout."""
    if found.argument is not None:
        raise BenchError(f"--layout {name}: {found.name} takes no text after a colon; remove it")
    if not (isinstance(found.part, type) and issubclass(found.part, Layout)):
        raise BenchError(f"--layout {name}: is not a layout; give a subclass of benchmark_builder.layouts.base.Layout")
    if found.part.open is Layout.open:
        raise BenchError(f"--layout {name}: has no open(), which a layout needs")
    return found.part
