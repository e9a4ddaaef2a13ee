"""The runner behind every `bench build`: locked, resumable, nothing lost, the tables written last.

While a build runs, ``.build/`` holds a lock, the protocol, and a journal with a line for each source that is done.
A killed build leaves whole files and a journal; the next run does what is missing and ends with the same tables.
"""

import json
import os
import shutil
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark_builder.benchmark.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    LIST,
    MANIFEST,
    PROTOCOL,
    SUMS,
    Benchmark,
    Row,
    lists_failures,
    plain_row,
    read_benchmark,
    write_benchmark,
)
from benchmark_builder.benchmark.protocol_record import Part, ProtocolRecord, read_protocol
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.files import (
    inside,
    naming,
    remove,
    remove_leftovers,
    write_csv,
    write_json,
    write_text,
)
from benchmark_builder.utils.resume import (
    LEFT_OUT,
    LOG,
    held,
    logged,
    read_left_out,
    read_log,
    sole_run,
    write_left_out,
    write_log,
)
from benchmark_builder.utils.text import read_records

WORK, JOURNAL = ".build", "journal.jsonl"
NOT_MADE = ("failed", "left out")
# What may differ between two runs into one folder: where the sources lie, and which part of them is taken.
_FREE = ("paths", "subset", "versions", "format")


@dataclass(frozen=True)
class Report:
    """What a build did in ``folder``; ``benchmark`` is None if it made no video.

    ``failures``: dicts of id, kind (``left out``, ``failed``, or that of a note), reason; failures.csv holds the same.
    ``changed``: items that were built before, and again now, because what they are made from has changed since.
    """

    folder: Path
    benchmark: Benchmark | None
    made: int
    kept: int
    failures: list[dict[str, str]]
    changed: Sequence[str] = ()

    @property
    def failed(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "failed"]

    @property
    def left_out(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "left out"]


def run_build(
    out: Path,
    protocol: ProtocolRecord,
    maker: pool.Maker,
    items: Sequence[Any],
    name: Callable[[Any], str],
    workers: int = 1,
    progress: bool = True,
    listed: Sequence[pool.Note] = (),
    by: str = "id",
    current: Callable[[Any, list[Row]], bool] | None = None,
    known: Container[str] | None = None,
    title: str | None = None,
) -> Report:
    """Make every item that is not made yet, then write the tables.

    An item that failed is tried again in every run. So is one that was left out, unless the maker says what that
    depended on (a method ``depends(item)``, which gives a digest of it or None) and it is the same as before.

    Args:
        out: the benchmark's folder.
        protocol: everything that decides the result.
        maker: its ``make(item)`` writes the item's videos below ``out`` and returns their rows.
        items: what to make; a source video, say.
        name: the item's id, which stands in the journal and in failures.csv.
        workers: processes.
        progress: show a progress bar.
        listed: what the caller knows already that belongs into failures.csv.
        by: the manifest's column in which an item's name stands: ``id``, or ``source_id`` where an item has several
            videos.
        current: whether an item and the rows that were made of it still belong together; those of which it is False
            are made again. None: always.
        known: names of every item there is, where what was made of one that is gone must go, too. None: it stays.
        title: what the progress bar says; None for ``build KIND``.

    Raises:
        BenchError: another build runs in ``out``, ``out`` holds a build with other settings or cannot be written.
    """
    new = not out.exists()
    try:
        with sole_run(out, out / WORK / "lock", "another build is running in this folder"):
            try:
                _claim(out, protocol)
                try:
                    remove_leftovers(out)
                    build = _Build(out, protocol, maker, name, by, known)
                    with closing(build.journal):
                        return build.run(items, workers, progress, listed, current, title)
                finally:
                    remove_leftovers(out)  # of workers that were stopped, whose encoders may live a moment more
            finally:
                _tidy(out)
    except OSError as error:
        raise system_error(error, out) from None
    finally:
        if new:  # and nothing came of it: as if it had never been tried
            with suppress(OSError):
                out.rmdir()


