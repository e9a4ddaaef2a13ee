"""Per-video predictions on disk, CSV or Parquet: `id,label,pred`, then one column of softmax probabilities a class.

Nothing here needs torch or a GPU: a score can be audited, or made from another framework's output, anywhere.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.errors import BenchError
from benchmark_builder.files import whole_file, write_text

FIXED = ["id", "label", "pred"]
FORMATS = (".csv", ".parquet")  # told apart by the file's suffix; the same digits come back from either
MEND = "give a file of columns id,label,pred and one score column a class, as `bench eval` writes"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said about every video of one test set, sorted by id, so that row order never matters.

    Attributes:
        name: what to call it in messages; the path of the file it came from.
        classes: class names, in label order.
        ids: N video ids, sorted, unique.
        labels: int64 (N,), 0-based true classes.
        scores: float64 (N, C), finite; softmax probabilities 0..1 where our own evaluation wrote them.
        missing: sorted ids that belong to the test set but were not scored.
    """

    name: str
    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    scores: np.ndarray
    missing: tuple[str, ...] = ()

    @property
    def pred(self) -> np.ndarray:
        """int64 (N,): the class of the highest score, the lowest index among equals."""
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
) -> Predictions:
    """Check and sort predictions.

    Args:
        name: file (or other name) for messages.
        classes: C class names in label order.
        ids, labels, scores: N ids, int (N,), float (N, C), in any order.
        expected: id -> label of every video of the test set; None skips the comparison.
        allow_missing: note absent ids in ``missing`` instead of refusing them.

    Raises:
        BenchError: a doubled, unknown or missing id, a label other than the test set's or outside the classes, a
            score that is NaN or infinite, or the wrong number of scores.
    """
    doubled = [i for i, n in Counter(ids).items() if n > 1]
    if doubled:
        raise BenchError(f"{name}: id {doubled[0]!r} stands {_times(Counter(ids)[doubled[0]])}; keep one row a video")
    if not classes or scores.shape != (len(ids), len(classes)):
        raise BenchError(f"{name}: scores of shape {scores.shape} do not fit {len(ids)} ids and {len(classes)} classes")
    broken = np.flatnonzero(~np.isfinite(scores).all(1))
    if len(broken):
        raise BenchError(f"{name}: the scores of {ids[broken[0]]!r} are not all finite; mend or predict again")
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
            mend = "predict it too, or pass --allow-missing to score the rest"
            raise BenchError(f"{name}: no row for {missing[0]!r}{_others(missing)}; {mend}")
    order = sorted(range(len(ids)), key=lambda k: ids[k])
    return Predictions(
        name,
        list(classes),
        [ids[k] for k in order],
        labels[order].astype(np.int64),
        scores[order].astype(float),
        missing,
    )


def write_predictions(path: Path, classes: Sequence[str], rows: Iterable[tuple[str, int, np.ndarray]]) -> None:
    """Write rows of (id, label, scores (C,)), sorted by id, whole or not at all; Parquet where the suffix says so.

    CSV has the fewest digits that read back as the same number of the scores' dtype (float32: about nine); Parquet has
    that dtype's own bytes.
    """
    chosen = sorted(rows, key=lambda row: row[0])
    if path.suffix == ".parquet":
        _write_parquet(path, classes, chosen)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIXED, *classes])
    for video_id, label, scores in chosen:
        writer.writerow([video_id, label, int(np.argmax(scores)), *map(str, scores)])
    write_text(path, text.getvalue())


