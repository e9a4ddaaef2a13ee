"""``rle:PATH``: masks as COCO run-length codes (RLE) in one JSON file, in one of two formats.

By video: ``{"ID": [RLE or null, …]}``, one entry per frame from frame 0 on; ID is the video's id or its last part.

YouTube-VIS: ``{"videos": [{"id", "file_names", "length", …}], "annotations": [{"video_id", "segmentations":
[RLE or null, …]}]}``. A video is identified by the folder of its ``file_names`` (``0a1b/00000.jpg``) or by its ``id``.
Entry k belongs to frame k of the video, the k-th of ``file_names``. The objects of a video are united.

An RLE is ``{"size": [H, W], "counts": …}``: column by column, alternating runs of background and actor, starting with
background; ``counts`` is a list of run lengths or the compressed string of pycocotools. null, or a list that ends
early, means that the frame is not covered; "no actor" is an RLE with background only.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import read_json, sha256_file
from benchmark_builder.utils.text import composed, plain_path
from benchmark_builder.video.record import Video

_CHUNKS = 7  # of 5 bits: enough for every run in a picture


def decode_rle(rle: object, height: int, width: int) -> np.ndarray:
    """The mask of one RLE: bool (height, width).

    pycocotools decodes the same codes, but reads uninitialised memory if the runs end early; here their sum must be the
    number of pixels.

    Raises:
        ValueError: not an RLE, another size, or a wrong sum of the runs. These checks come before any large allocation.
    """
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise ValueError("it is not an RLE (size and counts)")
    size, counts = rle["size"], rle["counts"]
    if size != [height, width]:
        shown = f"{size[1]}x{size[0]}" if isinstance(size, list) and len(size) == 2 else repr(size)[:40]
        raise ValueError(f"its size is {shown}, the video is {width}x{height}")
    if isinstance(counts, str):
        runs = _uncompressed(counts)
    elif isinstance(counts, list) and all(type(c) is int and 0 <= c <= height * width for c in counts):
        runs = np.array(counts, dtype=np.int64)
    else:
        raise ValueError("its counts are neither a string nor a list of run lengths")
    # No run is negative or longer than the picture, so the sum cannot overflow.
    if (runs < 0).any() or (runs > height * width).any() or int(runs.sum()) != height * width:
        raise ValueError("the sum of its runs is not the number of pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _uncompressed(text: str) -> np.ndarray:
    """Run lengths int64 of COCO's compressed string.

    A number is written in chunks of 5 bits, lowest first, one character (plus 48) per chunk. Bit 5 means that more
    chunks follow; bit 4 of the last chunk is the sign. From the fourth number on, the value is the difference from the
    number two positions before.
    """
    codes = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int64) - 48
    if not len(codes):
        return np.zeros(0, np.int64)
    more = (codes & 0x20) != 0
    if (codes < 0).any() or (codes > 63).any() or more[-1]:  # non-ASCII characters are above 63
        raise ValueError("its counts are not compressed run lengths")
    last = np.flatnonzero(~more)
    first = np.concatenate([[0], last[:-1] + 1])
    chunks = last - first + 1
    if (chunks > _CHUNKS).any():
        raise ValueError("a run in its counts is longer than any picture")
    place = np.arange(len(codes)) - np.repeat(first, chunks)
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), first)
    numbers -= np.where(codes[last] & 0x10, 1, 0) << (5 * chunks)
    # The first run is not a difference; later ones are differences within background or within actor.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


class RLETrack:
    """Masks of one video. ``covered``: bool (T,), T is the length of the longest list of its objects."""

    def __init__(self, objects: list[list[object]], height: int, width: int, where: str) -> None:
        """objects: for every object, a list with an RLE or None per frame; where: file and video, for messages."""
        self.objects, self.size, self.where = objects, (height, width), where
        self.covered = np.zeros(max(map(len, objects), default=0), dtype=bool)
        for entries in objects:
            self.covered[: len(entries)] |= np.array([e is not None for e in entries], dtype=bool)

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W), the union of the objects."""
        mask = np.zeros(self.size, dtype=bool)
        for entries in self.objects:
            if index < len(entries) and entries[index] is not None:
                try:
                    mask |= decode_rle(entries[index], *self.size)
                except ValueError as error:
                    raise BenchError(
                        f"{self.where}, frame {index}: {error}; write the RLEs again, with the video's size"
                    ) from None
        return mask


class RLEMasks:
    """``rle:PATH``: PATH is the JSON file."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        if path is None:
            raise BenchError("--masks rle: the file is missing; give --masks rle:FILE.json")
        self.path = path
        table = read_json(path, "file of RLE masks", "give --masks rle:FILE.json")
        if not isinstance(table, dict):
            raise BenchError(f"{path}: is not a file of RLE masks (a JSON object); give --masks rle:FILE.json")
        is_vis = isinstance(table.get("videos"), list) and isinstance(table.get("annotations"), list)
        self.videos = self._youtube_vis(table) if is_vis else self._by_video(table)
        self.sha256 = sha256_file(path)

    def _by_video(self, table: dict[str, Any]) -> dict[str, list[list[Any]]]:
        for name, entries in table.items():
            if not isinstance(entries, list):
                raise BenchError(f"{self.path}: {name!r} is not a list with one RLE per frame; write the file again")
        return {composed(name): [entries] for name, entries in table.items()}

    def _youtube_vis(self, table: dict[str, Any]) -> dict[str, list[list[Any]]]:
        objects: dict[Any, list[list[Any]]] = {}
        try:
            for video in table["videos"]:
                objects.setdefault(_key(video["id"]), [])
            for annotation in table["annotations"]:
                entries = annotation["segmentations"]
                if not isinstance(entries, list):
                    raise TypeError("segmentations is not a list")
                objects[_key(annotation["video_id"])].append(entries)
            named: dict[str, list[list[Any]]] = {}
            for video in table["videos"]:
                for file in video.get("file_names", [])[:1]:
                    named.setdefault(str(PurePosixPath(plain_path(file)).parent), objects[_key(video["id"])])
            for video in table["videos"]:  # a folder name has priority over an equal number
                named.setdefault(_key(video["id"]), objects[_key(video["id"])])
            return named
        except (AttributeError, KeyError, TypeError) as error:
            raise BenchError(
                f"{self.path}: is not in the YouTube-VIS format ({type(error).__name__}: {error}); write the file again"
            ) from None

    def track(self, video: Video, height: int, width: int) -> RLETrack:
        """The masks of one video.

        Raises:
            LeftOut: the file does not list the video, or has no mask for it.
            BenchError: (from ``mask``) an RLE is damaged or of another size.
        """
        objects = self.videos.get(video.id)
        if objects is None:
            objects = self.videos.get(PurePosixPath(video.id).name)
        if objects is None:
            raise LeftOut(f"no masks for {video.id} in {self.path.name}")
        track = RLETrack(objects, height, width, f"{self.path}: {video.id}")
        if not track.covered.any():
            raise LeftOut(f"no frame of {video.id} has a mask in {self.path.name}")
        return track

    def reads(self, video: Video) -> list[Path]:
        """No files, except the one whose digest is in :meth:`describe`."""
        return []

    def describe(self) -> dict[str, object]:
        return {"kind": "rle", "sha256": self.sha256}


def _key(identifier: object) -> str:
    """A video's number or name; other types are refused, since it is used as a dictionary key."""
    if not isinstance(identifier, int | str):
        raise TypeError("a video's id is neither a number nor text")
    return composed(str(identifier))
