"""Tables that programs and people write: csv, Excel and Parquet, as text cells."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, parse_json
from benchmark_builder.utils.text import composed, meant, read_text

MOST_CELLS, MOST_LETTERS = 10**8, 2**28  # limits for a table; 30,000 videos in 700 classes are 2e7 cells
_UNPACKED = 2**28  # largest content of an Excel file, in bytes
EXCEL = (".xlsx", ".xlsm")


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table as text.

    Attributes:
        path: the file.
        header: names of its columns; empty for an empty file.
        rows: the cells of each row, as many as in the file. lines: number of each row in the file, for messages.
        comma: whether a comma may stand for the decimal point.
        index: columns that hold row numbers alone.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    comma: bool = False
    index: frozenset[str] = frozenset()

    def column(self, names: Sequence[str]) -> int | None:
        """The place of the first of these columns, whatever its case; None if it has none of them.

        Raises:
            BenchError: the file has it twice.
        """
        lower = [name.strip().casefold() for name in self.header]
        for name in names:
            if lower.count(name) > 1:
                raise BenchError(f"{self.path}: has the column {name!r} twice; keep one")
            if name in lower:
                return lower.index(name)
        return None

    @property
    def row_word(self) -> str:
        """What a row's number counts: lines of a text file, else rows."""
        return "row" if self.path.suffix.lower() in (".parquet", *EXCEL) else "line"

    def check(self, fix: str) -> None:
        """Raise BenchError if a row has more or fewer cells than there are columns."""
        for row, line in zip(self.rows, self.lines, strict=True):
            if len(row) != len(self.header):
                raise BenchError(
                    f"{self.path}, line {line}: {len(row)} cells under {len(self.header)} columns; put cells that "
                    f"contain the separator in quotes, or {fix}"
                )


def read_csv(path: Path, what: str, fix: str, known: Sequence[str], first: bool = False) -> Sheet:
    """A csv file; cells may be separated by commas, semicolons, tabs or bars.

    Args:
        path: the file.
        what, fix: for messages, see :func:`~benchmark_builder.utils.text.read_text`.
        known: names of columns; the separator is the one that gives one of them.
        first: read the header alone.

    Raises:
        BenchError: it cannot be read as text.
        csv.Error: it is not a csv file.
    """
    text = read_text(path, what, fix)
    line = text.split("\n", 1)[0]
    told = re.fullmatch(r'"?sep=(.)"?', line.strip())  # Excel may start a file with this line
    delimiter = told.group(1) if told else next((d for d in ",;\t|" if _fits(line, d, known)), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines = [], []
    header: list[str] = []
    for record in reader:
        if not record or (told and reader.line_num == 1):
            continue
        if header:
            rows.append(record)
            lines.append(reader.line_num)
        else:
            header = [meant(name) for name in record]
            if first:
                break
    return Sheet(path, header, rows, lines, comma=delimiter != ",")


def _fits(line: str, delimiter: str, known: Sequence[str]) -> bool:
    names = {name.strip().casefold() for name in next(csv.reader([line], delimiter=delimiter), [])}
    return len(names) > 1 and not names.isdisjoint(known)


def read_excel(path: Path, fix: str) -> Sheet:
    """The first sheet of an Excel file: values, not formulas; empty rows are left out.

    Raises:
        BenchError: it is not an Excel file, is too large, or its first sheet is empty.
    """
    try:
        archive = open_zip(path)
    except FileNotFoundError:
        raise BenchError(f"{path}: no such predictions file; name another") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path}: is not an Excel file ({error}); save it as .xlsx or .csv") from None
    if sum(member.file_size for member in archive.infolist()) > _UNPACKED:
        raise BenchError(f"{path}: unpacks to more than {_UNPACKED} bytes; save its first sheet as .csv")
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the size that the file states may be wrong
        rows, cells = [], 0
        for row in sheet.iter_rows(values_only=True):
            rows.append([_plain(cell) for cell in row])
            cells += len(row) + 1
            if cells > MOST_CELLS:
                raise ValueError(f"it has more than {MOST_CELLS} cells")
    except Exception as error:  # a damaged file can raise any exception
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise BenchError(f"{path}: is not a readable Excel file ({said}); save it as .csv") from None
    lines = [k for k, row in enumerate(rows, 1) if any(row)]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise BenchError(f"{path}: its first sheet is empty; {fix}")
    width = max(k for row in rows for k, cell in enumerate(row, 1) if cell)  # without empty columns at the end
    rows = [(row + [""] * width)[:width] for row in rows]
    return Sheet(path, rows[0], rows[1:], lines[1:])


def _plain(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell)


def read_parquet_text(path: Path, fix: str, first: bool = False) -> Sheet:
    """A Parquet file as text; an empty cell is an empty text. ``first``: its columns alone.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        if first:
            import pyarrow.parquet as pq

            return Sheet(path, list(pq.read_schema(path).names), [], [])
        table, indices = read_arrow(path)
    except (OSError, ValueError, MemoryError) as error:  # pyarrow's errors are subclasses of these
        raise BenchError(f"{path}: cannot be read ({(str(error).splitlines() or ['?'])[0]}); {fix}") from None
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Sheet(path, list(table.column_names), rows, list(range(1, len(rows) + 1)), index=frozenset(indices))


def read_arrow(path: Path) -> tuple[Any, set[str]]:
    """A Parquet file as an Arrow table, and which of its columns hold row numbers. Raises OSError or ValueError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)  # read_table would add a column for a folder name like key=value
    if file.metadata.num_rows * file.metadata.num_columns > MOST_CELLS:
        raise ValueError(f"it has {file.metadata.num_rows} rows of {file.metadata.num_columns} columns")
    # Read texts as a dictionary: a long text that is repeated needs little space in the file, but much when expanded.
    texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    table = pq.ParquetFile(path, read_dictionary=texts).read()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            sizes = (len(c) * max((len(str(v)) for v in c.dictionary.to_pylist()), default=0) for c in column.chunks)
            if sum(sizes) > MOST_LETTERS:
                raise ValueError(f"its column {name!r} has more than {MOST_LETTERS} letters")
    told = parse_json((table.schema.metadata or {}).get(b"pandas", b"{}"))
    kept = told.get("index_columns", []) if isinstance(told, dict) else []
    indices = {composed(name) for name in kept if isinstance(name, str)} if isinstance(kept, list) else set()
    return table, indices
