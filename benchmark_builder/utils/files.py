"""Files that are written completely or not at all, digests, and paths that stay inside their folder."""

import errno
import hashlib
import io
import json
import mmap
import os
import re
import shutil
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark_builder.utils.errors import DISK_ERRORS, BenchError
from benchmark_builder.utils.folders import place_of
from benchmark_builder.utils.text import csv_text, read_text, utf8


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Raise errors of the operating system inside the block as BenchError with the folder of ``path``.

    For a write to an open file the system gives no name, and a temporary name (``temporary``) does not help the user.
    """
    try:
        yield
    except OSError as error:
        ours = temporary is not None and str(error.filename).startswith(str(temporary))
        if ours or (error.filename is None and error.errno in DISK_ERRORS):
            error.filename, error.filename2 = str(path.parent), None
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder as ``path``.

    On success it is renamed to ``path``, on any error removed.

    The suffix is kept, so that encoders recognise the container. A file under its final name is always complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")
    with naming(path, temporary):
        try:
            yield temporary
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str, data: memoryview) -> None:
    """Write a file inside a temporary folder, with fewer calls of the system than an open file needs."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        while data:  # a disk that is nearly full takes a part
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file, or a folder of files; it appears at ``target`` when it is complete."""
    if not source.is_dir():
        with whole_file(target) as temporary:
            shutil.copyfile(source, temporary)
        return
    copy = target.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        try:
            shutil.copytree(source, copy)
        except shutil.Error as error:  # a list of what could not be copied
            raise BenchError(
                f"{target.parent}: {source.name} could not be copied here ({error.args[0][0][2]}); free space, change "
                "its permissions, or choose another --out"
            ) from None
        place_folder(copy, target)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def place_folder(finished: Path, target: Path) -> None:
    """Rename a finished folder to its final name. A folder of this name is replaced.

    Several processes may do this at the same time, also on different machines: each folder that is seen under the final
    name is complete, and the last one stays.
    """
    while True:
        try:
            finished.replace(target)
            return
        except OSError as error:  # a folder cannot replace a folder with content
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        aside = target.with_name(f".tmp-{uuid.uuid4().hex}")
        with suppress(FileNotFoundError):  # another process has just moved it
            target.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a file, or a folder with its content; nothing happens if it does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Delete temporary files and folders of a killed run anywhere below ``folder``; returns their number."""
    leftovers = list(folder.rglob(".tmp-*"))
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            # A worker that has not yet detected that its run was killed may still be writing here for a moment.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, completely or not at all; invalid Unicode (from file names) is written as ``\\udcff``."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write sorted, indented JSON, completely or not at all."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(path, utf8(text))  # JSON readers restore the escapes


def read_json(path: Path, what: str, fix: str) -> Any:
    """Read JSON. Raises :class:`BenchError` if the file is missing or damaged."""
    if not path.is_file():
        raise BenchError(f"{path}: no {what} here; {fix}")
    try:
        return parse_json(read_text(path, what, fix))
    except ValueError as error:
        raise BenchError(f"{path}: not a readable {what} ({error}); {fix}") from None


DEEPEST_JSON = 100
_LONG_NUMBER = re.compile(r"[0-9]{20}")


def parse_json(text: str | bytes, unique: bool = False) -> Any:
    """Parse a JSON text from others.

    Args:
        text: the text.
        unique: refuse an object that has a name twice; otherwise its last value counts.

    Raises:
        ValueError: it is not JSON, is nested more than :data:`DEEPEST_JSON` levels (recursive code would fail), or has
            an integer of more than 64 bits (too large for arrays).
    """
    if isinstance(text, bytes):
        text = text.decode()
    try:
        # A function for integers makes the parser slower, so it is used only if there may be long ones.
        value = json.loads(
            text,
            parse_int=_whole_number if _LONG_NUMBER.search(text) else None,
            object_pairs_hook=_each_once if unique else None,
        )
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST_JSON} deep") from None
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(DEEPEST_JSON):
        level = [v for c in level for v in (c.values() if type(c) is dict else c) if type(v) is dict or type(v) is list]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST_JSON} deep")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        values = [value for name, value in pairs if name == twice]
        apart = "with different values" if any(value != values[0] for value in values) else "with the same value"
        raise ValueError(f"it has {twice!r} {len(values)} times, {apart}")
    return found


