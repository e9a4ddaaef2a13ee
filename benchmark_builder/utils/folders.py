"""The content of folders: one function lists every folder, in one order, without files of the operating system."""

import os
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePosixPath

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import composed

# Suffixes of videos that PyAV decodes. Pictures are not videos, except animated ones.
VIDEO_SUFFIXES = frozenset(
    ".avi .mp4 .mkv .webm .mov .mpg .mpeg .m4v .gif .wmv .flv .f4v .ts .mts .m2ts .m2t .3gp .3g2 .ogv .ogg .ogm .asf "
    ".divx .xvid .vob .mpe .m1v .m2v .mpv .qt .mxf .rm .rmvb .dv .nut .y4m .mjpg .mjpeg .ivf .h264 .264 .hevc .265 "
    ".apng .amv".split()
)
PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))
# Files and folders that operating systems and their programs create: never data.
_SYSTEM = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information",
     "lost+found", "icon\r")
)  # fmt: skip


def hidden(name: str) -> bool:
    """Whether a file's or folder's name, or a part of a relative path, is hidden or belongs to the system
    (``._x.avi``)."""
    if "/" in name or "\\" in name:
        return any(hidden(part) for part in re.split(r"[/\\]", name) if part not in ("", ".", ".."))
    return name.startswith(".") or name.lower() in _SYSTEM


