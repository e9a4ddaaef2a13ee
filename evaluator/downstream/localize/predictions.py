"""Predicted segments that OpenTAD, ActionFormer, TriDet and this toolkit have written.

| written by | form |
| --- | --- |
| OpenTAD, this toolkit, ActivityNet | json: ``{"results": {ID: [{"segment": [s, e], "label": …, "score": …}]}}`` |
| ActionFormer | json: ``{"database": {ID: [{"segment", "label_id", "scores"}]}}``, or the table of videos alone |
| ActionFormer, TriDet | ``eval_results.pkl``: ``video-id``, ``t-start``, ``t-end``, ``label``, ``score`` |
| a DataFrame with these columns | csv, or the object in Python |

Times are seconds. Labels are names, or numbers that the truth explains. A prediction that cannot be read is left out
and listed.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json, write_json
from benchmark_builder.utils.text import composed, counted, letters, read_table, read_text
from evaluator.downstream.localize.metrics import Spans
from evaluator.downstream.localize.truth import Truth

COLUMNS = ("video-id", "t-start", "t-end", "label", "score")
SUFFIXES = (".json", ".pkl", ".pickle", ".csv")
FIX = ('give the json of OpenTAD ({"results": {VIDEO: [{"segment", "label", "score"}]}}), the eval_results.pkl of '
       f"ActionFormer or TriDet, or a csv with the columns {', '.join(COLUMNS)}")  # fmt: skip
Row = tuple[str, object, object, object, object, object]  # place, video, start, end, label, score


@dataclass(frozen=True)
class Predictions:
    """The predictions of a file.

    Attributes:
        spans: with the names of the truth's classes. Those of videos in other subsets of the truth are not here.
        left_out: (video, place in the file, reason) of what is not scored.
        notes: for the user.
    """

    spans: Spans
    left_out: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    notes: list[str] = field(default_factory=list[str])


def read_predictions(given: Path | Any, truth: Truth) -> Predictions:
    """Read predictions, and give them the names of the truth's classes.

    Args:
        given: a file, or what is in one: a dict, or a DataFrame.
        truth: what they are compared with.

    Raises:
        BenchError: the file is missing, is none of the forms, has no prediction that can be read, or none whose video
            or class the truth knows; or labels are numbers and the truth does not explain them. A file that names
            videos of the truth, all with empty lists, is valid: it predicts nothing.
    """
    source = str(given) if isinstance(given, Path | str) else "predictions"
    document = _loaded(Path(given)) if isinstance(given, Path | str) else given
    read = _Reading(source, truth)
    for row in _rows(source, document):
        read.add(*row)
    return read.finished([str(video) for video in _table(document)])


def write_predictions(path: Path, spans: Spans, videos: Sequence[str], head: str) -> None:
    """Write OpenTAD's json. ``videos``: all that were predicted, also those without a segment."""
    assert spans.scores is not None
    results: dict[str, list[dict[str, object]]] = {video: [] for video in videos}
    for video, label, times, score in zip(
        spans.videos, spans.labels, spans.times.tolist(), spans.scores.tolist(), strict=True
    ):
        results[video].append({"segment": times, "label": label, "score": score})
    write_json(path, {"version": f"albar-bench {head}", "external_data": {}, "results": results})


