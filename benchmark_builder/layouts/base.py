"""What a layout is: how a benchmark's videos are stored on disk. One class per layout."""

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
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp: the same frames are the same bytes


class Sink(Protocol):
    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB."""
        ...


class Layout:
    """A layout and its settings; ``Layout("zip", 90)`` gives an instance of the class that the name stands for.

    Class attributes, which a subclass sets:
        suffix: of a video's file; empty for a folder.
        exact: whether the frames read back are the composed ones, to the bit.
        composed: whether only parts are stored (:meth:`store`) and a video is composed again when it is read.
        listed: whether other programs read it by a list file, which is written alongside.
        timed: whether a file says its frame rate.
        takes_planes: whether :meth:`write_still` uses ``planes``.
        takes_files: whether a dataset's own video file is one of this layout as it is, so that an export links to it.

    Attributes:
        name: a name of :data:`~benchmark_builder.layouts.layout.LAYOUTS`, or ``package.module:Name``.
        quality: that of JPEGs, 1..100.
        frame: the pattern of their names in a folder or zip, numbers from 1.
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
        """The suffix of a video's file; ``still``: of a video that is one repeated frame."""
        return cls.suffix

    def file_of(self, video_id: str, still: bool = False) -> str:
        """Relative name of a video's file or folder; ``still``: of a video that is one repeated frame."""
        return f"videos/{video_id}{self.suffix_of(still)}"

    def open(self, path: Path, width: int, height: int, fps: float) -> AbstractContextManager[Sink]:
        """Write one video; it appears under ``path`` once whole."""
        raise NotImplementedError

    def write_still(self, path: Path, image: np.ndarray, count: int, fps: float, planes: np.ndarray | None) -> None:
        """Write a video of one frame repeated.

        Args:
            path: its final name.
            image: uint8 (H, W, 3) RGB.
            count: how many frames long.
            fps: frames a second.
            planes: the same picture as a stored H.264 video holds it, uint8 (H·3/2, W) yuv420p; a layout that
                :attr:`takes_planes` writes those, bit for bit.
        """
        height, width = image.shape[:2]
        with self.open(path, width, height, fps) as sink:
            for _ in range(count):
                sink.write(image)

    def store(self, path: Path, parts: Mapping[str, np.ndarray]) -> None:
        """Keep what a video is composed from again, named images uint8 (H, W, 3) RGB or bool (H, W); a layout that
        holds whole videos keeps nothing."""

    @classmethod
    def holds(cls, path: Path) -> bool:
        """Whether a file or folder is a video of this layout, by its name."""
        return path.suffix.lower() == cls.suffix and not path.is_dir()

    @classmethod
    def read(cls, path: Path, expected: int | None = None) -> Iterator[np.ndarray]:
        """Yield the stored frames: uint8 (H, W, 3) RGB.

        Args:
            path: the file or folder.
            expected: how many frames the manifest or a list says; it tells the frames from other pictures next to
                them, and nothing else.

        Raises:
            BenchError: it cannot be read.
        """
        return read_frames(path, expected=expected)

    @classmethod
    def video(cls, path: Path, count: int) -> Iterator[np.ndarray]:
        """As :meth:`read`, of a video of ``count`` frames: a still that is stored once is repeated."""
        return cls.read(path, count)


def jpeg(frame: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an RGB frame, uint8 (H, W, 3), as JPEG."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise BenchError("a frame could not be encoded as JPEG")
    return data.tobytes()


def class_of(name: str) -> Any:
    """The class of a layout that the user names.

    Raises:
        BenchError: no such layout, or a class of the user's own that is none.
    """
    return checked(name, LAYOUTS.find(name))


def checked(name: str, found: Any) -> type[Layout]:
    """The class that a registry found under ``name``. Raises BenchError if it is no layout."""
    if found.argument is not None:
        raise BenchError(f"--layout {name}: {found.name} takes nothing after a colon; leave it out")
    if not (isinstance(found.part, type) and issubclass(found.part, Layout)):
        raise BenchError(f"--layout {name}: is no layout; give a subclass of benchmark_builder.layouts.base.Layout")
    return found.part