class _Build:
    """One run of a build in a folder that is locked and its own."""

    def __init__(
        self,
        out: Path,
        protocol: ProtocolRecord,
        maker: pool.Maker,
        name: Callable[[Any], str],
        by: str,
        known: Container[str] | None,
    ) -> None:
        self.out, self.maker, self.name, self.by, self.known = out, maker, name, by, known
        self.whole = protocol.subset is None  # whether this run is of all that there is
        self.protocol = protocol.replaced(subset=_parts(out, protocol.subset))
        self.journal = _Journal(out, by)
        for table in (SUMS, MANIFEST):  # while it is being added to, the folder is no finished benchmark
            (out / table).unlink(missing_ok=True)

    def run(
        self,
        items: Sequence[Any],
        workers: int,
        progress: bool,
        listed: Sequence[pool.Note],
        current: Callable[[Any, list[Row]], bool] | None,
        title: str | None,
    ) -> Report:
        journal, name = self.journal, self.name
        done = self._done(items)
        changed = [name(i) for i in items if current and name(i) in done and not current(i, journal.rows(name(i)))]
        for key in changed:
            journal.forget(key)
        done -= set(changed)
        for key in [k for k in done if self.known is not None and k not in self.known]:
            journal.forget(key)
            del journal.entries[key]
        # Last: until now the old one says what the old rows were made from.
        write_json(self.out / WORK / PROTOCOL, self.protocol.plain())
        todo = [item for item in items if name(item) not in done]
        made = 0
        bar = tqdm(
            total=len(items), initial=len(items) - len(todo), desc=title or f"build {self.protocol.kind}",
            unit="source" if self.by == "source_id" else "video", disable=not progress,
        )  # fmt: skip
        with bar, closing(pool.run(self.maker, todo, workers)) as results:
            for item, result in results:
                made += self._note(item, result)
                bar.update()
        return self._tables(items, listed, made, changed)

    def _done(self, items: Sequence[Any]) -> set[str]:
        """Names that need no work: made, with every file still there, or left out for what is still the same."""
        made, left_out = self.journal.made(), self.journal.left_out()
        depends = getattr(self.maker, "depends", None)
        if depends is None or not left_out:
            return made
        asked = ((self.name(item), item) for item in items if self.name(item) in left_out)
        return made | {key for key, item in asked if left_out[key] and left_out[key] == depends(item)}

    def _note(self, item: Any, result: Any) -> int:
        """Write down what became of an item; how many videos that is."""
        key, journal = self.name(item), self.journal
        if isinstance(result, LeftOut):
            depends = getattr(self.maker, "depends", None)
            journal.add(key, "left out", str(result), on=depends(item) if depends else None)
        elif isinstance(result, Crashed):
            journal.add(key, "failed", logged(str(result)), details=result.details)
        elif isinstance(result, BenchError):
            journal.add(key, "failed", str(result))
        else:
            rows = [asdict(r) for r in result if isinstance(r, Row)]
            notes = [asdict(r) for r in result if isinstance(r, pool.Note)]
            journal.add(key, "made", rows, notes=notes)
            return len(rows)
        return 0

    def _tables(self, items: Sequence[Any], listed: Sequence[pool.Note], made: int, changed: Sequence[str]) -> Report:
        out, entries = self.out, self.journal.entries
        rows = self.journal.all_rows()
        sources = {r.source_id for r in rows}
        named = {self.name(item) for item in items} | {note.id for note in listed}
        for key in [k for k, e in entries.items() if e["state"] in NOT_MADE]:
            # What a run of everything does not name is gone; what another part made is no failure of this one.
            if (self.whole and key not in named) or (self.by == "id" and key in sources):
                del entries[key]
        missing = [e for e in entries.values() if e["state"] in NOT_MADE]
        there = sources | {key for key, e in entries.items() if e["state"] == "made"}
        reasons = {(e["id"], e["state"]): e["value"] for e in entries.values() if e["state"] != "made"}
        reasons |= {(n["id"], n["kind"]): n["reason"] for e in entries.values() for n in e.get("notes") or ()}
        reasons |= {(n.id, n.kind): n.reason for n in listed if n.kind not in NOT_MADE or n.id not in there}
        failures = [{"id": i, "kind": kind, "reason": reason} for (i, kind), reason in sorted(reasons.items())]
        self._clear([e["id"] for e in missing], rows)
        write_log(out, {e["id"]: e["details"] for e in missing if e.get("details")})
        if not rows:
            self._nothing(failures)
            return Report(out, None, made, 0, failures, changed)
        write_left_out(out, {e["id"]: e["on"] for e in missing if e.get("on")})
        # What is exported for another program has lists of its own.
        if layouts.is_listed(self.protocol.layout) and self.protocol.exported_for is None:
            lines = (f"{row.id} {row.frames} {row.label}\n" for row in sorted(rows, key=lambda r: r.id))
            write_text(out / LIST, "".join(lines))
        write_benchmark(out, self.protocol, rows, failures)
        return Report(out, read_benchmark(out), made, len(rows) - made, failures, changed)

    def _clear(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Delete files of items that were not made: what was written before the item failed, or before a kill."""
        kept = {file for row in rows for file in (row.file, row.mask_file)}
        files = getattr(self.maker, "files", {})  # of an export, which may be called otherwise
        for file in [files[key] for key in names if key in files and files[key] not in kept]:
            remove(inside(self.out, file))
        suffixes = layouts.suffixes(self.protocol.layout)  # an id may hold dots, too
        for top in ("videos", "masks"):
            of_source = top == "masks" and self.by == "id"  # whose masks its videos share
            stems: dict[Path, set[str]] = {}
            for key in names:
                path = inside(self.out, f"{top}/{key.rpartition('__')[0] if of_source else key}")
                stems.setdefault(path.parent, set()).add(path.name)
            for folder, mine in stems.items():
                for path in list(folder.iterdir()) if folder.is_dir() else ():
                    stem = path.name.removesuffix(path.suffix) if path.suffix in suffixes else path.name
                    variant = stem.rpartition("__")[0] if self.by == "source_id" else stem
                    if mine & {stem, variant} and path.relative_to(self.out).as_posix() not in kept:
                        remove(path)

    def _nothing(self, failures: list[dict[str, str]]) -> None:
        """Leave a list of what went wrong, and nothing that would refuse another try."""
        for name in (PROTOCOL, LIST, LEFT_OUT, FAILURES):
            (self.out / name).unlink(missing_ok=True)
        if failures:
            write_csv(self.out / FAILURES, FAILURE_COLUMNS, failures)


def _claim(out: Path, protocol: ProtocolRecord) -> None:
    """Refuse a folder that holds a build with other settings, or something else.

    A build that has made nothing yet, or of which only the list of failures is left, refuses no other settings.
    """
    finished, begun, journal = out / PROTOCOL, out / WORK / PROTOCOL, out / WORK / JOURNAL
    if not finished.is_file() and not begun.is_file():
        others = held(out, (FAILURES, LOG) if lists_failures(out / FAILURES) else ())
        if others:
            raise BenchError(f"{out}: is not empty and no benchmark ({others[0]}); choose another --out")
        remove(journal)
    for path in (finished, begun):
        if not path.is_file():
            continue
        changed = difference(_known(path), protocol)
        if changed and path == begun and not finished.is_file() and not _has_rows(journal):
            for name in ("videos", "masks", f"{WORK}/{JOURNAL}", f"{WORK}/{PROTOCOL}"):
                remove(out / name)
        elif changed:
            raise BenchError(
                f"{out}: holds a build with other settings ({changed}); choose another --out or delete the folder"
            )


def _known(path: Path) -> ProtocolRecord:
    """What a build that is there already was decided by."""
    return read_protocol(path.parent, "choose another --out")


def _tidy(out: Path) -> None:
    """Delete ``.build`` unless a build can go on from it, and what a build that has nothing in its journal wrote."""
    if not (out / MANIFEST).is_file():
        if (out / PROTOCOL).is_file() or _has_rows(out / WORK / JOURNAL):
            return
        for top in ("videos", "masks") if (out / WORK / PROTOCOL).is_file() else ():
            remove(out / top)
        if held(out, (FAILURES, LOG)):  # of an export, which has other folders
            return
    shutil.rmtree(out / WORK, ignore_errors=True)


def difference(old: ProtocolRecord, new: ProtocolRecord, fields: Collection[str] = ()) -> str:
    """The first setting in which two protocols differ, in words; empty if they decide the same. ``fields``: compare
    these alone."""
    versions = [record.protocol.version for record in (old, new) if record.has("protocol")]
    if len(set(versions)) > 1:  # an older version differs in more than one setting; this says why
        return f"version of the protocol: {versions[0]}, now {versions[1]}"
    left, right = old.plain(), new.plain()
    for key in sorted(fields or (left.keys() | right.keys()) - set(_FREE)):
        before, now = _settings(left.get(key)), _settings(right.get(key))
        if before != now:
            return _first_difference(key, before, now)
    return ""


def _first_difference(name: str, old: object, new: object) -> str:
    """In words, within tables by the setting's own name, such as ``mask_settings.dilate: 0, now 2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k))
        return _first_difference(f"{name}.{key}", old.get(key), new.get(key))
    return f"{name}: {_brief(old)}, now {_brief(new)}"


def _settings(value: object) -> object:
    """A setting without the digest of the manifest that a build starts from: which of its rows have changed is looked
    up row by row (``current``)."""
    return {k: v for k, v in value.items() if k != "manifest_sha256"} if isinstance(value, dict) else value


def made_from(out: Path, exported: bool = False) -> str | None:
    """The SHA-256 of the manifest that what is in ``out`` was made from; None where nothing was built there.

    Args:
        out: a benchmark's folder, finished or not.
        exported: what an export was made from, not the SCUBA benchmark that its videos were made from.
    """
    for path in (out / WORK / PROTOCOL, out / PROTOCOL):
        if path.is_file():
            known = _known(path)
            return (known.exported_from if exported else known.origin).manifest_sha256
    return None


def _parts(out: Path, now: list[Part] | None) -> list[Part] | None:
    """Which parts of the data set ``out`` holds once part ``now`` is added; None stands for all of it."""
    unfinished, finished = out / WORK / PROTOCOL, out / MANIFEST
    path = unfinished if unfinished.is_file() else out / PROTOCOL
    if now is None or not path.is_file():
        return _joined(now)
    before = _known(path).subset
    if before is None:
        return None if finished.is_file() else _joined(now)
    return _joined(before + now)


def _joined(parts: list[Part] | None) -> list[Part] | None:
    """Parts, each once; None where all shards of a count are among them."""
    if parts is None:
        return None
    shards = {part.shard for part in parts if part.shard and not part.only and part.limit is None}
    counts = {int(shard.partition("/")[2]) for shard in shards}
    if any(all(f"{i}/{n}" in shards for i in range(1, n + 1)) for n in counts):
        return None
    return [part for k, part in enumerate(parts) if part not in parts[:k]]


def _brief(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."


class _Journal:
    """What became of each item, a line each: {id, state, value}, and what belongs to it.

    ``state`` is ``made`` (``value``: its rows; ``notes``), ``failed`` (``value``: the reason; ``details``: a traceback)
    or ``left out`` (``on``: a digest of what the reason depended on). The latter two may hold ``rows``: what an earlier
    run had made of the item and is still there. Any other state is a note, next to its item.
    """

    def __init__(self, out: Path, by: str) -> None:
        self.out, self.path = out, out / WORK / JOURNAL
        self.entries: dict[str, dict[str, Any]] = {}
        self._notes: dict[str, set[str]] = {}  # by what they are about, keys of entries
        if self.path.is_file():
            for entry in _lines(self.path):
                self._set(entry)
        elif (out / MANIFEST).is_file() and (out / PROTOCOL).is_file():
            self._from_tables(read_benchmark(out), by)
        write_text(self.path, "".join(json.dumps(e) + "\n" for e in self.entries.values()))
        self._handle = open(self.path, "a", encoding="utf-8")

    def _from_tables(self, benchmark: Benchmark, by: str) -> None:
        made: dict[str, list[dict[str, Any]]] = {}
        for row in benchmark.rows:
            made.setdefault(getattr(row, by), []).append(asdict(row))
        for name, rows in made.items():
            self._set({"id": name, "state": "made", "value": rows})
        details, depended = read_log(benchmark.folder), read_left_out(benchmark.folder)
        table = benchmark.folder / FAILURES
        for record in read_records(table, FAILURE_COLUMNS, "table of failures", "delete the folder and build again"):
            name, state = record["id"], record["kind"]
            entry: dict[str, Any] = {"id": name, "state": state, "value": record["reason"]}
            if state in NOT_MADE:
                entry["rows"] = made.get(name)
                entry["details" if state == "failed" else "on"] = (details if state == "failed" else depended).get(name)
            self._set(entry)

    def _set(self, entry: dict[str, Any]) -> None:
        name, state = entry["id"], entry["state"]
        if state == "made" or state in NOT_MADE:
            for key in [k for k in self._notes.pop(name, ()) if k in self.entries]:
                del self.entries[key]
            self.entries[name] = entry
        else:
            key = f"{state}\x1f{name}"
            self._notes.setdefault(name, set()).add(key)
            self.entries[key] = entry

    def made(self) -> set[str]:
        """Ids of what was made and has every file still there."""
        return {
            key
            for key, entry in self.entries.items()
            if entry["state"] == "made" and all(self._is_there(row) for row in entry["value"])
        }

    def left_out(self) -> dict[str, str]:
        """For each id left out, a digest of what that depended on; empty where that is not known."""
        return {key: e.get("on") or "" for key, e in self.entries.items() if e["state"] == "left out"}

    def rows(self, name: str) -> list[Row]:
        """What was made of an item; nothing of one that was left out."""
        return [Row(**r) for r in _rows(self.entries.get(name, {}))]

    def all_rows(self) -> list[Row]:
        """Everything that was made and is to be listed."""
        return [Row(**r) for entry in self.entries.values() for r in _rows(entry)]

    def forget(self, name: str) -> None:
        """Delete what was made of an item, so that nothing of it stays if it cannot be made again."""
        for row in self.rows(name):
            for file in filter(None, (row.file, row.mask_file)):
                remove(inside(self.out, file))
        self.add(name, "failed", "changed since it was built; not built again yet")

    def add(self, name: str, state: str, value: Any, **more: Any) -> None:
        """Write down what became of an item. Of one that was made before and now was not, what is there stays."""
        entry = {"id": name, "state": state, "value": value, **{k: v for k, v in more.items() if v}}
        if state in NOT_MADE:
            kept = [row for row in _rows(self.entries.get(name, {})) if self._is_there(row)]
            entry |= {"rows": kept} if kept else {}
        self._set(entry)
        with naming(self.path.parent):
            self._handle.write(json.dumps(entry) + "\n")
            self._handle.flush()
            os.fsync(self._handle.fileno())

    def close(self) -> None:
        with suppress(OSError):  # said when it was written
            self._handle.close()

    def _is_there(self, row: dict[str, Any]) -> bool:
        return all((self.out / row[f]).exists() for f in ("file", "mask_file") if row[f])


def _rows(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a journal's entry."""
    return entry["value"] if entry.get("state") == "made" else entry.get("rows") or []


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    """The entries of a journal, but the line that a kill cut short (or that is no entry, and is made again); none where
    there is no journal."""
    try:
        lines = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(ValueError, RecursionError, BenchError):
            entry = json.loads(line)
            if isinstance(entry, dict) and {"id", "state", "value"} <= entry.keys():
                rows = _rows(entry)
                if all(isinstance(entry[k], str) for k in ("id", "state")) and isinstance(rows, list):
                    for row in rows:
                        plain_row(row, str(journal))
                    yield entry


def _has_rows(journal: Path) -> bool:
    """Whether a killed build has made anything."""
    return any(_rows(entry) for entry in _lines(journal))
