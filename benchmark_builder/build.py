"""The runner behind every `bench build`: locked, resumable, nothing lost, the tables written last.

While a build runs, ``.build/`` holds a lock, the protocol, and a journal with a line for each source that is done.
A killed build leaves whole files and a journal; the next run does what is missing and ends with the same tables.
"""

import json
import os
import shutil
from collections.abc import Callable, Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from benchmark_builder import pool
from benchmark_builder.errors import BenchError, LeftOut
from benchmark_builder.files import inside, read_json, remove, remove_leftovers, write_csv, write_json, write_text
from benchmark_builder.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    LIST,
    MANIFEST,
    PROTOCOL,
    SUMS,
    Benchmark,
    Row,
    read_benchmark,
    write_benchmark,
)
from benchmark_builder.text import read_records

WORK = ".build"
LISTED = ("frames", "zip")  # layouts that others read, by a list file
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
    protocol: dict[str, Any],
    maker: pool.Maker,
    items: Sequence[Any],
    name: Callable[[Any], str],
    workers: int = 1,
    progress: bool = True,
    listed: Sequence[pool.Note] = (),
    by: str = "id",
    current: Callable[[Any, list[Row]], bool] | None = None,
    known: Container[str] | None = None,
) -> Report:
    """Make every item that is not made yet, then write the tables.

    Args:
        out: the benchmark's folder.
        protocol: everything that decides the result, plain JSON values.
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

    Raises:
        BenchError: another build runs in ``out``, or ``out`` holds a build with other settings.
    """
    work = out / WORK
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            return _locked(out, protocol, maker, items, name, workers, progress, listed, by, current, known)
    except Timeout:
        raise BenchError(
            f"{out}: another build is running in this folder; wait for it or choose another --out"
        ) from None


def _locked(
    out: Path,
    protocol: dict[str, Any],
    maker: pool.Maker,
    items: Sequence[Any],
    name: Callable[[Any], str],
    workers: int,
    progress: bool,
    listed: Sequence[pool.Note],
    by: str,
    current: Callable[[Any, list[Row]], bool] | None,
    known: Container[str] | None,
) -> Report:
    _refuse_other_settings(out, protocol)
    protocol = {**protocol, "subset": _parts(out, protocol.get("subset"))}
    journal = _Journal(out, by)
    remove_leftovers(out)
    for table in (SUMS, MANIFEST):  # while it is being added to, the folder is no finished benchmark
        (out / table).unlink(missing_ok=True)
    done = journal.done()
    changed = [name(i) for i in items if current and name(i) in done and not current(i, journal.rows(name(i)))]
    for key in changed:
        journal.forget(key)
    done -= set(changed)
    for key in [k for k in done if known is not None and k not in known]:
        journal.forget(key)
        del journal.entries[key]
    write_json(out / WORK / PROTOCOL, protocol)  # last: until now the old one says what the old rows were made from

    todo = [item for item in items if name(item) not in done]
    made, interrupted = 0, None
    bar = tqdm(total=len(items), initial=len(items) - len(todo), desc=f"build {protocol['kind']}", unit="source",
               disable=not progress)  # fmt: skip
    try:
        for item, result in pool.run(maker, todo, workers):
            if isinstance(result, LeftOut):
                journal.add(name(item), "left out", str(result))
            elif isinstance(result, BenchError):
                journal.add(name(item), "failed", str(result))
            else:
                rows = [r for r in result if isinstance(r, Row)]
                for note in (r for r in result if isinstance(r, pool.Note)):
                    journal.add(note.id, note.kind, note.reason)
                journal.add(name(item), "made", [asdict(row) for row in rows])
                made += len(rows)
            bar.update()
    except BenchError as error:
        interrupted = error
    finally:
        bar.close()
    if interrupted:
        raise interrupted
    remove_leftovers(out)  # of a killed run's last worker, which may have outlived the first removal

    rows = [Row(**r) for entry in journal.entries.values() if entry["state"] == "made" for r in entry["value"]]
    reasons = {(e["id"], e["state"]): e["value"] for e in journal.entries.values() if e["state"] != "made"}
    reasons |= {(note.id, note.kind): note.reason for note in listed}
    failures = [{"id": i, "kind": kind, "reason": reason} for (i, kind), reason in reasons.items()]
    if rows:
        if protocol.get("layout") in LISTED:
            lines = (f"{row.id} {row.frames} {row.label}\n" for row in sorted(rows, key=lambda r: r.id))
            write_text(out / LIST, "".join(lines))
        write_benchmark(out, protocol, rows, failures)
        benchmark: Benchmark | None = read_benchmark(out)
        shutil.rmtree(out / WORK, ignore_errors=True)
    else:
        write_csv(out / FAILURES, FAILURE_COLUMNS, sorted(failures, key=lambda f: f["id"]))
        benchmark = None
    return Report(out, benchmark, made, len(rows) - made, failures, changed)