def _whole_number(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"it has a number of {len(text)} digits")
    return int(text)


def write_csv(path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows (dicts) as CSV with exactly ``columns``, completely or not at all; a spreadsheet runs no cell
    (:func:`~benchmark_builder.utils.text.neutral`)."""
    table = ([row.get(column, "") for column in columns] for row in rows)
    write_text(path, csv_text([columns, *table]))


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def inside(folder: Path, relative: str) -> Path:
    """``folder / relative``. Raises BenchError if it points outside ``folder`` (also through links)."""
    target = folder / relative
    if _is_below(folder, relative):
        return target
    if Path(relative).is_absolute() or not target.resolve().is_relative_to(folder.resolve()):
        raise BenchError(
            f"{relative!r} points outside {folder}; the file that contains this name is damaged or "
            "malicious, replace it"
        )
    return target


def _is_below(folder: Path, relative: str) -> bool:
    """Whether ``folder / relative`` is certainly in ``folder``: no part of it is ``..`` or a link.

    Resolving both paths would look up every folder above them, for each of the many names in a table.
    """
    parts = relative.split("/")
    if os.name != "posix" or relative.startswith("/") or ".." in parts or "\0" in relative:
        return False
    here = os.fspath(folder)
    for part in parts:
        here = f"{here}/{part}"
        if os.path.islink(here):  # noqa: PTH114 (a Path of each part takes longer than the look)
            return False
    return True


def found_inside(folder: Path, relative: str) -> Path:
    """:func:`inside`; if there is no file of that name, the one whose name is equal in composed letters."""
    inside(folder, relative)
    return inside(folder, place_of(folder, relative).relative_to(folder).as_posix())


MOST_DIRECTORY = 2**24  # bytes of a zip's list of members: for example 250,000 pictures
MOST_UNPACKED = 2**28  # bytes of one member of a zip: more than an 8K picture, packed or not


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip from others, read into memory, so that no file stays open.

    Raises:
        OSError: it cannot be read.
        zipfile.BadZipFile: it is not a zip, has too many members, or a name in it points outside its folder.
    """
    data = path.read_bytes()
    try:
        if zip_directory(data) > MOST_DIRECTORY:
            raise zipfile.BadZipFile("it has too many members")
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # a damaged zip can raise any exception: struct.error, UnicodeDecodeError, …
        raise zipfile.BadZipFile(str(error) or type(error).__name__) from None
    for name in archive.namelist():
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            raise zipfile.BadZipFile(f"{name!r} points outside it")
    return archive


def zip_directory(data: bytes | mmap.mmap) -> int:
    """Size of a zip's list of members in bytes; 0 if it is not a zip. Python uses half a kilobyte per member."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 22 - 0xFFFF))
    if end < 0:
        return 0
    size, large = int.from_bytes(data[end + 12 : end + 16], "little"), end - 20 - 56
    if data[end - 20 : end - 16] == b"PK\x06\x07" and large >= 0:  # zip64
        size = max(size * (size != 0xFFFFFFFF), int.from_bytes(data[large + 40 : large + 48], "little"))
    return size


def zip_member(archive: zipfile.ZipFile, name: str, most: int = MOST_UNPACKED) -> bytes:
    """The bytes of a zip's member, at most ``most``, since a small file may unpack to a very large one.

    Raises:
        KeyError: the member is missing.
        zipfile.BadZipFile: it is damaged, or unpacks to more.
    """
    info = archive.getinfo(name)
    try:
        with archive.open(info) as handle:
            data = handle.read(most + 1)
    except MemoryError:
        raise
    except Exception as error:  # zlib.error, EOFError, NotImplementedError, RuntimeError of an encrypted one, …
        raise zipfile.BadZipFile(f"{name}: {str(error) or type(error).__name__}") from None
    if len(data) > most:
        raise zipfile.BadZipFile(f"{name} unpacks to more than {most} bytes")
    return data
