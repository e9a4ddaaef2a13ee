"""Fills a benchmark's folder with the runner: code shared by `bench build`, `export` and `merge`.

While a build runs, ``.build/`` holds a lock, the protocol, and the journal.
"""

import json
import shutil
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.benchmark.manifest import (
    LIST,
    MANIFEST,
    SUMS,
    Benchmark,
    Row,
    plain_row,
    read_benchmark,
    versions,
    write_benchmark,
)
from benchmark_builder.benchmark.protocol_record import PROTOCOL, Part, ProtocolRecord, read_protocol
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.corrections import CorrectionsRecord
from benchmark_builder.utils import pool, runner
from benchmark_builder.utils.command_line import record_command
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, remove, write_csv, write_json, write_text
from benchmark_builder.utils.journal import Entry, Journal, PlainRow, from_tables
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LEFT_OUT, LOG, held, occupied
from benchmark_builder.video.encode import encoder_version

WORK, JOURNAL = ".build", "journal.jsonl"
# What may differ between two runs into one folder: the place of the sources, the selected part, and what is compared
# video by video (``current``).
_FREE = ("paths", "subset", "versions", "format", "corrections", "inpainted")


@dataclass(frozen=True)
class Report(runner.Report):
    """The result of a build; ``benchmark`` is None if it made no video."""

    benchmark: Benchmark | None = None


def run_build(
    out: Path,
    protocol: ProtocolRecord,
    maker: pool.Maker,
    items: Sequence[object],
    name: Callable[[Any], str],
    workers: int = 1,
    progress: bool = True,
    listed: Sequence[pool.Note] = (),
    by: str = "id",
    current: Callable[[Any, list[Row]], bool] | None = None,
    known: Container[str] | None = None,
    title: str | None = None,
) -> Report:
    """Make every missing item, then write the tables.

    A failed item is tried again in every run. An item that was left out is tried again too, unless the maker has a
    method ``depends(item)`` (it returns a digest of the files that decide this, or None) and the digest is unchanged.

    Args:
        out: the benchmark's folder.
        protocol: all settings that decide the result.
        maker: its ``make(item)`` writes the item's videos into ``out`` and returns their rows.
        items: the items to make, for example source videos.
        name: function for the item's id, which is used in the journal and in failures.csv.
        workers: processes.
        progress: show a progress bar.
        listed: further entries for failures.csv, known to the caller.
        by: the manifest's column with the item's name: ``id``, or ``source_id`` if an item has several videos.
        current: whether the rows made from an item are still up to date; if False, the item is made again. None: always
            True.
        known: names of all existing items; videos of other items are deleted. None: they are kept.
        title: title of the progress bar; None for ``build KIND``.

    Raises:
        BenchError: another build runs in ``out``, ``out`` holds a build with other settings or cannot be written.
    """
    task = _Build(out, protocol, maker, name, listed, by, current, known, title or f"build {protocol.kind}")
    report = runner.fill(task, items, workers, progress)
    assert isinstance(report, Report)
    return report


