"""Predictions without scores: one class per video, by name or number, in tables, JSON and JSON lines.

| file | content |
| --- | --- |
| ``.csv``, ``.tsv``, ``.txt``, ``.xlsx``, ``.parquet`` | columns ``id`` and ``pred``, or ``label`` too, in any order |
| ``.json`` | ``{id: class}``, or a list of records with ``id`` and ``pred`` |
| ``.jsonl`` | lines with ``id`` and ``pred`` |

Nothing is taken for granted where it changes a figure: what has two meanings is refused, and what had to be assumed is
said in ``Predictions.notes``.
"""

import csv
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.datasets.readable import readable
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import composed, counted, letters, meant
from benchmark_builder.utils.video_names import VideoNames
from evaluator.predictions.files import (
    IDS,
    LABELS,
    LISTED,
    NO_ANSWER,
    PREDS,
    Predictions,
    make_predictions,
    without_ids,
)
from evaluator.predictions.tables import EXCEL, Sheet, read_csv, read_excel, read_parquet_text
from evaluator.testsets import TestSet

FIX = "give a file of columns id,pred (`bench score --template BENCHMARK` writes one to fill in)"
HOW = ("auto", "names", "from-0", "from-1")  # how classes are written: --answers
EMPTY = {"", "nan", "none", "null", "na", "n/a", "<na>", "nat", "#n/a"}  # what programs write into an empty cell
# Further columns that a table may have, and that are not read.
_KNOWN = {"index", "class_name", "source_id", "split", "dataset", "kind", "model", "fold"}


@dataclass(frozen=True)
class Answer:
    """One row of a file.

    Attributes:
        name: the video as the file calls it; None if it does not.
        pred, label: the cells: a text or a number; None if there is none.
        where: the place in the file, such as ``line 3``.
    """

    name: str | None
    pred: object
    label: object = None
    where: str = ""


def video_names(test_set: TestSet, also: Mapping[str, str] | None = None) -> VideoNames:
    """Finds the videos of a test set by id or file; ``also``: further names -> ids."""
    return VideoNames(test_set.labels, {str(item.path): item.id for item in test_set.items} | dict(also or {}))


def without_scores(
    answers: Sequence[Answer],
    path: Path,
    test_set: TestSet,
    order: Sequence[str] | None = None,
    how: str = "auto",
    allow_missing: bool = False,
) -> Predictions:
    """Predictions from the rows of a file.

    Args:
        answers: the rows, in any order.
        path: the file, for messages.
        test_set: the test set.
        order: ids of the rows, if they do not name their videos.
        how: how classes are written, one of :data:`HOW`: names, numbers from 0 or from 1; ``auto``: names, or numbers
            from 0 unless the file shows that they count from 1.
        allow_missing: leave out rows without an answer and videos without a row, and note them in ``missing``.

    Raises:
        BenchError: an id is unknown, missing or occurs twice; an answer is empty or no class, or can be two classes; a
            label is not the test set's; numbers seem to count from 1.
    """
    ids = _ids(answers, path, test_set, order)
    notes = []
    empty = [k for k, answer in enumerate(answers) if _is_empty(answer.pred, test_set.classes)]
    if empty and not allow_missing:
        first = ", ".join(f"{ids[k]!r} ({answers[k].where})" for k in empty[:LISTED])
        fix = "fill them in (-1: the model gave no answer, counted as wrong), or pass --allow-missing to score the rest"
        raise BenchError(f"{path}: {_count(len(empty), 'answer')} missing in the column pred: {first}{_more(empty)}; "
                         f"{fix}")  # fmt: skip
    if empty:
        notes.append(f"{path}: {_count(len(empty), 'row')} without an answer, counted as missing")
    kept = [k for k in range(len(answers)) if k not in set(empty)]
    reader = _Classes(path, test_set, [ids[k] for k in kept], [answers[k] for k in kept], how)
    preds = reader.preds()
    labels = np.array([test_set.labels[i] for i in reader.ids], np.int64)
    return make_predictions(
        str(path), test_set.classes, reader.ids, labels, None, test_set.labels, allow_missing, preds,
        notes=(*notes, *reader.notes),
    )  # fmt: skip


