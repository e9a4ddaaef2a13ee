"""A folder of videos as backgrounds that move: scenery that is unrelated to the action."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_below
from benchmark_builder.utils.text import utf8
from benchmark_builder.video.compositing import fit, stretch
from benchmark_builder.video.decode import Frames, read_frames, scan_frames
from benchmark_builder.video.digest_cache import known_digest, require_digest

MOST_FRAMES = 3000  # of a longer video only the first ones are used, so that a draw never decodes hours
HELD_BYTES = 32 * 2**20  # memory for the frames that are shown in reverse order
DRAWS = 100


@dataclass(frozen=True)
class Clip:
    """A background that moves: a video, played forwards and backwards from a start frame, without end.

    Attributes:
        folder: the folder of videos.
        file: the video, relative to the folder.
        sha256: its digest.
        start: index of the first frame shown, from 0.
        length: number of frames of the video that are used, at least 2.
        fit: ``cover`` or ``stretch``, as for pictures.
    """

    folder: Path
    file: str
    sha256: str
    start: int
    length: int
    fit: str

    @property
    def name(self) -> str:
        """The name in the manifest: the file and the start frame."""
        return f"{utf8(self.file)}@{self.start}"

    def frames(self, height: int, width: int) -> Iterator[np.ndarray]:
        """Yield frames without end: uint8 (height, width, 3) RGB; frame k is ``order(start, length)``'s k-th.

        Raises:
            ChangedFile: the video is not the one that was drawn.
            BenchError: it is missing or cannot be read.
        """
        path = inside(self.folder, self.file)
        require_digest(path, self.sha256, "bring the old file back, or build the benchmark again")
        shaped = stretch if self.fit == "stretch" else fit
        at = self.start
        while True:
            for frame in _between(path, at, self.length):
                yield shaped(frame, height, width)
            # Backwards, without the last frame a second time: blocks of frames are decoded and then reversed.
            block, end = max(1, HELD_BYTES // (height * width * 3)), self.length - 1
            while end > 0:
                begin = max(0, end - block)
                held = [shaped(frame, height, width) for frame in _between(path, begin, end)]
                yield from reversed(held)
                end = begin
            at = 1

    def stored(self) -> str:
        """What the virtual layout stores: JSON, without the folder, whose place is in protocol.json."""
        told = {"file": self.file, "sha256": self.sha256, "start": self.start, "length": self.length, "fit": self.fit}
        return json.dumps(told)  # in ASCII: a file name that is not UTF-8 stays as it is

    @classmethod
    def read(cls, text: str, folder: Path, where: Path) -> "Clip":
        """The clip that :meth:`stored` described. Raises BenchError with ``where`` if the text is damaged."""
        try:
            told: Any = json.loads(text)
            file, sha256, how = (str(told[name]) for name in ("file", "sha256", "fit"))
            start, length = int(told["start"]), int(told["length"])
            if not 0 <= start < length <= MOST_FRAMES or length < 2:
                raise ValueError("its frames are not a part of a video")
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{where}: its background cannot be read ({error}); build it again") from None
        return cls(folder, file, sha256, start, length, how)


def order(start: int, length: int) -> Iterator[int]:
    """Indices of the frames that a clip shows, without end: ``order(1, 3)`` gives 1, 2, 1, 0, 1, 2, 1, …"""
    at, step = start, 1
    while True:
        yield at
        if not 0 <= at + step < length:
            step = -step
        at += step


class VideoFolder:
    """``video:FOLDER``: every video below FOLDER, drawn uniformly with replacement, and its start frame too.

    The background shows one frame of the video per frame of the source, whatever the frame rates. At its end it is
    played backwards, at its start forwards again, so that it never jumps. Pictures are fitted as in
    :class:`~benchmark_builder.backgrounds.images.ImageFolder`. A video that cannot be decoded completely, or has fewer
    than two frames, is reported, and another one is drawn.
    """

    def __init__(self, path: Path | None, how: str = "cover") -> None:
        if path is None:
            raise BenchError("--backgrounds video: the folder is missing; give --backgrounds video:FOLDER")
        if not path.is_dir():
            raise BenchError(f"{path}: no such folder of videos; give --backgrounds video:FOLDER")
        self.folder, self.fit = path, how
        self.names = [p.relative_to(path).as_posix() for p in files_below(path, VIDEO_SUFFIXES)]
        if not self.names:
            raise BenchError(f"{path}: contains no video (.mp4, .avi, .mkv …); give another folder")
        self.name = path.resolve().name

    def clip(self, rng: np.random.Generator) -> tuple[Clip, tuple[str, ...]]:
        """Draw one video and its start frame; also returns drawn names that could not be used.

        Raises:
            BenchError: too many of the drawn videos cannot be used.
        """
        unreadable: list[str] = []
        for _ in range(DRAWS):
            name = self.names[int(rng.integers(len(self.names)))]
            path = self.folder / name
            try:
                sha256 = known_digest(path)
                length = _length(path, sha256)
            except BenchError:
                length = 0
            if length >= 2:
                return Clip(self.folder, name, sha256, int(rng.integers(length)), length, self.fit), tuple(unreadable)
            unreadable.append(utf8(name))
        raise BenchError(f"{self.folder}: {DRAWS} videos were drawn and none could be used; check the folder")

    def image(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, str, tuple[str, ...]]:
        """The first frame of :meth:`clip`, for code that needs one picture."""
        clip, unreadable = self.clip(rng)
        return next(clip.frames(height, width)), clip.name, unreadable

    def describe(self) -> dict[str, object]:
        """The digest covers names and bytes; digests of files are cached, so each file is read once."""
        listed = "".join(f"{utf8(name)}\t{_digest(self.folder / name)}\n" for name in self.names)
        return {
            "kind": "video",
            "name": self.name,
            "videos": len(self.names),
            "listing_sha256": hashlib.sha256(listed.encode()).hexdigest(),
            "fit": self.fit,
        }


def _digest(path: Path) -> str:
    """A file's digest, or a word if it cannot be read: it is listed when it is drawn."""
    try:
        return known_digest(path)
    except BenchError:
        return "unreadable"


@lru_cache(maxsize=4096)
def _length(path: Path, sha256: str) -> int:
    """Number of frames to use; 0 if one of them cannot be decoded completely. ``sha256`` is part of the cache's key."""
    count = 0
    try:
        for facts in islice(scan_frames(path), MOST_FRAMES):
            if facts.damaged:
                return 0
            count += 1
    except BenchError:
        return 0
    return count


def _between(path: Path, begin: int, end: int) -> Iterator[np.ndarray]:
    """Frames ``begin`` to ``end`` - 1 of a video: uint8 (H, W, 3) RGB."""
    decoded = read_frames(path)
    for _ in range(begin):
        if isinstance(decoded, Frames):
            decoded.skip()
        else:
            next(decoded, None)
    yield from islice(decoded, end - begin)
