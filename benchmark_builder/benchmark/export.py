"""Converts layouts (`bench export`), and writes manifests for published benchmarks (`bench import`).

The published layouts: one folder of JPEG frames ``<video>__<n>`` per video (StillMix, mmaction2), or one zip of them,
and one ``.jpg`` for a still (ALBAR); alongside, a list file with lines "name frames label".
"""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from benchmark_builder import kinds
from benchmark_builder.benchmark.build import Report, difference, made_from, run_build
from benchmark_builder.benchmark.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    LIST,
    MANIFEST,
    PROTOCOL,
    SUMS,
    Benchmark,
    Row,
    moved_paths,
    paths_from,
    read_benchmark,
    write_benchmark,
)
from benchmark_builder.benchmark.peers import NAMES, Item, Task, layout_for, names_csv, peer_of
from benchmark_builder.benchmark.protocol_record import ProtocolRecord, read_protocol
from benchmark_builder.datasets import scored_as
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.datasets.labels import Labelled, check_labels
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.settings import ImportSettings
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import copy_whole, found_inside, inside, remove, write_text
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, entries, files_of, natural
from benchmark_builder.utils.options import default_of
from benchmark_builder.utils.runner import work
from benchmark_builder.utils.text import plain_path, read_lines, read_records
from benchmark_builder.video.record import LONGEST, check_id

SHIPPED = ("ucf101", "hmdb51", "kinetics400")  # datasets whose classes and labels are part of this toolkit
IMPORTED = "imported"  # name of the protocol in the protocol.json of an import


@dataclass(frozen=True)
class ExportMaker:
    """Writes one video of ``source`` in another layout into ``out``."""

    out: Path
    source: Benchmark
    layout: layouts.Layout
    files: Mapping[str, str] = field(default_factory=dict)  # id -> file to write, if it differs from the layout's
    least: int = 0  # minimum size of a file in bytes

    def make(self, row: Row) -> list[Row]:
        """Decode the video and write it again; in its row only file and format change."""
        still = self.source.about.still
        file = self.files.get(row.id) or self.layout.file_of(row.id, still)
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
        if (self.out / file).is_file() and (self.out / file).stat().st_size < self.least:
            (self.out / file).unlink()
            raise BenchError(f"{file}: is smaller than {self.least} bytes, and the loader that it is for passes over "
                             "such files; build larger or longer videos")  # fmt: skip
        if row.mask_file:
            copy_whole(inside(self.source.folder, row.mask_file), inside(self.out, row.mask_file))
        # A lossless copy of a lossy original has the pixels of that original; otherwise the digest of the composed
        # pixels is kept.
        lossy = not layouts.is_exact(self.source.protocol.layout)
        pixels = digest.hexdigest() if lossy and self.layout.exact else row.pixels_xxh128
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
    """Write a benchmark in another layout, with its manifest; ``frames`` and ``zip`` also get a list file.

    Raises:
        BenchError: ``folder`` is not a benchmark, ``layout`` is virtual (it can be built, but not exported), or ``out``
            contains something else.
    """
    return _export(read_benchmark(folder, root, scuba), out, layout, workers, progress)


def export_for(
    name: str,
    folder: Path,
    out: Path,
    layout: str | None = None,
    quality: int = layouts.JPEG_QUALITY,
    workers: int = 1,
    progress: bool = True,
    root: Path | None = None,
    scuba: Path | None = None,
) -> tuple[Report, list[str]]:
    """Write a benchmark in the format of another project's loader: layout, names and list files.

    ``out`` is also a benchmark: it can be verified and scored. ``names.csv`` lists the new name of each video.

    Args:
        name: a key of :data:`benchmark_builder.benchmark.peers.PEERS`.
        folder, root, scuba: the benchmark, and the folders of its dataset and its SCUBA benchmark, if they have moved.
        layout: a layout that the loader reads; None for its usual one.
        quality: JPEG quality, 1..100.

    Returns:
        The report, and lines that tell the user what to set in that project.

    Raises:
        BenchError: as :func:`export`; the loader does not read the layout or the dataset, or two videos would have the
            same name. Nothing is written then.
    """
    source, peer = read_benchmark(folder, root, scuba), peer_of(name)
    dataset = scored_as(source.dataset)
    chosen = layouts.Layout(layout_for(peer, source.kind, dataset, layout), quality, peer.frame_name(dataset))
    items = [_item(row, chosen, source.about.still) for row in source.rows]
    split = source.protocol.split
    task = Task(dataset, source.kind, source.background_set, split, source.classes, chosen.name, out.resolve(), items,
                source.about)  # fmt: skip
    peer.check(task)
    names, top = peer.named(task), peer.folder(task)
    files = {item.id: f"{top}/{names[item.id]}{item.suffix}" for item in task.items}
    report = _export(source, out, chosen, workers, progress, name, files, peer.least)
    made = {row.id for row in report.benchmark.rows} if report.benchmark else set()
    named = [(item, names[item.id], files[item.id]) for item in task.items if item.id in made]
    if named:
        write_lists(out, peer.lists(task, named), names_csv(named))
    return report, peer.settings(task)


