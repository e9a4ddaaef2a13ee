"""Files of predictions per video, CSV or Parquet: `id,label,pred`, then one column of softmax probabilities per class.

A file of a model that gives answers without scores ends after `pred`; there, -1 is an answer that is no class.

This module needs no torch and no GPU, so figures can be checked, or computed from another framework's output, on any
machine.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file, write_text
from benchmark_builder.utils.text import composed, csv_text, letters, meant
from benchmark_builder.utils.video_names import VideoNames as VideoNames
from evaluator.predictions.tables import EXCEL, Sheet, read_arrow, read_csv, read_excel

FIXED = ["id", "label", "pred"]
FORMATS = (".csv", ".parquet")  # chosen by the file's suffix; both give back the same digits
FIX = "give a file of columns id,label,pred and one score column per class, as `bench eval` writes"
LISTED = 5  # how many of several ids an error lists
NO_ANSWER = -1  # in the column ``pred``: the model gave an answer that is no class; it counts as wrong
# Other names of the three columns, in the order in which they are tried.
IDS = ("id", "video_id", "filename", "frame_dir", "img_key", "file", "video", "path", "name")
LABELS = ("label", "gt_label", "gt_labels", "true_label")
PREDS = ("pred", "pred_label", "pred_labels", "prediction", "predicted", "pred_class")
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
        scores: float64 (N, C), finite; softmax probabilities 0..1 if this toolkit wrote them. None: the model gave
            answers alone, so figures that need scores cannot be computed.
        missing: sorted ids that belong to the test set but were not scored.
        chosen: int64 (N,), the answers in the file, if it has them. Each is a class with the highest score; if several
            classes have that score (for example after rounding to four digits), the file decides. Without scores each
            is a class, or :data:`NO_ANSWER`.
        notes: what was assumed when the file was read, as lines for the user.
        unread: id -> the answer's text, of answers in which no class was found (``chosen`` is then NO_ANSWER).
        choices: number of options that the model chose from, if it answered questions; 0: all classes.
        scenes: what it said of the scenes of these videos, with scenes as classes; None: nothing.
    """

    name: str
    classes: list[str]
    ids: list[str]
    labels: np.ndarray
    scores: np.ndarray | None
    missing: tuple[str, ...] = ()
    chosen: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    choices: int = 0
    scenes: "Predictions | None" = None

    @property
    def pred(self) -> np.ndarray:
        """int64 (N,): the class with the highest score; if several are equal, the answer in the file, or else the
        first of them."""
        if self.chosen is not None:
            return self.chosen
        assert self.scores is not None  # make_predictions wants one of them
        return self.scores.argmax(1) if len(self.ids) else np.zeros(0, np.int64)

    @property
    def right(self) -> np.ndarray:
        """bool (N,): whether the top class is the true one."""
        return self.pred == self.labels

    @property
    def answered(self) -> np.ndarray:
        """bool (N,): whether the answer is a class."""
        return self.pred != NO_ANSWER

    def rows(self, at: Sequence[int], missing: tuple[str, ...] = ()) -> "Predictions":
        """The predictions of the videos at these places alone, with ``missing`` as its missing ids."""
        ids = [self.ids[k] for k in at]
        scenes = None if self.scenes is None else _part(self.scenes, {*ids, *missing})
        return replace(
            self,
            scenes=scenes,
            ids=ids,
            labels=self.labels[at],
            scores=None if self.scores is None else self.scores[at],
            chosen=None if self.chosen is None else self.chosen[at],
            missing=missing,
            unread={i: self.unread[i] for i in ids if i in self.unread},
        )


def _part(p: Predictions, ids: Collection[str]) -> Predictions:
    """The predictions of these videos."""
    at = [k for k, video_id in enumerate(p.ids) if video_id in ids]
    kept = p.rows(at)
    return replace(kept, missing=tuple(sorted(set(ids) - set(kept.ids))))


def with_scenes(p: Predictions, scenes: Predictions) -> Predictions:
    """Predictions of a test set with what was said of the scenes of the same videos.

    Raises:
        BenchError: the scenes are those of other videos.
    """
    known = set(p.ids)
    other = next((i for i in scenes.ids if i not in known), None)
    if other is not None:
        raise BenchError(f"{scenes.name}: {other!r} is not in {p.name}; run `bench eval` again")
    return replace(p, scenes=_part(scenes, {*p.ids, *p.missing}))


