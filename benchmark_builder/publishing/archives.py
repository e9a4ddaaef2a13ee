"""Archives of a published folder: zips without compression, each below a size limit, with equal bytes for equal files.

A zip from others is read member by member; only the members that the manifest names are read, and they are as long
packed as unpacked, so that a small file cannot fill a disk.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from benchmark_builder.layouts.base import ZIP_DATE
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import MOST_DIRECTORY, inside, sha256_file, whole_file, zip_directory
from benchmark_builder.utils.text import shown

_OVERHEAD = 256  # bytes per member for its two headers (76 and zip64 fields), without its name, which occurs twice
_END = 4096  # the end of a zip


def pack(
    folder: Path,
    names: Sequence[str],
    stem: str,
    limit: int,
    table: Callable[[Sequence[str]], str] | None = None,
    below: Path | None = None,
) -> list[str]:
    """Move files of a folder into archives ``archives/STEM-00001.zip``; returns the archives' names.

    Args:
        folder: the folder; the files are deleted from it.
        names: their relative names, in the order in which they are packed.
        stem: of the archives' names.
        limit: greatest size of an archive in bytes.
        table: text of a table that is added as ``metadata.csv``, from the names in one archive.
        below: the folder to which ``names`` are relative; None: ``folder``.

    Raises:
        BenchError: a file is larger than the limit.
    """
    below = below or folder
    groups: list[list[str]] = []
    filled = limit
    head = len(table([]).encode()) if table else 0
    for name in names:
        size = _size(below, name, table, head)
        if _END + head + size > limit:
            raise BenchError(
                f"{name}: is too large for an archive of {limit} bytes ({(below / name).stat().st_size} bytes); give "
                "a larger --archive-size"
            )
        if filled + size > limit:
            groups.append([])
            filled = _END + head
        groups[-1].append(name)
        filled += size
    made = []
    for number, group in enumerate(groups, 1):
        name = f"archives/{stem}-{number:05d}.zip"
        with whole_file(folder / name) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            if table:
                archive.writestr(zipfile.ZipInfo("metadata.csv", ZIP_DATE), table(group).encode())
            for member in group:
                _add(archive, below / member, member)
        for member in group:
            (below / member).unlink()
        made.append(name)
    return made


def _size(folder: Path, name: str, table: Callable[[Sequence[str]], str] | None, head: int) -> int:
    line = len(table([name]).encode()) - head if table else 0
    return (folder / name).stat().st_size + _OVERHEAD + 2 * len(name.encode()) + line


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, ZIP_DATE)
    info.file_size = path.stat().st_size
    with open(path, "rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, 2**20)


@dataclass(frozen=True)
class Packed:
    """The files of a published folder, whether they are in the folder or in its archives.

    Attributes:
        folder: the published folder.
        archives: relative names of its archives.
    """

    folder: Path
    archives: tuple[str, ...] = ()

    @cached_property
    def _where(self) -> Mapping[str, str]:
        """Name of a file -> the archive that has it. Raises BenchError if an archive cannot be read."""
        found: dict[str, str] = {}
        for archive in self.archives:
            with closing(self._zip(archive)) as opened:
                for name in opened.namelist():
                    found.setdefault(name, archive)
        return found

    def _zip(self, archive: str) -> zipfile.ZipFile:
        path = inside(self.folder, archive)
        try:
            with open(path, "rb") as handle:
                handle.seek(0, 2)
                tail = min(handle.tell(), 22 + 0xFFFF + 20 + 56)
                handle.seek(-tail, 2)
                if zip_directory(handle.read(tail)) > MOST_DIRECTORY:
                    raise zipfile.BadZipFile("it has too many members")
            return zipfile.ZipFile(path)
        except FileNotFoundError:
            raise BenchError(f"{path}: is missing; download the published folder again") from None
        except Exception as error:  # a damaged zip can raise any exception: struct.error, UnicodeDecodeError, …
            raise BenchError(f"{path}: is not a readable zip ({error}); download it again") from None

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return inside(self.folder, name).is_file() or name in self._where

    def copy(self, name: str, target: Path, sha256: str | None = None) -> None:
        """Copy one file to ``target``, completely or not at all.

        Raises:
            BenchError: it is missing or damaged, or not the file with this SHA-256.
        """
        loose = inside(self.folder, name)
        archive = None if loose.is_file() else self._where.get(name)
        if archive is None and not loose.is_file():
            raise BenchError(f"{self.folder}: lacks {shown(name)}; download the published folder again")
        with whole_file(target) as temporary:
            with open(temporary, "wb") as written:
                if archive is None:
                    with open(loose, "rb") as source:
                        found = _copied(source, written)
                else:
                    found = self._unpacked(archive, name, written)
            if sha256 is not None and found != sha256:
                raise BenchError(f"{shown(name)}: is not the published file (its SHA-256 differs); download it again")

    def _unpacked(self, archive: str, name: str, written: IO[bytes]) -> str:
        with closing(self._zip(archive)) as opened:
            info = opened.getinfo(name)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise BenchError(f"{archive}: {shown(name)} is compressed, which `bench publish` never does; get an "
                                 "intact copy")  # fmt: skip
            try:
                with opened.open(info) as source:
                    return _copied(source, written)
            except (OSError, MemoryError, BenchError):
                raise
            except Exception as error:  # BadZipFile, EOFError, RuntimeError of an encrypted member, …
                raise BenchError(f"{archive}: {shown(name)} is damaged ({error}); download it again") from None


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := source.read(2**20):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def checksums(folder: Path, names: Sequence[str]) -> str:
    """SHA-256 of files, as ``sha256sum -c`` reads them."""
    return "".join(_line(sha256_file(folder / name), name) for name in names)


def _line(digest: str, name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def files_below(folder: Path) -> Iterator[str]:
    """Relative names of all files below a folder, sorted."""
    yield from sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
