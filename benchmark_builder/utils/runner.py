"""The one runner: many items worked through in several processes, each item's failure its own.

:func:`work` is for commands that write no folder of results (`bench data inspect`, `bench verify`). :func:`fill` is for
those that fill a folder (`bench build`, `bench segment`, `bench data render`): it locks the folder, reads what is done
from the journal, works through the rest, and lets the command write its tables last. A killed run leaves whole files
and a journal; the next run does what is missing and ends with the same tables.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.files import inside, naming, remove, remove_leftovers, write_text
from benchmark_builder.utils.resume import (
    FAILURE_COLUMNS,
    FAILURES,
    keep_tracebacks,
    logged,
    read_left_out,
    read_log,
    sole_run,
    write_left_out,
    write_log,
)
from benchmark_builder.utils.text import read_records

NOT_MADE = ("failed", "left out")


@dataclass(frozen=True)
class Report:
    """What a run did in ``folder``. ``made`` and ``kept`` count videos.

    ``failures``: dicts of id, kind (``left out``, ``failed``, or that of a note), reason; failures.csv holds the same.
    ``changed``: items that were made before, and again now, because what they are made from has changed since.
    """

    folder: Path
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


# Items worked through.


@dataclass(frozen=True)
class Worked:
    """What became of items, in order of completion: ``made``, pairs of item and result, and ``failed``, of item and
    error. ``log``: a line that says where the tracebacks of unexpected errors are; empty without any."""

    made: list[tuple[Any, Any]]
    failed: list[tuple[Any, BenchError]]
    log: str = ""


def work(
    maker: pool.Maker,
    items: Sequence[Any],
    name: Callable[[Any], str],
    workers: int,
    *,
    title: str,
    unit: str = "video",
    progress: bool = True,
) -> Worked:
    """Work through items for a command that writes no folder of results.

    Args:
        maker: its ``make(item)`` gives an item's result.
        items: what to work on.
        name: the item's id, which stands in the log of tracebacks.
        workers: processes.
        title, unit: what the progress bar says and counts.
        progress: show it.
    """
    made, failed = list[tuple[Any, Any]](), list[tuple[Any, BenchError]]()
    with closing(_each(maker, items, workers, len(items), title, unit, progress)) as results:
        for item, result in results:
            (failed if isinstance(result, BenchError) else made).append((item, result))
    return Worked(made, failed, keep_tracebacks({name(item): error for item, error in failed}))


def _each(
    maker: pool.Maker, items: Sequence[Any], workers: int, total: int, title: str, unit: str, progress: bool
) -> Generator[tuple[Any, Any], None, None]:
    """Items and their results, with a bar of ``total`` items, of which those that are not in ``items`` are done."""
    bar = tqdm(total=total, initial=total - len(items), desc=title, unit=unit, disable=not progress)
    with bar, closing(pool.run(maker, items, workers)) as results:
        for item, result in results:
            yield item, result
            bar.update()


# A folder filled.


@dataclass(frozen=True)
class Made:
    """What was made of one item: its rows (dicts of plain JSON values), notes on it, and whether it is new."""

    rows: list[dict[str, Any]]
    notes: Sequence[pool.Note] = ()
    new: bool = True


class Filling(ABC):
    """A command that fills a folder: what :func:`fill` has to know of it.

    Attributes:
        out: the folder.
        lock, journal: files in it, hidden.
        busy: what to say of the folder if another run holds the lock.
        maker: makes one item. A method ``depends(item)`` of it may give a digest of what decides whether an item is
            left out; an item is tried again only if that has changed. Without, it is tried in every run.
        title, unit: what the progress bar says and counts.
        files: columns of a row that name files below ``out``; empty for none.
    """

    out: Path
    lock: str
    journal: str
    busy: str
    maker: Any
    title: str
    unit = "video"
    files: tuple[str, ...] = ("file",)

    def name(self, item: Any) -> str:
        """The item's id, which stands in the journal and in failures.csv."""
        return str(item.id)

    @abstractmethod
    def claim(self) -> None:
        """Refuse a folder that holds something else; note in it what it is to hold. Raises BenchError."""

    @abstractmethod
    def earlier(self) -> "Iterable[Entry]":
        """What a finished run made, from its tables; asked where there is no journal."""

    @abstractmethod
    def check_row(self, row: Any) -> None:
        """Raise BenchError for what no run wrote as a row into the journal."""

    def begin(self, journal: "Journal") -> None:
        """Before it is decided what is to be made; the folder is locked and its own."""

    def current(self, item: Any, rows: list[dict[str, Any]]) -> bool:
        """Whether an item and the rows that were made of it still belong together; else it is made again."""
        return True

    def ready(self) -> None:
        """Once the files of items that have changed are gone."""

    def made(self, result: Any) -> Made:
        """What the maker returned of an item, as the runner takes it."""
        assert isinstance(result, Made)
        return result

    @abstractmethod
    def finish(self, journal: "Journal", items: Sequence[Any], made: int, changed: Sequence[str]) -> Report:
        """Write the tables. ``made`` counts new rows."""

    def tidy(self) -> None:
        """At the end, however it came: leave what the same command can go on from, and nothing else."""


