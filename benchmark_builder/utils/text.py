"""The only reader of lists and tables that other programs wrote.

Text files from Windows and macOS may have a byte order mark, backslashes, CRLF, decomposed letters (NFD) or blanks at
the end of a line. All of these are read as equal.
"""

import csv
import functools
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark_builder.utils.errors import BenchError

MOST_BYTES = 2**30  # more than a list of ten million lines
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_text(path: Path, what: str = "text file", fix: str = "get the file again") -> str:
    """The text of a file: UTF-8 with or without byte order mark (or UTF-16 with one), lines ended by ``\\n``.

    Args:
        path: the file.
        what: the expected type of file, for messages.
        fix: how to fix a file that is refused, for messages.

    Raises:
        BenchError: the file is missing, cannot be read, is larger than :data:`MOST_BYTES`, or is not UTF-8.
    """
    return _decoded(path, what, fix).replace("\r\n", "\n").replace("\r", "\n")


def _decoded(path: Path, what: str, fix: str) -> str:
    """The text of a file with unchanged line ends."""
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
    """The non-empty lines of a list with their numbers from 1, without blanks at both ends; letters composed (NFC).

    Raises:
        BenchError: as in :func:`read_text`.
    """
    lines = enumerate(read_text(path, what, fix).split("\n"), 1)
    return [(number, composed(line.strip())) for number, line in lines if line.strip()]


def read_table(
    path: Path, what: str = "table", fix: str = "get the file again", delimiter: str = ","
) -> tuple[list[str], list[list[str]]]:
    """A csv file: its column names without blanks at both ends, and its rows, every cell in its original form
    (:func:`meant`).

    Blank lines are skipped. A row may have more or fewer cells than columns: the caller checks this.

    Raises:
        BenchError: as in :func:`read_text`; or the file is empty or not a csv file.
    """
    # Line ends within quotes belong to the cell, so they are not changed.
    lines = io.StringIO(_decoded(path, what, fix), newline="")
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise BenchError(f"{path}: is not a csv file ({error}); {fix}") from None
    if not rows:
        raise BenchError(f"{path}: is empty; {fix}")
    return [meant(name.strip()) for name in rows[0]], [[meant(cell) for cell in row] for row in rows[1:]]


def read_records(
    path: Path, columns: list[str], what: str = "table", fix: str = "get the file again"
) -> list[dict[str, str]]:
    """A csv file with exactly ``columns``, in this order: a dict per row.

    Raises:
        BenchError: as in :func:`read_table`; or the columns differ, or a row has more or fewer cells.
    """
    return [record for _, record in numbered_records(path, columns, what, fix)]


def numbered_records(
    path: Path, columns: list[str], what: str = "table", fix: str = "get the file again"
) -> Iterator[tuple[int, dict[str, str]]]:
    """:func:`read_records` with the line number of each row; the first is 2 (below the column names)."""
    names, rows = read_table(path, what, fix)
    if names != columns:
        raise BenchError(f"{path}: columns are not those of a {what} ({', '.join(columns)}); {fix}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(columns):
            raise BenchError(f"{path}, line {number}: {len(row)} cells instead of {len(columns)}; {fix}")
        yield number, dict(zip(columns, row, strict=True))


def composed(text: str) -> str:
    """``text`` in composed letters (NFC): file names on macOS have decomposed letters, lists have composed ones."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def utf8(text: str) -> str:
    """``text`` that can be written: bytes in file names that are not UTF-8 become escapes, ``caf\\udce9``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_path(text: str) -> str:
    """A relative path from a list: composed letters, ``/`` for a backslash, without ``./`` at the start."""
    return composed(text.strip()).replace("\\", "/").removeprefix("./")


@functools.lru_cache(maxsize=4096)  # of every class, for every folder and line of a list
def letters(name: str) -> str:
    """The letters and digits of a class name in lower case: ``Massaging person's head`` → ``massagingpersonshead``.

    Class names are compared by these, ignoring blanks, underscores, case and punctuation.
    """
    return "".join(c for c in composed(name).casefold() if c.isalnum())


# What spreadsheets read as the start of a formula, including full-width signs of East Asian locales; numbers, and
# numbers separated by blanks, are not formulas.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBERS = re.compile(r"[-+]?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?(?: [-+]?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?)*")


def neutral(cell: str) -> str:
    """A csv cell that no spreadsheet runs: an apostrophe is put in front of text that starts like a formula.

    :func:`meant` removes it, so reading returns the original text.
    """
    core = cell.lstrip("'")
    return f"'{cell}" if core.startswith(_FORMULA) and not _NUMBERS.fullmatch(cell) else cell


def meant(cell: str) -> str:
    """The original text of a csv cell, before :func:`neutral`; cells written without it are not changed."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as the text of a csv file; :func:`neutral` is applied to every text."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator=_END)
    writer.writerows([neutral(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return "".join(lines)


_END = "\r\n"  # a cell with one of these characters is quoted; the lines of the file end in \n only


class _Lines(list[str]):
    def write(self, line: str) -> None:
        self.append(line.removesuffix(_END) + "\n")


# Control characters (terminals execute some of them), and characters that change the text direction.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def counted(count: int, one: str, several: str = "") -> str:
    """A number with its words, ``1 video is``, ``3 videos are``; ``several``: the words for other numbers than 1, if
    they are not ``one`` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def shown(text: object) -> str:
    """Text from others for one line on screen or in a page: control characters become visible (``\\x1b``)."""
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))
