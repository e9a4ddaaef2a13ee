"""Files of predictions per video, CSV or Parquet: `id,label,pred`, then one column of softmax probabilities per class.

This module needs no torch and no GPU, so figures can be checked, or computed from another framework's output, on any
machine.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json, whole_file, write_text
from benchmark_builder.utils.text import composed, csv_text, letters, meant, read_text
from benchmark_builder.utils.video_names import VideoNames as VideoNames

FIXED = ["id", "label", "pred"]
MOST_CELLS, MOST_LETTERS = 10**8, 2**28  # limits for a Parquet file; 30,000 videos in 700 classes are 2e7 cells
FORMATS = (".csv", ".parquet")  # chosen by the file's suffix; both give back the same digits
FIX = "give a file of columns id,label,pred and one score column per class, as `bench eval` writes"
# Columns with row numbers: pandas writes its index by default to csv and, after filtering, to Parquet.
_INDEX = re.compile(r"|index|level_\d+|unnamed: \d+|__index_level_\d+__", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The outputs of a network for the videos of one test set, sorted by id, so the order of rows has no effect.

    Attributes:
        name: name for messages, the path of the file.
        classes: class names, in label order.
        ids: N video ids, sorted, unique.
        labels: int64 (N,), 0-based true classes.
        scores: float64 (N, C), finite; softmax probabilities 0..1 if this toolkit wrote them.
        missing: sorted ids that belong to the test set but were not scored.
        chosen: int64 (N,), the answers in the file, if it has them. Each is a class with the highest score; if several
            classes have that score (for example after rounding to four digits), the file decides.
    """

    name: str
    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    scores: np.ndarray
    missing: tuple[str, ...] = ()
    chosen: np.ndarray | None = None

    @property
    def pred(self) -> np.ndarray:
        """int64 (N,): the class with the highest score; if several are equal, the answer in the file, or else the
        first of them."""
        if self.chosen is not None:
            return self.chosen
        return self.scores.argmax(1) if len(self.ids) else np.zeros(0, np.int64)

    @property
    def right(self) -> np.ndarray:
        """bool (N,): whether the top class is the true one."""
        return self.pred == self.labels


def make_predictions(
    name: str,
    classes: Sequence[str],
    ids: Sequence[str],
    labels: np.ndarray,
    scores: np.ndarray,
    expected: Mapping[str, int] | None = None,
    allow_missing: bool = False,
    preds: Sequence[int] | np.ndarray | None = None,
) -> Predictions:
    """Check and sort predictions.

    Args:
        name: file name (or another name) for messages.
        classes: C class names in label order.
        ids, labels, scores: N ids, int (N,), float (N, C), in any order.
        expected: id -> label of every video of the test set; None skips the comparison.
        allow_missing: list missing ids in ``missing``; if False, they are an error.
        preds: N answers, int; each must be a class with the highest score. None: the first such class.

    Raises:
        BenchError: an id is duplicate, unknown or missing; a label differs from the test set's or is out of range; a
            score is NaN or infinite; the number of scores is wrong; or an answer does not have the highest score.
    """
    doubled = [(i, n) for i, n in Counter(ids).items() if n > 1]
    if doubled:
        raise BenchError(f"{name}: id {doubled[0][0]!r} occurs {_times(doubled[0][1])}; keep one row per video")
    if not classes or scores.shape != (len(ids), len(classes)):
        raise BenchError(f"{name}: scores of shape {scores.shape} do not fit {len(ids)} ids and {len(classes)} classes")
    broken = np.flatnonzero(~np.isfinite(scores).all(1))
    if len(broken):
        raise BenchError(f"{name}: the scores of {ids[broken[0]]!r} are not all finite; fix them or predict again")
    outside = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(outside):
        where = f"{name}: label {int(labels[outside[0]])} of {ids[outside[0]]!r}"
        raise BenchError(f"{where} is outside 0..{len(classes) - 1}; labels count from 0")
    missing: tuple[str, ...] = ()
    if expected is not None:
        unknown = [i for i in ids if i not in expected]
        if unknown:
            raise BenchError(
                f"{name}: id {unknown[0]!r} is not in the test set{_others(unknown)}; is it the right one?"
            )
        wrong = [(i, int(n)) for i, n in zip(ids, labels, strict=True) if expected[i] != n]
        if wrong:
            i, n = wrong[0]
            raise BenchError(
                f"{name}: {i!r} has label {n}, the test set says {expected[i]}; are the classes ordered alike?"
            )
        missing = tuple(sorted(expected.keys() - set(ids)))
        if missing and not allow_missing:
            fix = "predict it too, or pass --allow-missing to score the rest"
            raise BenchError(f"{name}: no row for {missing[0]!r}{_others(missing)}; {fix}")
    chosen = None if preds is None else np.asarray(preds, np.int64)
    if chosen is not None:
        for k in _not_highest(chosen, scores)[:1]:
            what = f"highest score is class {int(scores[k].argmax())}'s"
            raise BenchError(f"{name}: {ids[k]!r} has pred {int(chosen[k])}, but its {what}; predict again")
    order = sorted(range(len(ids)), key=lambda k: ids[k])
    return Predictions(
        name,
        list(classes),
        [ids[k] for k in order],
        labels[order].astype(np.int64),
        scores[order].astype(float),
        missing,
        None if chosen is None else chosen[order],
    )