def _ids(answers: Sequence[Answer], path: Path, test_set: TestSet, order: Sequence[str] | None) -> list[str]:
    named = [a.name for a in answers if a.name is not None]
    if len(named) != len(answers):
        if named:
            raise BenchError(f"{path}: some of its rows name their video, others do not; {FIX}")
        if order is None:
            raise without_ids(path, len(answers))
        if len(order) != len(answers):
            raise BenchError(f"{path}: {len(answers)} rows, but its list names {len(order)} videos; give the --lists "
                             "that it was predicted from")  # fmt: skip
        return list(order)
    ids = video_names(test_set).resolved(named, str(path))
    unknown = [k for k, video_id in enumerate(ids) if video_id not in test_set.labels]
    if unknown:
        first = ", ".join(f"{ids[k]!r} ({answers[k].where})" for k in unknown[:LISTED])
        raise BenchError(f"{path}: {_count(len(unknown), 'id')} not in {test_set.name}: {first}{_more(unknown)}; "
                         "is it the right benchmark? ids are those of its manifest.csv, or its files")  # fmt: skip
    rows: dict[str, list[int]] = {}
    for k, video_id in enumerate(ids):
        rows.setdefault(video_id, []).append(k)
    twice = {video_id: at for video_id, at in rows.items() if len(at) > 1}
    if twice:
        video_id, at = next(iter(twice.items()))
        apart = {str(answers[k].pred) for k in at}
        said = f" with different answers ({', '.join(map(repr, sorted(apart)[:3]))})" if len(apart) > 1 else ""
        where = " and ".join(answers[k].where for k in at[:2])
        more = f", as do {len(twice) - 1} more" if len(twice) > 1 else ""
        raise BenchError(f"{path}: id {video_id!r} occurs {len(at)} times{said}, in {where}{more}; keep one row per "
                         "video")  # fmt: skip
    if order is not None and ids != list(order):
        raise BenchError(f"{path}: its ids are not in the order of the list; give its own --lists, or none")
    return ids