def write_lists(out: Path, lists: Mapping[str, str], names: str) -> None:
    """Write a loader's lists and :data:`~benchmark_builder.benchmark.peers.NAMES` below ``out``."""
    for file, text in {**lists, NAMES: names}.items():
        write_text(inside(out, file), text)


def _item(row: Row, layout: layouts.Layout, still: bool) -> Item:
    suffix = layout.suffix_of(still)
    return Item(row.id, row.source_id, row.label, row.class_name, row.frames, row.donor_label, suffix)


def _export(
    source: Benchmark,
    out: Path,
    layout: layouts.Layout,
    workers: int,
    progress: bool,
    peer: str | None = None,
    files: Mapping[str, str] | None = None,
    least: int = 0,
) -> Report:
    if layout.composed:
        raise BenchError(
            f"--layout {layout.name}: is composed from the dataset; build it with `bench build … --virtual`"
        )
    protocol = source.protocol.without("versions", "format", "subset").replaced(
        layout=layout.name, jpeg_quality=layout.quality, paths=moved_paths(source, out),
        exported_from={"manifest_sha256": source.digest, "layout": source.protocol.layout},
        **({} if peer is None else {"exported_for": peer}),
    )  # fmt: skip
    maker = ExportMaker(out, source, layout, files or {}, least)
    same = made_from(out, exported=True) == source.digest
    return run_build(
        out, protocol, maker, source.rows, lambda r: r.id, workers, progress,
        current=lambda row, made: (same or all(_exported_from(video, row) for video in made))
        and (not files or all(video.file == files[row.id] for video in made)),
        known=source.by_id, title=f"export {source.kind}",
    )  # fmt: skip


def _exported_from(video: Row, row: Row) -> bool:
    """Whether a row of an export agrees with the row of its source, except for the place and format of the video."""
    return video == replace(row, file=video.file, pixels_xxh128=video.pixels_xxh128, file_sha256=video.file_sha256)


@dataclass(frozen=True)
class ImportMaker:
    """Makes the row of one published video. An item is (name, frames, label), a line of the list."""

    folder: Path
    classes: list[str]
    split: str
    fps: float

    def make(self, item: tuple[str, int, int]) -> Row:
        """The row. A still has the length in the list; other videos have their real length."""
        name, listed, label = item
        source, mark, number = name.rpartition("__")
        if not mark or not number.isdigit():
            raise BenchError(f"{name}: is not named VIDEO__N, as published benchmarks name their videos")
        path = find(self.folder, name)
        count, size = 0, (0, 0)
        digest: layouts.PixelDigest | None = None
        for frame in layouts.layout_of(None, path).video(path, listed):
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
    """The video ``name`` in a published folder: a folder of frames, a zip, or a still. BenchError if it is missing."""
    for top in ("", "videos/"):
        for suffix in ("", ".zip", ".jpg"):
            path = found_inside(folder, f"{top}{name}{suffix}")
            if path.is_dir() if suffix == "" else path.is_file():
                return path
    raise BenchError(f"{folder / name}: the list names it, but there is no folder, .zip or .jpg of that name")


