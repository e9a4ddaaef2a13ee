"""A cache for digests of files: a digest is computed once, and again only after the file has changed.

The cache is a SQLite file in ``$BENCH_CACHE`` (default: ``albar-bench`` in the user's cache folder). An entry is keyed
by path, and is valid as long as the file's size, modification time and change time are the same. If the cache cannot be
used (missing permissions), digests are computed each time; nothing else changes.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file

# A file that has just changed may change again without a new time stamp, so its digest is not stored yet.
SETTLED = 2.0  # seconds; the coarsest time stamps that file systems have (FAT)

_memory: dict[bytes, tuple[str, str]] = {}  # path -> (stamp, digest), of this process
_database: tuple[int, sqlite3.Connection | None] = (-1, None)  # (process that opened it, connection)


def cache_folder() -> Path:
    """``$BENCH_CACHE``, else ``albar-bench`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("BENCH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "albar-bench"


def known_digest(path: Path, compute: Callable[[Path], str] = sha256_file) -> str:
    """The digest of a file or a folder, from the cache if that is up to date.

    Files that were replaced or written are noticed. Bits that a disk has lost are not, since time stamps stay the same.

    Args:
        path: the file or the folder.
        compute: function that computes the digest from the bytes; always use the same function for a path.

    Raises:
        BenchError: it is missing or cannot be read.
    """
    try:
        stamp, newest = _stamp(path)
        name = os.fsencode(path.resolve())
        if _memory.get(name, ("", ""))[0] == stamp:
            return _memory[name][1]
        settled = time.time() - newest > SETTLED
        found = _read(name, stamp) if settled else None
        if found is None:
            found = compute(path)
            if settled and _stamp(path)[0] == stamp:
                _write(name, stamp, found)
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}); bring the file back") from None
    if settled:
        _memory[name] = stamp, found
    return found


def stored_frames(path: Path, reader: str) -> bytes | None:
    """What :func:`store_frames` stored for a file; None if there is nothing, or the file has changed since."""
    try:
        stamp, _ = _stamp(path)
        return _found("frames", os.fsencode(path.resolve()), f"{reader} {stamp}")
    except OSError:
        return None


def store_frames(path: Path, reader: str, data: bytes) -> None:
    """Store what is known of a video file's frames (:mod:`benchmark_builder.video.frame_index`).

    Nothing is stored if the file has just changed, or the cache cannot be used.

    Args:
        path: the video file.
        reader: the decoder and its version; another one does not get this entry.
        data: at most 1 MB.
    """
    try:
        stamp, newest = _stamp(path)
        if time.time() - newest > SETTLED and len(data) <= 2**20:
            _keep("frames", os.fsencode(path.resolve()), f"{reader} {stamp}", data)
    except OSError:
        return


def _stamp(path: Path) -> tuple[str, float]:
    """A stamp that differs after a file, or a file in a folder, was changed; and the newest time in it, in seconds."""
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
    """The cache, opened once per process; None if it cannot be used."""
    global _database
    if _database[0] != os.getpid():
        _database = os.getpid(), None
        file = cache_folder() / "digests.sqlite"
        with contextlib.suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                opened = _open(file)
            except sqlite3.OperationalError:  # locked for too long, or missing permissions
                raise
            except sqlite3.DatabaseError:  # damaged: a new one is created
                file.unlink(missing_ok=True)
                opened = _open(file)
            _database = os.getpid(), opened
    return _database[1]


def _open(file: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(file, timeout=5, isolation_level=None)
    opened.execute("PRAGMA synchronous=OFF")  # what a power cut loses is computed again
    opened.execute("CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, stamp TEXT, sha256 TEXT)")
    opened.execute("CREATE TABLE IF NOT EXISTS frames (path BLOB PRIMARY KEY, stamp TEXT, data BLOB)")
    return opened


def _close() -> None:
    """Close the cache, which is opened again on its next use: SQLite forbids that a fork inherits a connection."""
    global _database
    process, opened = _database
    _database = -1, None
    if opened is not None and process == os.getpid():
        opened.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close)


def _read(name: bytes, stamp: str) -> str | None:
    found = _found("digests", name, stamp)
    return None if found is None else str(found)


def _write(name: bytes, stamp: str, sha256: str) -> None:
    _keep("digests", name, stamp, sha256)


_COLUMN = {"digests": "sha256", "frames": "data"}  # of each table


def _found(table: str, name: bytes, stamp: str) -> Any:
    database = _connection()
    if database is None:
        return None
    asked = f"SELECT {_COLUMN[table]} FROM {table} WHERE path = ? AND stamp = ?"
    try:
        row = database.execute(asked, (name, stamp)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


def _keep(table: str, name: bytes, stamp: str, value: str | bytes) -> None:
    database = _connection()
    if database is not None:
        with contextlib.suppress(sqlite3.Error):
            database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (name, stamp, value))
