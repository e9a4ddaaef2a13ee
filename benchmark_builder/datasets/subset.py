"""``--subset``: the videos of a dataset that a list of ids names, such as the debiased splits of UTD (Shvetsova et al.,
"Unbiasing through Textual Descriptions", CVPR 2025).

``FILE.json:NAME`` is a list of a table ``{NAME: [id, …], …}``; ``FILE.json`` a list of ids; ``FILE.txt`` has an id per
line, which one or two numbers (frames, label) may follow; ``FILE.csv`` has a column ``id`` or ``video_id``. An id may
have a suffix, or lack the folders at its start, as in :class:`~benchmark_builder.utils.video_names.VideoNames`.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.text import counted, read_lines, read_table, shown
from benchmark_builder.utils.video_names import VideoNames

FIX = "give FILE.json:NAME, or a .json, .txt or .csv file of ids"
COLUMNS = ("id", "video_id")  # of a csv file; the first that it has
SHOWN = 5  # unknown ids in a message
NUMBERS = 2  # behind an id in lists of training programs: number of frames, label
_NUMBER = re.compile(r"\s+\d+$")


@dataclass(frozen=True)
class IdList:
    """A list of ids, each once.

    Attributes:
        file: the name of its file. name: its name in the file; empty if it has none.
        ids: as in the file, in its order.
    """

    file: str
    name: str
    ids: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """A digest of the ids, whatever their order."""
        return hashlib.sha256("\n".join(sorted(self.ids)).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def label(self) -> str:
        """What to call it in messages: ``splits.json:debiased``."""
        return shown(f"{self.file}:{self.name}" if self.name else self.file)

    def described(self) -> dict[str, object]:
        """What is recorded of it: ``file``, ``name``, ``sha256`` and the number of ``ids``."""
        return {"file": self.file, "name": self.name, "sha256": self.sha256, "ids": len(self.ids)}

    def chosen(self, ids: Iterable[str]) -> "ChosenIds":
        """Those of a dataset's ids that the list names.

        Raises:
            BenchError: there is none, or one of the list can mean several.
        """
        known = set(ids)
        names, found, unknown = VideoNames(known), set(), []
        for name in self.ids:
            means, bare = names.find(name), name
            for _ in range(NUMBERS):
                if not means:
                    bare = _NUMBER.sub("", bare)
                    means = names.find(bare)
            if len(means) > 1:
                several = f"{shown(means[0])!r} or {shown(means[1])!r}"
                raise BenchError(f"--subset {self.label}: {shown(name)!r} can be {several}; give the whole id")
            found |= set(means)
            unknown += [] if means else [name]
        if not found:
            example = shown(next(iter(sorted(known)), ""))[:100]
            like = f"; the videos here are called {example!r}" if example else ""
            raise BenchError(
                f"--subset {self.label}: none of its {len(self.ids)} ids (such as {shown(self.ids[0])[:100]!r}) is one "
                f"of these videos{like}; give the list of this dataset"
            )
        return ChosenIds(self, frozenset(found), tuple(unknown))


@dataclass(frozen=True)
class ChosenIds:
    """What a list means for a dataset.

    Attributes:
        listed: the list. ids: the dataset's ids that it names. unknown: ids of the list that name none.
    """

    listed: IdList
    ids: frozenset[str]
    unknown: tuple[str, ...]

    @property
    def message(self) -> str:
        """A line for the user: how many ids were found, and which were not."""
        said = f"--subset {self.listed.label}: {counted(len(self.ids), 'video')}"
        if not self.unknown:
            return said
        named = ", ".join(shown(name)[:100] for name in self.unknown[:SHOWN])
        more = f" and {len(self.unknown) - SHOWN} more" if len(self.unknown) > SHOWN else ""
        return f"{said}; {len(self.unknown)} of its {len(self.listed.ids)} ids are unknown here: {named}{more}"


def read_subset(word: str) -> IdList:
    """The list of ``--subset``.

    Args:
        word: ``FILE.json:NAME``, or a ``.json``, ``.txt`` or ``.csv`` file.

    Raises:
        BenchError: there is no such file or list in it, or it has something else than ids.
    """
    path, name = Path(word), ""
    if not path.is_file():
        file, _, name = word.rpartition(":")
        path = Path(file) if file else path
    if not path.is_file():
        raise BenchError(f"--subset {word}: no such file; {FIX}")
    suffix = path.suffix.lower()
    if name and suffix != ".json":
        raise BenchError(f"--subset {word}: only .json files have lists with names; give {path} alone")
    if suffix == ".json":
        ids = _of_json(path, name, word)
    elif suffix == ".txt":
        ids = [line for _, line in read_lines(path, "list of ids", FIX)]
    elif suffix == ".csv":
        ids = _of_csv(path)
    else:
        raise BenchError(f"--subset {word}: is neither .json, .txt nor .csv; {FIX}")
    kept = tuple(dict.fromkeys(i for i in ids if i))
    if not kept:
        raise BenchError(f"--subset {word}: holds no ids; {FIX}")
    return IdList(path.name, name, kept)


def _of_json(path: Path, name: str, word: str) -> list[str]:
    content = read_json(path, "list of ids", FIX)
    if isinstance(content, dict):
        lists = ", ".join(shown(key)[:60] for key in list(content)[:20])
        if not name:
            raise BenchError(f"--subset {word}: holds several lists; give {path}:NAME, NAME one of {lists}")
        if name not in content:
            raise BenchError(f"--subset {word}: {path} has no list {name!r}; choose from {lists}")
        content = content[name]
    elif name:
        raise BenchError(f"--subset {word}: {path} is one list without a name; give {path} alone")
    if not isinstance(content, list) or not all(isinstance(i, str) for i in content):
        raise BenchError(f"--subset {word}: is not a list of texts; {FIX}")
    return content


def _of_csv(path: Path) -> list[str]:
    for delimiter in ",;\t":
        columns, rows = read_table(path, "list of ids", FIX, delimiter)
        at = next((columns.index(c) for c in COLUMNS if c in columns), None)
        if at is not None:
            break
    else:
        raise BenchError(f"--subset {path}: has no column {' or '.join(COLUMNS)}; name the column of ids so")
    return [row[at].strip() for row in rows if len(row) > at]
