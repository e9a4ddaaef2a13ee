"""Training runs on disk for curves: the table of epochs, and what the run is, without torch."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.digests import known_digest
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.folders import subfolders
from benchmark_builder.utils.text import read_table, shown

METRICS, SETTINGS = "metrics.csv", "settings.json"
# What differs between seeds of one setting: the videos kept for validation are drawn by the seed.
_OF_A_SEED = ("seed", "training_videos", "validation_videos")
_GIVE = "give the --out folder of `bench train` or `bench compare`"


@dataclass(frozen=True)
class Curve:
    """The epochs of one run.

    Attributes:
        folder: the run's.
        method, model, seed: as its settings say; without them, the folder's name, and nothing.
        same: what runs of one setting, with other seeds, have in common.
        values: column of metrics.csv -> (epoch, value) for the epochs that have one.
    """

    folder: Path
    method: str
    model: str
    seed: str
    same: str
    values: Mapping[str, tuple[tuple[float, float], ...]]


def read_curves(sources: Sequence[Path]) -> list[Curve]:
    """The curves of run folders, of folders of run folders (such as ``compare/runs``), and of folders of `bench
    compare`; of runs that are not finished, the epochs so far.

    Raises:
        BenchError: there is no run at a source, or its table is damaged; the error names file and line.
    """
    found: dict[Path, Curve] = {}
    for source in sources:
        folders = _run_folders(source)
        if not folders:
            raise BenchError(f"{source}: no {METRICS} of a training run there; {_GIVE}")
        for folder in folders:
            found.setdefault(folder.resolve(), read_curve(folder))
    return list(found.values())


def read_curve(folder: Path) -> Curve:
    """The curve of one run folder.

    Raises:
        BenchError: its table is missing or damaged.
    """
    path = folder / METRICS
    columns, records = read_table(path, "table of a run's epochs", _GIVE)
    if "epoch" not in columns or len(set(columns)) < len(columns):
        raise BenchError(f"{path}: not a table with a column epoch and columns of different names; {_GIVE}")
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in columns if name and name != "epoch"}
    at = columns.index("epoch")
    for line, record in enumerate(records, 2):
        if not any(record):
            continue
        if len(record) > len(columns):
            raise BenchError(f"{path}, line {line}: {len(record)} cells under {len(columns)} columns; {_GIVE}")
        epoch = _value(record[at], f"{path}, line {line}: epoch")
        if epoch is None:
            raise BenchError(f"{path}, line {line}: epoch is blank; {_GIVE}")
        for name, cell in zip(columns, record, strict=False):
            value = _value(cell, f"{path}, line {line}: {shown(name)[:40]}") if name in values else None
            if value is not None:
                values[name].append((epoch, value))
    said = _settings(folder / SETTINGS)
    method, model, seed = (said.get(name) for name in ("method", "model", "seed"))
    kept = {name: value for name, value in said.items() if name not in _OF_A_SEED}
    return Curve(
        folder,
        method if isinstance(method, str) and method else folder.resolve().name,
        model if isinstance(model, str) else "",
        str(seed) if isinstance(seed, int) else "",
        json.dumps(kept, sort_keys=True, default=str) if said else str(folder.resolve()),
        {name: tuple(sorted(points)) for name, points in values.items()},
    )


def folder_of(checkpoint: str, sha256: str, record: Path) -> Path | None:
    """The folder of the run that wrote a checkpoint, as a results record names it; None if it is not found.

    It may have moved together with the record, so the end of the checkpoint's path is looked for above the record.

    Args:
        checkpoint: path of the checkpoint when it was scored.
        sha256: its digest, or the beginning of it: 12 hex digits or more. Another file at the place is not taken.
        record: path of the record.
    """
    parts = Path(checkpoint).parts
    if len(parts) < 2 or ".." in parts or len(sha256) < 12:
        return None
    places = [Path(checkpoint)]
    places += [above.joinpath(*parts[k:]) for above in record.absolute().parents[:6] for k in range(1, len(parts) - 1)]
    for place in places:
        try:
            there = place.is_file() and (place.parent / METRICS).is_file()
        except (OSError, ValueError):  # the name is not valid for a file
            continue
        if there and known_digest(place).startswith(sha256):
            return place.parent
    return None


def _run_folders(source: Path) -> list[Path]:
    if not source.exists():
        raise BenchError(f"{source}: no such file or folder; {_GIVE}")
    if source.is_file():
        return [source.parent] if source.name == METRICS else []
    for place in (source, source / "runs"):
        if (place / METRICS).is_file():
            return [place]
        if place.is_dir() and (below := [d for d in subfolders(place) if (d / METRICS).is_file()]):
            return below
    return []


def _settings(path: Path) -> Mapping[str, object]:
    """What settings.json says; nothing if it is missing."""
    if not path.is_file():
        return {}
    said = read_json(path, "record of a run", _GIVE)
    if not isinstance(said, dict):
        raise BenchError(f"{path}: not the record of a run; {_GIVE}")
    return said


def _value(cell: str, where: str) -> float | None:
    if not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        raise BenchError(f"{where} is {shown(cell)[:40]!r}, not a number; {_GIVE}") from None
    return value if math.isfinite(value) else None
