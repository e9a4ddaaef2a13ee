"""Lists and tables that other programs wrote: one reader for all of them.

Windows and macOS leave traces in text files: a byte order mark, backslashes, CRLF, decomposed letters (NFD), blanks at
the end of a line. All are read as if they were not there.
"""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from benchmark_builder.errors import BenchError

MOST_BYTES = 2**30  # a list of ten million lines has fewer
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_text(path: Path, what: str = "text file", fix: str = "get the file again") -> str:
    """The text of a file: UTF-8 with or without byte order mark (or UTF-16 with one), lines ended by ``\\n``.

    Args:
        path: the file.
        what: what it should be, for messages.
        fix: how to fix a file that is refused, for messages.

    Raises:
        BenchError: the file is missing, cannot be read, is larger than :data:`MOST_BYTES`, or is not UTF-8.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BenchError(f"{path}: too large for a {what} ({path.stat().st_size} bytes); {fix}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise BenchError(f"{path}: no such {what}; {fix}") from None
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}); {fix}") from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: cannot be read as UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8, "
                         f"or {fix}") from None  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, what: str = "list", fix: str = "get the file again") -> list[tuple[int, str]]:
    """The non-empty lines of a list with their numbers from 1, without blanks around them; letters composed (NFC).

    Raises:
        BenchError: as :func:`read_text`.
    """
    lines = enumerate(read_text(path, what, fix).split("\n"), 1)
    return [(number, composed(line.strip())) for number, line in lines if line.strip()]


def read_table(path: Path, what: str = "table", fix: str = "get the file again") -> tuple[list[str], list[list[str]]]:
    """A csv file: its column names without blanks around them, and its rows, cell by cell as they are.

    Blank lines are skipped. A row may have more or fewer cells than there are columns: the caller judges that.

    Raises:
        BenchError: as :func:`read_text`; or the file is empty or no csv.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path, what, fix), newline="")) if row]
    except csv.Error as error:
        raise BenchError(f"{path}: is no csv file ({error}); {fix}") from None
    if not rows:
        raise BenchError(f"{path}: is empty; {fix}")
    return [name.strip() for name in rows[0]], rows[1:]


def read_records(
    path: Path, columns: list[str], what: str = "table", fix: str = "get the file again"
) -> list[dict[str, str]]:
    """A csv file that must have exactly ``columns``, in that order: a dict per row.

    Raises:
        BenchError: as :func:`read_table`; or other columns, or a row with more or fewer cells.
    """
    return [record for _, record in numbered_records(path, columns, what, fix)]


def numbered_records(
    path: Path, columns: list[str], what: str = "table", fix: str = "get the file again"
) -> Iterator[tuple[int, dict[str, str]]]:
    """:func:`read_records` with the number of each row, the first being 2 (below the column names)."""
    names, rows = read_table(path, what, fix)
    if names != columns:
        raise BenchError(f"{path}: columns are not those of a {what} ({', '.join(columns)}); {fix}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(columns):
            raise BenchError(f"{path}, line {number}: {len(row)} cells instead of {len(columns)}; {fix}")
        yield number, dict(zip(columns, row, strict=True))


def composed(text: str) -> str:
    """``text`` in composed letters (NFC): macOS names files in decomposed ones, lists are written in composed ones."""
    return unicodedata.normalize("NFC", text)


def plain_path(text: str) -> str:
    """A relative path as a list names it: composed letters, ``/`` for a backslash, without ``./`` at the start."""
    return composed(text.strip()).replace("\\", "/").removeprefix("./")


def letters(name: str) -> str:
    """The letters and digits of a class name in lower case: ``Massaging person's head`` → ``massagingpersonshead``.

    Class names are matched by these, whatever blanks, underscores, case and punctuation their spelling has.
    """
    return "".join(c for c in composed(name).casefold() if c.isalnum())
