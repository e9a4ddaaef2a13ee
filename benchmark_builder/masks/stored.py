"""Masks on disk: one zip of 1-bit PNGs per video, one PNG per covered frame, named by the index of the frame from 0.

The exact masks of synthactions, the masks that a benchmark was built with, and masks computed by `bench segment` are
stored in this format. Any zip tool and picture viewer can open it. If the mask source says how sure it is,
``confidence.txt`` has a line per frame of the source: a number from 0 to 1, or ``-`` where it is not known.
"""

import io
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmark_builder import MOST_PIXELS
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import found_inside, open_zip, read_json, whole_file, write_bytes, zip_member
from benchmark_builder.video.decode import png_size
from benchmark_builder.video.record import LONGEST, Video

if TYPE_CHECKING:
    from benchmark_builder.masks.corrections import CorrectionsRecord

_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp, so that equal masks give equal bytes
LENGTH, CONFIDENCE = "length.txt", "confidence.txt"
ORIGIN = "segment.json"  # records the source of the masks that `bench segment` wrote


class MaskWriter:
    """Appends masks to a zip. Use it as a context manager; the file appears at ``path`` when it is complete."""

    def __init__(self, path: Path, length: int = 0, confidence: np.ndarray | None = None) -> None:
        """
        Args:
            path: the zip.
            length: number of frames of the video, if it continues after the last mask.
            confidence: float (N,), 0..1 or nan, of each frame of the source; None if the source gives none.
        """
        self._path, self._confidence = path, confidence
        self._content = io.BytesIO()
        self._zip: zipfile.ZipFile | None = None
        self._length = length
        self._last = self._png = b""

    def __enter__(self) -> "MaskWriter":
        with ExitStack() as stack:
            self._temporary = stack.enter_context(whole_file(self._path))
            stack.push(self._save)
            # In memory, since zipfile goes back and forth in a file for each mask, which costs as much as all of these.
            self._zip = stack.enter_context(zipfile.ZipFile(self._content, "w", zipfile.ZIP_STORED))
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def write(self, index: int, mask: np.ndarray) -> None:
        """Store the mask of frame ``index``: bool (H, W)."""
        assert self._zip is not None
        if (pixels := mask.tobytes()) != self._last:  # consecutive frames often have the same mask
            ok, png = cv2.imencode(
                ".png", mask.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
            )
            if not ok:
                raise BenchError(f"mask of frame {index}: encoding failed")
            self._last, self._png = pixels, png.tobytes()
        self._zip.writestr(zipfile.ZipInfo(f"{index:06d}.png", _DATE), self._png)
        self._length = max(self._length, index + 1)

    def _finish(self, kind: object, value: object, trace: object) -> None:
        assert self._zip is not None
        if kind is None:
            self._zip.writestr(zipfile.ZipInfo(LENGTH, _DATE), f"{self._length}\n")
            if self._confidence is not None:
                lines = ("-" if np.isnan(value) else f"{value:.4f}" for value in self._confidence.tolist())
                self._zip.writestr(zipfile.ZipInfo(CONFIDENCE, _DATE), "".join(f"{line}\n" for line in lines))

    def _save(self, kind: object, value: object, trace: object) -> None:
        if kind is None:
            write_bytes(str(self._temporary), self._content.getbuffer())

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self._stack.__exit__(kind, value, trace)


def write_masks(path: Path, masks: Iterable[np.ndarray]) -> None:
    """Store consecutive masks, bool (H, W) each, from frame 0 on."""
    with MaskWriter(path) as writer:
        for index, mask in enumerate(masks):
            writer.write(index, mask)


