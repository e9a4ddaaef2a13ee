"""Predictions that other frameworks have written: mmaction2's dumped scores, as pickle or JSON.

mmaction 0.x (``tools/test.py --out result.pkl|json``, which StillMix uses): a list of score arrays (C,), in the order
of the list file. mmaction2 1.x (``--dump result.pkl``): a list of dicts with ``pred_score`` (or ``pred_scores.item``)
and ``gt_label``, in the same order. JSON may also be an object {id: scores}.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from benchmark_builder import safe_pickle
from benchmark_builder.datasets.common import VIDEO_SUFFIXES, read_lines
from benchmark_builder.errors import BenchError
from evaluator.predictions import FORMATS, Predictions, make_predictions, read_predictions
from evaluator.testsets import TestSet

_MEND = "give our CSV or Parquet, or what mmaction2 writes with --out or --dump"


def read_any_predictions(
    path: Path, test_set: TestSet, listing: Path | None = None, allow_missing: bool = False
) -> Predictions:
    """Read predictions of a test set in any known format, told by the suffix.

    Args:
        path: ``.csv`` or ``.parquet`` (ours), ``.pkl``, ``.pickle`` or ``.json`` (mmaction2's). A pickle is read
            without running anything it may hold.
        test_set: what was predicted.
        listing: the list file that the other framework read (``video [frames] label`` a line); its order is the
            scores' order. None: the order of manifest.csv, by id.
        allow_missing: accept a file without some videos.

    Raises:
        BenchError: all that :func:`~evaluator.predictions.make_predictions` refuses; a pickle that would run code;
            another number of scores than videos; a label in the dump that is not the test set's.
    """
    if path.suffix in FORMATS:
        return read_predictions(path, test_set.classes, test_set.labels, allow_missing)
    if path.suffix in (".pkl", ".pickle"):
        dump = safe_pickle.load(path, "file of scores", _TENSORS, _MEND)
    elif path.suffix == ".json":
        dump = _json(path)
    else:
        raise BenchError(f"{path}: unknown kind of predictions file {path.suffix!r}; {_MEND}")
    if isinstance(dump, dict):
        ids, entries = [str(k) for k in dump], list(dump.values())
    elif isinstance(dump, (list, tuple)):
        entries = list(dump)
        ids = _order(test_set, listing)
        if len(ids) != len(entries):
            where = listing or "the manifest"
            raise BenchError(
                f"{path}: {len(entries)} predictions, but {where} lists {len(ids)} videos; give their --list"
            )
    else:
        raise BenchError(f"{path}: holds a {type(dump).__name__}, not a list of scores; {_MEND}")
    scores = np.stack([_scores(e, path, i, len(test_set.classes)) for e, i in zip(entries, ids, strict=True)])
    for video_id, entry in zip(ids, entries, strict=True):
        said = _label(entry, path)
        if said is not None and video_id in test_set.labels and said != test_set.labels[video_id]:
            known = test_set.labels[video_id]
            where = f"{path}: says {video_id!r} has label {said}, the test set says {known}"
            raise BenchError(f"{where}; give the --list it was made from")
    labels = np.array([test_set.labels.get(i, 0) for i in ids], np.int64)
    return make_predictions(str(path), test_set.classes, ids, labels, scores, test_set.labels, allow_missing)


def _order(test_set: TestSet, listing: Path | None) -> list[str]:
    """Ids in the order of a list file."""
    if listing is None:
        return [item.id for item in test_set.items]
    short: dict[str, list[str]] = {}
    for item in test_set.items:
        short.setdefault(PurePosixPath(item.id).name, []).append(item.id)
    ids = []
    for line in read_lines(listing):
        # Labels and counts stand at the end; a class folder may hold spaces.
        parts = line.rsplit(maxsplit=2)
        name = " ".join(parts[:-1] if len(parts) < 3 or not parts[1].isdigit() else parts[:1])
        if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES | {".zip"}:
            name = str(PurePosixPath(name).with_suffix(""))
        found = [
            i
            for i in short.get(PurePosixPath(name).name, [])
            if f"/{i}".endswith(f"/{name}") or f"/{name}".endswith(f"/{i}")
        ]
        if len(found) != 1:
            raise BenchError(f"{listing}: {name!r} names no video of {test_set.name}; give the list of that benchmark")
        ids += found
    return ids


def _scores(entry: Any, path: Path, video_id: str, classes: int) -> np.ndarray:
    if isinstance(entry, dict):
        entry = entry.get("pred_score", entry.get("pred_scores"))
        if isinstance(entry, dict):
            entry = entry.get("item")
    try:
        scores = np.asarray(entry, dtype=float)
    except (TypeError, ValueError):
        scores = np.zeros(0)
    if scores.shape != (classes,):
        where = f"{path}: the entry of {video_id!r} is not {classes} scores (shape {scores.shape})"
        raise BenchError(f"{where}; dump clip-averaged scores of a network with the test set's classes")
    return scores


def _label(entry: Any, path: Path) -> int | None:
    """The true label that a dump of mmaction2 1.x carries."""
    if not isinstance(entry, dict):
        return None
    value = entry.get("gt_label", entry.get("gt_labels"))
    if isinstance(value, dict):
        value = value.get("item")
    if value is None:
        return None
    try:
        return int(np.asarray(value).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        raise BenchError(f"{path}: has a gt_label that is no number; {_MEND}") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{path}: no such predictions file; name another") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"{path}: not readable JSON ({error}); {_MEND}") from None


def _storage(data: bytes) -> Any:
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: Sequence[int], stride: Sequence[int], *rest: Any) -> np.ndarray:
    """A tensor as an array, without the hooks and the gradient flag that a pickle may ask for."""
    import torch

    view = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage, offset, tuple(size), tuple(stride))
    return np.asarray(view.to(torch.float64) if view.is_floating_point() else view)


# Admits tensors too: their storage is read by torch's own weights-only loader, which runs nothing.
_TENSORS: safe_pickle.Extra = {
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}
