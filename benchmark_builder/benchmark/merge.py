"""Joins parts of a benchmark that were built on several machines with `--shard i/n`: used by `bench merge`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.benchmark.build import Report, difference, run_build
from benchmark_builder.benchmark.manifest import FAILURE_COLUMNS, FAILURES, Benchmark, Row, moved_paths, read_benchmark
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.corrections import joined
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import copy_whole, inside
from benchmark_builder.utils.text import read_records


@dataclass(frozen=True)
class MergeMaker:
    """Copies one video and its masks into ``out``. ``part_of``: id -> (videos' folder, masks' folder) of its part."""

    out: Path
    part_of: dict[str, tuple[Path, Path]]

    def make(self, row: Row) -> list[Row]:
        """Copy the files of a row. Raises BenchError if a file has changed since the build."""
        videos, masks = self.part_of[row.id]
        files = [(videos, row.file, row.file_sha256)]
        files += [(masks, row.mask_file, row.mask_sha256)] * bool(row.mask_file)
        for part, name, sha256 in files:
            source, target = inside(part, name), inside(self.out, name)
            if not source.exists():
                raise BenchError(f"{source}: is missing; build that part again")
            if layouts.digest(source) != sha256:
                raise BenchError(f"{source}: is not the file that was built (its SHA-256 differs); build it again")
            copy_whole(source, target)
        return [row]


def merge(parts: Sequence[Path], out: Path, workers: int = 1, progress: bool = True) -> Report:
    """Copy parts of one benchmark into one folder, with one manifest; the parts are not changed.

    Args:
        parts: folders of finished builds with the same settings. A video in two of them must be the same in both.
        out: the folder to write; can be resumed like a build.
        workers: processes.
        progress: show a progress bar.

    Returns:
        The report, with what the parts left out or failed at, unless another part has it.

    Raises:
        BenchError: a part is no finished benchmark, has other settings than the first, or another video of an id.
    """
    found = [read_benchmark(part) for part in parts]
    first = found[0]
    peer = next((b for b in found if b.protocol.exported_for is not None), None)
    if peer is not None:
        raise BenchError(f"{peer.folder}: is an export for {peer.protocol.exported_for}; merge the benchmarks, then "
                         "export the whole")  # fmt: skip
    rows: dict[str, Row] = {}
    part_of: dict[str, tuple[Path, Path]] = {}
    for benchmark in found:
        changed = difference(first.protocol, benchmark.protocol)
        if changed:
            raise BenchError(
                f"{benchmark.folder}: has other settings than {first.folder} ({changed}); merge equal builds"
            )
        for row in benchmark.rows:
            if rows.setdefault(row.id, row) != row:
                raise BenchError(
                    f"{benchmark.folder}: {row.id} is another video than in {part_of[row.id][1]}; build anew"
                )
            part_of.setdefault(row.id, (benchmark.videos, benchmark.folder))
    by_hand = [benchmark.protocol.corrections for benchmark in found if benchmark.protocol.corrections is not None]
    subsets = [benchmark.protocol.subset for benchmark in found]
    whole = None in subsets
    protocol = first.protocol.without("versions", "format").replaced(
        paths=moved_paths(first, out), subset=None if whole else [part for subset in subsets for part in subset or ()]
    )
    if by_hand:
        protocol = protocol.replaced(corrections=joined(by_hand))
    if inpainted := _inpainted(found):
        protocol = protocol.replaced(inpainted=inpainted)
    return run_build(
        out,
        protocol,
        MergeMaker(out, part_of),
        list(rows.values()),
        lambda r: r.id,
        workers,
        progress,
        _listed(found, set(rows) | {r.source_id for r in rows.values()}),
        current=lambda row, made: all(video == row for video in made),
        title="merge",
    )


def _inpainted(parts: Sequence[Benchmark]) -> dict[str, str]:
    """The digests of inpainted frames of all parts. Raises BenchError if two parts have others of one source."""
    joined: dict[str, str] = {}
    for part in parts:
        for name, sha256 in part.protocol.inpainted.items():
            if joined.setdefault(name, sha256) != sha256:
                raise BenchError(f"{part.folder}: was built from other inpainted frames of {name} than a part before; "
                                 "build it again")  # fmt: skip
    return joined


def _listed(parts: Sequence[Benchmark], made: set[str]) -> list[pool.Note]:
    """The entries of the parts' failures.csv; a video that another part has made is not a failure."""
    notes = {}
    for part in parts:
        for record in read_records(part.folder / FAILURES, FAILURE_COLUMNS, "table of failures", "build it again"):
            note = pool.Note(record["id"], record["kind"], record["reason"])
            if note.kind not in ("failed", "left out") or note.id not in made:
                notes[note.id, note.kind] = note
    return list(notes.values())