def make_predictions(
    name: str,
    classes: Sequence[str],
    ids: Sequence[str],
    labels: np.ndarray,
    scores: np.ndarray | None,
    expected: Mapping[str, int] | None = None,
    allow_missing: bool = False,
    preds: Sequence[int] | np.ndarray | None = None,
    **told: Any,
) -> Predictions:
    """Check and sort predictions.

    Args:
        name: file name (or another name) for messages.
        classes: C class names in label order.
        ids, labels, scores: N ids, int (N,), float (N, C), in any order; scores None: ``preds`` are all there is.
        expected: id -> label of every video of the test set; None skips the comparison.
        allow_missing: list missing ids in ``missing``; if False, they are an error.
        preds: N answers, int; each must be a class with the highest score. None: the first such class. Without scores
            each is a class or :data:`NO_ANSWER`.
        told: ``notes``, ``unread`` and ``choices`` of the result.

    Raises:
        BenchError: an id is duplicate, unknown or missing; a label differs from the test set's or is out of range; a
            score is NaN or infinite; the number of scores is wrong; or an answer does not have the highest score, or
            without scores is no class.
    """
    if scores is None and preds is None:
        raise ValueError("predictions need scores or answers")
    doubled = [(i, n) for i, n in Counter(ids).items() if n > 1]
    if doubled:
        raise BenchError(f"{name}: id {doubled[0][0]!r} occurs {_times(doubled[0][1])}; keep one row per video")
    if not classes or (scores is not None and scores.shape != (len(ids), len(classes))):
        shape = None if scores is None else scores.shape
        raise BenchError(f"{name}: scores of shape {shape} do not fit {len(ids)} ids and {len(classes)} classes")
    broken = [] if scores is None else np.flatnonzero(~np.isfinite(scores).all(1)).tolist()
    if broken:
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
            listed = ", ".join(map(repr, missing[:LISTED]))
            raise BenchError(f"{name}: no row for {listed}{_others(missing[LISTED - 1 :])}; {fix}")
    chosen = None if preds is None else np.asarray(preds, np.int64)
    if chosen is not None and scores is None:
        for k in np.flatnonzero((chosen < NO_ANSWER) | (chosen >= len(classes)))[:1]:
            what = f"pred {int(chosen[k])}, which is outside 0..{len(classes) - 1}"
            raise BenchError(f"{name}: {ids[k]!r} has {what}; numbers of classes count from 0")
    if chosen is not None and scores is not None:
        for k in _not_highest(chosen, scores)[:1]:
            what = f"highest score is class {int(scores[k].argmax())}'s"
            raise BenchError(f"{name}: {ids[k]!r} has pred {int(chosen[k])}, but its {what}; predict again")
    order = sorted(range(len(ids)), key=lambda k: ids[k])
    return Predictions(
        name,
        list(classes),
        [ids[k] for k in order],
        labels[order].astype(np.int64),
        None if scores is None else scores[order].astype(float),
        missing,
        None if chosen is None else chosen[order],
        **told,
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
    part = p.rows([k for k, video_id in enumerate(p.ids) if video_id in expected])
    told = {"notes": part.notes, "unread": part.unread, "choices": part.choices}
    return make_predictions(
        p.name, p.classes, part.ids, part.labels, part.scores, expected, allow_missing, part.chosen, **told
    )


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
    rows: Iterable[tuple[str, int, np.ndarray | None]],
    preds: Mapping[str, int] | None = None,
) -> None:
    """Write rows of (id, label, scores (C,)), sorted by id, as CSV or Parquet (by suffix); never a partial file.

    Rows without scores (None) are written without columns of classes, and need ``preds``.

    CSV has the fewest digits that give back the same number in the scores' dtype (float32: about nine); Parquet stores
    that dtype. ``preds``: id -> the answer, if it is not simply the first class with the highest score.
    """
    chosen = sorted(rows, key=lambda row: row[0])
    if preds is None:
        answers = [int(np.argmax(scores)) for _, _, scores in chosen if scores is not None]
    else:
        answers = [preds[video_id] for video_id, _, _ in chosen]
    scored = [scores for _, _, scores in chosen if scores is not None]
    if scored and len(scored) != len(chosen):
        raise ValueError("some rows have scores, others do not")
    columns = list(classes) if scored or not chosen or preds is None else []
    if path.suffix == ".parquet":
        _write_parquet(path, columns, chosen, answers)
        return
    table = (
        [i, label, pred, *(() if scores is None else scores)]
        for (i, label, scores), pred in zip(chosen, answers, strict=True)
    )
    write_text(path, csv_text([[*FIXED, *columns], *table]))


