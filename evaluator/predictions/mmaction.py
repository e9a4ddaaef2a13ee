"""Predictions from other frameworks.

| framework | file |
| --- | --- |
| mmaction 0.x (``tools/test.py --out``; StillMix's) | ``.pkl`` or ``.json``: a list of score arrays (C,), no ids |
| mmaction2 1.x (``--dump``) | ``.pkl``: a list of dicts with ``pred_score`` (or ``pred_scores.item``), ``gt_label`` |
| PySlowFast (``TEST.SAVE_RESULTS_PATH``) | ``.pkl``: ``[scores (N, C), labels (N,)]``, no ids |
| VideoMAE, InternVideo | lines ``id [scores] label chunk split``, one per view; or a folder of such files per process |
| anything | ``.json``: ``{id: scores}``, or a list of records; ``.jsonl``; ``.npy``: scores (N, C), no ids |

Files without scores: :mod:`~evaluator.predictions.answers`.

If a file has no ids, only the list file of the prediction run shows to which video each score belongs. Without the list
the file is refused, since a guessed order gives wrong figures.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json
from benchmark_builder.utils.folders import files_of
from benchmark_builder.utils.text import read_lines, read_table, read_text
from evaluator.predictions.answers import (
    Answer,
    ClassNames,
    is_scored,
    read_sheet,
    table_answers,
    video_names,
    whole_number,
    without_scores,
)
from evaluator.predictions.files import (
    FORMATS,
    IDS,
    LABELS,
    PREDS,
    Predictions,
    VideoNames,
    make_predictions,
    read_predictions,
    softmax,
    without_ids,
)
from evaluator.predictions.tables import EXCEL
from evaluator.testsets import TestSet

_FIX = "give columns id,pred as CSV, our CSV or Parquet, or what mmaction2 writes with --out or --dump"
# Possible names of the scores, the true and the predicted class in an entry.
_SCORES = ("pred_score", "pred_scores", "scores", "score", "logits")
_LABELS = ("gt_label", "gt_labels", *LABELS)
_PREDS = ("pred_label", "pred_labels", *PREDS)


def read_any_predictions(
    path: Path, test_set: TestSet, listing: Path | None = None, allow_missing: bool = False, answers: str = "auto"
) -> Predictions:
    """Read predictions of a test set in any known format, chosen by the suffix.

    Args:
        path: ``.csv``, ``.tsv``, ``.xlsx`` or ``.parquet``, ``.pkl``, ``.pickle``, ``.json``, ``.jsonl``, ``.npy`` or
            ``.txt`` (see the table above), or a folder of VideoMAE's ``0.txt``, ``1.txt``, …. A pickle is read without
            running code in it.
        test_set: the test set of the predictions.
        listing: the list file that the other framework read (lines ``video [frames] label``); its order is the order
            of the scores. Needed if the file has no ids.
        allow_missing: accept a file without some videos.
        answers: how classes are written where there are no scores, see
            :func:`~evaluator.predictions.answers.without_scores`.

    Raises:
        BenchError: as ``make_predictions`` and ``without_scores``; also a pickle that would run code; a file without
            ids and no ``listing``; the numbers of scores and of lines in the list differ; a label in the file or the
            list differs from the test set's.
    """
    names = video_names(test_set)
    order = None if listing is None else _order(listing, test_set, names)
    suffix = path.suffix.lower()
    dump: object
    if suffix in (*FORMATS, ".tsv", *EXCEL) or (suffix == ".txt" and not _is_videomae(path)):
        if not path.is_file():
            raise BenchError(f"{path}: no such predictions file; run `bench eval`, or name another")
        if is_scored(read_sheet(path, first=True), test_set.classes):
            return read_predictions(path, test_set.classes, test_set.labels, allow_missing, order)
        rows = table_answers(read_sheet(path), order is not None)
        return without_scores(rows, path, test_set, order, answers, allow_missing)
    if suffix == ".txt" or path.is_dir():
        dump = _videomae(path)
    elif suffix in (".pkl", ".pickle"):
        dump = safe_pickle.load(path, "file of scores", _FIX)
    elif suffix in (".json", ".jsonl", ".ndjson"):
        dump = read_json_file(path)
    elif suffix == ".npy":
        dump = _npy(path)
    else:
        raise BenchError(f"{path}: unknown kind of predictions file {path.suffix!r}; {_FIX}")
    entries = _entries(dump, path, test_set.classes)
    if entries and all(e.scores is None for e in entries):
        told = [Answer(e.name, e.said, e.true, e.where) for e in entries]
        return without_scores(told, path, test_set, order, answers, allow_missing)
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
    chosen = preds if entries and len(preds) == len(entries) else None
    return make_predictions(str(path), test_set.classes, ids, labels, scores, test_set.labels, allow_missing, chosen)


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
    """One video of a file. ``name`` is None if the file does not give it.

    ``label`` and ``pred`` are checked whole numbers if there are scores; ``true`` and ``said`` are the same as written.
    """

    scores: object
    name: str | None = None
    label: int | None = None
    pred: int | None = None
    true: object = None
    said: object = None
    where: str = ""


def _entries(dump: object, path: Path, classes: Sequence[str]) -> list[_Entry]:
    names = ClassNames(classes)
    if isinstance(dump, dict):
        return [_entry(v, path, names, f"entry {k}", str(name)) for k, (name, v) in enumerate(dump.items(), 1)]
    if isinstance(dump, np.ndarray) and dump.ndim in (1, 2):
        dump = list(dump)
    if not isinstance(dump, (list, tuple)):
        raise BenchError(f"{path}: holds a {type(dump).__name__}, not a list of scores; {_FIX}")
    if len(dump) == 2 and _dimensions(dump[0]) == 2 and _dimensions(dump[1]) == 1:  # PySlowFast
        scores, labels = np.asarray(dump[0]), np.asarray(dump[1])
        if len(scores) != len(labels):
            raise BenchError(f"{path}: has {len(scores)} scores and {len(labels)} labels; predict again")
        return [_Entry(row, label=_number(label, path, names)) for row, label in zip(scores, labels, strict=True)]
    word = "line" if path.suffix.lower() in (".jsonl", ".ndjson") else "entry"
    return [_entry(value, path, names, f"{word} {k}") for k, value in enumerate(dump, 1)]


def _entry(value: object, path: Path, names: ClassNames, where: str, name: str | None = None) -> _Entry:
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if value is None or isinstance(value, (str, int, float, np.generic)):  # a class alone
        return _Entry(None, name, said=value, where=where)
    if not isinstance(value, dict):
        return _Entry(value, name, where=where)
    scores = _field(value, _SCORES)
    if scores is None and all(c in value for c in names.classes):  # a record with one column per class
        scores = [value[c] for c in names.classes]
    own = _field(value, IDS)
    name = str(own) if name is None and isinstance(own, (str, int)) and not isinstance(own, bool) else name
    true, said = _field(value, _LABELS), _field(value, _PREDS)
    if scores is None:
        if not any(key in value for key in _PREDS):
            keys = ", ".join(map(repr, list(value)[:6]))
            raise BenchError(f"{path}, {where}: has neither scores nor pred (its names are {keys}); {_FIX}")
        return _Entry(None, name, true=true, said=said, where=where)
    return _Entry(scores, name, _number(true, path, names), _number(said, path, names), where=where)


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


def _number(value: object, path: Path, names: ClassNames) -> int | None:
    """The label of a class, from its number (also as an array with one element) or its name."""
    if value is None:
        return None
    try:
        (cell,) = [value] if isinstance(value, str) else np.asarray(value).reshape(-1).tolist()
    except (TypeError, ValueError):
        cell = value
    number, named = whole_number(str(cell)), names.find(str(cell))
    if number is None and len(named) != 1:
        raise BenchError(f"{path}: has a label that is no class ({str(value)[:40]!r}); {_FIX}")
    return named[0] if number is None else number


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
    if path.is_dir():
        return True
    lines = read_lines(path, "predictions file", _FIX)
    return any(_VIEW.fullmatch(line) for _, line in lines[:2])


def _ranks(folder: Path) -> list[Path]:
    """The files ``0.txt``, ``1.txt``, … of a folder, one for each process of a run."""
    numbers = sorted(int(p.stem) for p in files_of(folder, [".txt"])[0] if re.fullmatch(r"0|[1-9]\d*", p.stem))
    fix = "give VideoMAE's output folder of 0.txt, 1.txt, …, or a predictions file"
    if not numbers:
        raise BenchError(f"{folder}: is a folder without a file 0.txt; {fix}")
    lacking = next((k for k, n in enumerate(numbers) if k != n), None)
    if lacking is not None:
        raise BenchError(f"{folder}: has {numbers[-1]}.txt but no {lacking}.txt; copy the files of all processes")
    return [folder / f"{n}.txt" for n in numbers]


def _videomae(path: Path) -> dict[str, dict[str, object]]:
    """Lines ``id [logits] label chunk split``; the softmax is averaged over a video's views, as VideoMAE does.

    A view that several processes have predicted (their sampler repeats videos so that all get the same number) counts
    once. Scores that are already probabilities are averaged without softmax.
    """
    views: dict[str, dict[str, np.ndarray]] = {}
    labels: dict[str, int] = {}
    for file in _ranks(path) if path.is_dir() else [path]:
        for k, (number, line) in enumerate(read_lines(file, "predictions file", _FIX)):
            where = f"{file}, line {number}"
            match = _VIEW.fullmatch(line)
            if match is None:
                if k == 0 and re.fullmatch(r"[-+.\deE]+\s*,\s*[-+.\deE]+", line):  # top-1, top-5
                    continue
                raise BenchError(f"{where}: is not `id [scores] label chunk split`; {_FIX}")
            name, label, view = match.group(1), int(match.group(3)), match.group(4).strip()
            try:
                scores = np.array([float(cell) for cell in match.group(2).replace(",", " ").split()])
            except ValueError as error:
                raise BenchError(f"{where}: {error}; {_FIX}") from None
            if labels.setdefault(name, label) != label:
                raise BenchError(f"{where}: label {label} of {name!r}, another line says {labels[name]}; {_FIX}")
            same = views.setdefault(name, {})
            if any(len(other) != len(scores) for other in list(same.values())[:1]):
                had = len(next(iter(same.values())))
                raise BenchError(f"{where}: {len(scores)} scores, another line has {had}; {_FIX}")
            if not view:
                view = f"line {len(same)}"  # no number of a view, so each line is one
            # The same clip in another batch may differ in the last digits.
            if view in same and not np.allclose(same[view], scores, rtol=1e-2, atol=1e-2):
                twice = f"view {view!r} of {name!r} occurs twice with different scores"
                raise BenchError(f"{where}: {twice}; give the files of one run")
            same.setdefault(view, scores)
    found = {}
    for name, same in views.items():
        stack = np.stack(list(same.values()))
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


def read_json_file(path: Path) -> object:
    """A JSON file from others, or the list of records in a file with one JSON object per line.

    Raises:
        BenchError: it cannot be read, or an object has a name twice.
    """
    text = read_text(path, "predictions file", "name another")
    lines = path.suffix.lower() != ".json"
    if not lines:
        try:
            return parse_json(text, unique=True)
        except ValueError as error:
            lines = isinstance(error, json.JSONDecodeError) and error.msg == "Extra data"  # a value per line
            if not lines:
                raise BenchError(f"{path}: not readable JSON ({error}); {_FIX}") from None
    return json_lines(path, text)


def json_lines(path: Path, text: str) -> list[dict[str, object]]:
    """The records of a file with one JSON object per line. Raises BenchError naming the line."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = parse_json(line, unique=True)
        except ValueError as error:
            raise BenchError(f"{path}, line {number}: not readable JSON ({error}); {_FIX}") from None
        if not isinstance(value, dict):
            raise BenchError(f"{path}, line {number}: is not an object with id and pred; {_FIX}")
        found.append(value)
    return found
