"""The interface of a kind of test videos; the table of kinds is in :mod:`benchmark_builder.kinds`."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic.fields import FieldInfo

from benchmark_builder import kinds
from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.kinds import About
from benchmark_builder.kinds.stills import still_problems
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.settings import NetworkSettings, PartSettings, RunSettings, ScubaSettings, VideoSettings
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import SettingsModel, setting

__all__ = ["About", "Derived", "FramesMaker", "Kind", "kind_named", "own_settings", "setting"]


class Kind(SettingsModel, ABC):
    """One kind of test videos. The fields of a subclass are its settings."""

    about: ClassVar[About]
    own_columns: ClassVar[frozenset[str]] = frozenset()  # columns of INHERITED that differ from the SCUBA video's
    actor_stays: ClassVar[bool] = False  # the actor (or its removed place) is where the masks of the source are

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        """The kind with the settings in a benchmark's protocol.json. Raises BenchError if they are wrong."""
        return cls(**protocol.settings)

    @abstractmethod
    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        """Compose a video of the virtual layout again: yields uint8 (H, W, 3) RGB, exactly as it was built.

        Raises:
            ChangedFile: a file it is composed from differs from the manifest.
            BenchError: such a file is missing or cannot be read.
        """

    def actor_masks(
        self, benchmark: Benchmark, row: Row, mask: Callable[[int], np.ndarray]
    ) -> Iterator[np.ndarray] | None:
        """Where the actor is in the frames of a video, for `bench explain`; of ConflFG the moving actor.

        Args:
            benchmark, row: the video.
            mask: gives the mask of the source, bool (H, W), for frame k of the SCUBA video that it was made from.

        Yields:
            Per frame (of a ``still`` kind for its one frame): bool (H, W), or uint8 (H, W), the share of each pixel in
            255ths. None if the kind does not tell.
        """
        if not self.actor_stays:
            return None
        if self.about.still:
            return iter([mask(still_frame_of(row))])
        return (mask(k) for k in range(row.frames))

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        """Problems that `bench verify` finds in a row of this kind in addition to the common checks, one line each."""
        return []

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        """A function of a row and its SCUBA row: it lists the values that differ from a new draw with the seed."""
        return lambda row, base: []


def still_frame_of(row: Row) -> int:
    """Which frame of its SCUBA video a still shows. Raises BenchError if the row does not say it."""
    if row.still_frame is None or not 0 <= row.still_frame < row.frames:
        raise BenchError(f"{row.id}: its row does not say which frame it repeats; build the benchmark again")
    return row.still_frame


class Derived(Kind):
    """A kind whose videos are made from SCUBA videos, one from each.

    The simplest subclass sets ``about`` and defines :meth:`frames`. A kind with more columns in its rows overrides
    :meth:`maker`, and :meth:`Kind.compose`, which reads the parts that the maker stored.
    """

    drawn_from_all: ClassVar[bool] = False  # a video depends on the whole SCUBA benchmark
    per_source: ClassVar[bool] = False  # one video per source, made from the row of its first background

    def frames(self, scuba: Benchmark, row: Row, seed: int) -> Iterator[np.ndarray]:
        """The frames of the video that is made from one SCUBA video.

        Args:
            scuba: the SCUBA benchmark: ``scuba.frames(row)`` are the video's frames, ``scuba.masks(row)`` its masks.
            row: the row of the SCUBA video.
            seed: for every draw, made with ``benchmark_builder.utils.rng.generator(seed, row.id, "what is drawn")``.

        Yields:
            As many frames as in the SCUBA video, of its size: uint8 (H, W, 3) RGB. For a ``still`` kind, one frame.
        """
        raise BenchError(f"kind {self.about.name}: has no frames(); give it one, or a maker() and a compose()")

    def started(self, scuba: Benchmark, row: Row, seed: int) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
        """The columns of the new row that differ from its SCUBA row, and the frames.

        Size and donor must be known at once; other columns may be added while the frames are made.
        """
        return {}, self.frames(scuba, row, seed)

    def prepared(self, scuba: Benchmark, seed: int, workers: int = 1, progress: bool = False) -> Self:
        """The kind with what it measures of the whole SCUBA benchmark, to be stored in protocol.json."""
        return self

    def reading(self, scuba: Benchmark, rows: Sequence[Row], seed: int, progress: bool = False) -> Self:
        """The kind with the digests of further files from which the videos of these SCUBA rows will be made."""
        return self

    def unchanged(self, before: ProtocolRecord | None, videos: Sequence[Row]) -> bool:
        """Whether further files, from which built videos were made, are those that ``before`` has the digests of."""
        return True

    @property
    def folders(self) -> dict[str, Path]:
        """Folders of further files, by their name in protocol.json."""
        return {}

    def summary(self, rows: Sequence[Row]) -> str:
        """A message for the user on all videos of a finished build, or ""."""
        return ""

    def check(self, scuba: Benchmark) -> str:
        """A message for the user, or "". Raises BenchError if this kind cannot be made from ``scuba``."""
        return ""

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> pool.Maker:
        """The object that makes the video of each SCUBA row in ``out``: ``make(row)`` writes it and returns its row."""
        return FramesMaker(self, out, scuba, seed, layout)

    def written(self, scuba: Benchmark) -> dict[str, object]:
        """What the kind adds to protocol.json, such as its settings, which :meth:`Kind.read` reads."""
        return {"settings": self.model_dump()} if self.setting_names() else {}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        base = benchmark.base(row)
        return self._counted(self.frames(benchmark.origin, base, row.seed), base)

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        return lambda row, base: still_problems(benchmark, scuba, row, base)

    def _counted(self, frames: Iterator[np.ndarray], base: Row) -> Iterator[np.ndarray]:
        """The frames of a video, a still repeated. Raises BenchError if size or number differ from the SCUBA video."""
        count, shape = 0, (base.height, base.width, 3)
        for frame in frames:
            if frame.shape != shape or frame.dtype != np.uint8:
                raise BenchError(f"{base.id}: kind {self.about.name} returned a frame {frame.dtype} {frame.shape}, "
                                 f"not uint8 {shape}; fix its frames()")  # fmt: skip
            for _ in range(base.frames if self.about.still else 1):
                count += 1
                yield frame
            if self.about.still:
                break
        if count != base.frames:
            raise BenchError(f"{base.id}: kind {self.about.name} returned {count} frames, its SCUBA video has "
                             f"{base.frames}; fix its frames()")  # fmt: skip


