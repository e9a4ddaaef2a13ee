"""Checks a benchmark against its manifest: every byte of every file, and every row against its video."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from benchmark_builder import kinds
from benchmark_builder.benchmark.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    INHERITED,
    MANIFEST,
    PROTOCOL,
    SUMS,
    Benchmark,
    Row,
    read_benchmark,
)
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.folders import hidden
from benchmark_builder.utils.runner import work
from benchmark_builder.utils.text import read_records
from benchmark_builder.video.decode import probe
from benchmark_builder.video.selection import indices

# Values that are equal for all videos of one source.
SHARED = (
    "label", "class_name", "split", "source_file", "source_sha256", "source_frames", "frames", "fps", "width", "height",
    "mask_source", "mask_file", "mask_sha256", "mask_coverage",
)  # fmt: skip


@dataclass(frozen=True)
class RowChecker:
    """Checks one row: the digests of its files, and the decoded video against the row.

    Attributes:
        benchmark: the benchmark to check.
        scuba: the SCUBA benchmark from which it was made, if available; then each row is compared with it.
    """

    benchmark: Benchmark
    scuba: Benchmark | None = None

    def make(self, row: Row) -> list[str]:
        """The problems, one line each; empty if the row and its files are unchanged since the build."""
        kind = kinds.registered(self.benchmark.kind, self.benchmark.protocol.described)
        own = kind.row_problems(self.benchmark, row) if kind else []
        said = [*_row_problems(self.benchmark, row), *own, *self._made_from(row)]
        problems = [f"{row.id}: {p}" for p in said]
        path = self.benchmark.path(row)
        if not path.exists():
            return [*problems, f"{row.file}: is missing"]
        if layouts.digest(path) != row.file_sha256:
            return [*problems, f"{row.file}: is not the file that was built (its SHA-256 differs)"]
        if row.mask_file:
            mask = self.benchmark.folder / row.mask_file
            if not mask.is_file():
                problems.append(f"{row.mask_file}: is missing")
            elif sha256_file(mask) != row.mask_sha256:
                problems.append(f"{row.mask_file}: is not the file that was built (its SHA-256 differs)")
            else:
                problems += self._coverage(row)
        return problems + self._decoded(row)

    def _made_from(self, row: Row) -> list[str]:
        if self.scuba is None:
            return []
        base = self.scuba.by_id.get(row.id)
        if base is None:
            return [f"{self.scuba.folder} has no SCUBA video with this id"]
        kind = kinds.registered(self.benchmark.kind, self.benchmark.protocol.described)
        own = kind.own_columns if kind else ()
        problems = [
            f"{name} is {getattr(row, name)!r}, but in its SCUBA video {getattr(base, name)!r}"
            for name in INHERITED
            if name not in own
            and getattr(row, name) != getattr(base, name)
            and (name != "mask_sha256" or row.mask_sha256)
        ]
        if problems:  # draws can be repeated only if the rest is right
            return problems
        try:
            problems += self._redrawn(row, base)
        except (BenchError, IndexError, KeyError, TypeError, ValueError) as error:
            problems.append(f"cannot be compared with its SCUBA video ({error})")
        return problems

    @cached_property
    def _redrawn(self) -> Callable[[Row, Row], list[str]]:
        kind = kinds.registered(self.benchmark.kind, self.benchmark.protocol.described)
        if kind is None:  # the code of the kind is not installed here
            return lambda row, base: []
        found: Callable[[Row, Row], list[str]] = kind.read(self.benchmark.protocol).redrawn(self.benchmark, self.scuba)
        return found

    def _coverage(self, row: Row) -> list[str]:
        try:
            track = StoredTrack(self.benchmark.folder / row.mask_file, row.height, row.width)
            shown = indices(row.source_frames)
            area = sum(int(np.count_nonzero(track.mask(k))) for k in shown)
        except (BenchError, ValueError) as error:
            return [f"{row.id}: its masks do not fit the row ({error})"]
        share = area / (len(shown) * row.height * row.width)
        if row.mask_coverage is None or abs(share - row.mask_coverage) > 1e-6:  # rounded to six digits when written
            return [f"{row.id}: its masks fill {share:.6f} of the picture, but its row says {row.mask_coverage}"]
        return []

    def _decoded(self, row: Row) -> list[str]:
        count, digest = 0, layouts.PixelDigest(row.height, row.width)
        try:
            for frame in self.benchmark.frames(row):
                if frame.shape != (row.height, row.width, 3):
                    return [
                        f"{row.file}: is {frame.shape[1]}x{frame.shape[0]}, but its row says {row.width}x{row.height}"
                    ]
                digest.update(frame)
                count += 1
        except BenchError as error:
            return [str(error)]
        path = self.benchmark.path(row)
        layout = self.benchmark.protocol.layout
        if layouts.layout_of(layout, path).timed and abs(probe(path).fps - row.fps) > 0.01:
            return [f"{row.file}: has {probe(path).fps:.3f} frames per second, but its row says {row.fps}"]
        if count != row.frames:
            return [f"{row.file}: has {count} frames, but its row says {row.frames}"]
        if layouts.is_exact(layout) and digest.hexdigest() != row.pixels_xxh128:
            return [f"{row.file}: its pixels are not those that were composed"]
        return []


def _row_problems(benchmark: Benchmark, row: Row) -> list[str]:
    """Contradictions of a row with the protocol and within the row."""
    problems = []
    classes = benchmark.classes
    if row.label >= len(classes) or classes[row.label] != row.class_name:
        problems.append(f"label {row.label} is not class {row.class_name!r}")
    if row.id != f"{row.source_id}__{row.variant}":
        problems.append(f"id is not source {row.source_id!r} and variant {row.variant}")
    if benchmark.protocol.seed not in (None, row.seed):
        problems.append(f"seed {row.seed} is not the one in protocol.json")
    if row.partner_id != row.id:
        problems.append(f"partner {row.partner_id!r} is not the SCUBA video of the same id")
    if len(indices(row.source_frames)) != row.frames:
        problems.append(f"{row.frames} frames, but source frames {row.source_frames!r}")
    file = PurePosixPath(row.source_file)
    if row.source_file and PurePosixPath(row.source_id).name not in (file.name, file.stem):
        problems.append(f"source file {row.source_file!r} does not have the name of source {row.source_id!r}")
    if row.still_frame is not None and not 0 <= row.still_frame < row.frames:
        problems.append(f"still frame {row.still_frame} is not one of its {row.frames} frames")
    return problems


def _siblings(rows: Sequence[Row]) -> list[str]:
    """Rows of one source that contradict each other."""
    first: dict[str, Row] = {}
    return [
        f"{row.id}: {name} is {getattr(row, name)!r}, but {getattr(other, name)!r} in {first[row.source_id].id}"
        for row in rows
        for other in [first.setdefault(row.source_id, row)]
        for name in SHARED
        if getattr(row, name) != getattr(other, name)
    ]


def _by_hand(benchmark: Benchmark) -> list[str]:
    """Contradictions between the tables and the manual corrections in protocol.json."""
    corrections = benchmark.protocol.corrections
    if corrections is None or benchmark.kind != "scuba":
        return []
    built = {row.source_id for row in benchmark.rows}
    exported = benchmark.protocol.exported_from.manifest_sha256 is not None  # lists what was not exported, only
    listed = {note["id"] for note in _notes(benchmark.folder) if note["kind"] == "left out"}
    problems = []
    for name, video in corrections.videos.items():
        if video.left_out is None:
            continue
        if name in built:
            problems.append(f"{name}: is left out by hand in {PROTOCOL}, but in the manifest")
        elif name not in listed and not exported:
            problems.append(f"{name}: is left out by hand in {PROTOCOL}, but not listed in {FAILURES}")
    return problems


def _origin(benchmark: Benchmark) -> Benchmark | None:
    """The SCUBA benchmark from which a benchmark was made, if it is available and unchanged."""
    digest = benchmark.protocol.origin.manifest_sha256
    if digest is None:
        return None
    try:
        scuba = benchmark.origin
    except BenchError:
        if benchmark.scuba is not None:  # the user named it
            raise
        return None
    return scuba if scuba.digest == digest else None


def verify(
    folder: Path, workers: int = 1, progress: bool = True, root: Path | None = None, scuba: Path | None = None
) -> list[str]:
    """Problems of a benchmark, one line each; empty if everything is unchanged since the build.

    ``root`` and ``scuba``: where its dataset and its SCUBA benchmark are, if they have moved.

    Raises:
        BenchError: the benchmark is missing or cannot be read.
    """
    problems = _tables(folder)
    try:
        benchmark = read_benchmark(folder, root, scuba)
    except BenchError as error:
        return [*problems, str(error)]
    problems += _siblings(benchmark.rows)
    problems += _by_hand(benchmark)
    checker = RowChecker(benchmark, _origin(benchmark))
    done = work(checker, benchmark.rows, lambda row: row.id, workers, title="verify", progress=progress)
    for _, found in done.made:
        problems += found
    for row, why in done.failed:
        problems.append(f"{row.id}: could not be checked: {why}" if isinstance(why, Crashed) else str(why))
    problems += filter(None, [done.log])
    expected = {row.file for row in benchmark.rows} | {row.mask_file for row in benchmark.rows if row.mask_file}
    expected |= {note["id"] for note in _notes(folder) if note["kind"] == "unlisted"}  # listed by an import
    problems += [f"{name}: is not in any row of the manifest" for name in sorted(_present(folder, expected) - expected)]
    return sorted(set(problems))


def _tables(folder: Path) -> list[str]:
    path = folder / SUMS
    if not path.is_file():
        raise BenchError(f"{path}: no complete benchmark here; give a folder where `bench build` has finished")
    problems, named = [], set[str]()
    for line in filter(None, path.read_bytes().decode(errors="replace").split("\n")):
        digest, _, name = line.partition("  ")
        table = folder / Path(name).name
        if not table.is_file() or sha256_file(table) != digest:
            problems.append(f"{table.name!r}: is not the file that was written (its SHA-256 differs)")
        named.add(name)
    return problems + [
        f"{name}: is not listed in {SUMS}" for name in (FAILURES, MANIFEST, PROTOCOL) if name not in named
    ]


def _notes(folder: Path) -> list[dict[str, str]]:
    """The entries of failures.csv; empty if it cannot be read, which is reported elsewhere."""
    try:
        return read_records(folder / FAILURES, FAILURE_COLUMNS)
    except BenchError:
        return []


def _present(folder: Path, expected: set[str]) -> set[str]:
    """Files below videos/, masks/ and other folders with expected files, without hidden ones; an expected folder of
    frames counts as one entry."""
    tops = {"videos", "masks"} | {name.partition("/")[0] for name in expected if "/" in name}
    names = (p.relative_to(folder) for top in tops for p in (folder / top).rglob("*") if p.is_file())
    return {
        n.as_posix() for n in names if not hidden(n.as_posix()) and not any(p.as_posix() in expected for p in n.parents)
    }
