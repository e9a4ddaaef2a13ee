"""The journal of a folder that is being filled: the result of each item, so that a killed run can be continued.

It has one line of JSON per item: ``id``, ``state``, ``value`` (its rows, or the reason why it was not made), and
details. If there is no journal, the tables of a finished run contain the same (:func:`from_tables`).
"""

import json
import os
import time
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

# After a power cut, what was made in the last of these seconds is made again. Syncing every entry would limit a cluster
# to some hundred items per second.
SYNC = 0.2  # seconds
NOT_MADE = ("failed", "left out")
PlainRow = dict[str, Any]  # a row of a table as plain JSON values: column -> value


@dataclass
class Entry:
    """The result of one item, a line of the journal.

    Attributes:
        id: id of the item.
        state: ``made``, ``failed`` or ``left out``; any other word is the kind of a note, which is a separate entry.
        rows: its rows. If the item was not made: the rows of an earlier run whose files still exist.
        reason: why it was not made, or the text of a note.
        notes: notes on an item that was made.
        details: traceback of an unexpected error.
        on: digest of the files that decide whether the item is left out.
    """

    id: str
    state: str
    rows: list[PlainRow] = field(default_factory=list)
    reason: str = ""
    notes: list[dict[str, str]] = field(default_factory=list)
    details: str = ""
    on: str = ""

    @property
    def missing(self) -> bool:
        """Whether the item was not made."""
        return self.state in NOT_MADE

    def line(self) -> str:
        """The entry as a line of JSON: ``value`` has the rows if it was made, otherwise the reason."""
        made = self.state == "made"
        more = {"notes": self.notes, "details": self.details, "on": self.on, "rows": [] if made else self.rows}
        value = {"id": self.id, "state": self.state, "value": self.rows if made else self.reason}
        return json.dumps(value | {name: told for name, told in more.items() if told}) + "\n"

    @classmethod
    def read(cls, line: str) -> "Entry":
        """The entry of a line that :meth:`line` wrote. Raises ValueError, KeyError or TypeError for anything else."""
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
    """The results of all items, in a file with one line per item."""

    def __init__(self, out: Path, path: Path, files: Sequence[str], entries: Iterable[Entry]) -> None:
        """Write a new file, and keep it open to append to it.

        Args:
            out: the folder that is filled.
            path: the journal's file.
            files: columns of a row with paths of files below ``out``.
            entries: the entries so far.
        """
        self.out, self.path, self.files = out, path, files
        self.entries: dict[str, Entry] = {}
        self._notes: dict[str, set[str]] = {}  # item -> keys of its notes in entries
        for entry in entries:
            self._set(entry)
        write_text(self.path, "".join(entry.line() for entry in self.entries.values()))
        self._handle = open(self.path, "a", encoding="utf-8")
        self._synced = 0.0

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
        """Ids of the items that were made and whose files all exist."""
        return {key for key, e in self.entries.items() if e.state == "made" and all(map(self.is_there, e.rows))}

    def rows(self, name: str) -> list[PlainRow]:
        """The rows of an item; empty if nothing was made from it."""
        return self.entries[name].rows if name in self.entries else []

    def all_rows(self) -> list[PlainRow]:
        """All rows, as the tables list them."""
        return [row for entry in self.entries.values() for row in entry.rows]

    def is_there(self, row: PlainRow) -> bool:
        """Whether all files of a row exist."""
        return all((self.out / row[f]).exists() for f in self.files if row.get(f))

    def forget(self, name: str) -> None:
        """Delete the files of an item, so that no old file remains if the item cannot be made again."""
        for row in self.rows(name):
            for file in filter(None, map(row.get, self.files)):
                remove(inside(self.out, file))
        self.add(Entry(name, "failed", reason="changed since it was built; not built again yet"))

    def add(self, entry: Entry) -> None:
        """Append an entry. If the item was made earlier and not this time, its rows with existing files are kept."""
        if entry.missing:
            entry.rows = [row for row in self.rows(entry.id) if self.is_there(row)]
        self._set(entry)
        with naming(self.path.parent):
            self._handle.write(entry.line())
            self._handle.flush()  # a killed run loses nothing
            if time.monotonic() - self._synced > SYNC:
                os.fsync(self._handle.fileno())
                self._synced = time.monotonic()

    def failures(self, listed: Iterable[pool.Note], there: "Iterable[str]") -> list[dict[str, str]]:
        """The rows of failures.csv: items that were not made, and notes.

        Args:
            listed: entries that are not in the journal, such as items that were left out before the work began.
            there: names of items that were made; ``listed`` entries that say they were not made are dropped.
        """
        entries, known = self.entries.values(), set(there)
        reasons = {(e.id, e.state): e.reason for e in entries if e.state != "made"}
        reasons |= {(n["id"], n["kind"]): n["reason"] for e in entries for n in e.notes}
        reasons |= {(n.id, n.kind): n.reason for n in listed if n.kind not in NOT_MADE or n.id not in known}
        return [{"id": i, "kind": kind, "reason": reason} for (i, kind), reason in sorted(reasons.items())]

    def write_reasons(self) -> None:
        """Write the log of tracebacks and the digests of items that were left out, alongside the tables."""
        missing = [e for e in self.entries.values() if e.missing]
        write_log(self.out, {e.id: e.details for e in missing if e.details})
        write_left_out(self.out, {e.id: e.on for e in missing if e.on})

    def close(self) -> None:
        with suppress(OSError):  # already reported when it was written
            os.fsync(self._handle.fileno())
            self._handle.close()


def read_entries(path: Path, check_row: Callable[[object], None]) -> Iterator[Entry]:
    """Yield the entries of a journal; nothing if there is no journal. Lines that are not entries, or that a kill cut
    short, are skipped, so their items are made again. ``check_row`` raises BenchError if something is not a row."""
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


def from_tables(folder: Path, rows: Mapping[str, list[PlainRow]], fix: str) -> Iterator[Entry]:
    """Yield the entries of a finished run: ``rows`` (item -> its rows) and the entries of its failures.csv.

    Raises:
        BenchError: the table of failures is missing or damaged; the message ends with ``fix``.
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
