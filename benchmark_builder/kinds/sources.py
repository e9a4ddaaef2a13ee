"""What kinds share that need only the sources and masks of a SCUBA benchmark: one video per source video."""

import contextlib
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.kinds.base import Derived, setting
from benchmark_builder.kinds.filling import Count, fill
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.utils.files import found_inside
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, entries
from benchmark_builder.utils.options import PathSetting
from benchmark_builder.utils.progress import Bar
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.selection import indices, source_frames

FILES = ("inpainted", "pairs")  # settings that are files of the user, of which protocol.json has only the names


class FromSources(Derived):
    """A kind with one video per source video, whatever its number of backgrounds in the SCUBA benchmark."""

    per_source: ClassVar[bool] = True
    own_columns: ClassVar[frozenset[str]] = frozenset({"background"})

    @property
    def set_name(self) -> str:
        """The name of this set of videos, in place of a background set's."""
        return "sources"

    def check(self, scuba: Benchmark) -> str:
        if not all(row.mask_file and row.source_file for row in scuba.rows):
            raise BenchError(
                f"{scuba.folder}: has no masks or does not name its source videos; build SCUBA with this toolkit "
                f"instead, since {self.about.name} is made from both"
            )
        return ""

    def written(self, scuba: Benchmark) -> dict[str, object]:
        # The name of a file or folder is enough to tell builds apart: nothing is composed again from it.
        own = self.model_dump(exclude_none=True, exclude={"inpainted_sha256"})
        values = {k: v.name if isinstance(v, Path) else v for k, v in own.items()}
        return {"backgrounds": {"kind": self.about.name, "name": self.set_name}, "settings": values}

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        values: dict[str, Any] = {k: v for k, v in protocol.settings.items() if k not in FILES}
        return cls(**values)

    def started(self, scuba: Benchmark, row: Row, seed: int) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        return {"background": self.set_name}, self.frames(scuba, row, seed)

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        def problems(row: Row, base: Row) -> list[str]:
            return [
                f"{name} is {getattr(row, name)!r}, but should be {value!r}"
                for name, value in self.recomputed(benchmark, scuba, row, base).items()
                if getattr(row, name) != value
            ]

        return problems

    def recomputed(self, benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row) -> dict[str, Any]:
        """What the columns of a row that are not the SCUBA row's ``base`` should be."""
        return {"background": benchmark.background_set}


