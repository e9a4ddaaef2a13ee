"""``folder:PATH``: masks as PNG pictures, one per frame, in the format of DAVIS, YouTube-VOS or HAT.

A video's pictures are stored in PATH/ID/ (ID may include the class: ``wave/NAME``), or in PATH/NAME/. The last number
in a picture's name is its frame. If the smallest number in a folder is 1, the first frame has number 1; otherwise it
has number 0, so a folder that starts at 00020 has masks from frame 20 on. Set ``numbering`` (``0`` or ``1``) if this is
wrong.

The meaning of the pixels is decided once per video, by the first picture that shows it:

- a palette (DAVIS, YouTube-VOS): every index except 0 is an actor, regardless of its colour;
- 1-bit: white is the actor; 16-bit: a label map, every value except 0 is an actor;
- colours: a label map drawn in colours, everything except black is an actor;
- grey (also grey stored as RGB) with a value above 128 (HAT): values above 128 are the actor;
- grey with no value above 128 in any picture of the video: a label map, every value except 0 is an actor.

Transparency is ignored.
"""

import warnings
from pathlib import Path

import numpy as np

from benchmark_builder.settings import FolderSettings
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import found_inside, inside
from benchmark_builder.utils.folders import entries, series
from benchmark_builder.video.record import LONGEST, Video

THRESHOLD = 128


class PictureTrack:
    """Masks of one video, read one at a time. ``covered``: bool (T,), T is the frame of the last mask plus one."""

    def __init__(self, files: dict[int, Path], height: int, width: int) -> None:
        """files: frame (from 0) -> PNG."""
        self.files, self.size = files, (height, width)
        self.covered = np.zeros(max(files) + 1, dtype=bool)
        self.covered[list(files)] = True
        self._threshold: int | None = None

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        if self._threshold is None:
            told = (_threshold(self._values(k)) for k in self.files)
            self._threshold = next((t for t in told if t is not None), 0)
        return _flat(self._values(index)) > self._threshold

    def _values(self, index: int) -> np.ndarray:
        """The picture of a frame: palette indices and 16-bit values as int32 (H, W), grey or colours as uint8."""
        from PIL import Image

        path, (height, width) = self.files[index], self.size
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked next
                image = Image.open(path, formats=["PNG"])
            with image:
                if image.size != (width, height):  # known from the header, before memory is allocated for the picture
                    raise BenchError(
                        f"{path}: mask is {image.width}x{image.height}, the video is {width}x{height}; "
                        "create masks of the video's size"
                    )
                if image.mode in ("L", "LA", "RGB", "RGBA"):
                    return np.asarray(image.convert("L" if image.mode in ("L", "LA") else "RGB"))
                return np.asarray(image).astype(np.int32)  # P: indices; 1: 0 or 1; I;16: 16 bits
        except BenchError:
            raise
        except Exception as error:  # a damaged PNG can raise any exception: OSError, SyntaxError, zlib.error, …
            raise BenchError(f"{path}: not a readable PNG ({type(error).__name__}); write it again") from None


def _flat(values: np.ndarray) -> np.ndarray:
    return values.max(axis=2) if values.ndim == 3 else values


def _threshold(values: np.ndarray) -> int | None:
    """The threshold that pixels of an actor exceed, or None if this picture does not show it."""
    if values.dtype != np.uint8:
        return 0
    if values.ndim == 3 and (values != values[..., :1]).any():
        return 0
    return THRESHOLD if values.max() > THRESHOLD else None


class FolderMasks:
    """``folder:PATH``: a folder with one subfolder of PNG masks per video."""

    def __init__(self, path: Path | None, dataset_root: Path, numbering: str = "auto") -> None:
        if path is None:
            raise BenchError("--masks folder: the folder is missing; give --masks folder:PATH")
        if not path.is_dir():
            raise BenchError(f"{path}: no such folder of masks; give --masks folder:PATH")
        FolderSettings(numbering=numbering)  # type: ignore[arg-type]  # checked there
        self.folder, self.numbering = path, numbering

    def track(self, video: Video, height: int, width: int) -> PictureTrack:
        """The pictures of one video.

        Raises:
            LeftOut: there is no folder for this video, or no picture in it.
            BenchError: a picture's name has no number, two pictures have the same number, there are several series, or
                (from ``mask``) a picture cannot be used.
        """
        places = dict.fromkeys((video.id, Path(video.id).name))
        found = next((f for f in (found_inside(self.folder, n) for n in places) if f.is_dir()), None)
        if found is None:
            raise LeftOut(f"no folder of masks for {video.id}")
        names = [p.name for p in entries(found) if p.suffix.lower() == ".png"]
        if not names:
            raise LeftOut(f"no PNG mask in {found}")
        files: dict[int, Path] = {}
        for number, name in series(names, found):
            if number is None:
                raise BenchError(f"{found / name}: its name has no frame number; name masks like 00001.png")
            files[number] = inside(self.folder, (found / name).relative_to(self.folder).as_posix())
        first = int(self.numbering) if self.numbering != "auto" else int(min(files) == 1)
        if min(files) < first or max(files) > LONGEST:
            raise BenchError(f"{found}: has a mask of frame {min(files) if min(files) < first else max(files)}, but "
                             f"frame numbers must be between {first} and {LONGEST}; rename it")  # fmt: skip
        return PictureTrack({number - first: path for number, path in files.items()}, height, width)

    def describe(self) -> dict[str, object]:
        return {"kind": "folder", "numbering": self.numbering}
