"""What a folder holds: one function lists every folder, in one order, without the files that systems leave there."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from benchmark_builder.errors import BenchError
from benchmark_builder.text import composed

# What PyAV decodes and people's videos are called. Pictures are no videos, except those that move.
VIDEO_SUFFIXES = frozenset(
    ".avi .mp4 .mkv .webm .mov .mpg .mpeg .m4v .gif .wmv .flv .f4v .ts .mts .m2ts .m2t .3gp .3g2 .ogv .ogg .ogm .asf "
    ".divx .xvid .vob .mpe .m1v .m2v .mpv .qt .mxf .rm .rmvb .dv .nut .y4m .mjpg .mjpeg .ivf .h264 .264 .hevc .265 "
    ".apng .amv".split()
)
PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))
# Files and folders that systems and their programs leave beside the user's: none of them is ever data.
_SYSTEM = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information",
     "lost+found", "icon\r")
)  # fmt: skip


def hidden(name: str) -> bool:
    """Whether a file's or folder's name, or a part of a relative path, is hidden or a system's own (``._x.avi``)."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any((part.startswith(".") and part not in (".", "..")) or part.lower() in _SYSTEM for part in parts)


def natural(name: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Sort key by which numbers in names count as numbers: ``frame2.jpg`` comes before ``frame10.jpg``."""
    parts = re.split(r"([0-9]+)", composed(name))
    return tuple((0, int(part)) if k % 2 else (1, part) for k, part in enumerate(parts) if part), name


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in natural order of the names; hidden and system files are left out.

    Raises:
        BenchError: the folder is missing or cannot be read.
    """
    try:
        return sorted((p for p in folder.iterdir() if not hidden(p.name)), key=lambda p: natural(p.name))
    except OSError as error:
        raise BenchError(f"{folder}: cannot be listed ({error.strerror or error}); check the folder") from None


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, as :func:`entries`."""
    return [p for p in entries(folder) if p.is_dir()]


def files_of(folder: Path, suffixes: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """The files of a folder: those with one of ``suffixes`` (lower case, with the dot), and the others."""
    wanted = frozenset(suffixes)
    files = [p for p in entries(folder) if not p.is_dir()]
    return [p for p in files if p.suffix.lower() in wanted], [p for p in files if p.suffix.lower() not in wanted]


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Every file below a folder with one of ``suffixes``, in natural order of the relative names; no hidden ones.

    Raises:
        BenchError: as :func:`entries`.
    """
    wanted = frozenset(suffixes)
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix.lower() in wanted)
    return [folder / name for name in sorted((n for n in names if not hidden(n)), key=natural)]