def read_predictions(
    path: Path,
    classes: Sequence[str] | None = None,
    expected: Mapping[str, int] | None = None,
    allow_missing: bool = False,
) -> Predictions:
    """Read a predictions file, CSV or (``.parquet``) Parquet.

    Args:
        path: the file; rows may stand in any order.
        classes: the test set's classes; None takes the header's.
        expected: id -> label of every video of the test set; None skips the comparison.
        allow_missing: accept a file without some of those videos.

    Raises:
        BenchError: everything that :func:`make_predictions` refuses, other columns, a cell that is no number, or a
            ``pred`` that is not the class of the highest score.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such predictions file; run `bench eval`, or name another")
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    try:
        names, ids, labels, preds, scores = read(path, classes)
    except BenchError:
        raise
    except (OSError, ValueError, csv.Error) as error:  # pyarrow's errors are ValueErrors and OSErrors
        raise BenchError(f"{path}: cannot be read ({str(error).splitlines()[0]}); {MEND}") from None
    result = make_predictions(str(path), names, ids, labels, scores, expected, allow_missing)
    said = dict(zip(ids, preds.tolist(), strict=True))
    for video_id, pred in zip(result.ids, result.pred, strict=True):
        if said[video_id] != pred:
            raise BenchError(f"{path}: {video_id!r} has pred {said[video_id]}, but its highest score is class {pred}'s")
    return result


# Class names, ids, labels int64 (N,), preds int64 (N,), scores float64 (N, C), in the file's order.
_Table = tuple[list[str], list[str], np.ndarray, np.ndarray, np.ndarray]


def _read_csv(path: Path, classes: Sequence[str] | None) -> _Table:
    ids: list[str] = []
    labels: list[int] = []
    preds: list[int] = []
    scores: list[list[float]] = []
    with open(path, newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        header = next(reader, [])
        names = _class_columns(path, header, classes)
        for record in reader:
            where = f"{path}, line {reader.line_num}"
            if len(record) != len(header):
                raise BenchError(f"{where}: {len(record)} cells under {len(header)} columns; {MEND}")
            try:
                labels.append(int(record[1]))
                preds.append(int(record[2]))
                scores.append([float(cell) for cell in record[3:]])
            except ValueError as error:
                raise BenchError(f"{where}: {error}; {MEND}") from None
            ids.append(record[0])
    table = np.array(scores, dtype=float).reshape(len(ids), len(names))
    return names, ids, np.array(labels, np.int64), np.array(preds, np.int64), table


def _read_parquet(path: Path, classes: Sequence[str] | None) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()  # not read_table, which takes a partition of the folder's name for a column
    names = _class_columns(path, table.column_names, classes)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        whole = pa.types.is_integer(kind)
        if not (text if name == "id" else whole if name in FIXED else whole or pa.types.is_floating(kind)):
            raise BenchError(f"{path}: column {name!r} holds {column.type}; {MEND}")
        if column.null_count:
            raise BenchError(f"{path}: column {name!r} has {column.null_count} empty cells; {MEND}")
    columns = [column.to_numpy() for column in table.columns[3:]]
    scores = np.stack([_as_written(column) for column in columns], 1)
    labels, preds = (table.column(name).to_numpy().astype(np.int64) for name in FIXED[1:])
    return names, [str(i) for i in table.column("id").to_pylist()], labels, preds, scores


def _as_written(column: np.ndarray) -> np.ndarray:
    """Numbers as a CSV would give them back, float64: those of float32 and less by way of their decimal digits."""
    if column.dtype.kind == "f" and column.dtype.itemsize < 8:
        return column.astype(str).astype(float)
    return column.astype(float)


def _write_parquet(path: Path, classes: Sequence[str], rows: Sequence[tuple[str, int, np.ndarray]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores = np.stack([row[2] for row in rows]) if rows else np.zeros((0, len(classes)), np.float32)
    columns = [
        pa.array([row[0] for row in rows], pa.string()),
        pa.array([row[1] for row in rows], pa.int64()),
        pa.array(scores.argmax(1) if len(rows) else [], pa.int64()),
        *(pa.array(column) for column in np.ascontiguousarray(scores.T)),
    ]
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, [*FIXED, *classes]), temporary)


def _class_columns(path: Path, header: Sequence[str], classes: Sequence[str] | None) -> list[str]:
    """The class names of a header that is a predictions file's, and the test set's."""
    names = list(header[3:])
    if list(header[:3]) != FIXED or not names:
        raise BenchError(f"{path}: not a predictions file; {MEND}")
    if classes is not None and names != list(classes):
        raise BenchError(f"{path}: {_class_difference(names, list(classes))}")
    if len(set(names)) != len(names):
        raise BenchError(f"{path}: a class name stands twice in the header; give every class one column")
    return names


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float64, without overflow."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


def _class_difference(found: list[str], wanted: list[str]) -> str:
    if sorted(found) == sorted(wanted):
        return "the class columns stand in another order than the test set's; order them by label"
    if len(found) != len(wanted):
        return f"{len(found)} class columns, but the test set has {len(wanted)} classes; score it with its own test set"
    k = next(k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
    return f"class column {k} is {found[k]!r}, the test set's is {wanted[k]!r}; score it with its own test set"


def _others(ids: Sequence[str]) -> str:
    return f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"