def _loaded(path: Path) -> Any:
    """What a file contains."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BenchError(f"{path}: predictions are files that end in {', '.join(SUFFIXES)}; {FIX}")
    if suffix in (".pkl", ".pickle"):
        return safe_pickle.load(path, "file of predictions", f"{FIX}; a DataFrame can be saved with to_csv")
    if suffix == ".csv":
        names, rows = read_table(path, "file of predictions", FIX)
        if len(set(names)) < len(names):
            raise BenchError(f"{path}: has a column twice; {FIX}")
        for number, row in enumerate(rows, 2):
            if len(row) != len(names):
                raise BenchError(f"{path}, line {number}: {counted(len(row), 'cell')} instead of {len(names)}; {FIX}")
        return {name: [_cell(row[k]) for row in rows] for k, name in enumerate(names)}
    text = read_text(path, "file of predictions", FIX)
    try:
        return parse_json(text, unique=True)
    except ValueError as error:
        raise BenchError(f"{path}: not a json file of predictions ({error}); {FIX}") from None


def _cell(text: str) -> object:
    """A number as such; other text as it is."""
    try:
        return int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


def _rows(source: str, document: Any) -> Iterator[Row]:
    if hasattr(document, "columns") and hasattr(document, "to_dict"):  # a DataFrame
        document = {str(name): document[name].tolist() for name in document.columns}
    if not isinstance(document, Mapping):
        raise BenchError(f"{source}: holds a {type(document).__name__}, no predictions; {FIX}")
    if "video-id" in document or "t-start" in document:
        return _of_columns(source, document)
    table = _table(document)
    if any(isinstance(v, Mapping) and "annotations" in v for v in table.values()):
        raise BenchError(f"{source}: holds annotations, no predictions; give it with --truth")
    if not table or not all(isinstance(v, Sequence) and not isinstance(v, str) for v in table.values()):
        raise BenchError(f"{source}: is not a table of videos with lists of predictions; {FIX}")
    return _of_table(table)


def _table(document: Any) -> Mapping[Any, Any]:
    """The table of videos in a document; empty if it has another form."""
    if not isinstance(document, Mapping):
        return {}
    found = (document[name] for name in ("results", "database") if isinstance(document.get(name), Mapping))
    return next(found, document)


def _of_columns(source: str, document: Mapping[Any, Any]) -> Iterator[Row]:
    missing = [name for name in COLUMNS if name not in document]
    if missing:
        raise BenchError(f"{source}: has no column {', '.join(missing)}; {FIX}")
    columns = []
    for name in COLUMNS:
        column = document[name]
        if isinstance(column, np.ndarray):
            column = column.tolist() if column.ndim == 1 else None
        if not isinstance(column, list | tuple):
            raise BenchError(f"{source}: {name} is no list of values; {FIX}")
        columns.append(column)
    if len({len(column) for column in columns}) > 1:
        said = ", ".join(f"{name} {len(column)}" for name, column in zip(COLUMNS, columns, strict=True))
        raise BenchError(f"{source}: its columns have different lengths ({said}); {FIX}")
    for k, (video, start, end, label, score) in enumerate(zip(*columns, strict=True)):
        yield f"row {k + 1}", video, start, end, label, score


def _of_table(table: Mapping[Any, Any]) -> Iterator[Row]:
    for video, entries in table.items():
        for k, entry in enumerate(entries):
            own = entry if isinstance(entry, Mapping) else {}
            segment = own.get("segment")
            if isinstance(segment, np.ndarray):
                segment = segment.tolist()
            start, end = segment if isinstance(segment, list | tuple) and len(segment) == 2 else (None, None)
            label = own.get("label", own.get("label_id"))
            yield f"{video}, entry {k + 1}", video, start, end, label, own.get("score", own.get("scores"))


def _number(value: object) -> float | None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


class _Reading:
    """Checks predictions one by one."""

    def __init__(self, source: str, truth: Truth) -> None:
        self.source, self.truth = source, truth
        self.rows: list[tuple[str, str, float, float, float]] = []
        self.left_out: list[tuple[str, str, str]] = []
        self.unknown_labels: Counter[str] = Counter()
        self.elsewhere: Counter[str] = Counter()
        self.skipped = {name for name, _ in truth.left_out}
        self.bad = self.total = 0
        self.known: dict[object, str | None] = {}

    def add(self, place: str, video: object, start: object, end: object, label: object, score: object) -> None:
        self.total += 1
        first, last, value = _number(start), _number(end), _number(score)
        name = composed(str(video)) if isinstance(video, str | int) and not isinstance(video, bool) else ""
        if isinstance(label, np.generic):
            label = label.item()
        reason = ""
        if not name:
            reason = f"its video is {str(video)[:40]!r}"
        elif first is None or last is None or not (math.isfinite(first) and math.isfinite(last)):
            reason = "its segment is not two finite numbers, start and end"
        elif last < first:
            reason = f"it ends ({last:g}) before it starts ({first:g})"
        elif value is None or not math.isfinite(value):
            reason = "its score is not a finite number"
        elif isinstance(label, bool) or not isinstance(label, str | int | float) or label == "":
            reason = f"its label is {str(label)[:40]!r}"
        if reason:
            self.bad += 1
            self.left_out.append((name, place, reason))
            return
        assert first is not None and last is not None and value is not None
        if name in self.skipped:
            self.elsewhere["videos that are left out"] += 1
        elif name in self.truth.elsewhere:
            self.elsewhere["videos of other subsets"] += 1
        else:
            if label not in self.known:
                self.known[label] = self._name(label)
            found = self.known[label]
            if found is None:
                self.unknown_labels[str(label)] += 1
            else:
                self.rows.append((name, found, first, last, value))

    def _name(self, label: object) -> str | None:
        """The truth's name of a class; None if it has none."""
        classes = self.truth.classes
        if isinstance(label, str) and label in classes:
            return label
        if isinstance(label, str):
            alike = [c for c in classes if letters(c) == letters(label)] if letters(label) else []
            if len(alike) == 1:
                return alike[0]
        try:
            number = int(label)  # type: ignore[call-overload]
            if isinstance(label, float) and number != label:
                return None
        except (ValueError, OverflowError):
            return None
        if not self.truth.numbers:
            raise BenchError(f"{self.source}: labels are numbers ({label}), and {self.truth.source} does not say which "
                             "classes they are; give the class names in label order with --classes FILE")  # fmt: skip
        return self.truth.numbers.get(number)

    def finished(self, videos: Sequence[str]) -> Predictions:
        """The predictions. ``videos``: those that the file names, also without a prediction."""
        source, truth, rows = self.source, self.truth, self.rows
        if not self.total and any(composed(video) in truth.videos for video in videos):
            return Predictions(
                Spans([], [], np.zeros((0, 2)), np.zeros(0)),
                [],
                [f"{source}: predicts no segment at all, which scores 0"],
            )
        if not self.total:
            raise BenchError(f"{source}: has no predictions; {FIX}")
        if self.bad == self.total:
            _, place, reason = self.left_out[0]
            raise BenchError(f"{source}: none of its {self.total} predictions can be read; {place}: {reason}; {FIX}")
        if not rows and self.unknown_labels:
            said = ", ".join(list(self.unknown_labels)[:3])
            raise BenchError(f"{source}: its labels ({said}) are no classes of {truth.source} "
                             f"({', '.join(truth.classes[:3])} …); give predictions of this dataset")  # fmt: skip
        strange = Counter(r[0] for r in rows if r[0] not in truth.videos)
        if sum(strange.values()) == len(rows):
            said = next(iter(strange), None) or f"{sum(self.elsewhere.values())} of {' and '.join(self.elsewhere)}"
            raise BenchError(f"{source}: none of its videos ({said}) is in subset {truth.subset} of {truth.source} "
                             f"({next(iter(truth.videos))} …); give predictions of these videos")  # fmt: skip
        notes = []
        if self.bad:
            _, place, reason = self.left_out[0]
            notes.append(f"predictions that cannot be read, and are left out: {self.bad} of {self.total}; the first: "
                         f"{place}: {reason}")  # fmt: skip
        notes += [f"predictions of {where}, left out: {n}" for where, n in self.elsewhere.items()]
        if self.unknown_labels:
            said = ", ".join(list(self.unknown_labels)[:3])
            notes.append("predictions with labels that are no classes of the truth, left out: "
                         f"{sum(self.unknown_labels.values())} ({said})")  # fmt: skip
        if strange:
            first = next(iter(strange))
            notes.append("predictions of videos that the truth does not have, wrong as in the peers' code: "
                         f"{sum(strange.values())} of {counted(len(strange), 'video')} (first: {first})")  # fmt: skip
        late = sum(1 for v, _, start, _, _ in rows if (d := truth.videos.get(v)) is not None and start > d + 1)
        if late:
            notes.append(f"predictions that start after the end of their video: {late}; are their times seconds?")
        spans = Spans(
            [r[0] for r in rows], [r[1] for r in rows], np.array([r[2:4] for r in rows], dtype=np.float64),
            np.array([r[4] for r in rows], dtype=np.float64),
        )  # fmt: skip
        return Predictions(spans, self.left_out, notes)