class _Build(runner.Filling[object]):
    """The part of the runner for builds: the protocol, the parts of a dataset, the manifest."""

    lock, journal = f"{WORK}/lock", f"{WORK}/{JOURNAL}"
    busy = "another build is running in this folder"
    files = ("file", "mask_file")

    def __init__(
        self,
        out: Path,
        protocol: ProtocolRecord,
        maker: pool.Maker,
        name: Callable[[object], str],
        listed: Sequence[pool.Note],
        by: str,
        current: Callable[[object, list[Row]], bool] | None,
        known: Container[str] | None,
        title: str,
    ) -> None:
        self.out, self.protocol, self.maker, self.title = out, protocol, maker, title
        self.unit = "source" if by == "source_id" else "video"
        self._name, self._listed, self._by, self._current, self._known = name, listed, by, current, known
        self._whole = protocol.subset is None  # whether this run covers the whole dataset

    def name(self, item: Any) -> str:
        return self._name(item)

    def claim(self) -> None:
        """Raise BenchError if the folder contains a build with other settings, or something else.

        A folder of a build without any video, or with only the list of failures, is accepted with any settings.
        """
        out = self.out
        finished, begun, journal = out / PROTOCOL, out / WORK / PROTOCOL, out / WORK / JOURNAL
        if not finished.is_file() and not begun.is_file():
            if others := occupied(out):
                raise BenchError(f"{out}: is not empty and no benchmark ({others[0]}); choose another --out")
            remove(journal)
        for path in (finished, begun):
            if not path.is_file():
                continue
            changed = difference(_known(path), self.protocol)
            if changed and path == begun and not finished.is_file() and not runner.has_rows(self):
                for name in ("videos", "masks", f"{WORK}/{JOURNAL}", f"{WORK}/{PROTOCOL}"):
                    remove(out / name)
            elif changed:
                raise BenchError(
                    f"{out}: holds a build with other settings ({changed}); choose another --out or delete the folder"
                )
            elif path == begun and not (out / MANIFEST).is_file() and runner.has_rows(self):
                self._same_encoder(path)
        self.protocol = self.protocol.replaced(subset=_parts(out, self.protocol.subset))

    def _same_encoder(self, begun: Path) -> None:
        """Raise BenchError if the videos of an unfinished build were written by another encoder: a continued build has
        the bytes of one that was not interrupted."""
        if not layouts.class_of(self.protocol.layout or "video").timed:  # these files are not encoded as videos
            return
        before, now = read_protocol(self.out / WORK).versions.get("encoder"), encoder_version()
        if before != now:
            raise BenchError(
                f"{self.out}: holds an unfinished build by {before or 'an earlier version of this toolkit'}, "
                f"this is {now}, whose files differ; delete the folder and build again, or finish it with that version"
            )

    def earlier(self) -> Iterator[Entry]:
        if not (self.out / MANIFEST).is_file() or not (self.out / PROTOCOL).is_file():
            return
        made: dict[str, list[dict[str, object]]] = {}
        for row in read_benchmark(self.out).rows:
            made.setdefault(getattr(row, self._by), []).append(row.plain())
        yield from from_tables(self.out, made, "delete the folder and build again")

    def check_row(self, row: object) -> None:
        plain_row(row, str(self.out / self.journal))

    def begin(self, journal: Journal) -> None:
        for table in (SUMS, MANIFEST):  # while videos are added, the folder is not a finished benchmark
            (self.out / table).unlink(missing_ok=True)
        if self._known is not None:
            for name in journal.made():
                if name not in self._known:
                    journal.forget(name)
                    del journal.entries[name]

    def current(self, item: Any, rows: list[PlainRow]) -> bool:
        return self._current is None or self._current(item, [Row(**row) for row in rows])

    def ready(self) -> None:
        # Only now, since the old protocol.json describes the sources of the old rows.
        write_json(self.out / WORK / PROTOCOL, self.protocol.replaced(versions=versions()).plain())

    def made(self, result: Any) -> runner.Made:
        rows = [r.plain() for r in result if isinstance(r, Row)]
        return runner.Made(rows, [n for n in result if isinstance(n, pool.Note)])

    def finish(self, journal: Journal, items: Sequence[Any], made: int, changed: Sequence[str]) -> Report:
        out, entries = self.out, journal.entries
        rows = [Row(**row) for row in journal.all_rows()]
        sources = {r.source_id for r in rows}
        named = {self.name(item) for item in items} | {note.id for note in self._listed}
        for key in [k for k, e in entries.items() if e.missing]:
            # A run over all items removes entries of others; a video made by another part is not a failure of this one.
            if (self._whole and key not in named) or (self._by == "id" and key in sources):
                del entries[key]
        failures = journal.failures(self._listed, sources | {k for k, e in entries.items() if e.state == "made"})
        self._clear([e.id for e in entries.values() if e.missing], rows)
        journal.write_reasons()
        if not rows:  # keep the list of failures, and nothing that would prevent another try
            for name in (PROTOCOL, LIST, LEFT_OUT, FAILURES):
                (out / name).unlink(missing_ok=True)
            if failures:
                write_csv(out / FAILURES, FAILURE_COLUMNS, failures)
            return Report(out, made, 0, failures, changed)
        # Exports for other programs have their own lists.
        if layouts.is_listed(self.protocol.layout) and self.protocol.exported_for is None:
            lines = (f"{row.id} {row.frames} {row.label}\n" for row in sorted(rows, key=lambda r: r.id))
            write_text(out / LIST, "".join(lines))
        write_benchmark(out, self.protocol, rows, failures)
        record_command(out / MANIFEST)
        return Report(out, made, len(rows) - made, failures, changed, read_benchmark(out))

    def _clear(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Delete files of items that were not made: what was written before the item failed, or before a kill."""
        kept = {file for row in rows for file in (row.file, row.mask_file)}
        files = getattr(self.maker, "files", {})  # of an export, where names may differ
        for file in [files[key] for key in names if key in files and files[key] not in kept]:
            remove(inside(self.out, file))
        suffixes = layouts.suffixes(self.protocol.layout)  # an id may contain dots
        for top in ("videos", "masks"):
            of_source = top == "masks" and self._by == "id"  # whose masks its videos share
            stems: dict[Path, set[str]] = {}
            for key in names:
                path = inside(self.out, f"{top}/{key.rpartition('__')[0] if of_source else key}")
                stems.setdefault(path.parent, set()).add(path.name)
            for folder, mine in stems.items():
                for path in list(folder.iterdir()) if folder.is_dir() else ():
                    stem = path.name.removesuffix(path.suffix) if path.suffix in suffixes else path.name
                    variant = stem.rpartition("__")[0] if self._by == "source_id" else stem
                    if mine & {stem, variant} and path.relative_to(self.out).as_posix() not in kept:
                        remove(path)

    def tidy(self) -> None:
        """Delete ``.build`` unless a build can go on from it, and what one that has nothing in its journal wrote."""
        out = self.out
        if not (out / MANIFEST).is_file():
            if (out / PROTOCOL).is_file() or runner.has_rows(self):
                return
            for top in ("videos", "masks") if (out / WORK / PROTOCOL).is_file() else ():
                remove(out / top)
            if held(out, (FAILURES, LOG)):  # an export has other folders
                return
        shutil.rmtree(out / WORK, ignore_errors=True)


def _known(path: Path) -> ProtocolRecord:
    """The protocol of an existing build."""
    return read_protocol(path.parent, "choose another --out")


def difference(old: ProtocolRecord, new: ProtocolRecord, fields: Collection[str] = ()) -> str:
    """The first setting in which two protocols differ, in words; empty if they are equivalent.

    ``fields``: compare only these.
    """
    versions = [record.protocol.version for record in (old, new) if record.has("protocol")]
    if len(set(versions)) > 1:  # an older version differs in several settings; this shows the reason
        return f"version of the protocol: {versions[0]}, now {versions[1]}"
    left, right = old.plain(), new.plain()
    for key in sorted(fields or (left.keys() | right.keys()) - set(_FREE)):
        before, now = _settings(left.get(key)), _settings(right.get(key))
        if before != now:
            return _first_difference(key, before, now)
    return ""


def _first_difference(name: str, old: object, new: object) -> str:
    """The difference in words, with the full name of a setting in a table, such as ``mask_settings.dilate: 0, now
    2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k))
        return _first_difference(f"{name}.{key}", old.get(key), new.get(key))
    return f"{name}: {_brief(old)}, now {_brief(new)}"


