"""Lists and tables that other programs wrote: one reader for all of them.

Windows and macOS leave traces in text files: a byte order mark, backslashes, CRLF, decomposed letters (NFD), blanks at
the end of a line. All are read as if they were not there.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark_builder.utils.errors import BenchError

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
    return _decoded(path, what, fix).replace("\r\n", "\n").replace("\r", "\n")


def _decoded(path: Path, what: str, fix: str) -> str:
    """The text of a file with its line ends as they are."""
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
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: cannot be read as UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8, "
                         f"or {fix}") from None  # fmt: skip


def read_lines(path: Path, what: str = "list", fix: str = "get the file again") -> list[tuple[int, str]]:
    """The non-empty lines of a list with their numbers from 1, without blanks around them; letters composed (NFC).

    Raises:
        BenchError: as :func:`read_text`.
    """
    lines = enumerate(read_text(path, what, fix).split("\n"), 1)
    return [(number, composed(line.strip())) for number, line in lines if line.strip()]


def read_table(
    path: Path, what: str = "table", fix: str = "get the file again", delimiter: str = ","
) -> tuple[list[str], list[list[str]]]:
    """A csv file: its column names without blanks around them, and its rows, cell by cell as they were meant
    (:func:`meant`).

    Blank lines are skipped. A row may have more or fewer cells than there are columns: the caller judges that.

    Raises:
        BenchError: as :func:`read_text`; or the file is empty or no csv.
    """
    # Line ends within quotes belong to the cell, so they stay as they are.
    lines = io.StringIO(_decoded(path, what, fix), newline="")
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise BenchError(f"{path}: is no csv file ({error}); {fix}") from None
    if not rows:
        raise BenchError(f"{path}: is empty; {fix}")
    return [meant(name.strip()) for name in rows[0]], [[meant(cell) for cell in row] for row in rows[1:]]


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
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def utf8(text: str) -> str:
    """``text`` that can be written: bytes of a file's name that are not UTF-8 as escapes, ``caf\\udce9``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_path(text: str) -> str:
    """A relative path as a list names it: composed letters, ``/`` for a backslash, without ``./`` at the start."""
    return composed(text.strip()).replace("\\", "/").removeprefix("./")


def letters(name: str) -> str:
    """The letters and digits of a class name in lower case: ``Massaging person's head`` → ``massagingpersonshead``.

    Class names are matched by these, whatever blanks, underscores, case and punctuation their spelling has.
    """
    return "".join(c for c in composed(name).casefold() if c.isalnum())


# What a spreadsheet takes for the start of a formula, full-width signs of East Asian locales included; numbers, and
# numbers with blanks between them, are none.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBERS = re.compile(r"[-+]?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?(?: [-+]?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?)*")


def neutral(cell: str) -> str:
    """A csv cell that no spreadsheet runs: text that starts like a formula gets an apostrophe before it.

    :func:`meant` takes it away again, so every text comes back as it was.
    """
    core = cell.lstrip("'")
    return f"'{cell}" if core.startswith(_FORMULA) and not _NUMBERS.fullmatch(cell) else cell


def meant(cell: str) -> str:
    """A csv cell as it was before :func:`neutral`; files that were written without it read as they are."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as the text of a csv file; every text is made :func:`neutral` first."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator=_END)
    writer.writerows([neutral(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return "".join(lines)


_END = "\r\n"  # a cell that holds one of its characters is quoted; the lines of the file end in \n alone


class _Lines(list[str]):
    def write(self, line: str) -> None:
        self.append(line.removesuffix(_END) + "\n")


# Control characters (a terminal obeys some of them), and signs that turn the direction of the text around them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def shown(text: object) -> str:
    """Text of strangers for one line of a screen or page: control characters become visible (``\\x1b``)."""
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))
