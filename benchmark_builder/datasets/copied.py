"""Copies the lists of a dataset to a folder with other files of its videos, so that it can be read as the dataset."""

import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmark_builder.datasets.hmdb51 import SPLITS as HMDB51_SPLITS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, whole_file
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of, hidden
from benchmark_builder.utils.text import composed

LIST_SUFFIXES = frozenset((".txt", ".csv", ".tsv", ".json", ".lst", ".list"))
MOST_BYTES = 2**28  # of a list in which names are changed
# Folders of lists that a reader also finds next to the dataset's folder.
_NEXT_TO = {"kinetics400": ("annotations",), "ucf101": ("ucfTrainTestlist",), "hmdb51": (HMDB51_SPLITS,)}
# Records of folders that this toolkit filled: their tables describe files that are not copied.
_FILLED = ("segment.json", "protocol.json", "transcode.json")
_SUFFIX = re.compile(rf"\.(?:{'|'.join(sorted(s[1:] for s in VIDEO_SUFFIXES))})(?!\w|\.\w)", re.IGNORECASE)
_BEFORE = frozenset("/\\\"',;:=([{|<> \t\r\n\ufeff")  # what may stand before a name


def copy_lists(
    dataset: str, root: Path, out: Path, stems: Collection[str], suffix: str, leave: Iterable[str] = ()
) -> list[str]:
    """Copy the lists of a dataset: text files with a suffix of :data:`LIST_SUFFIXES`, at any depth.

    Names of videos in them get the suffix of the new files; everything else stays byte for byte. A file that is not
    text (UTF-8, or UTF-16 with a byte order mark) is copied as it is.

    Args:
        dataset: its name; some readers also find lists next to ``root``.
        root, out: the dataset's folder, and the folder that gets the lists at the same places.
        stems: names, without suffix, of the videos whose files have ``suffix`` now.
        suffix: such as ``.mp4``.
        leave: names of files in ``root`` itself that are no lists.

    Returns:
        The relative names of the lists in which names were changed.

    Raises:
        BenchError: a list cannot be read or written.
    """
    known = _Known(stems)
    changed = []
    for path, name in sorted(_lists(dataset, root, frozenset(leave)), key=lambda pair: pair[1]):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BenchError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from None
        new = _renamed(data, known, suffix) if len(data) <= MOST_BYTES else data
        target = inside(out, name)
        if not target.is_file() or target.read_bytes() != new:
            with whole_file(target) as temporary:
                temporary.write_bytes(new)
        if new != data:
            changed.append(name)
    return changed


def _lists(dataset: str, root: Path, leave: Collection[str]) -> Iterator[tuple[Path, str]]:
    """(file, name relative to the dataset's folder) of every list."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        here = Path(folder)
        real = os.path.realpath(folder)
        if real in seen or (here != root and any(name in files for name in _FILLED)):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not hidden(name)]
        for name in files:
            path = here / name
            if path.suffix.lower() in LIST_SUFFIXES and not hidden(name) and not (here == root and name in leave):
                yield path, path.relative_to(root).as_posix()
    for name in _NEXT_TO.get(dataset, ()):
        beside = root.resolve().parent / name
        if beside.is_dir() and not (root / name).is_dir():
            yield from ((path, f"{name}/{path.name}") for path in files_of(beside, LIST_SUFFIXES)[0])


class _Known:
    """The names of videos, for a search at the place of a suffix in a text."""

    def __init__(self, stems: Iterable[str]) -> None:
        spelled = {stem for name in stems for stem in (name, composed(name), unicodedata.normalize("NFD", name))}
        self._stems = {stem.lower() for name in spelled for stem in (name, json.dumps(name)[1:-1])}
        self._lengths = sorted({len(stem) for stem in self._stems}, reverse=True)

    def ends(self, text: str, end: int) -> bool:
        """Whether a name ends at ``end`` in ``text`` (lower case)."""
        return any(
            length <= end
            and text[end - length : end] in self._stems
            and (length == end or text[end - length - 1] in _BEFORE)
            for length in self._lengths
        )


def _renamed(data: bytes, known: _Known, suffix: str) -> bytes:
    """The bytes of a list in which every name of a known video has ``suffix``."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    with suppress(UnicodeDecodeError):
        text = data.decode(encoding)
        lower = text.lower()
        if len(lower) != len(text):  # letters whose small form is longer: the places would not agree
            lower = text
        new = _SUFFIX.sub(lambda found: suffix if known.ends(lower, found.start()) else found[0], text)
        return data if new == text else new.encode(encoding)
    return data