def of_videos(p: Predictions, expected: Mapping[str, int], allow_missing: bool = False) -> Predictions:
    """The predictions of some of the videos.

    Args:
        p: predictions.
        expected: id -> label of the videos.
        allow_missing: note missing ids in ``missing`` instead of refusing them.

    Raises:
        BenchError: none of the videos was predicted, or one was not.
    """
    at = [k for k, video_id in enumerate(p.ids) if video_id in expected]
    preds = None if p.chosen is None else p.chosen[at]
    ids = [p.ids[k] for k in at]
    return make_predictions(p.name, p.classes, ids, p.labels[at], p.scores[at], expected, allow_missing, preds)


def _not_highest(preds: np.ndarray, scores: np.ndarray) -> list[int]:
    """Rows whose answer is not a class with the highest score."""
    if not len(preds):
        return []
    inside = (preds >= 0) & (preds < scores.shape[1])
    own = np.take_along_axis(scores, np.where(inside, preds, 0)[:, None], 1)[:, 0]
    return np.flatnonzero(~inside | (own < scores.max(1))).tolist()


def without_ids(path: Path, count: int | None = None) -> BenchError:
    """The error for predictions without ids and without a list that gives their order."""
    what = "predictions" if count is None else f"{count} predictions"
    return BenchError(
        f"{path}: holds {what} without video ids, and nothing says in which order; give the list file that they were "
        "predicted from with --lists FILE (one for each predictions file), or predictions with ids"
    )


def write_predictions(
    path: Path,
    classes: Sequence[str],
    rows: Iterable[tuple[str, int, np.ndarray]],
    preds: Mapping[str, int] | None = None,
) -> None:
    """Write rows of (id, label, scores (C,)), sorted by id, as CSV or Parquet (by suffix); never a partial file.

    CSV has the fewest digits that give back the same number in the scores' dtype (float32: about nine); Parquet stores
    that dtype. ``preds``: id -> the answer, if it is not simply the first class with the highest score.
    """
    chosen = sorted(rows, key=lambda row: row[0])
    answers = [int(np.argmax(scores)) if preds is None else preds[video_id] for video_id, _, scores in chosen]
    if path.suffix == ".parquet":
        _write_parquet(path, classes, chosen, answers)
        return
    table = ([i, label, pred, *scores] for (i, label, scores), pred in zip(chosen, answers, strict=True))
    write_text(path, csv_text([[*FIXED, *classes], *table]))


