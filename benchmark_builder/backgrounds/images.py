"""A folder of pictures as backgrounds: Places365's ``test_256``, VQGAN-CLIP images, any other pictures."""

import hashlib
import warnings
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder import MOST_PIXELS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import files_below
from benchmark_builder.utils.text import utf8
from benchmark_builder.video.compositing import fit, stretch

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")  # Pillow's names for these suffixes
KNOWN = {"test_256": "places365"}


class ImageFolder:
    """``images:FOLDER``: every picture below FOLDER, drawn uniformly with replacement.

    Names are in natural order (2 before 10), so the draw does not depend on the order of the file system. Transparency
    is removed. A picture that cannot be read is reported, and another one is drawn. Grey pictures become RGB; with
    ``grey="redraw"`` (StillMix) another one is drawn instead.
    """

    def __init__(self, path: Path | None, how: str = "cover", grey: str = "keep") -> None:
        if path is None:
            raise BenchError("--backgrounds images: the folder is missing; give --backgrounds images:FOLDER")
        if not path.is_dir():
            raise BenchError(f"{path}: no such folder of pictures; give --backgrounds images:FOLDER")
        self.folder, self.fit, self.grey = path, how, grey
        self.names = [p.relative_to(path).as_posix() for p in files_below(path, SUFFIXES)]
        if not self.names:
            raise BenchError(f"{path}: contains no picture ({', '.join(sorted(SUFFIXES))}); give another folder")
        self.name = KNOWN.get(path.resolve().name, path.resolve().name)

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        unreadable: list[str] = []
        for _ in range(100):
            name = self.names[int(rng.integers(len(self.names)))]
            try:
                image = _read(self.folder / name) if self.grey == "keep" else _read_coloured(self.folder / name)
            except UnreadablePicture:
                unreadable.append(utf8(name))
                continue
            if image is not None:
                shaped = stretch if self.fit == "stretch" else fit
                return shaped(image, height, width), utf8(name), tuple(unreadable)
        if len(unreadable) == 100:
            raise BenchError(f"{self.folder}: 100 pictures were drawn and none could be read; check the folder")
        raise BenchError(
            f"{self.folder}: 100 pictures were drawn, all grey or unreadable; use other pictures, or --grey keep"
        )

    def describe(self) -> dict[str, object]:
        """The digest covers names and sizes: reading 328,500 pictures to draw a few of them would take too long."""
        listed = "".join(f"{name}\t{(self.folder / name).stat().st_size}\n" for name in self.names)
        return {
            "kind": "images",
            "name": self.name,
            "pictures": len(self.names),
            "listing_sha256": hashlib.sha256(utf8(listed).encode()).hexdigest(),
            "fit": self.fit,
            "grey": self.grey,
        }


class UnreadablePicture(Exception):
    """A file is not a picture, or is too large."""


def _read(path: Path) -> np.ndarray:
    """A picture, uint8 (H, W, 3) RGB, upright, without its transparency. Raises UnreadablePicture."""
    try:
        # From bytes, since on Windows cv2.imread cannot open paths with non-ASCII characters.
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:  # also raised for more pixels than benchmark_builder allows
        raise UnreadablePicture(str(error)) from None
    if picture is None:
        raise UnreadablePicture(f"{path}: not a picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _read_coloured(path: Path) -> np.ndarray | None:
    """A picture as StillMix reads it, uint8 (H, W, 3) RGB: with Pillow, not rotated, without transparency.

    None if it is grey: one channel, one channel and transparency, or a palette of greys. Raises UnreadablePicture.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked next
            image = Image.open(path, formats=FORMATS)
        with image:
            if image.width * image.height > MOST_PIXELS:  # known from the header, before memory is allocated
                raise UnreadablePicture(f"{path}: {image.width}x{image.height} pixels")
            if image.mode != "P":
                return np.array(image.convert("RGB")) if len(image.getbands()) > 2 else None
            array = np.array(image.convert("RGB"))
            return None if (array == array[..., :1]).all() else array
    except UnreadablePicture:
        raise
    except Exception as error:  # a damaged picture can raise any exception: OSError, SyntaxError, zlib.error, …
        raise UnreadablePicture(f"{path}: {error!r}") from None