class WithoutActor(FromSources):
    """A kind that shows filled-in backgrounds.

    Attributes:
        inpainted: a folder of frames that were filled in with another program; None: they are filled in here.
        inpainted_sha256: source id -> digest of its inpainted frames.
    """

    inpainted: PathSetting | None = setting(
        None, "Folder of your own inpainted videos or folders of frames, FOLDER/ID; ID is a source video's."
    )
    inpainted_sha256: dict[str, str] = Field(default_factory=dict)

    def check(self, scuba: Benchmark) -> str:
        if self.inpainted is not None and not self.inpainted.is_dir():
            raise BenchError(f"--inpainted {self.inpainted}: no such folder; give the folder of inpainted frames")
        return super().check(scuba)

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> pool.Maker:
        if self.inpainted is not None and layout.composed:
            raise BenchError(
                f"--layout {layout.name}: --inpainted frames may be gone when a video is composed again; choose a "
                "layout that stores frames, such as lossless"
            )
        return super().maker(out, scuba, seed, layout)

    @abstractmethod
    def shows(self, scuba: Benchmark, row: Row, seed: int) -> Row:
        """The SCUBA row of the source whose background the video of a row shows. Raises BenchError if there is none."""

    @classmethod
    @abstractmethod
    def shown_in(cls, row: Row) -> str:
        """The id of the source whose background a built video shows."""

    @property
    def folders(self) -> dict[str, Path]:
        return {} if self.inpainted is None else {"inpainted": self.inpainted}

    def reading(self, scuba: Benchmark, rows: Sequence[Row], seed: int, progress: bool = False) -> Self:
        if self.inpainted is None:
            return self
        found: dict[str, str] = {}
        for row in Bar(rows, desc="inpainted", unit="video", disable=not progress):
            with contextlib.suppress(BenchError):  # the video will fail for this reason
                name = self.shows(scuba, row, seed).source_id
                if name not in found:
                    found[name] = known_digest(inpainted_path(self.inpainted, name))
        return self.model_copy(update={"inpainted_sha256": found})

    def unchanged(self, before: ProtocolRecord | None, videos: Sequence[Row]) -> bool:
        if self.inpainted is None:
            return True
        was = {} if before is None else before.inpainted
        names = [self.shown_in(video) for video in videos]
        # A video stays if its inpainted frames are gone now.
        return all(self.inpainted_sha256.get(n, was.get(n)) == was.get(n) for n in names)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        said = super().written(scuba)
        return said if self.inpainted is None else said | {"inpainted": self.inpainted_sha256}

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        sha256 = benchmark.protocol.inpainted.get(cls.shown_in(row))
        folder = None if sha256 is None else benchmark.inpainted_folder
        if folder is None:
            return []
        with contextlib.suppress(BenchError):  # missing files cannot be checked
            path = inpainted_path(folder, cls.shown_in(row))
            if layouts.digest(path) != sha256:
                return [f"{path} is not the file from which it was built (its SHA-256 differs)"]
        return []

    def background(self, scuba: Benchmark, row: Row, count: Count) -> Iterator[np.ndarray]:
        """The frames of a source without its actor, uint8 (H, W, 3) RGB; ``count`` is updated if they are filled here.

        Raises:
            BenchError: inpainted frames are missing, or have another size or number than the source's.
        """
        if self.inpainted is None:
            return fill(shown_frames(scuba, row), count)
        path = inpainted_path(self.inpainted, row.source_id)
        if (sha256 := self.inpainted_sha256.get(row.source_id)) is not None and known_digest(path) != sha256:
            raise ChangedFile(f"{path}: changed while the build ran; run the same command again")
        return _inpainted(path, scuba, row)

    def recomputed(self, benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row) -> dict[str, Any]:
        columns, frames = self.again(benchmark, scuba, row, base)
        if "inpainted" in benchmark.protocol.settings:
            columns["covered"] = None
        else:
            deque(frames, maxlen=0)  # the share that was never uncovered is known at the end
        return columns

    @abstractmethod
    def again(
        self, benchmark: Benchmark, scuba: Benchmark, row: Row, base: Row
    ) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        """As :meth:`started`, for a built video, whose SCUBA row is ``base``; ``inpainted`` frames are not needed."""

    def summary(self, rows: Sequence[Row]) -> str:
        known = [(row.covered, self.weight(row)) for row in rows if row.covered is not None]
        total = sum(weight for _, weight in known)
        if not total:
            return ""
        never = sum(share * weight for share, weight in known) / total
        most = max(share for share, _ in known)
        return (
            f"never uncovered, so filled in with OpenCV's inpainting: {never:.1%} of the actors in all, up to "
            f"{most:.1%} of one video (column covered of manifest.csv)"
        )

    def weight(self, row: Row) -> float:
        """The weight of a video's ``covered`` in the whole: the pixels of its masks."""
        return (row.mask_coverage or 0) * row.frames * row.height * row.width


def shown_frames(scuba: Benchmark, row: Row) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The frames of a source that its SCUBA video shows, uint8 (H, W, 3) RGB, each with its mask, bool (H, W).

    Raises:
        ChangedFile: the source or its masks changed since the SCUBA video was made.
        BenchError: they are missing or cannot be read.
    """
    track = scuba.masks(row)
    shown = indices(row.source_frames)
    for index, frame in source_frames(scuba.source(row), shown, row.height, row.width, scuba.version):
        yield frame, track.mask(index)


def _inpainted(path: Path, scuba: Benchmark, row: Row) -> Iterator[np.ndarray]:
    """The source's frames with the user's inpainted pixels inside the mask."""
    whole = layouts.read_any(path)
    shown = shown_frames(scuba, row)
    said = f"{path}: give inpainted frames of the size and number of the source's, {row.width}x{row.height}"
    wanted = indices(row.source_frames)
    taken = 0
    for index, image in enumerate(whole):
        if taken < len(wanted) and index == wanted[taken]:
            if image.shape != (row.height, row.width, 3):
                raise BenchError(f"{said}, not {image.shape[1]}x{image.shape[0]}")
            frame, mask = next(shown)
            yield paste(image, mask, frame)
            taken += 1
        if taken == len(wanted):
            return
    raise BenchError(f"{said}; frame {wanted[taken]} is missing")


def inpainted_path(folder: Path, source_id: str) -> Path:
    """The inpainted video of a source: a folder of frames or a file, named as its id or the last part of the id."""
    for name in dict.fromkeys((source_id, source_id.rpartition("/")[2])):
        place = found_inside(folder, name)
        if place.is_dir():
            return place
        near = entries(place.parent) if place.parent.is_dir() else []
        files = [path for path in near if path.stem == place.name and path.suffix.lower() in VIDEO_SUFFIXES]
        if len(files) > 1:
            raise BenchError(f"{folder}: has {files[0].name} and {files[1].name}; keep one of them")
        if files:
            return files[0]
    raise BenchError(f"{folder}: has no inpainted frames of {source_id}; name the folder or video {source_id}")