def read_predictions(
    path: Path,
    classes: Sequence[str] | None = None,
    expected: Mapping[str, int] | None = None,
    allow_missing: bool = False,
    order: Sequence[str] | None = None,
) -> Predictions:
    """Read a predictions file, CSV or (``.parquet``) Parquet.

    Columns are found by name, in any order; a column of row numbers (pandas' index) is ignored. A CSV may have
    semicolons or tabs between cells (a decimal comma is then accepted) and a byte order mark. Ids may have a suffix,
    backslashes or parent folders, see :class:`VideoNames`.

    Args:
        path: the file; rows may be in any order.
        classes: the test set's classes; None: the classes in the header.
        expected: id -> label of every video of the test set; None skips the comparison.
        allow_missing: accept a file without some of those videos.
        order: ids of the rows, for a file that has no column of ids.

    Raises:
        BenchError: as :func:`make_predictions`; also wrong columns, a cell that is not a number, or a file without ids
            and no ``order``.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such predictions file; run `bench eval`, or name another")
    try:
        table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path, classes)
        columns = _Columns(path, table.header, classes, table.indices, order is not None)
        labels = table.whole(columns.at["label"], columns.names)
        preds = table.whole(columns.at["pred"], columns.names)
        scores = table.numbers(columns.scores)
        given = table.texts(columns.at["id"]) if "id" in columns.at else None
    except BenchError:
        raise
    except (OSError, ValueError, csv.Error, MemoryError) as error:  # pyarrow's errors are subclasses of these
        raise BenchError(f"{path}: cannot be read ({(str(error).splitlines() or ['?'])[0]}); {FIX}") from None
    if given is None and len(order or ()) != len(scores):
        raise BenchError(f"{path}: {len(scores)} rows, but its list names {len(order or ())} videos; "
                         "give the --lists that it was predicted from")  # fmt: skip
    ids = list(order or ()) if given is None else given
    if expected is not None and not all(i in expected for i in ids):
        ids = VideoNames(expected).resolved(ids, str(path))
    if columns.moved and _not_highest(preds, scores):
        raise BenchError(f"{path}: {_class_difference(columns.found, columns.names)}")
    return make_predictions(str(path), columns.names, ids, labels, scores, expected, allow_missing, preds)


class _Columns:
    """The meaning of the columns of a table.

    Attributes:
        at: index of ``id`` (if the file has it), ``label`` and ``pred``.
        names: class names in label order.
        scores: index of each class's column.
        found: names of the class columns in the order of the file.
        moved: whether this order differs from the label order.
    """

    def __init__(
        self, path: Path, header: Sequence[str], classes: Sequence[str] | None, indices: set[str], ordered: bool
    ) -> None:
        names = [composed(name.strip()) for name in header]
        self.at: dict[str, int] = {}
        for fixed in FIXED:
            place = next((k for k, name in enumerate(names) if name == fixed), None)
            place = next((k for k, name in enumerate(names) if name.lower() == fixed), None) if place is None else place
            if place is not None:
                self.at[fixed] = place
        lacking = [name for name in FIXED if name not in self.at]
        if lacking == ["id"] and not ordered:
            raise without_ids(path)
        if lacking and not (lacking == ["id"] and ordered):
            said = f"has no column {' and no column '.join(lacking)}" if any(names) else "is empty"
            raise BenchError(f"{path}: not a predictions file, it {said}; {FIX}")
        wanted = None if classes is None else [composed(name.strip()) for name in classes]
        others = [k for k in range(len(names)) if k not in self.at.values()]
        keep = set(wanted or ())
        left = [k for k in others if names[k] in keep or not (_INDEX.fullmatch(names[k]) or names[k] in indices)]
        if not left:
            raise BenchError(f"{path}: not a predictions file, it has no class columns; {FIX}")
        self.found = [names[k] for k in left]
        self.names = list(self.found) if classes is None else list(classes)
        if len(set(self.found)) != len(self.found):
            raise BenchError(f"{path}: a class name occurs twice in the header; give every class one column")
        self.scores, self.moved = left, False
        if wanted is None or self.found == wanted:
            return
        key = letters if len({letters(name) for name in wanted} - {""}) == len(wanted) else str
        places = {key(name): k for name, k in zip(self.found, left, strict=True)}
        if len(places) != len(left) or places.keys() != {key(name) for name in wanted}:
            raise BenchError(f"{path}: {_class_difference(self.found, wanted)}")
        self.scores = [places[key(name)] for name in wanted]
        self.moved = self.scores != left


@dataclass(frozen=True, eq=False)
class _Table:
    """The cells of a csv file."""

    path: Path
    header: list[str]
    lines: list[int]
    rows: list[list[str]]
    comma: bool  # a comma may stand for the decimal point
    indices: set[str]

    def texts(self, column: int) -> list[str]:
        return [meant(row[column]) for row in self.rows]

    def whole(self, column: int, classes: Sequence[str]) -> np.ndarray:
        return np.array([self._read(k, class_number, self.rows[k][column], classes) for k in range(len(self.rows))],
                        np.int64)  # fmt: skip

    def numbers(self, columns: Sequence[int]) -> np.ndarray:
        return np.array([self._read(k, self._floats, row, columns) for k, row in enumerate(self.rows)],
                        float).reshape(len(self.rows), len(columns))  # fmt: skip

    def _floats(self, row: list[str], columns: Sequence[int]) -> list[float]:
        try:
            return [float(row[k]) for k in columns]
        except ValueError:
            if not self.comma:
                raise
            return [float(row[k] if "." in row[k] else row[k].replace(",", ".", 1)) for k in columns]

    def _read(self, k: int, read: Any, *what: Any) -> Any:
        try:
            return read(*what)
        except (ValueError, OverflowError) as error:
            raise BenchError(f"{self.path}, line {self.lines[k]}: {error}; {FIX}") from None


def class_number(cell: object, classes: Sequence[str]) -> int:
    """A label: a whole number (``3`` or ``3.0``), or the class's name. Raises ValueError."""
    text = str(cell).strip()
    try:
        value = float(text)
        if value.is_integer() and abs(value) < 2**31:
            return int(value)
    except ValueError:
        pass
    name = composed(meant(text))
    found = [k for k, known in enumerate(classes) if composed(known) == name]
    if len(found) != 1:
        raise ValueError(f"{text!r} is neither a whole number nor a class")
    return found[0]