def _settings(value: object) -> object:
    """A setting without what is compared video by video (``current``): the digest of the manifest that a build starts
    from, and the corrections of its masks."""
    free = ("manifest_sha256", "corrections")
    return {k: v for k, v in value.items() if k not in free} if isinstance(value, dict) else value


def protocol_in(out: Path) -> ProtocolRecord | None:
    """The protocol that what is in ``out``, finished or not, was made by; None where nothing was built."""
    path = next((p for p in (out / WORK / PROTOCOL, out / PROTOCOL) if p.is_file()), None)
    return None if path is None else _known(path)


def corrections_in(out: Path) -> CorrectionsRecord | None:
    """The manual corrections that what is in ``out`` was made with; None without any, or where nothing was built."""
    known = protocol_in(out)
    return None if known is None else known.corrections


def made_from(out: Path, exported: bool = False) -> str | None:
    """The SHA-256 of the manifest that what is in ``out`` was made from; None where nothing was built there.

    Args:
        out: a benchmark's folder, finished or not.
        exported: what an export was made from, not the SCUBA benchmark that its videos were made from.
    """
    known = protocol_in(out)
    if known is None:
        return None
    return (known.exported_from if exported else known.origin).manifest_sha256


def _parts(out: Path, now: list[Part] | None) -> list[Part] | None:
    """The parts of the dataset in ``out`` after part ``now`` is added; None means the whole dataset."""
    unfinished, finished = out / WORK / PROTOCOL, out / MANIFEST
    path = unfinished if unfinished.is_file() else out / PROTOCOL
    if now is None or not path.is_file():
        return _joined(now)
    before = _known(path).subset
    if before is None:
        return None if finished.is_file() else _joined(now)
    return _joined(before + now)


def _joined(parts: list[Part] | None) -> list[Part] | None:
    """The parts without duplicates; None if they include all shards of a count."""
    if parts is None:
        return None
    shards = {part.shard for part in parts if part.shard and part == Part(limit=None, only=[], shard=part.shard)}
    counts = {int(shard.partition("/")[2]) for shard in shards}
    if any(all(f"{i}/{n}" in shards for i in range(1, n + 1)) for n in counts):
        return None
    return [part for k, part in enumerate(parts) if part not in parts[:k]]


def _brief(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."