class _Classes:
    """Reads the columns of answers and labels of a file together.

    Attributes:
        ids: of the rows. notes: what was assumed.
    """

    def __init__(self, path: Path, test_set: TestSet, ids: list[str], answers: list[Answer], how: str) -> None:
        self.path, self.test_set, self.ids, self.how = path, test_set, ids, how
        self.classes = test_set.classes
        self.notes: list[str] = []
        self._answers = answers
        self._names = ClassNames(self.classes, test_set.dataset)

    def preds(self) -> list[int]:
        """The number of each answer's class, from 0; NO_ANSWER for -1."""
        preds = self._cells("pred", [a.pred for a in self._answers])
        told = [k for k, a in enumerate(self._answers) if not _is_empty(a.label, self.classes)]
        if told and len(told) < len(self._answers):
            k = next(k for k in range(len(self._answers)) if k not in set(told))
            raise BenchError(f"{self.path}, {self._answers[k].where}: the label of {self.ids[k]!r} is missing; fill it "
                             "in, or delete the column")  # fmt: skip
        labels = self._cells("label", [a.label for a in self._answers]) if told else []
        base = self._base(preds, labels)
        for k, cell in enumerate(labels):
            known = self.test_set.labels[self.ids[k]]
            value = cell.value - base if cell.number else cell.value
            if value != known:
                said = f"{str(self._answers[k].label)!r}"
                raise BenchError(
                    f"{self.path}, {self._answers[k].where}: {self.ids[k]!r} has label {said}, the test set says "
                    f"{self.classes[known]!r} ({known}); are the classes and ids those of {self.test_set.name}?"
                )
        found = [c.value - base if c.number and c.value != NO_ANSWER else c.value for c in preds]
        for k, value in enumerate(found):
            if not NO_ANSWER <= value < len(self.classes) or (value == NO_ANSWER and preds[k].value != NO_ANSWER):
                what = f"pred {preds[k].value} of {self.ids[k]!r} is outside {base}..{len(self.classes) - 1 + base}"
                raise BenchError(f"{self.path}, {self._answers[k].where}: {what}, the numbers of the classes; {FIX}")
        return found

    def _base(self, preds: "list[_Cell]", labels: "list[_Cell]") -> int:
        """The number of the first class."""
        if self.how in ("from-0", "from-1"):
            return int(self.how[-1])
        numbers = [(k, c.value) for k, c in enumerate(preds) if c.number and c.value != NO_ANSWER]
        own = [self.test_set.labels[i] for i in self.ids]
        true = [(cell.value, own[k]) for k, cell in enumerate(labels) if cell.number]
        values = [value for _, value in numbers] + [value for value, _ in true]
        if not values:
            return 0
        fix = "give --answers from-1 if they do, --answers from-0 if not"
        if true and any(a != b for a, b in true) and all(a == b + 1 for a, b in true):
            what = "its labels are the test set's plus 1, so numbers seem to count from 1"
            raise BenchError(f"{self.path}: {what}; {fix}")
        if not true and min(values) >= 1:
            hits = [sum(value - base == own[k] for k, value in numbers) for base in (0, 1)]
            if max(values) == len(self.classes) or hits[1] > hits[0]:
                raise BenchError(
                    f"{self.path}: the numbers in pred are {min(values)} to {max(values)} and seem to count from 1 "
                    f"({hits[1]} of {len(preds)} answers are then right, else {hits[0]}); {fix}"
                )
        if not true:
            first, last = self.classes[0], self.classes[-1]
            self.notes.append(
                f"{self.path}: pred holds numbers; assumed that they count from 0 in the order of the benchmark's "
                f"classes (0 = {first!r}, {len(self.classes) - 1} = {last!r}); else give --answers from-1, or names"
            )
        return 0

    def _cells(self, column: str, given: Sequence[object]) -> "list[_Cell]":
        cells: dict[str, _Cell] = {}
        wrong: dict[str, list[int]] = {}
        for k, value in enumerate(given):
            text = text_of(value)
            if text in cells:
                continue
            number = None if self.how == "names" else whole_number(text)
            named = self._names.find(text)
            if number is not None and named and self.how == "auto" and named != [number]:
                raise BenchError(
                    f"{self.path}, {self._answers[k].where}: {text!r} can be class number {number} or the class named "
                    f"{self.classes[named[0]]!r} (number {named[0]}); give --answers names, from-0 or from-1"
                )
            if number is not None:
                cells[text] = _Cell(number, True)
            elif len(named) == 1:
                cells[text] = _Cell(named[0], False)
            elif named:
                either = " or ".join(repr(self.classes[c]) for c in named[:3])
                raise BenchError(f"{self.path}, {self._answers[k].where}: {text!r} can be {either}; write the class "
                                 "exactly as the benchmark does")  # fmt: skip
            else:
                wrong.setdefault(text, []).append(k)
        if wrong:
            times = Counter(text_of(value) for value in given)
            raise self._unmatched(column, wrong, times)
        return [cells[text_of(value)] for value in given]

    def _unmatched(self, column: str, wrong: Mapping[str, list[int]], times: Counter[str]) -> BenchError:
        listed = []
        for text, at in list(wrong.items())[:LISTED]:
            near = self._names.nearest(text)
            like = f", like {near!r}?" if near else ""
            short = text if len(text) <= 40 else text[:37] + "…"
            several = f", {times[text]} times" if times[text] > 1 else ""
            listed.append(f"{short!r} ({self._answers[at[0]].where}{several}{like})")
        count = sum(times[text] for text in wrong)
        some = ", ".join(map(repr, self.classes[:3]))
        fix = f"write names of its {len(self.classes)} classes ({some}, …), or numbers"
        sentences = any(len(text) == 1 or " " in text for text in wrong)
        asked = "; answers to the questions of `bench export --layout qa` need --questions" if sentences else ""
        what = f"{_count(count, column, 'in the column ' + column + ' ')} no class of {self.test_set.name}"
        return BenchError(f"{self.path}: {what}: {', '.join(listed)}{_more(list(wrong))}; {fix}{asked}")


@dataclass(frozen=True)
class _Cell:
    """What a cell means: a number as written, or (``number`` false) the class of a name."""

    value: int
    number: bool


class ClassNames:
    """Finds classes by their names: as written; whatever the case; by letters and digits alone; by the letters of the
    readable phrase (``drawing a sword``).

    Args:
        classes: names in label order; kept as an attribute.
        dataset: whose classes they are.
    """

    def __init__(self, classes: Sequence[str], dataset: str = "") -> None:
        self.classes = list(classes)
        self._tables: list[tuple[Callable[[str], str], dict[str, list[int]]]] = []
        for key in (composed, lambda text: composed(text).strip().casefold(), letters):
            self._add(key, classes)
        self._letters = self._tables[-1][1]
        self._add(letters, [readable(name, dataset) for name in classes])

    def _add(self, key: Callable[[str], str], names: Sequence[str]) -> None:
        table: dict[str, list[int]] = {}
        for k, name in enumerate(names):
            table.setdefault(key(name), []).append(k)
        self._tables.append((key, table))

    def find(self, text: str) -> list[int]:
        """The classes that a text can name, none if it names none."""
        for key, table in self._tables:
            wanted = key(text)
            if wanted and wanted in table:
                return table[wanted]
        return []

    def nearest(self, text: str) -> str | None:
        """The class whose name is most like a text that names none; None if none is like it."""
        found = difflib.get_close_matches(letters(text), [name for name in self._letters if name], 1, 0.7)
        return self.classes[self._letters[found[0]][0]] if found else None