def fill(task: Filling, items: Sequence[Any], workers: int = 1, progress: bool = True) -> Report:
    """Make every item that is not made yet, then let the command write its tables.

    An item that failed is tried again in every run. So is one that was left out, unless the maker says what that
    depended on and it is the same as before.

    Raises:
        BenchError: another run is at work in the folder, or the folder holds something else or cannot be written.
    """
    out = task.out
    new = not out.exists()
    try:
        with sole_run(out, out / task.lock, task.busy):
            try:
                task.claim()
                try:
                    remove_leftovers(out)
                    with closing(Journal(task)) as journal:
                        return _fill(task, journal, items, workers, progress)
                finally:
                    remove_leftovers(out)  # of workers that were stopped, whose encoders may live a moment more
            finally:
                task.tidy()
    except OSError as error:
        raise system_error(error, out) from None
    finally:
        if new:  # and nothing came of it: as if it had never been tried
            with suppress(OSError):
                out.rmdir()


def _fill(task: Filling, journal: "Journal", items: Sequence[Any], workers: int, progress: bool) -> Report:
    task.begin(journal)
    done = journal.done(items)
    before = [(task.name(item), item) for item in items if task.name(item) in done]
    changed = [name for name, item in before if not task.current(item, journal.rows(name))]
    for name in changed:
        journal.forget(name)
    task.ready()
    done -= set(changed)
    todo = [item for item in items if task.name(item) not in done]
    made = 0
    with closing(_each(task.maker, todo, workers, len(items), task.title, task.unit, progress)) as results:
        for item, result in results:
            made += journal.note(item, result)
    return task.finish(journal, items, made, changed)


@dataclass
class Entry:
    """What became of one item, a line of the journal.

    Attributes:
        id: the item's.
        state: ``made``, ``failed`` or ``left out``; any other is a note on an item, an entry of its own.
        rows: what was made of it. Of an item that was not made: what an earlier run had made and is still there.
        reason: why it was not made; what a note says.
        notes: on an item that was made.
        details: a traceback.
        on: a digest of what decides whether the item is left out.
    """

    id: str
    state: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""
    notes: list[dict[str, str]] = field(default_factory=list)
    details: str = ""
    on: str = ""

    @property
    def missing(self) -> bool:
        """Whether the item was not made."""
        return self.state in NOT_MADE

    def line(self) -> str:
        """The entry as JSON: ``value`` holds the rows of what was made, else the reason."""
        made = self.state == "made"
        more = {"notes": self.notes, "details": self.details, "on": self.on, "rows": [] if made else self.rows}
        value = {"id": self.id, "state": self.state, "value": self.rows if made else self.reason}
        return json.dumps(value | {name: told for name, told in more.items() if told}) + "\n"

    @classmethod
    def read(cls, line: str) -> "Entry":
        """What :meth:`line` gives. ValueError, KeyError or TypeError for anything else."""
        record = json.loads(line)
        made = record["state"] == "made"
        rows = record["value"] if made else record.get("rows") or []
        reason = "" if made else record["value"]
        notes = record.get("notes") or []
        details, on = record.get("details") or "", record.get("on") or ""
        entry = cls(record["id"], record["state"], rows, reason, notes, details, on)
        texts = (entry.id, entry.state, entry.reason, entry.details, entry.on, *(n[c] for n in notes for c in n))
        if not isinstance(rows, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"not an entry: {line[:100]}")
        for note in notes:
            if note.keys() != set(FAILURE_COLUMNS):
                raise ValueError(f"not a note: {note}")
        return entry


