"""What a kind of test videos has to offer; the table of kinds is in :mod:`benchmark_builder.kinds`."""

from collections.abc import Callable, Iterator
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


class Kind(SettingsModel):
    """One kind of test videos. The fields of a subclass are its settings."""

    about: ClassVar[About]

    @classmethod
    def read(cls, protocol: ProtocolRecord) -> Self:
        """The kind with the settings that a benchmark's protocol.json has. Raises BenchError if they are wrong."""
        return cls(**protocol.settings)

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        """Compose a video of the virtual layout again: yields uint8 (H, W, 3) RGB, exactly as it was built.

        Raises:
            ChangedFile: what it is composed from is not what the manifest describes.
            BenchError: that is missing or cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def row_problems(cls, benchmark: Benchmark, row: Row) -> list[str]:
        """What `bench verify` finds in a row of this kind beyond its common checks, one line each."""
        return []

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        """A function of a row and its SCUBA video's row: what the row says otherwise than its seed draws it again."""
        return lambda row, base: []


class Derived(Kind):
    """A kind whose videos are made from SCUBA videos, one of each.

    The simplest subclass sets ``about`` and has :meth:`frames`. One with more to say in its rows brings a
    :meth:`maker` of its own, and :meth:`Kind.compose` then reads back what the maker stored.
    """

    drawn_from_all: ClassVar[bool] = False  # a video depends on all of the SCUBA benchmark, not on its own alone

    def frames(self, scuba: Benchmark, row: Row, seed: int) -> Iterator[np.ndarray]:
        """The frames of the video made from one SCUBA video.

        Args:
            scuba: the SCUBA benchmark: ``scuba.frames(row)`` are the video's frames, ``scuba.masks(row)`` its masks.
            row: the SCUBA video's.
            seed: owns every draw, by ``benchmark_builder.utils.rng.generator(seed, row.id, "what is drawn")``.

        Yields:
            As many frames as the SCUBA video has, of its size: uint8 (H, W, 3) RGB. Of a ``still`` kind, one frame.
        """
        raise NotImplementedError

    def check(self, scuba: Benchmark) -> str:
        """A line for the user, "" for none. Raises BenchError if this kind cannot be made from ``scuba``."""
        return ""

    def maker(self, out: Path, scuba: Benchmark, seed: int, layout: layouts.Layout) -> pool.Maker:
        """What makes the video of each SCUBA row below ``out``: ``make(row)`` writes it and returns its row."""
        return FramesMaker(self, out, scuba, seed, layout)

    def written(self, scuba: Benchmark) -> dict[str, Any]:
        """What protocol.json says of the settings; :meth:`Kind.read` reads it."""
        return {"settings": self.model_dump()} if self.setting_names() else {}

    def compose(self, benchmark: Benchmark, row: Row) -> Iterator[np.ndarray]:
        base = benchmark.base(row)
        return self._counted(self.frames(benchmark.origin, base, row.seed), base)

    def redrawn(self, benchmark: Benchmark, scuba: Benchmark) -> Callable[[Row, Row], list[str]]:
        return lambda row, base: still_problems(benchmark, scuba, row, base)

    def _counted(self, frames: Iterator[np.ndarray], base: Row) -> Iterator[np.ndarray]:
        """The frames of a video, a still repeated; BenchError if they are not of the SCUBA video's size and number."""
        count, shape = 0, (base.height, base.width, 3)
        for frame in frames:
            if frame.shape != shape or frame.dtype != np.uint8:
                raise BenchError(f"{base.id}: kind {self.about.name} gave a frame {frame.dtype} {frame.shape}, not "
                                 f"uint8 {shape}; fix its frames()")  # fmt: skip
            for _ in range(base.frames if self.about.still else 1):
                count += 1
                yield frame
            if self.about.still:
                break
        if count != base.frames:
            raise BenchError(f"{base.id}: kind {self.about.name} gave {count} frames, its SCUBA video has "
                             f"{base.frames}; fix its frames()")  # fmt: skip


@dataclass(frozen=True)
class FramesMaker:
    """Makes the video of one SCUBA video from :meth:`Derived.frames`."""

    kind: Derived
    out: Path
    scuba: Benchmark
    seed: int
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Write one video; its row. Raises BenchError as :meth:`Derived.frames`."""
        still = self.kind.about.still
        file = self.layout.file_of(row.id, still)
        frames = self.kind._counted(self.kind.frames(self.scuba, row, self.seed), row)
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
        return [row.derived(file=file, seed=self.seed, **made)]


def own_settings(kind: type[Kind]) -> dict[str, FieldInfo]:
    """The settings of a kind that options set: those with a line of help."""
    return {name: field for name, field in kind.model_fields.items() if field.description}


# What every command that builds takes already.
_TAKEN = {
    *ScubaSettings.setting_names(), *NetworkSettings.setting_names(), *VideoSettings.setting_names(),
    *PartSettings.setting_names(), *RunSettings.setting_names(), "seed", "out", "keep_going", "protocol", "source",
    "kind", "scuba", "subset", "run",
}  # fmt: skip


def kind_named(word: str | type[Kind]) -> type[Derived]:
    """The kind, made from SCUBA videos, of a name, a ``package.module:Kind``, or itself.

    Raises:
        BenchError: there is none, or it is not made from SCUBA videos.
    """
    if isinstance(word, type) and "<locals>" not in word.__qualname__:
        kinds.trust(word)  # the user's own, so a benchmark of it is read back
    part = word if isinstance(word, type) else kinds.KINDS.find(word).part
    named = word if isinstance(word, str) else word.__qualname__
    shipped = isinstance(part, type) and getattr(part, "about", None) in kinds.shipped()
    found: type[Derived] = kinds.checked(part, part.about.name if shipped else named)
    if not issubclass(found, Derived):
        raise BenchError(f"{named}: is not made from SCUBA videos; build it with `bench build {found.about.name}`, or "
                         "give a subclass of benchmark_builder.kinds.base.Derived")  # fmt: skip
    for name in sorted(own_settings(found).keys() & _TAKEN):
        raise BenchError(f"{named}: has a setting called {name!r}, which every kind has; rename it")
    return found