def whole_number(text: str) -> int | None:
    """A whole number such as ``3`` or ``3.0``; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**31 and "_" not in text else None


def text_of(value: object) -> str:
    """A cell as text; an array with one element is its element."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return "" if value is None else meant(str(value)).strip()


def _is_empty(value: object, classes: Sequence[str]) -> bool:
    text = text_of(value)
    return text.lower() in EMPTY and text not in classes


def _count(n: int, noun: str, words: str = "") -> str:
    """``3 answers are``, ``1 answer is``; ``words`` in place of the noun."""
    if words:
        return counted(n, f"cell {words}is", f"cells {words}are")
    return counted(n, f"{noun} is", f"{noun}s are")


def _more(found: Sequence[object]) -> str:
    return f" and {len(found) - LISTED} more" if len(found) > LISTED else ""


def is_scored(sheet: Sheet, classes: Sequence[str]) -> bool:
    """Whether a table has columns of scores: at least one column has the name of a class (and is not ``pred``, …).

    A table with none of the columns of predictions has no header: its first row may be an id and a class.
    """
    read = {sheet.column(IDS), sheet.column(LABELS), sheet.column(PREDS)}
    if read == {None}:
        return False
    names = {letters(name) for name in classes} - {""}
    return any(k not in read and letters(name) in names for k, name in enumerate(sheet.header))


def read_sheet(path: Path, first: bool = False) -> Sheet:
    """A table of any format, by its suffix. ``first``: its header alone, where that is faster.

    Raises:
        BenchError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in EXCEL:
        return read_excel(path, FIX)
    if suffix == ".parquet":
        return read_parquet_text(path, FIX, first)
    try:
        return read_csv(path, "predictions file", FIX, (*PREDS, *IDS), first)
    except csv.Error as error:
        raise BenchError(f"{path}: is not a csv file ({error}); {FIX}") from None


def table_answers(sheet: Sheet, ordered: bool = False) -> list[Answer]:
    """The rows of a table of answers.

    Args:
        sheet: the table.
        ordered: it may lack ids, since a list gives the order.

    Raises:
        BenchError: a column is missing, occurs twice, or is none that is known.
    """
    path = sheet.path
    sheet.check(FIX)
    at_pred, at_id, at_label = sheet.column(PREDS), sheet.column(IDS), sheet.column(LABELS)
    if at_pred is None or (at_id is None and not ordered):
        if at_pred is not None:
            raise without_ids(path, len(sheet.rows))
        names = ", ".join(map(repr, sheet.header[:6])) if any(sheet.header) else "nothing"
        lacking = "no column pred" if at_id is not None else "no columns id and pred"
        raise BenchError(f"{path}: not a predictions file, it has {lacking} (its first line has {names}); {FIX}")
    files = [k for k in (sheet.column((name,)) for name in IDS) if k is not None and k != at_id]
    used = {at_pred, at_id, at_label, *files}
    others = [
        name for k, name in enumerate(sheet.header)
        if k not in used and name.strip() and name.strip().casefold() not in _KNOWN
        and name not in sheet.index and not name.casefold().startswith("unnamed:")
    ]  # fmt: skip
    if others:
        listed = ", ".join(map(repr, others[:LISTED])) + _more(others)
        what = f"{_count(len(others), 'column')} neither a class of the benchmark nor id, file, label or pred"
        raise BenchError(f"{path}: {what}: {listed}; delete them, or score the file with its own benchmark")
    return list(_rows(sheet, at_id, at_pred, at_label))


def _rows(sheet: Sheet, at_id: int | None, at_pred: int, at_label: int | None) -> Iterator[Answer]:
    where = sheet.row_word
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        name = None if at_id is None else row[at_id]
        if name is not None and not name.strip():
            raise BenchError(f"{sheet.path}, {where} {line}: the id is missing; fill it in, or delete the row")
        yield Answer(name, row[at_pred], None if at_label is None else row[at_label], f"{where} {line}")