def natural(name: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Sort key that compares numbers in names as numbers: ``frame2.jpg`` comes before ``frame10.jpg``."""
    parts = re.split(r"([0-9]+)", composed(name))
    return tuple((0, int(part)) if k % 2 else (1, part) for k, part in enumerate(parts) if part), name


def entries(folder: Path) -> list[Path]:
    """The content of a folder, in natural order of the names, without hidden and system files.

    Raises:
        BenchError: the folder is missing or cannot be read.
    """
    return [path for path, _ in _entries(folder)]


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """:func:`entries`, each with whether it is a folder; most systems return this without another call."""
    try:
        with os.scandir(folder) as found:
            kept = [(entry.name, entry.is_dir()) for entry in found if not hidden(entry.name)]
    except OSError as error:
        raise BenchError(f"{folder}: cannot be listed ({error.strerror or error}); check the folder") from None
    return [(folder / name, is_dir) for name, is_dir in sorted(kept, key=lambda pair: natural(pair[0]))]


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted as in :func:`entries`."""
    return [path for path, is_dir in _entries(folder) if is_dir]


def files_of(folder: Path, suffixes: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """The files of a folder: those with one of ``suffixes`` (lower case, with the dot), and the others."""
    wanted = frozenset(suffixes)
    found: tuple[list[Path], list[Path]] = ([], [])
    for path, is_dir in _entries(folder):
        if not is_dir:
            found[path.suffix.lower() not in wanted].append(path)
    return found


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Every file below a folder with one of ``suffixes``, in natural order of the relative names; no hidden ones.

    Raises:
        BenchError: as in :func:`entries`.
    """
    wanted = frozenset(suffixes)
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix.lower() in wanted)
    return [folder / name for name in sorted((n for n in names if not hidden(n)), key=natural)]


def hidden_below(folder: Path, suffixes: Iterable[str]) -> list[str]:
    """Relative names of the files that :func:`files_below` passes over because a name begins with a dot, sorted. Those
    of the system, and macOS's companion ``._NAME`` of a file NAME, are not listed."""
    wanted = frozenset(suffixes)
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.suffix.lower() not in wanted or not any(part.startswith(".") for part in name.parts):
            continue
        companion = path.name.startswith("._") and path.with_name(path.name[2:]).exists()
        if not companion and not any(part.lower() in _SYSTEM for part in name.parts):
            found.append(name.as_posix())
    return sorted(found)


def place_of(folder: Path, name: str) -> Path:
    """``folder / name``, or, if it does not exist, the file or folder whose name has the same letters (NFC or NFD): ids
    are composed, names on disk may be decomposed. The result may not exist."""
    place = folder / name
    if name.isascii() or place.exists():
        return place
    for part in PurePosixPath(name).parts:
        here = folder / part
        if not here.exists() and folder.is_dir():
            here = next((p for p in entries(folder) if composed(p.name) == composed(part)), here)
        folder = here
    return folder


def series(names: Iterable[str], where: Path, expected: int | None = None) -> list[tuple[int | None, str]]:
    """The frames among the pictures of a folder or zip, in the order of their numbers: (number, name) of each.

    Pictures of one series have the same name stem (everything except the last number, including the folder in a zip)
    and the same file type. If there are several series, optical flow (``flow_x_``, ``flow_y_``, ``x_``, …) is ignored.
    Of the others, the one with ``expected`` pictures is used, or, if ``expected`` is not given, the only one.

    Args:
        names: relative names; hidden files and files that are not pictures are ignored.
        where: the folder or zip, for messages.
        expected: the number of frames in a list, if there is one.

    Returns:
        One pair per frame; the number is None only for a single picture without a number in its name.

    Raises:
        BenchError: there are no pictures, several series of which none or more than one fits, or two pictures with the
            same number.
    """
    found: dict[tuple[str, str, str], list[tuple[int | None, str]]] = {}
    for name in names:
        path = PurePosixPath(composed(name).replace("\\", "/"))
        suffix = path.suffix.lower()
        if suffix not in PICTURE_SUFFIXES or hidden(name):
            continue
        before, number, after = _at_number(path.stem)
        if len(number) > _DIGITS:
            raise BenchError(f"{where}: {name} has a number of {len(number)} digits; rename it")
        folder = "" if len(path.parts) == 1 else f"{path.parent}/"
        key = (f"{folder}{before}".casefold(), after.casefold(), ".png" if suffix == ".png" else ".jpg")
        found.setdefault(key, []).append((int(number) if number else None, name))
    if not found:
        raise BenchError(f"{where}: contains no frames (PNG or JPEG); replace it")
    chosen = list(found) if len(found) == 1 else _frames_among({k: len(v) for k, v in found.items()}, expected)
    if len(chosen) != 1:
        stems = ", ".join(f"{_stem(key, found)} ({len(pictures)})" for key, pictures in sorted(found.items()))
        said = f", and not exactly one has the {expected} frames of the list" if expected is not None else ""
        raise BenchError(f"{where}: contains several series of pictures: {stems}{said}; keep only the frames there")
    ordered = sorted(found[chosen[0]], key=lambda pair: (-1 if pair[0] is None else pair[0], pair[1]))
    for one, other in pairwise(ordered):
        if one[0] == other[0]:
            raise BenchError(f"{where}: {one[1]} and {other[1]} both have the number {one[0]}; keep one of them")
    return ordered


_DIGITS = 18  # a longer number is not a frame number
_FLOW = re.compile(r"(.*_)?(optical_?)?flow(_?[xyuv])?|[xyuv]")


def _at_number(stem: str) -> tuple[str, str, str]:
    """A name split around its last number: ``img_0012_rgb`` gives ``img_``, ``0012``, ``_rgb``."""
    end = max(stem.rfind(digit) for digit in "0123456789") + 1
    before = stem[:end].rstrip("0123456789")
    return (before, stem[len(before) : end], stem[end:]) if end else (stem, "", "")


def _frames_among(counts: dict[tuple[str, str, str], int], expected: int | None) -> list[tuple[str, str, str]]:
    """The series that may be the frames: keys of ``counts``, whose values are numbers of pictures."""
    stems = {key: re.sub(r"[^a-z]+", "_", key[0] + "_" + key[1]).strip("_") for key in counts}
    moving = [key for key in counts if not _FLOW.fullmatch(stems[key])]
    return [key for key in moving if expected in (None, counts[key])]


def _stem(key: tuple[str, str, str], among: Iterable[tuple[str, str, str]]) -> str:
    before, after, suffix = key
    name = f"{before}…{after}" if after else before or "numbers alone"
    return f"{name} {suffix}" if sum(other[:2] == key[:2] for other in among) > 1 else name