def read_predictions(
    path: Path,
    classes: Sequence[str] | None = None,
    expected: Mapping[str, int] | None = None,
    allow_missing: bool = False,
    order: Sequence[str] | None = None,
) -> Predictions:
    """Read a predictions file of this toolkit, CSV or (``.parquet``) Parquet; numbers of classes count from 0.

    For files of others without scores, see :mod:`~evaluator.predictions.answers`.

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
        table = _read(path)
        columns = _Columns(path, table.header, classes, table.indices, order is not None)
        if isinstance(table, _Table):
            table.sheet.check(FIX)
        labels = table.whole(columns.at["label"], columns.names)
        preds = table.whole(columns.at["pred"], columns.names)
        scores = table.numbers(columns.scores) if columns.scores else None
        given = table.texts(columns.at["id"]) if "id" in columns.at else None
    except BenchError:
        raise
    except (OSError, ValueError, csv.Error, MemoryError) as error:  # pyarrow's errors are subclasses of these
        raise BenchError(f"{path}: cannot be read ({(str(error).splitlines() or ['?'])[0]}); {FIX}") from None
    if given is None and len(order or ()) != len(preds):
        raise BenchError(f"{path}: {len(preds)} rows, but its list names {len(order or ())} videos; "
                         "give the --lists that it was predicted from")  # fmt: skip
    ids = list(order or ()) if given is None else given
    if expected is not None and not all(i in expected for i in ids):
        ids = VideoNames(expected).resolved(ids, str(path))
    if scores is not None and columns.moved and _not_highest(preds, scores):
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
        if not left and classes is None:
            raise BenchError(f"{path}: not a predictions file, it has no class columns; {FIX}")
        self.found = [names[k] for k in left]
        self.names = list(self.found) if classes is None else list(classes)
        if len(set(self.found)) != len(self.found):
            raise BenchError(f"{path}: a class name occurs twice in the header; give every class one column")
        self.scores, self.moved = left, False
        if wanted is None or not left or self.found == wanted:
            return
        key = letters if len({letters(name) for name in wanted} - {""}) == len(wanted) else str
        places = {key(name): k for name, k in zip(self.found, left, strict=True)}
        if len(places) != len(left) or places.keys() != {key(name) for name in wanted}:
            raise BenchError(f"{path}: {_class_difference(self.found, wanted)}")
        self.scores = [places[key(name)] for name in wanted]
        self.moved = self.scores != left


@dataclass(frozen=True, eq=False)
class _Table:
    """The cells of a csv or Excel file."""

    sheet: Sheet

    @property
    def header(self) -> list[str]:
        return self.sheet.header

    @property
    def rows(self) -> list[list[str]]:
        return self.sheet.rows

    @property
    def indices(self) -> set[str]:
        return set(self.sheet.index)

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
            if not self.sheet.comma:
                raise
            return [float(row[k] if "." in row[k] else row[k].replace(",", ".", 1)) for k in columns]

    def _read(self, k: int, read: Any, *what: Any) -> Any:
        try:
            return read(*what)
        except (ValueError, OverflowError) as error:
            raise BenchError(f"{self.sheet.path}, line {self.sheet.lines[k]}: {error}; {FIX}") from None


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


def _read(path: Path) -> "_Table | _ColumnTable":
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        table, indices = read_arrow(path)
        return _ColumnTable(path, list(table.column_names), list(table.columns), indices)
    return _Table(read_excel(path, FIX) if suffix in EXCEL else read_csv(path, "predictions file", FIX, PREDS))


def _as_written(column: np.ndarray) -> np.ndarray:
    """Numbers as a CSV would give them back, float64: float32 and smaller types are converted by decimal digits."""
    if column.dtype.kind == "f" and column.dtype.itemsize < 8:
        return column.astype(str).astype(float)
    return column.astype(float)


def _write_parquet(
    path: Path, classes: Sequence[str], rows: Sequence[tuple[str, int, np.ndarray | None]], answers: Sequence[int]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    scored = [row[2] for row in rows if row[2] is not None]
    scores = np.stack(scored) if scored else np.zeros((0, len(classes)), np.float32)
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