def _read_csv(path: Path, classes: Sequence[str] | None) -> _Table:
    text = read_text(path, "predictions file", FIX)
    first = text.split("\n", 1)[0]
    told = re.fullmatch(r'"?sep=(.)"?', first.strip())  # Excel may start a file with this line
    delimiter = told.group(1) if told else next((d for d in ",;\t|" if _fits(first, d)), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines = [], []
    header: list[str] = []
    for record in reader:
        if not record or (told and reader.line_num == 1):
            continue
        if not header:
            header = [meant(name) for name in record]
        elif len(record) != len(header):
            _Columns(path, header, classes, set(), True)  # raises the clearer error if the columns are wrong
            raise BenchError(f"{path}, line {reader.line_num}: {len(record)} cells under {len(header)} columns; {FIX}")
        else:
            rows.append(record)
            lines.append(reader.line_num)
    return _Table(path, header, lines, rows, delimiter != ",", set())


def _fits(line: str, delimiter: str) -> bool:
    names = {name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])}
    return {"label", "pred"} <= names


@dataclass(frozen=True, eq=False)
class _ColumnTable:
    """The columns of a Parquet file."""

    path: Path
    header: list[str]
    columns: list[Any]
    indices: set[str]

    def texts(self, column: int) -> list[str]:
        cells = self._whole(column)
        if not all(isinstance(cell, str) for cell in cells):
            raise self._refused(column)
        return cells

    def whole(self, column: int, classes: Sequence[str]) -> np.ndarray:
        cells = self._whole(column)
        if any(isinstance(cell, bool) for cell in cells):
            raise self._refused(column)
        try:
            return np.array([class_number(cell, classes) for cell in cells], np.int64)
        except (ValueError, OverflowError) as error:
            kind = self.columns[column].type
            raise BenchError(f"{self.path}: column {self.header[column]!r} holds {kind}, {error}; {FIX}") from None

    def numbers(self, columns: Sequence[int]) -> np.ndarray:
        import pyarrow as pa

        found = []
        for k in columns:
            column = self.columns[k]
            kind = column.type
            if pa.types.is_decimal(kind):
                column = column.cast(pa.float64())
            elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise self._refused(k)
            self._no_holes(k)
            found.append(_as_written(column.to_numpy()))
        return np.stack(found, 1)

    def _whole(self, column: int) -> list[Any]:
        self._no_holes(column)
        cells: list[Any] = self.columns[column].to_pylist()
        return cells

    def _no_holes(self, column: int) -> None:
        if self.columns[column].null_count:
            count = self.columns[column].null_count
            raise BenchError(f"{self.path}: column {self.header[column]!r} has {count} empty cells; {FIX}")

    def _refused(self, column: int) -> BenchError:
        return BenchError(f"{self.path}: column {self.header[column]!r} holds {self.columns[column].type}; {FIX}")


def _read_parquet(path: Path) -> _ColumnTable:
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
    return _ColumnTable(path, list(table.column_names), list(table.columns), indices)


def _as_written(column: np.ndarray) -> np.ndarray:
    """Numbers as a CSV would give them back, float64: float32 and smaller types are converted by decimal digits."""
    if column.dtype.kind == "f" and column.dtype.itemsize < 8:
        return column.astype(str).astype(float)
    return column.astype(float)


def _write_parquet(
    path: Path, classes: Sequence[str], rows: Sequence[tuple[str, int, np.ndarray]], answers: Sequence[int]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores = np.stack([row[2] for row in rows]) if rows else np.zeros((0, len(classes)), np.float32)
    columns = [
        pa.array([row[0] for row in rows], pa.string()),
        pa.array([row[1] for row in rows], pa.int64()),
        pa.array(answers, pa.int64()),
        *(pa.array(column) for column in np.ascontiguousarray(scores.T)),
    ]
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, [*FIXED, *classes]), temporary)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64, without overflow."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


def _class_difference(found: list[str], wanted: list[str]) -> str:
    if sorted(found) == sorted(wanted):
        return "the class columns are in another order than the test set's classes; order them by label"
    if len(found) != len(wanted):
        return f"{len(found)} class columns, but the test set has {len(wanted)} classes; score it with its own test set"
    k = next(k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
    return f"class column {k} is {found[k]!r}, the test set's is {wanted[k]!r}; score it with its own test set"


def _others(ids: Sequence[str]) -> str:
    return f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"