def _refuse_other_settings(out: Path, protocol: dict[str, Any]) -> None:
    for path in (out / PROTOCOL, out / WORK / PROTOCOL):
        if not path.is_file():
            continue
        old = read_json(path, "protocol", "choose another --out")
        changed = difference(old, protocol)
        if changed:
            raise BenchError(
                f"{out}: holds a build with other settings ({changed}); choose another --out or delete the folder"
            )
    others = [p.name for p in out.iterdir() if p.name != WORK]
    if others and not (out / PROTOCOL).is_file() and not (out / WORK / PROTOCOL).is_file():
        raise BenchError(f"{out}: is not empty and no benchmark ({others[0]}); choose another --out")


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first setting in which two protocols differ, in words; empty if they decide the same."""
    plain = json.loads(json.dumps(new))
    for key in sorted((old.keys() | plain.keys()) - set(_FREE)):
        before, now = _settings(old.get(key)), _settings(plain.get(key))
        if before != now:
            return _first_difference(key, before, now)
    return ""


def _first_difference(name: str, old: Any, new: Any) -> str:
    """In words, within tables by the setting's own name, such as ``mask_settings.dilate: 0, now 2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k))
        return _first_difference(f"{name}.{key}", old.get(key), new.get(key))
    return f"{name}: {_brief(old)}, now {_brief(new)}"


def _settings(value: Any) -> Any:
    """A setting without the digest of the manifest that a build starts from: which of its rows have changed is looked
    up row by row (``current``)."""
    return {k: v for k, v in value.items() if k != "manifest_sha256"} if isinstance(value, dict) else value


def made_from(out: Path, key: str = "from") -> str | None:
    """The SHA-256 of the manifest that what is in ``out`` was made from; None where nothing was built there.

    Args:
        out: a benchmark's folder, finished or not.
        key: ``from`` or, of an export, ``exported_from``.
    """
    for path in (out / WORK / PROTOCOL, out / PROTOCOL):
        if path.is_file():
            found = read_json(path, "protocol", "choose another --out").get(key)
            return found.get("manifest_sha256") if isinstance(found, dict) else None
    return None


def _parts(out: Path, now: list[Any] | None) -> list[Any] | None:
    """Which parts of the data set ``out`` holds once part ``now`` is added; None stands for all of it."""
    unfinished, finished = out / WORK / PROTOCOL, out / MANIFEST
    path = unfinished if unfinished.is_file() else out / PROTOCOL
    if now is None or not path.is_file():
        return _joined(now)
    before = read_json(path, "protocol", "choose another --out").get("subset")
    if not isinstance(before, list):
        return None if finished.is_file() else _joined(now)
    return _joined(before + json.loads(json.dumps(now)))


def _joined(parts: list[Any] | None) -> list[Any] | None:
    """Parts, each once; None where all shards of a count are among them."""
    if parts is None:
        return None
    shards = {part["shard"] for part in parts if part["shard"] and not part["only"] and part["limit"] is None}
    counts = {int(shard.partition("/")[2]) for shard in shards}
    if any(all(f"{i}/{n}" in shards for i in range(1, n + 1)) for n in counts):
        return None
    return [part for k, part in enumerate(parts) if part not in parts[:k]]


def _brief(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."


class _Journal:
    """What became of each item, {id, state, value}: rows of what was made, reasons of what was not; and notes.

    Failed items are tried again.
    """

    def __init__(self, out: Path, by: str) -> None:
        self.out, self.path = out, out / WORK / "journal.jsonl"
        self.entries: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self.entries[_key(entry["id"], entry["state"])] = entry
                except (ValueError, KeyError):  # the line that a kill cut short
                    continue
        elif (out / MANIFEST).is_file() and (out / PROTOCOL).is_file():
            self._from_tables(read_benchmark(out), by)
        write_text(self.path, "".join(json.dumps(e) + "\n" for e in self.entries.values()))
        self._handle = open(self.path, "a", encoding="utf-8")

    def _from_tables(self, benchmark: Benchmark, by: str) -> None:
        for row in benchmark.rows:
            entry = self.entries.setdefault(getattr(row, by), {"id": getattr(row, by), "state": "made", "value": []})
            entry["value"].append(asdict(row))
        table = benchmark.folder / FAILURES
        for record in read_records(table, FAILURE_COLUMNS, "table of failures", "delete the folder and build again"):
            entry = {"id": record["id"], "state": record["kind"], "value": record["reason"]}
            self.entries[_key(record["id"], record["kind"])] = entry

    def done(self) -> set[str]:
        """Ids that need no work: left out, or made with every file still there."""
        finished = set()
        for key, entry in self.entries.items():
            if entry["state"] == "made":
                files = [r[f] for r in entry["value"] for f in ("file", "mask_file") if r[f]]
                if all((self.out / f).exists() for f in files):
                    finished.add(key)
            elif entry["state"] != "failed":
                finished.add(key)
        return finished

    def rows(self, name: str) -> list[Row]:
        """What was made of an item; nothing of one that was left out."""
        entry = self.entries.get(name)
        return [Row(**r) for r in entry["value"]] if entry and entry["state"] == "made" else []

    def forget(self, name: str) -> None:
        """Delete what was made of an item, so that nothing of it stays if it cannot be made again."""
        for row in self.rows(name):
            for file in filter(None, (row.file, row.mask_file)):
                remove(inside(self.out, file))
        self.add(name, "failed", "changed since it was built; not built again yet")

    def add(self, name: str, state: str, value: Any) -> None:
        entry = {"id": name, "state": state, "value": value}
        self.entries[_key(name, state)] = entry
        self._handle.write(json.dumps(entry) + "\n")
        self._handle.flush()
        os.fsync(self._handle.fileno())


def _key(name: str, state: str) -> str:
    """An item has one state; a note stands beside it."""
    return name if state in ("made", "failed", "left out") else f"{state}\x1f{name}"