def import_published(
    folder: Path,
    kind: str,
    dataset: str,
    list_file: Path | None = None,
    backgrounds: str = default_of(ImportSettings, "backgrounds"),
    split: str = default_of(ImportSettings, "split"),
    label_base: int = default_of(ImportSettings, "label_base"),
    fps: float = default_of(ImportSettings, "fps"),
    workers: int = 1,
    progress: bool = True,
    out: Path | None = None,
) -> Benchmark:
    """Give a published benchmark a manifest, so that it can be verified, previewed and scored.

    A folder that `bench export` wrote already has a manifest and can be read directly. Some problems do not stop the
    import, but are listed in failures.csv: videos whose length differs from the list (``length``), videos in the folder
    that are not in the list (``unlisted``; they are not imported), and single labels of HMDB51 videos that contradict
    their names (``label``).

    Args:
        folder: contains ``<video>__<n>`` folders of frames, zips, or stills (also below ``videos/``).
        kind: a registered name, such as ``scuba``.
        dataset: the dataset of the labels.
        list_file: file with lines "name frames label"; None for list.txt in the folder.
        backgrounds: name of the background set, e.g. ``places365``.
        split, fps: the values for the tables.
        label_base: the first label of the list, 0 or 1.
        out: folder for the tables, so that ``folder`` may be read-only; None for ``folder`` itself. The videos are not
            moved. If they are moved later, run the same import with their new folder and the same ``out``.

    Raises:
        BenchError: the list is missing, a line of it is wrong, labels contradict the names of the videos, or videos are
            missing or unreadable. Nothing is written then.
    """
    ImportSettings(
        kind=kind, dataset=dataset, list_file=list_file, backgrounds=backgrounds, split=split, label_base=label_base,
        fps=fps, workers=workers, out=out,
    )  # fmt: skip
    known = kinds.registered(kind)
    if known is None:
        raise BenchError(f"--kind {kind}: choose from {', '.join(kinds.KINDS.names())}")
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; give the folder of a published benchmark")
    description: dict[str, object] = {
        "kind": kind,
        "protocol": {"name": IMPORTED, "changed": []},
        "dataset": dataset,
        "classes": _classes(dataset),
        "split": split,
        "masks": {"kind": "unknown"},
        "backgrounds": {"kind": "unknown", "name": backgrounds},
        "seed": 0,
    }
    if kind not in kinds.KINDS.shipped:
        description[kinds.DESCRIBED] = known.about.said()
    described = ProtocolRecord.made(description, (out or folder) / PROTOCOL)
    elsewhere = out is not None and out.resolve() != folder.resolve()
    if _finished(folder):
        if not elsewhere:
            return read_benchmark(folder)
        raise BenchError(f"{folder}: has a manifest already; use it as it is, without --out")
    out = out or folder
    paths = paths_from(out, videos=folder) if elsewhere else {}
    if elsewhere and _finished(out):
        return _moved(out, described, paths)
    others = [p.name for p in entries(out)] if elsewhere and out.is_dir() else []
    if not {PROTOCOL, FAILURES, MANIFEST, SUMS, LIST}.issuperset(others):  # files of a stopped import are accepted
        raise BenchError(f"--out {out}: is not empty and no import ({others[0]}); choose another folder")
    _require_writable(out)
    for path in out.glob(".tmp-*"):  # of an import that was killed
        remove(path)
    names = list_file or folder / LIST
    items, odd = _read_list(names, label_base, described.classes)
    listed = {name: frames for name, frames, _ in items}
    maker = ImportMaker(folder, described.classes, split, fps)
    done = work(maker, items, lambda item: item[0], workers, title="import", progress=progress)
    if done.failed:
        (name, _, _), error = done.failed[0]
        problem = f"{name}: {error}" if isinstance(error, Crashed) else str(error)
        log = f"; {done.log}" if done.log else ""
        raise BenchError(
            f"{folder}: {len(done.failed)} of {len(items)} videos cannot be imported; the first: {problem}{log}"
        )
    rows: list[Row] = [row for _, row in done.made]
    layout = layouts.name_of(folder / rows[0].file)
    lengths = "holds {} frames, its list says {}; taken as it is"
    notes = [
        {"id": r.id, "kind": "length", "reason": lengths.format(r.frames, listed[r.id])}
        for r in rows
        if r.frames != listed[r.id]
    ]
    unlisted = f"is in {folder.name}, but {names.name} has no line for it; not taken"
    notes += [{"id": n, "kind": "unlisted", "reason": unlisted} for n in _unlisted(folder, {r.file for r in rows})]
    notes += [{"id": name, "kind": "label", "reason": reason} for name, reason in odd]
    write_benchmark(out, described.replaced(layout=layout, paths=paths), rows, notes)
    return read_benchmark(out)