class Journal:
    """What became of each item, a line each. Where there is no journal, the tables of a finished run say it."""

    def __init__(self, task: Filling) -> None:
        self.task, self.path = task, task.out / task.journal
        self.entries: dict[str, Entry] = {}
        self._notes: dict[str, set[str]] = {}  # by what they are about, keys of entries
        for entry in entries_of(task) if self.path.is_file() else task.earlier():
            self._set(entry)
        write_text(self.path, "".join(entry.line() for entry in self.entries.values()))
        self._handle = open(self.path, "a", encoding="utf-8")

    def _set(self, entry: Entry) -> None:
        if entry.state == "made" or entry.missing:
            for key in [k for k in self._notes.pop(entry.id, ()) if k in self.entries]:
                del self.entries[key]
            self.entries[entry.id] = entry
        else:
            key = f"{entry.state}\x1f{entry.id}"
            self._notes.setdefault(entry.id, set()).add(key)
            self.entries[key] = entry

    def made(self) -> set[str]:
        """Ids of what was made and has every file still there."""
        return {key for key, e in self.entries.items() if e.state == "made" and all(map(self.is_there, e.rows))}

    def done(self, items: Sequence[Any]) -> set[str]:
        """Names that need no work: made, with every file still there, or left out for what is still the same."""
        task, same = self.task, set()
        if depends := getattr(task.maker, "depends", None):
            for item in items:
                entry = self.entries.get(task.name(item))
                if entry and entry.state == "left out" and entry.on and entry.on == depends(item):
                    same.add(entry.id)
        return self.made() | same

    def rows(self, name: str) -> list[dict[str, Any]]:
        """What was made of an item; nothing of one that was left out."""
        return self.entries[name].rows if name in self.entries else []

    def all_rows(self) -> list[dict[str, Any]]:
        """Everything that was made and is to be listed."""
        return [row for entry in self.entries.values() for row in entry.rows]

    def is_there(self, row: dict[str, Any]) -> bool:
        """Whether every file that a row names exists."""
        return all((self.task.out / row[f]).exists() for f in self.task.files if row.get(f))

    def forget(self, name: str) -> None:
        """Delete what was made of an item, so that nothing of it stays if it cannot be made again."""
        for row in self.rows(name):
            for file in filter(None, map(row.get, self.task.files)):
                remove(inside(self.task.out, file))
        self.add(Entry(name, "failed", reason="changed since it was built; not built again yet"))

    def note(self, item: Any, result: Any) -> int:
        """Write down what became of an item; how many new rows that is."""
        name = self.task.name(item)
        if isinstance(result, LeftOut):
            depends = getattr(self.task.maker, "depends", None)
            self.add(Entry(name, "left out", reason=str(result), on=(depends(item) if depends else None) or ""))
        elif isinstance(result, Crashed):
            self.add(Entry(name, "failed", reason=logged(str(result)), details=result.details))
        elif isinstance(result, BenchError):
            self.add(Entry(name, "failed", reason=str(result)))
        else:
            made = self.task.made(result)
            notes = [{"id": n.id, "kind": n.kind, "reason": n.reason} for n in made.notes]
            self.add(Entry(name, "made", made.rows, notes=notes))
            return len(made.rows) if made.new else 0
        return 0

    def add(self, entry: Entry) -> None:
        """Write an entry. Of an item that was made before and now was not, what is there stays."""
        if entry.missing:
            entry.rows = [row for row in self.rows(entry.id) if self.is_there(row)]
        self._set(entry)
        with naming(self.path.parent):
            self._handle.write(entry.line())
            self._handle.flush()
            os.fsync(self._handle.fileno())

    def failures(self, listed: Iterable[pool.Note], there: "Iterable[str]") -> list[dict[str, str]]:
        """What failures.csv lists: what was not made, and notes.

        Args:
            listed: what is known without the journal; of items that were left out before any work began, say.
            there: names of what was made, which ``listed`` no longer says is not.
        """
        entries, known = self.entries.values(), set(there)
        reasons = {(e.id, e.state): e.reason for e in entries if e.state != "made"}
        reasons |= {(n["id"], n["kind"]): n["reason"] for e in entries for n in e.notes}
        reasons |= {(n.id, n.kind): n.reason for n in listed if n.kind not in NOT_MADE or n.id not in known}
        return [{"id": i, "kind": kind, "reason": reason} for (i, kind), reason in sorted(reasons.items())]

    def write_reasons(self) -> None:
        """Write the log of tracebacks, and what items were left out for, alongside the tables."""
        missing = [e for e in self.entries.values() if e.missing]
        write_log(self.task.out, {e.id: e.details for e in missing if e.details})
        write_left_out(self.task.out, {e.id: e.on for e in missing if e.on})

    def close(self) -> None:
        with suppress(OSError):  # said when it was written
            self._handle.close()


def entries_of(task: Filling) -> Iterator[Entry]:
    """The entries of a journal, but the line that a kill cut short (or that is no entry, and is made again); none where
    there is no journal."""
    path = task.out / task.journal
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError, BenchError):
            entry = Entry.read(line)
            for row in entry.rows:
                task.check_row(row)
            yield entry


def has_rows(task: Filling) -> bool:
    """Whether a killed run has made anything."""
    return any(entry.rows for entry in entries_of(task))


def from_tables(folder: Path, rows: Mapping[str, list[dict[str, Any]]], fix: str) -> Iterator[Entry]:
    """Entries of a finished run: ``rows`` by the name of the item, and what its failures.csv lists.

    Raises:
        BenchError: the table of failures is missing or damaged; ``fix`` says what to do then.
    """
    for name, made in rows.items():
        yield Entry(name, "made", made)
    details, depended = read_log(folder), read_left_out(folder)
    for record in read_records(folder / FAILURES, FAILURE_COLUMNS, "table of failures", fix):
        name, state, reason = record["id"], record["kind"], record["reason"]
        if state == "failed":
            yield Entry(name, state, rows.get(name, []), reason, details=details.get(name, ""))
        elif state == "left out":
            yield Entry(name, state, rows.get(name, []), reason, on=depended.get(name, ""))
        else:
            yield Entry(name, state, reason=reason)
