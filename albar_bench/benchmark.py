"""A built benchmark in the Python API: its rows as a table, its frames, its clips."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark_builder.benchmark import manifest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted, read_records

if TYPE_CHECKING:
    from albar.clips.clips import ClipSampling
    from albar_bench.clips import BenchmarkClips


class Benchmark:
    """A finished benchmark on disk.

    Attributes:
        folder: its folder on disk.
        protocol: the settings that decided its pixels (protocol.json).
    """

    def __init__(self, folder: str | Path, root: str | Path | None = None, scuba: str | Path | None = None) -> None:
        """Read the tables; videos are decoded when they are needed.

        Args:
            folder: the folder of a finished build.
            root: the dataset's folder, if it has moved since (virtual benchmarks read it).
            scuba: the SCUBA benchmark from which this one was made, if it has moved.

        Raises:
            BenchError: the benchmark is missing or not finished, or a table is damaged.
        """
        self._read = manifest.read_benchmark(
            Path(folder), None if root is None else Path(root), None if scuba is None else Path(scuba)
        )
        self.folder = self._read.folder
        self.protocol: dict[str, object] = self._read.protocol.plain()

    def __repr__(self) -> str:
        return f"<Benchmark {self.kind} of {self.dataset}: {counted(len(self), 'video')} in {self.folder}>"

    def __len__(self) -> int:
        return len(self._read.rows)

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def kind(self) -> str:
        """``scuba``, ``scufo``, ``conflfg``, ``shaken`` …"""
        return self._read.kind

    @property
    def dataset(self) -> str:
        """The dataset to whose classes the labels belong."""
        return self._read.dataset

    @property
    def classes(self) -> list[str]:
        """Class names in label order, also those without a video here."""
        return self._read.classes

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest; it names the exact videos."""
        return self._read.digest

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per video; the columns are those of manifest.csv (``id``, ``label``, ``frames`` …)."""
        return pd.DataFrame([asdict(row) for row in self._read.rows], columns=manifest.COLUMNS)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Videos that were left out or failed, and notes: columns ``id``, ``kind``, ``reason``."""
        path = self.folder / manifest.FAILURES
        return pd.DataFrame(read_records(path, manifest.FAILURE_COLUMNS), columns=manifest.FAILURE_COLUMNS)

    def frames(self, video_id: str) -> Iterator[np.ndarray]:
        """The frames of one video, in order: uint8 (H, W, 3) RGB.

        Raises:
            BenchError: the id is unknown, or the video is missing, damaged or changed since the build.
        """
        row = self._read.by_id.get(video_id)
        if row is None:
            raise BenchError(f"{self.folder}: has no video {video_id!r}; see its rows for the ids")
        return self._read.frames(row)

    def clips(self, sampling: "str | ClipSampling") -> "BenchmarkClips":
        """A torch dataset of test clips.

        Args:
            sampling: how clips are cut: a preset's name such as ``32x2-224`` or a ClipSampling.

        Returns:
            Items ``(clip, label, id)``: clip float32 (3, T, H, W), normalised as in the sampling, or (V, 3, T, H, W)
            for V views per video; label int.
        """
        from albar_bench.clips import BenchmarkClips

        return BenchmarkClips(self.folder, sampling, self._read.root)
