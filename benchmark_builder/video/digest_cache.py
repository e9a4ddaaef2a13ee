"""Digests of files that are asked for often: computed once, then kept in one cache while the file stays as it is.

The cache is a SQLite file in ``$BENCH_CACHE`` (default: ``albar-bench`` in the user's cache folder). An entry is keyed
by path, and holds as long as size, modification time and change time of the file are the same. Where the cache cannot
be used (no rights), digests are computed each time; nothing else changes.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from pathlib import Path

from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.base import MaskSource, Reads
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.video.record import Video

# A file that changed so recently may change again without another time stamp: its digest is not kept yet.
SETTLED = 2.0  # seconds; the coarsest time stamps that file systems have (FAT)

_memory: dict[bytes, tuple[str, str]] = {}  # path -> (stamp, digest), of this process
_database: tuple[int, sqlite3.Connection | None] = (-1, None)  # (process that opened it, connection)


def cache_folder() -> Path:
    """``$BENCH_CACHE``, else ``albar-bench`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("BENCH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "albar-bench"


def known_digest(path: Path) -> str:
    """The digest of a file or a folder of frames, from the cache where that is current.

    It finds what was replaced or written to. Bits that a disk loses leave no trace in time stamps: `bench verify` reads
    every byte instead.

    Raises:
        BenchError: the file is missing or cannot be read.
    """
    try:
        stamp, newest = _stamp(path)
        name = os.fsencode(path.resolve())
        if _memory.get(name, ("", ""))[0] == stamp:
            return _memory[name][1]
        settled = time.time() - newest > SETTLED
        found = _read(name, stamp) if settled else None
        if found is None:
            found = layouts.digest(path)
            if settled and _stamp(path)[0] == stamp:
                _write(name, stamp, found)
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}); bring the file back") from None
    if settled:
        _memory[name] = stamp, found
    return found


def require_digest(path: Path, sha256: str, fix: str) -> None:
    """Refuse a file that is not the one that a manifest names.

    Args:
        path: the file, or a folder of frames.
        sha256: what its digest must be.
        fix: what the user can do about another file, for the message.

    Raises:
        ChangedFile: it is another file.
        BenchError: it is missing or cannot be read.
    """
    if known_digest(path) != sha256:
        raise ChangedFile(f"{path}: changed since the manifest was written (its SHA-256 differs); {fix}")


def depends_on(video: Video, masks: MaskSource) -> str | None:
    """A digest of the files that decide what a mask source gives for a video; None where the source does not say.

    Sources say it by an optional method ``reads(video)`` (:class:`benchmark_builder.masks.base.Reads`). What they read
    once for all videos is named in their description.
    """
    if not isinstance(masks, Reads) or (files := masks.reads(video)) is None:
        return None
    total = hashlib.sha256()
    for path in (video.path, *files):
        try:
            found = known_digest(path)
        except BenchError:
            found = "missing"
        total.update(f"{found}\n".encode())
    return total.hexdigest()


def _stamp(path: Path) -> tuple[str, float]:
    """What changes whenever a file, or a folder of files, does; and the newest time in it, in seconds."""
    facts = path.stat()
    if not path.is_dir():
        return _facts(facts), max(facts.st_mtime, facts.st_ctime)
    total, newest = hashlib.sha256(), 0.0
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            facts = entry.stat()
            total.update(f"{entry.name}\x1f{_facts(facts)}\n".encode(errors="surrogateescape"))
            newest = max(newest, facts.st_mtime, facts.st_ctime)
    return total.hexdigest(), newest


def _facts(facts: os.stat_result) -> str:
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_ino}"


def _connection() -> sqlite3.Connection | None:
    """The cache, opened once per process; None where it cannot be used."""
    global _database
    if _database[0] != os.getpid():
        _database = os.getpid(), None
        file = cache_folder() / "digests.sqlite"
        with contextlib.suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                opened = _open(file)
            except sqlite3.OperationalError:  # locked for long, or no rights
                raise
            except sqlite3.DatabaseError:  # damaged: made anew
                file.unlink(missing_ok=True)
                opened = _open(file)
            _database = os.getpid(), opened
    return _database[1]


def _open(file: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(file, timeout=5, isolation_level=None)
    opened.execute("PRAGMA synchronous=OFF")  # what a power cut loses is computed again
    opened.execute("CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, stamp TEXT, sha256 TEXT)")
    return opened


def _read(name: bytes, stamp: str) -> str | None:
    database = _connection()
    if database is None:
        return None
    try:
        row = database.execute("SELECT sha256 FROM digests WHERE path = ? AND stamp = ?", (name, stamp)).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def _write(name: bytes, stamp: str, sha256: str) -> None:
    database = _connection()
    if database is not None:
        with contextlib.suppress(sqlite3.Error):
            database.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (name, stamp, sha256))
