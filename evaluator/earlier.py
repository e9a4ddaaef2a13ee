"""What an earlier run of the same model on the same videos measured and a new run does not: it stays in the record."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside
from evaluator.predictions.files import Predictions, read_predictions
from evaluator.records import ResultsRecord, TimedSet, TrueScenes, read_record
from evaluator.testsets import TestSet
from evaluator.time_order import TimeOrder


def earlier_times(
    path: Path, out: Path, sets: Sequence[TestSet], timed: Sequence[TestSet], of_run: dict[str, Any]
) -> list[tuple[TestSet, Predictions, TimedSet]]:
    """Sets in other orders that an earlier run of the same model measured on the same videos, and this one does not.

    Their predictions are there, so their drops stay in the record, which this run writes again.
    """
    record = _record(path, of_run)
    if record is None:
        return []
    known = {s.name: s for s in sets if any((s.name, s.digest) == (r.name, r.digest) for r in record.sets)}
    now = {t.name for t in timed}
    found = []
    for told in record.timed:
        s = known.get(told.of_set)
        if s is None or told.name in now or told.predictions is None:
            continue
        try:
            file = inside(out, told.predictions)
            p = read_predictions(file, s.classes, s.labels, allow_missing=told.top1.missing > 0)
        except BenchError:
            continue  # deleted, or changed
        order = TimeOrder(told.time, told.seed)
        found.append((replace(s, name=told.name, digest=told.digest, time=order, plain=s.name), p, told))
    return found


def earlier_scenes(
    path: Path, out: Path, sets: Sequence[TestSet], of_run: dict[str, Any]
) -> tuple[str, TrueScenes, Predictions] | None:
    """The set, the true scenes and the answers of an earlier run of the same model on the same videos, if it measured
    them and this one cannot."""
    record = _record(path, of_run)
    known = {(s.name, s.digest) for s in sets}
    for told in record.sets if record is not None else []:
        if told.scenes is not None and (told.name, told.digest) in known:
            try:
                return told.name, told.scenes, read_predictions(inside(out, told.scenes.predictions))
            except BenchError:
                return None  # deleted, or changed
    return None


def _record(path: Path, of_run: dict[str, Any]) -> ResultsRecord | None:
    """The record at ``path`` if it is of the same model and clips."""
    if not path.is_file():
        return None
    try:
        record = read_record(path)
    except BenchError:
        return None  # it will be written again
    return None if any(record.plain().get(name) != value for name, value in of_run.items()) else record
