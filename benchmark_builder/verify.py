"""Check a benchmark against its own manifest: every byte of every file, and every row against what it describes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmark_builder import layouts, pool
from benchmark_builder.errors import BenchError
from benchmark_builder.files import sha256_file
from benchmark_builder.frames import probe
from benchmark_builder.manifest import FAILURES, MANIFEST, PROTOCOL, SUMS, Benchmark, Row, read_benchmark
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.selection import indices

LOSSLESS = {"lossless", "virtual"}  # layouts whose decoded pixels are the composed pixels


@dataclass(frozen=True)
class RowChecker:
    """Checks one row: its files' digests, and what decoding shows against what the row says."""

    benchmark: Benchmark

    def make(self, row: Row) -> list[str]:
        """Problems found, one line each; empty if the row and its files are as they were built."""
        problems = [f"{row.id}: {p}" for p in _row_problems(self.benchmark, row)]
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

    def _coverage(self, row: Row) -> list[str]:
        try:
            track = StoredTrack(self.benchmark.folder / row.mask_file, row.height, row.width)
            shown = indices(row.source_frames)
            area = sum(int(np.count_nonzero(track.mask(k))) for k in shown)
        except (BenchError, ValueError) as error:
            return [f"{row.id}: its masks do not fit the row ({error})"]
        share = area / (len(shown) * row.height * row.width)
        if row.mask_coverage is None or abs(share - row.mask_coverage) > 1e-6:  # rounded to six digits when written
            return [f"{row.id}: its masks fill {share:.6f} of the picture, its row says {row.mask_coverage}"]
        return []

    def _decoded(self, row: Row) -> list[str]:
        count, digest = 0, layouts.PixelDigest(row.height, row.width)
        try:
            for frame in self.benchmark.frames(row):
                if frame.shape != (row.height, row.width, 3):
                    return [f"{row.file}: is {frame.shape[1]}x{frame.shape[0]}, its row says {row.width}x{row.height}"]
                digest.update(frame)
                count += 1
        except BenchError as error:
            return [str(error)]
        path = self.benchmark.path(row)
        if path.suffix in (".mp4", ".mkv") and abs(probe(path).fps - row.fps) > 0.01:
            return [f"{row.file}: plays at {probe(path).fps:.3f} frames a second, its row says {row.fps}"]
        if count != row.frames:
            return [f"{row.file}: has {count} frames, its row says {row.frames}"]
        if self.benchmark.protocol.get("layout") in LOSSLESS and digest.hexdigest() != row.pixels_xxh128:
            return [f"{row.file}: its pixels are not those that were composed"]
        return []


def _row_problems(benchmark: Benchmark, row: Row) -> list[str]:
    """What a row says against the protocol and against itself."""
    problems = []
    classes = benchmark.classes
    if row.label >= len(classes) or classes[row.label] != row.class_name:
        problems.append(f"label {row.label} is not class {row.class_name!r}")
    if row.id != f"{row.source_id}__{row.variant}":
        problems.append(f"id is not source {row.source_id!r} and variant {row.variant}")
    if row.seed != benchmark.protocol.get("seed", row.seed):
        problems.append(f"seed {row.seed} is not the protocol's")
    if row.partner_id != row.id:
        problems.append(f"partner {row.partner_id!r} is not the SCUBA video of the same id")
    if len(indices(row.source_frames)) != row.frames:
        problems.append(f"{row.frames} frames, but source frames {row.source_frames!r}")
    if row.still_frame is not None and not 0 <= row.still_frame < row.frames:
        problems.append(f"still frame {row.still_frame} is not one of its {row.frames} frames")
    if row.donor_label is not None and row.donor_label == row.label:
        problems.append("the donor is of the mover's own class")
    return problems


def verify(folder: Path, workers: int = 1, progress: bool = True) -> list[str]:
    """Problems of a benchmark, one line each; empty if all is as it was built.

    Raises:
        BenchError: there is no readable benchmark.
    """
    problems = _tables(folder)
    try:
        benchmark = read_benchmark(folder)
    except BenchError as error:
        return [*problems, str(error)]
    results = pool.run(RowChecker(benchmark), benchmark.rows, workers)
    for _, found in tqdm(results, total=len(benchmark.rows), desc="verify", unit="video", disable=not progress):
        problems += [str(found)] if isinstance(found, BenchError) else found
    expected = {row.file for row in benchmark.rows} | {row.mask_file for row in benchmark.rows if row.mask_file}
    problems += [f"{name}: stands in no row" for name in sorted(_present(folder, expected) - expected)]
    return sorted(set(problems))


def _tables(folder: Path) -> list[str]:
    path = folder / SUMS
    if not path.is_file():
        raise BenchError(f"{path}: no finished benchmark here; give a folder that `bench build` has finished")
    problems, named = [], set[str]()
    for line in filter(None, path.read_bytes().decode(errors="replace").split("\n")):
        digest, _, name = line.partition("  ")
        table = folder / Path(name).name
        if not table.is_file() or sha256_file(table) != digest:
            problems.append(f"{table.name!r}: is not the file that was written (its SHA-256 differs)")
        named.add(name)
    return problems + [
        f"{name}: does not stand in {SUMS}" for name in (FAILURES, MANIFEST, PROTOCOL) if name not in named
    ]


def _present(folder: Path, expected: set[str]) -> set[str]:
    """Files below videos/ and masks/; the frames of an expected folder count as that folder."""
    names = (p.relative_to(folder) for top in ("videos", "masks") for p in (folder / top).rglob("*") if p.is_file())
    return {n.as_posix() for n in names if not any(p.as_posix() in expected for p in n.parents)}