@dataclass(frozen=True)
class FramesMaker:
    """Makes the video for one SCUBA video from :meth:`Derived.frames`."""

    kind: Derived
    out: Path
    scuba: Benchmark
    seed: int
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Write one video and return its row. Raises BenchError as in :meth:`Derived.frames`."""
        still = self.kind.about.still
        file = self.layout.file_of(row.id, still)
        columns, frames = self.kind.started(self.scuba, row, self.seed)
        row = row.derived(**columns)
        frames = self.kind._counted(frames, row)
        digest = layouts.PixelDigest(row.height, row.width)
        if still:
            for image in frames:
                digest.update(image)
            self.layout.write_still(self.out / file, image, row.frames, row.fps, None)
        else:
            with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
                for image in frames:
                    digest.update(image)
                    sink.write(image)
        self.layout.store(self.out / file, {})
        made = {"pixels_xxh128": digest.hexdigest(), "file_sha256": layouts.digest(self.out / file)}
        return [dataclasses.replace(row, file=file, seed=self.seed, **(columns | made))]


def own_settings(kind: type[Kind]) -> dict[str, FieldInfo]:
    """The settings of a kind that are options: those with a help text."""
    return {name: field for name, field in kind.model_fields.items() if field.description}


# Options that every build command already has.
_TAKEN = {
    *ScubaSettings.setting_names(), *NetworkSettings.setting_names(), *VideoSettings.setting_names(),
    *PartSettings.setting_names(), *RunSettings.setting_names(), "seed", "out", "keep_going", "protocol", "source",
    "kind", "scuba", "subset", "run",
}  # fmt: skip


def kind_named(word: str | type[Kind]) -> type[Derived]:
    """The kind (made from SCUBA videos) for a name, a ``package.module:Kind``, or the class itself.

    Raises:
        BenchError: there is no such kind, or it is not made from SCUBA videos.
    """
    if isinstance(word, type) and "<locals>" not in word.__qualname__:
        kinds.trust(word)  # named by the user, so benchmarks of this kind can be read
    part = word if isinstance(word, type) else kinds.KINDS.find(word).part
    named = word if isinstance(word, str) else word.__qualname__
    shipped = isinstance(part, type) and getattr(part, "about", None) in kinds.shipped()
    found: type[Derived] = kinds.checked(part, part.about.name if shipped else named)
    if not issubclass(found, Derived):
        raise BenchError(f"{named}: is not made from SCUBA videos; build it with `bench build {found.about.name}`, or "
                         "give a subclass of benchmark_builder.kinds.base.Derived")  # fmt: skip
    for name in sorted(own_settings(found).keys() & _TAKEN):
        raise BenchError(
            f"{named}: has a setting {name!r}, but every build has an option of this name; rename the setting"
        )
    return found
