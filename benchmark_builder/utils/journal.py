"""The journal of a folder that is being filled: what became of each item, so that a killed run goes on.

A line of JSON per item: ``id``, ``state``, ``value`` (its rows, or the reason why it was not made), and what belongs to
it. Where there is no journal, the tables of a finished run say the same (:func:`from_tables`).
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, naming, remove, write_text
from benchmark_builder.utils.resume import (
    FAILURE_COLUMNS,
    FAILURES,
    read_left_out,
    read_log,
    write_left_out,
    write_log,
)
from benchmark_builder.utils.text import read_records

NOT_MADE = ("failed", "left out")


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
    """What became of each item, in a file with a line each."""

    def __init__(self, out: Path, path: Path, files: Sequence[str], entries: Iterable[Entry]) -> None:
        """Write the file anew, and keep it open to add to it.

        Args:
            out: the folder that is filled.
            path: the journal's file.
            files: columns of a row that name files below ``out``.
            entries: what is known.
        """
        self.out, self.path, self.files = out, path, files
        self.entries: dict[str, Entry] = {}
        self._notes: dict[str, set[str]] = {}  # by what they are about, keys of entries
        for entry in entries:
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

    def rows(self, name: str) -> list[dict[str, Any]]:
        """What was made of an item; nothing of one that was left out."""
        return self.entries[name].rows if name in self.entries else []

    def all_rows(self) -> list[dict[str, Any]]:
        """Everything that was made and is to be listed."""
        return [row for entry in self.entries.values() for row in entry.rows]

    def is_there(self, row: dict[str, Any]) -> bool:
        """Whether every file that a row names exists."""
        return all((self.out / row[f]).exists() for f in self.files if row.get(f))

    def forget(self, name: str) -> None:
        """Delete what was made of an item, so that nothing of it stays if it cannot be made again."""
        for row in self.rows(name):
            for file in filter(None, map(row.get, self.files)):
                remove(inside(self.out, file))
        self.add(Entry(name, "failed", reason="changed since it was built; not built again yet"))

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
        write_log(self.out, {e.id: e.details for e in missing if e.details})
        write_left_out(self.out, {e.id: e.on for e in missing if e.on})

    def close(self) -> None:
        with suppress(OSError):  # said when it was written
            self._handle.close()


def read_entries(path: Path, check_row: Callable[[Any], None]) -> Iterator[Entry]:
    """The entries of a journal, but the line that a kill cut short (or that is no entry, and is made again); none where
    there is no journal. ``check_row`` raises BenchError for what is no row."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError, BenchError):
            entry = Entry.read(line)
            for row in entry.rows:
                check_row(row)
            yield entry


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