def _finished(folder: Path) -> bool:
    """Whether a folder contains a benchmark; an import that was stopped before its last table does not count."""
    if not (folder / MANIFEST).is_file():
        return False
    if (folder / SUMS).is_file():
        return True
    return read_protocol(folder, "delete manifest.csv and import again").protocol.name != IMPORTED


def _moved(out: Path, described: ProtocolRecord, paths: dict[str, str]) -> Benchmark:
    """The import in ``out`` whose videos were moved to the folder in ``paths``."""
    old = read_benchmark(out)
    changed = difference(old.protocol, described, described.plain())
    if changed:
        raise BenchError(f"--out {out}: holds another import ({changed}); choose another folder or delete it")
    if old.protocol.paths != paths or not old.protocol.has("paths"):
        failures = read_records(out / FAILURES, FAILURE_COLUMNS, "table of failures", "delete the folder, import again")
        moved = replace(old, protocol=old.protocol.replaced(paths=paths))
        gone = next((r.file for r in moved.rows if not moved.path(r).exists()), None)
        if gone is not None:
            raise BenchError(f"{moved.videos}: {gone} is missing, so these are not the videos that {out} was made from")
        write_benchmark(out, moved.protocol, moved.rows, failures)
    return read_benchmark(out)


def _classes(dataset: str) -> list[str]:
    name = scored_as(dataset)
    if name not in SHIPPED:
        raise BenchError(f"--dataset {dataset}: its classes are not known here; give {', '.join(SHIPPED)} or jhmdb")
    return shipped_classes(name)


def _require_writable(out: Path) -> None:
    """Raise BenchError before the work if the tables cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise BenchError(f"{out}: {reason}; give another folder for the tables with --out") from None


def _unlisted(folder: Path, taken: set[str]) -> list[str]:
    """Relative names of the videos in a published folder that are not in ``taken``: folders of pictures, zips, and
    pictures, if stills are in ``taken`` or the picture's name is that of a video."""
    stills = any(name.endswith(".jpg") for name in taken)
    holders = {parent.as_posix() for name in taken for parent in PurePosixPath(name).parents}
    left: list[str] = []
    todo = [folder]
    while todo:
        for path in entries(todo.pop()):
            name = path.relative_to(folder).as_posix()
            if name in taken:
                continue
            if path.is_dir():
                if name in holders or not files_of(path, PICTURE_SUFFIXES)[0]:
                    todo.append(path)
                else:
                    left.append(name)
            elif path.suffix.lower() == ".zip" or (
                path.suffix.lower() in PICTURE_SUFFIXES and (stills or re.search(r"__\d+$", path.stem))
            ):
                left.append(name)
    return sorted(left, key=natural)


def _read_list(
    path: Path, label_base: int, classes: list[str]
) -> tuple[list[tuple[str, int, int]], list[tuple[str, str]]]:
    """(name, frames, label from 0) of every line, and (name, problem) of every label that contradicts the name."""
    fix = "give the list of lines 'name frames label' as --list"
    lines: list[tuple[Labelled, int]] = []
    for number, line in read_lines(path, "list", fix):
        parts = line.rsplit(maxsplit=2)
        if len(parts) != 3 or not parts[1].isdigit() or not parts[2].isdigit():
            raise BenchError(f"{path}, line {number}: {line!r} is not 'name frames label'; {fix}")
        if not 1 <= int(parts[1]) <= LONGEST:
            raise BenchError(f"{path}, line {number}: no video has {parts[1]} frames; {fix}")
        lines.append((Labelled(plain_path(parts[0]), int(parts[2])), int(parts[1])))
    if not lines:
        raise BenchError(f"{path}: is empty; {fix}")
    name, count = Counter(line.name for line, _ in lines).most_common(1)[0]
    if count > 1:
        raise BenchError(f"{path}: names {name} {count} times; {fix}")
    odd = check_labels(path, [line for line, _ in lines], classes, label_base)
    return [(line.name, frames, line.label - label_base) for line, frames in lines], odd
