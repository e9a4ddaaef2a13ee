"""From predictions to a results record: figures, intervals, counts, digests. Pure; needs no network and no GPU."""

import dataclasses
import importlib.metadata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_builder.errors import BenchError
from benchmark_builder.files import read_json, write_json
from evaluator.intervals import with_interval
from evaluator.metrics import Part, contrasted_part, top1_part
from evaluator.predictions import Predictions
from evaluator.testsets import TestSet, pair_sets

FORMAT = 1
# The headline figures, named as in manifests/published_results.csv.
FIGURES = ("iid", "avg_scuba", "avg_scufo", "conflfg", "contra_acc")


def compute(sets: Sequence[TestSet], predictions: Mapping[str, Predictions], seed: int = 0) -> dict[str, Any]:
    """Every figure that the test sets give.

    Args:
        sets: test sets of one dataset, of any kinds.
        predictions: set name -> predictions of that set.
        seed: of the bootstrap.

    Returns:
        ``figures``: name -> Figure as a dict, for those of :data:`FIGURES` that could be measured;
        ``sets``: a dict a test set with its own top-1; ``pairs``: a dict a (SCUBA, SCUFO) pair.
        Benchmarks of another split than :func:`main_split` have their figures under ``other``: split -> name -> Figure.

    Raises:
        BenchError: sets of several datasets, or two sets with the same kind, backgrounds and split.
    """
    _check(sets)
    parts: dict[str, dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
    described, paired = [], []
    main = main_split(sets)
    for s in sets:
        part = top1_part(predictions[s.name], s.sources)
        part = dataclasses.replace(part, missing=part.missing + len(s.absent))
        name = {"iid": "iid", "scuba": "avg_scuba", "scufo": "avg_scufo"}.get(s.kind, s.kind)
        parts[main if s.kind == "iid" else s.split][name].append(part)
        described.append({**describe(s), "top1": dataclasses.asdict(with_interval([part], s.name, seed))})
    for scuba, scufo in pair_sets(list(sets), "scufo"):
        part = contrasted_part(predictions[scuba.name], predictions[scufo.name], scufo.partners, scuba.sources)
        value = None
        if len(part.outcomes):
            parts[scuba.split]["contra_acc"].append(part)
            value = dataclasses.asdict(with_interval([part], f"{scuba.name} against {scufo.name}", seed))
        paired.append({"scuba": scuba.name, "scufo": scufo.name, "contrasted": value})
    by_split = {
        split: {name: dataclasses.asdict(with_interval(p, f"{split}/{name}", seed)) for name, p in named.items()}
        for split, named in parts.items()
    }
    return {
        "figures": {name: by_split[main][name] for name in FIGURES if name in by_split[main]},
        "other": {split: named for split, named in by_split.items() if split != main},
        "split": main,
        "sets": described,
        "pairs": paired,
    }


def main_split(sets: Sequence[TestSet]) -> str:
    """The split of the benchmarks that head the leaderboard: IID's if any is of it, else the one with most videos."""
    counts: dict[str, int] = defaultdict(int)
    for s in sets:
        counts[s.split] += len(s.items) if s.kind != "iid" else 0
    ordinary = next((s.split for s in sets if s.kind == "iid"), None)
    if ordinary is not None and (counts[ordinary] or not any(counts.values())):
        return ordinary
    return max(sorted(counts), key=lambda split: counts[split])


def describe(s: TestSet) -> dict[str, Any]:
    """What a record keeps of a test set."""
    return {
        "name": s.name, "kind": s.kind, "split": s.split, "backgrounds": s.backgrounds, "digest": s.digest,
        "videos": len(s.items),
    }  # fmt: skip


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a results record, whole or not at all."""
    write_json(path, {**record, "format": FORMAT, "version": version()})


def read_record(path: Path) -> dict[str, Any]:
    """Read a results record. Raises BenchError if it is none, or of a later format."""
    mend = "give a file that `bench eval` has written under results/"
    record = read_json(path, "results record", mend)
    needed = {"dataset", "method", "model", "figures", "sets", "format"}
    if not isinstance(record, dict) or not needed <= record.keys():
        raise BenchError(f"{path}: not a results record; {mend}")
    if record["format"] != FORMAT:
        raise BenchError(f"{path}: has format {record['format']}, this version reads {FORMAT}; upgrade albar-bench")
    return record


def version() -> str:
    """Version of this package, ``0+unknown`` where it runs without being installed."""
    try:
        return importlib.metadata.version("albar-bench")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def _check(sets: Sequence[TestSet]) -> None:
    if not sets:
        raise BenchError("nothing to score: no IID set and no benchmark; build one or pass --benchmarks DIR")
    first = sets[0]
    seen: dict[tuple[str, ...], str] = {}
    names: set[str] = set()
    for s in sets:
        if s.dataset != first.dataset:
            raise BenchError(
                f"{s.name} is of {s.dataset}, {first.name} of {first.dataset}; score one dataset at a time"
            )
        if s.classes != first.classes:
            raise BenchError(f"{s.name} has other classes than {first.name}; build both from the same dataset")
        if s.name in names:
            raise BenchError(f"two benchmarks are called {s.name}; rename one of the folders")
        key = (s.kind, s.backgrounds, s.split)
        if key in seen:
            what = f"both {s.kind} on backgrounds {s.backgrounds!r}" if s.backgrounds else f"both {s.kind}"
            raise BenchError(f"{seen[key]} and {s.name} are {what}; pass one of them with --benchmarks")
        seen[key] = s.name
        names.add(s.name)