class StoredTrack:
    """Masks of one video, read one at a time from its zip.

    Attributes:
        covered: bool (T,).
        confidence: float32 (N,), 0..1 or nan, of each frame of the source, which may be longer; None if it is unknown.
    """

    def __init__(self, path: Path, height: int | None = None, width: int | None = None) -> None:
        """
        Args:
            path: the zip.
            height, width: of the video; None: those of the first mask.

        Raises:
            BenchError: it is not a file of masks, or cannot be read.
        """
        self.path = path
        try:
            self._zip = open_zip(path)
            length = int(zip_member(self._zip, LENGTH, 64))
            indices = [int(n[:-4]) for n in self._zip.namelist() if n.endswith(".png") and n[:-4].isdigit()]
            self.confidence = _confidence(self._zip)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise BenchError(f"{path}: not a mask file ({error}); write it again with `bench segment`") from None
        if not 0 <= length <= LONGEST or any(i >= length for i in indices):
            raise BenchError(
                f"{path}: contains a frame after the end of the video; write it again with `bench segment`"
            )
        self.covered = np.zeros(length, dtype=bool)
        self.covered[indices] = True
        self.size = (height, width) if height is not None and width is not None else self._own_size()

    def _own_size(self) -> tuple[int, int]:
        """(height, width) of the first mask. Raises BenchError if there is none, or no video has this size."""
        first = int(self.covered.argmax())
        try:
            height, width = png_size(zip_member(self._zip, f"{first:06d}.png"))
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BenchError(f"{self.path}: mask of frame {first} cannot be read ({error})") from None
        if not 0 < height * width <= MOST_PIXELS:
            raise BenchError(f"{self.path}: masks are {width}x{height}, larger than any video; write it again")
        return height, width

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        height, width = self.size
        try:
            # A PNG of this size has at most about 8 bytes per pixel.
            data = zip_member(self._zip, f"{index:06d}.png", 8 * height * width + 65536)
            size = png_size(data)
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BenchError(f"{self.path}: mask of frame {index} cannot be read ({error})") from None
        if size != self.size:  # known from the header, before memory is allocated for the picture
            raise BenchError(
                f"{self.path}: masks are {size[1]}x{size[0]}, the video is {width}x{height}; "
                "create masks of the video's size"
            )
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise BenchError(f"{self.path}: mask of frame {index} cannot be read")
        return image > 127


def _confidence(archive: zipfile.ZipFile) -> np.ndarray | None:
    """What a zip says of the confidence. Raises ValueError if it is not what :class:`MaskWriter` writes."""
    if CONFIDENCE not in archive.namelist():
        return None
    words = zip_member(archive, CONFIDENCE, 8 * LONGEST).decode("ascii").split()
    values = np.array([np.nan if word == "-" else float(word) for word in words], np.float32)
    if len(values) > LONGEST or not ((values >= 0) & (values <= 1) | np.isnan(values)).all():
        raise ValueError(f"{CONFIDENCE} has a number that is not from 0 to 1")
    return values


class StoredMasks:
    """``stored:FOLDER``: masks written by this toolkit, FOLDER/ID.zip."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        self.folder = path or dataset_root / "masks"
        if not self.folder.is_dir():
            raise BenchError(f"{self.folder}: no such folder of masks; give --masks stored:FOLDER")
        self.origin = _origin(self.folder)
        self.corrections = None if self.origin is None else _corrections(self.folder)

    def track(self, video: Video, height: int, width: int) -> StoredTrack:
        path = found_inside(self.folder, f"{video.id}.zip")
        by_hand = None if self.corrections is None else self.corrections.videos.get(video.id)
        if by_hand is not None and by_hand.left_out is not None:
            raise LeftOut(by_hand.left_out)
        if not path.is_file():
            raise LeftOut(f"no masks: {path.name} is not in {self.folder}")
        return StoredTrack(path, height, width)

    def reads(self, video: Video) -> list[Path]:
        """The zip of the video."""
        return [found_inside(self.folder, f"{video.id}.zip")]

    def correction(self, video_id: str) -> str:
        """The digest of the corrections that the masks of a video were stored with; "" for none."""
        return "" if self.corrections is None else self.corrections.digests.get(video_id, "")

    def describe(self) -> dict[str, object]:
        """``kind``, and ``origin`` if `bench segment` wrote the folder: the source of its masks."""
        return {"kind": "stored"} | ({} if self.origin is None else {"origin": self.origin})


class TruthMasks(StoredMasks):
    """``truth``: the exact masks that were rendered with synthactions (ROOT/masks)."""

    def describe(self) -> dict[str, object]:
        return {"kind": "truth"}


def _origin(folder: Path) -> dict[str, object] | None:
    """The mask source that `bench segment` recorded in a folder, or None if the folder was not written by it."""
    path = folder / ORIGIN
    if not path.is_file():
        return None
    fix = "restore the file, or delete it if the masks are your own"
    record = read_json(path, "record of `bench segment`", fix)
    origin = record.get("masks") if isinstance(record, dict) else None
    if not isinstance(origin, dict) or "kind" not in origin:
        raise BenchError(f"{path}: not a record of `bench segment`; {fix}")
    return origin


def _corrections(folder: Path) -> "CorrectionsRecord | None":
    """The corrections that `bench segment` recorded in a folder; None without any."""
    path, fix = folder / ORIGIN, "restore the file, or run the same `bench segment` again"
    found = read_json(path, "record of `bench segment`", fix).get("corrections")
    if found is None:
        return None
    from benchmark_builder.masks.corrections import CorrectionsRecord

    return CorrectionsRecord.read(found, path, fix)
