"""One layout into another (`bench export`), and others' benchmarks given a manifest (`bench import`).

The published layouts: a folder of JPEG frames ``<video>__<n>`` a video (StillMix, mmaction2), or a zip of them, a still
being one ``.jpg`` (ALBAR); beside them a list file of lines "name frames label".
"""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark_builder import layouts, pool
from benchmark_builder.build import Report, made_from, run_build
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.errors import BenchError, Crashed
from benchmark_builder.files import copy_whole, inside, remove
from benchmark_builder.manifest import (
    LIST,
    MANIFEST,
    SUMS,
    Benchmark,
    Row,
    moved_paths,
    read_benchmark,
    write_benchmark,
)
from benchmark_builder.resume import keep_tracebacks
from benchmark_builder.video import LONGEST, check_id

EXACT = {"lossless", "virtual"}  # layouts that give back the composed pixels
KINDS = ("scuba", "scufo", "conflfg", "shaken")


@dataclass(frozen=True)
class ExportMaker:
    """Writes one video of ``source`` in another layout below ``out``."""

    out: Path
    source: Benchmark
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Decode and write again; the row keeps everything but where and how the video lies."""
        still = self.source.kind == "scufo"
        file = self.layout.file_of(row.id, still)
        digest = layouts.PixelDigest(row.height, row.width)
        if still:
            image = self.source.still(row)
            self.layout.write_still(self.out / file, image, row.frames, row.fps, None)
            for _ in range(row.frames):
                digest.update(image)
        else:
            with self.layout.open(self.out / file, row.width, row.height, row.fps) as sink:
                for frame in self.source.frames(row):
                    digest.update(frame)
                    sink.write(frame)
        if row.mask_file:
            copy_whole(inside(self.source.folder, row.mask_file), inside(self.out, row.mask_file))
        # Lossless copies of a lossy original hold that original's pixels; otherwise the composed ones stay named.
        lossy = self.source.protocol.get("layout") not in EXACT
        pixels = digest.hexdigest() if lossy and self.layout.name in EXACT else row.pixels_xxh128
        return [replace(row, file=file, pixels_xxh128=pixels, file_sha256=layouts.digest(self.out / file))]


def export(
    folder: Path,
    out: Path,
    layout: layouts.Layout,
    workers: int = 1,
    progress: bool = True,
    root: Path | None = None,
    scuba: Path | None = None,
) -> Report:
    """Write a benchmark in another layout, with its manifest; ``frames`` and ``zip`` get a list file too.

    Raises:
        BenchError: ``folder`` is no benchmark, ``layout`` is virtual (that is built, not exported), or ``out`` holds
            something else.
    """
    source = read_benchmark(folder, root, scuba)
    if layout.name == "virtual":
        raise BenchError("--layout virtual: is composed from the dataset; build it with `bench build … --virtual`")
    kept = {k: v for k, v in source.protocol.items() if k not in ("versions", "format", "subset")}
    protocol = {**kept, "layout": layout.name, "jpeg_quality": layout.quality, "paths": moved_paths(source, out)}
    protocol["exported_from"] = {"manifest_sha256": source.digest, "layout": source.protocol.get("layout")}
    maker = ExportMaker(out, source, layout)
    same = made_from(out, "exported_from") == source.digest
    return run_build(
        out, protocol, maker, source.rows, lambda r: r.id, workers, progress,
        current=lambda row, made: same or all(_exported_from(video, row) for video in made),
        known=source.by_id, title=f"export {source.kind}",
    )  # fmt: skip


def _exported_from(video: Row, row: Row) -> bool:
    """Whether a row of an export says what the row of its source says, but for where and how the video is stored."""
    return video == replace(row, file=video.file, pixels_xxh128=video.pixels_xxh128, file_sha256=video.file_sha256)


@dataclass(frozen=True)
class ImportMaker:
    """Reads one published video and describes it. An item is (name, frames, label), a line of the list."""

    folder: Path
    classes: list[str]
    split: str
    fps: float

    def make(self, item: tuple[str, int, int]) -> Row:
        """The row. A still is as long as the list says; other videos as long as they are."""
        name, listed, label = item
        source, mark, number = name.rpartition("__")
        if not mark or not number.isdigit():
            raise BenchError(f"{name}: is not named VIDEO__N, as published benchmarks name their videos")
        if not 0 <= label < len(self.classes):
            raise BenchError(f"{name}: label {label} is none of {len(self.classes)} classes; is --label-base right?")
        path = find(self.folder, name)
        count, size = 0, (0, 0)
        digest: layouts.PixelDigest | None = None
        frames = layouts.read_any(path, listed)
        for frame in repeat(next(frames), listed) if path.suffix == ".jpg" else frames:
            size = (frame.shape[0], frame.shape[1])
            digest = digest or layouts.PixelDigest(*size)
            digest.update(frame)
            count += 1
        assert digest is not None
        return Row(
            id=check_id(name),
            file=path.relative_to(self.folder).as_posix(),
            label=label,
            class_name=self.classes[label],
            split=self.split,
            source_id=source,
            source_file="",
            source_sha256="",
            source_frames=f"0-{count - 1}",
            frames=count,
            fps=self.fps,
            width=size[1],
            height=size[0],
            mask_source="unknown",
            mask_file="",
            mask_sha256="",
            mask_coverage=None,
            background="",
            seed=0,
            variant=int(number),
            partner_id=name,
            pixels_xxh128=digest.hexdigest(),
            file_sha256=layouts.digest(path),
        )


def find(folder: Path, name: str) -> Path:
    """The video called ``name`` in a published folder: a folder of frames, a zip, or a still. BenchError if none."""
    for top in ("", "videos/"):
        for suffix in ("", ".zip", ".jpg"):
            path = inside(folder, f"{top}{name}{suffix}")
            if path.is_dir() if suffix == "" else path.is_file():
                return path
    raise BenchError(f"{folder / name}: the list names it, but there is no folder, .zip or .jpg of that name")


def import_published(
    folder: Path,
    kind: str,
    dataset: str,
    list_file: Path | None = None,
    backgrounds: str = "unknown",
    split: str = "test1",
    label_base: int = 0,
    fps: float = 25.0,
    workers: int = 1,
    progress: bool = True,
) -> Benchmark:
    """Give a published benchmark a manifest, in its own folder, so that it can be verified, previewed and scored.

    A folder that `bench export` wrote has its manifest already and is read as it is. Videos of another length than
    their list says are taken as they are, and listed in failures.csv.

    Args:
        folder: holds ``<video>__<n>`` folders of frames, zips, or stills (also below ``videos/``).
        kind: ``scuba``, ``scufo``, ``conflfg`` or ``shaken``.
        dataset: whose classes the labels are.
        list_file: lines "name frames label"; None for list.txt in the folder.
        backgrounds: name of the background set, e.g. ``places365``.
        split, fps: what the tables shall say.
        label_base: the list's first label, 0 or 1.

    Raises:
        BenchError: no list, a bad line, or videos that are missing or unreadable; nothing is written then.
    """
    if (folder / MANIFEST).is_file() and not _killed(folder):
        return read_benchmark(folder)
    for path in folder.glob(".tmp-*"):
        remove(path)
    if kind not in KINDS:
        raise BenchError(f"--kind {kind}: choose from {', '.join(KINDS)}")
    if label_base not in (0, 1):
        raise BenchError(f"--label-base {label_base}: give 0 or 1")
    items = _read_list(list_file or folder / LIST, label_base)
    listed = {name: frames for name, frames, _ in items}
    maker = ImportMaker(folder, shipped_classes(dataset), split, fps)
    rows: list[Row] = []
    problems: list[str] = []
    failed: dict[str, BenchError] = {}
    with closing(pool.run(maker, items, workers)) as results:
        for item, result in tqdm(results, total=len(items), desc="import", unit="video", disable=not progress):
            if isinstance(result, BenchError):
                failed[item[0]] = result
                crashed = isinstance(result, Crashed)
                problems.append(f"{item[0]}: {result}" if crashed else str(result))
            else:
                rows.append(result)
    if problems:
        if said := keep_tracebacks(failed):
            problems[0] += f"; {said}"
        raise BenchError(
            f"{folder}: {len(problems)} of {len(items)} videos cannot be imported; the first: {problems[0]}"
        )
    layout = {"": "frames", ".zip": "zip", ".jpg": "zip"}[Path(rows[0].file).suffix]
    protocol: dict[str, Any] = {
        "kind": kind,
        "protocol": {"name": "imported", "changed": []},
        "dataset": dataset,
        "classes": maker.classes,
        "split": split,
        "masks": {"kind": "unknown"},
        "backgrounds": {"kind": "unknown", "name": backgrounds},
        "seed": 0,
        "layout": layout,
        "paths": {},
    }
    said = "holds {} frames, its list says {}; taken as it is"
    wrong = [(r.id, said.format(r.frames, listed[r.id])) for r in rows if r.frames != listed[r.id]]
    notes = [{"id": name, "kind": "length", "reason": reason} for name, reason in wrong]
    write_benchmark(folder, protocol, rows, notes)
    return read_benchmark(folder)


def _killed(folder: Path) -> bool:
    """Whether an import ended before its last table."""
    if (folder / SUMS).is_file():
        return False
    protocol = read_benchmark(folder).protocol.get("protocol")
    return isinstance(protocol, dict) and protocol.get("name") == "imported"


def _read_list(path: Path, label_base: int) -> list[tuple[str, int, int]]:
    mend = "give the list of lines 'name frames label' as --list"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BenchError(f"{path}: no readable list file; {mend}") from None
    items = []
    for number, line in enumerate(lines, 1):
        parts = line.rsplit(maxsplit=2)
        if not parts:
            continue
        if len(parts) != 3 or not parts[1].isdigit() or not parts[2].isdigit():
            raise BenchError(f"{path}, line {number}: {line.strip()!r} is not 'name frames label'; {mend}")
        if not 1 <= int(parts[1]) <= LONGEST:
            raise BenchError(f"{path}, line {number}: no video has {parts[1]} frames; {mend}")
        items.append((parts[0], int(parts[1]), int(parts[2]) - label_base))
    if not items:
        raise BenchError(f"{path}: is empty; {mend}")
    name, count = Counter(name for name, _, _ in items).most_common(1)[0]
    if count > 1:
        raise BenchError(f"{path}: names {name} {count} times; {mend}")
    return items
