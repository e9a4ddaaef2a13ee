"""Predictions from other frameworks.

| framework | file |
| --- | --- |
| mmaction 0.x (``tools/test.py --out``; StillMix's) | ``.pkl`` or ``.json``: a list of score arrays (C,), no ids |
| mmaction2 1.x (``--dump``) | ``.pkl``: a list of dicts with ``pred_score`` (or ``pred_scores.item``), ``gt_label`` |
| PySlowFast (``TEST.SAVE_RESULTS_PATH``) | ``.pkl``: ``[scores (N, C), labels (N,)]``, no ids |
| VideoMAE, InternVideo (``0.txt``) | lines ``id [scores] label chunk split``, a line per view |
| anything | ``.json``: ``{id: scores}``, or a list of records; ``.npy``: scores (N, C), no ids |

If a file has no ids, only the list file of the prediction run shows to which video each score belongs. Without the list
the file is refused, since a guessed order gives wrong figures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json
from benchmark_builder.utils.text import read_lines, read_table, read_text
from evaluator.predictions.files import (
    FORMATS,
    Predictions,
    VideoNames,
    class_number,
    make_predictions,
    read_predictions,
    softmax,
    without_ids,
)
from evaluator.testsets import TestSet

_FIX = "give our CSV or Parquet, or what mmaction2 writes with --out or --dump"
# Possible names of the scores, the video, the true and the predicted class in an entry.
_SCORES = ("pred_score", "pred_scores", "scores", "score", "logits")
_NAMES = ("id", "video_id", "filename", "frame_dir", "img_key", "video", "path", "name")
_LABELS = ("gt_label", "gt_labels", "label")
_PREDS = ("pred_label", "pred_labels", "pred")


def read_any_predictions(
    path: Path, test_set: TestSet, listing: Path | None = None, allow_missing: bool = False
) -> Predictions:
    """Read predictions of a test set in any known format, chosen by the suffix.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet`` (ours), ``.pkl``, ``.pickle``, ``.json``, ``.npy`` or ``.txt`` (see the
            table above). A pickle is read without running code in it.
        test_set: the test set of the predictions.
        listing: the list file that the other framework read (lines ``video [frames] label``); its order is the order
            of the scores. Needed if the file has no ids.
        allow_missing: accept a file without some videos.

    Raises:
        BenchError: as ``make_predictions``; also a pickle that would run code; a file without ids and no ``listing``;
            the numbers of scores and of lines in the list differ; a label in the file or the list differs from the
            test set's.
    """
    names = VideoNames(test_set.labels)
    order = None if listing is None else _order(listing, test_set, names)
    suffix = path.suffix.lower()
    dump: object
    if suffix in (*FORMATS, ".tsv"):
        return read_predictions(path, test_set.classes, test_set.labels, allow_missing, order)
    if suffix == ".txt":
        if not _is_videomae(path):
            return read_predictions(path, test_set.classes, test_set.labels, allow_missing, order)
        dump = _videomae(path)
    elif suffix in (".pkl", ".pickle"):
        dump = safe_pickle.load(path, "file of scores", _FIX)
    elif suffix == ".json":
        dump = _json(path)
    elif suffix == ".npy":
        dump = _npy(path)
    else:
        raise BenchError(f"{path}: unknown kind of predictions file {path.suffix!r}; {_FIX}")
    entries = _entries(dump, path, test_set.classes)
    named = [e.name for e in entries if e.name is not None]
    if len(named) == len(entries):
        ids = names.resolved(named, str(path))
        _check_order(ids, order if isinstance(dump, (list, tuple)) else None, path, listing)
    elif named:
        raise BenchError(f"{path}: some of its entries name their video, others do not; {_FIX}")
    elif order is None:
        raise without_ids(path, len(entries))
    elif len(order) != len(entries):
        raise BenchError(
            f"{path}: {len(entries)} predictions, but {listing} lists {len(order)} videos; give the --lists that "
            "it was predicted from, or predict again"
        )
    else:
        ids = order
    scores = np.zeros((len(ids), len(test_set.classes)))
    for k, (entry, video_id) in enumerate(zip(entries, ids, strict=True)):
        scores[k] = _scores(entry.scores, path, video_id, len(test_set.classes))
        if entry.label is not None and video_id in test_set.labels and entry.label != test_set.labels[video_id]:
            where = f"{path}: says {video_id!r} has label {entry.label}, the test set says {test_set.labels[video_id]}"
            raise BenchError(f"{where}; give the --lists it was predicted from, with labels that count from 0")
    labels = np.array([test_set.labels.get(i, 0) for i in ids], np.int64)
    preds = [e.pred for e in entries if e.pred is not None]
    answers = preds if entries and len(preds) == len(entries) else None
    return make_predictions(str(path), test_set.classes, ids, labels, scores, test_set.labels, allow_missing, answers)


def _order(listing: Path, test_set: TestSet, names: VideoNames) -> list[str]:
    """Ids in the order of a list file (or of a table with a column ``id``, such as a manifest.csv); its labels must
    be those of the test set."""
    fix = "give the list file that the predictions were made from"
    ids: list[str] = []
    seen: dict[str, int] = {}
    lines = read_lines(listing, "list file", fix)
    if lines and "id" in lines[0][1].split(","):
        columns, rows = read_table(listing, "list file", fix)
        at = columns.index("id") if "id" in columns else 0
        lines = [(number, row[at] if at < len(row) else "") for number, row in enumerate(rows, 2)]
    for number, line in lines:
        where = f"{listing}, line {number}"
        meant: dict[str, int | None] = dict.fromkeys(names.find(line))
        # Labels and counts are at the end; a class folder may contain spaces and digits.
        for pattern in (r"(.+?)[\s,;]+(-?\d+)", r"(.+?)[\s,;]+-?\d+[\s,;]+(-?\d+)"):
            if match := re.fullmatch(pattern, line):
                meant |= dict.fromkeys(names.find(match.group(1).strip("\"'")), int(match.group(2)))
        if len(meant) != 1:
            name = line.split()[0] if len(line.split()) < 4 else line
            what = (
                f"can be {' or '.join(map(repr, sorted(meant)[:2]))}" if meant else f"names no video of {test_set.name}"
            )
            raise BenchError(f"{where}: {name!r} {what}; give the list of that benchmark, with whole ids")
        ((video_id, label),) = meant.items()
        known = test_set.labels[video_id]
        if label is not None and label != known:
            told = f"label {label} of {video_id!r}, the test set says {known}"
            raise BenchError(f"{where}: {told}; {fix}, with labels that count from 0")
        if video_id in seen:
            raise BenchError(f"{where}: {video_id!r} is already in line {seen[video_id]}; {fix}")
        seen[video_id] = number
        ids.append(video_id)
    return ids


def _check_order(ids: Sequence[str], order: Sequence[str] | None, path: Path, listing: Path | None) -> None:
    """Entries with video names must be in the order of the given list."""
    if order is None or list(ids) == list(order):
        return
    if len(ids) != len(order):
        raise BenchError(
            f"{path}: {len(ids)} predictions, but {listing} lists {len(order)} videos; give its own --lists"
        )
    k = next(k for k, (a, b) in enumerate(zip(ids, order, strict=True)) if a != b)
    raise BenchError(
        f"{path}: entry {k} is {ids[k]!r}, {listing} has {order[k]!r} there; give its own --lists, or none"
    )


@dataclass(frozen=True)
class _Entry:
    """One video of a file; only its whole numbers are checked. ``name`` is None if the file does not give it."""

    scores: object
    name: str | None = None
    label: int | None = None
    pred: int | None = None


def _entries(dump: object, path: Path, classes: Sequence[str]) -> list[_Entry]:
    if isinstance(dump, dict):
        return [_entry(value, path, classes, str(name)) for name, value in dump.items()]
    if isinstance(dump, np.ndarray) and dump.ndim == 2:
        dump = list(dump)
    if not isinstance(dump, (list, tuple)):
        raise BenchError(f"{path}: holds a {type(dump).__name__}, not a list of scores; {_FIX}")
    if len(dump) == 2 and _dimensions(dump[0]) == 2 and _dimensions(dump[1]) == 1:  # PySlowFast
        scores, labels = np.asarray(dump[0]), np.asarray(dump[1])
        if len(scores) != len(labels):
            raise BenchError(f"{path}: has {len(scores)} scores and {len(labels)} labels; predict again")
        return [_Entry(row, label=_number(label, path, classes)) for row, label in zip(scores, labels, strict=True)]
    return [_entry(value, path, classes) for value in dump]


def _entry(value: object, path: Path, classes: Sequence[str], name: str | None = None) -> _Entry:
    if not isinstance(value, dict):
        return _Entry(value, name)
    scores = _field(value, _SCORES)
    if scores is None and all(c in value for c in classes):  # a record with one column per class
        scores = [value[c] for c in classes]
    own = _field(value, _NAMES)
    name = own if name is None and isinstance(own, str) else name
    label, pred = (_number(_field(value, names), path, classes) for names in (_LABELS, _PREDS))
    return _Entry(scores, name, label, pred)


def _field(entry: dict[object, object], names: Sequence[str]) -> object:
    """The first of the fields that exists; mmaction2 1.0 wraps labels and scores in ``{"item": …}``."""
    value = next((entry[name] for name in names if entry.get(name) is not None), None)
    return value.get("item") if isinstance(value, dict) else value


def _dimensions(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.ndim
    if isinstance(value, (list, tuple)) and value:
        return 1 + _dimensions(value[0])
    return 0


def _number(value: object, path: Path, classes: Sequence[str]) -> int | None:
    """The label of a class, from its number (also as an array with one element) or its name."""
    if value is None:
        return None
    try:
        (cell,) = [value] if isinstance(value, str) else np.asarray(value).reshape(-1).tolist()
        return class_number(cell, classes)
    except (TypeError, ValueError):
        raise BenchError(f"{path}: has a label that is no class ({str(value)[:40]!r}); {_FIX}") from None


def _scores(entry: object, path: Path, video_id: str, classes: int) -> np.ndarray:
    try:
        scores = np.asarray(entry, dtype=float)
    except (TypeError, ValueError, OverflowError):
        scores = np.zeros(0)
    if scores.shape != (classes,):
        where = f"{path}: the entry of {video_id!r} is not {classes} scores (shape {scores.shape})"
        raise BenchError(f"{where}; dump clip-averaged scores of a network with the test set's classes")
    return scores


_VIEW = re.compile(r"(.+?)\s*\[([^\]]*)\]\s*(-?\d+)((?:\s+-?\d+)*)")


def _is_videomae(path: Path) -> bool:
    lines = read_lines(path, "predictions file", _FIX)
    return any(_VIEW.fullmatch(line) for _, line in lines[:2])


def _videomae(path: Path) -> dict[str, dict[str, object]]:
    """Lines ``id [logits] label chunk split``; the softmax is averaged over a video's views, as VideoMAE does.

    Scores that are already probabilities are averaged without softmax.
    """
    views: dict[str, list[np.ndarray]] = {}
    labels: dict[str, int] = {}
    for k, (number, line) in enumerate(read_lines(path, "predictions file", _FIX)):
        match = _VIEW.fullmatch(line)
        if match is None:
            if k == 0 and re.fullmatch(r"[-+.\deE]+\s*,\s*[-+.\deE]+", line):  # top-1, top-5
                continue
            raise BenchError(f"{path}, line {number}: is not `id [scores] label chunk split`; {_FIX}")
        name, label = match.group(1), int(match.group(3))
        try:
            scores = np.array([float(cell) for cell in match.group(2).replace(",", " ").split()])
        except ValueError as error:
            raise BenchError(f"{path}, line {number}: {error}; {_FIX}") from None
        if labels.setdefault(name, label) != label:
            raise BenchError(
                f"{path}, line {number}: label {label} of {name!r}, another line says {labels[name]}; {_FIX}"
            )
        same = views.setdefault(name, [])
        if same and len(same[0]) != len(scores):
            raise BenchError(f"{path}, line {number}: {len(scores)} scores, another line has {len(same[0])}; {_FIX}")
        same.append(scores)
    found = {}
    for name, same in views.items():
        stack = np.stack(same)
        likely = stack.size and np.isfinite(stack).all() and stack.min() >= 0
        probable = likely and np.allclose(stack.sum(1), 1, rtol=0, atol=1e-3)
        usable = stack if probable or not stack.size else softmax(stack)
        found[name] = {"scores": usable.mean(0), "label": labels[name]}
    return found


def _npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
        if isinstance(array, np.ndarray) and not array.size and max(array.shape) > 0:
            raise ValueError(f"its shape is {array.shape}")  # a million empty rows need no space in the file
        return array
    except FileNotFoundError:
        raise BenchError(f"{path}: no such predictions file; name another") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BenchError(f"{path}: not readable as .npy ({(str(error).splitlines() or ['?'])[0]}); {_FIX}") from None


def _json(path: Path) -> object:
    text = read_text(path, "predictions file", "name another")
    try:
        return parse_json(text)
    except ValueError as error:
        raise BenchError(f"{path}: not readable JSON ({error}); {_FIX}") from None
