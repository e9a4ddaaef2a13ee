"""A folder of pictures as backgrounds: Places365's ``test_256``, VQGAN-CLIP images, any other."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark_builder.composite import fit
from benchmark_builder.errors import BenchError
from benchmark_builder.folders import files_below

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
KNOWN = {"test_256": "places365"}


class ImageFolder:
    """``images:FOLDER``: every picture below FOLDER, drawn uniformly with replacement.

    Names are in natural order (2 before 10), so the draw does not depend on how a file system lists them. Grey pictures
    become RGB, transparency is dropped, and pictures that cannot be read are reported and the next one is drawn.
    """

    def __init__(self, path: Path | None, how: str = "cover") -> None:
        if path is None:
            raise BenchError("--backgrounds images: says no folder; give --backgrounds images:FOLDER")
        if not path.is_dir():
            raise BenchError(f"{path}: no such folder of pictures; give --backgrounds images:FOLDER")
        self.folder, self.fit = path, how
        self.names = [p.relative_to(path).as_posix() for p in files_below(path, SUFFIXES)]
        if not self.names:
            raise BenchError(f"{path}: holds no picture ({', '.join(sorted(SUFFIXES))}); give a folder that does")
        self.name = KNOWN.get(path.resolve().name, path.resolve().name)

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        unreadable: list[str] = []
        for _ in range(100):
            name = self.names[int(rng.integers(len(self.names)))]
            image = _read(self.folder / name)
            if image is not None:
                if self.fit == "stretch":
                    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
                else:
                    image = fit(image, height, width)
                return image, name, tuple(unreadable)
            unreadable.append(name)
        raise BenchError(f"{self.folder}: 100 pictures drawn and none could be read; check the folder")

    def describe(self) -> dict[str, Any]:
        """The digest is of names and sizes: reading 328,500 pictures to draw a few of them would take too long."""
        listed = "".join(f"{name}\t{(self.folder / name).stat().st_size}\n" for name in self.names)
        return {
            "kind": "images",
            "name": self.name,
            "pictures": len(self.names),
            "listing_sha256": hashlib.sha256(listed.encode()).hexdigest(),
            "fit": self.fit,
        }


def _read(path: Path) -> np.ndarray | None:
    """A picture, uint8 (H, W, 3) RGB, or None if it cannot be read."""
    try:
        # From bytes: on Windows, cv2.imread finds no path with other letters than ASCII.
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # also one with more pixels than benchmark_builder admits
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
