"""Runs read back from disk: their records, test sets and predictions; recomputed and compared without a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark_builder.errors import BenchError
from evaluator.compare import Comparison, compare
from evaluator.leaderboard import NAME, as_text, read_leaderboard, row_of
from evaluator.predictions import Predictions, read_predictions
from evaluator.results import compute, figure_parts, main_split, read_record
from evaluator.testsets import TestSet, benchmark_set, iid_set, limited


@dataclass(frozen=True, eq=False)
class Run:
    """One results record with what it was computed from.

    Attributes:
        path: the record.
        record: as :func:`~evaluator.results.compute` and its callers wrote it.
        sets: the test sets, in the record's order.
        predictions: set name -> predictions.
    """

    path: Path
    record: dict[str, Any]
    sets: list[TestSet]
    predictions: dict[str, Predictions]

    @property
    def name(self) -> str:
        """What to call it: method and, where they have one, model and seed."""
        extra = [str(self.record["model"])] if self.record["model"] else []
        extra += [f"seed {self.record['seed']}"] if self.record.get("seed") not in ("", None) else []
        return f"{self.record['method']} ({', '.join(extra)})" if extra else str(self.record["method"])


def find_records(paths: Sequence[Path]) -> list[Path]:
    """The results records that the paths name: a record itself, or every one in an ``--out`` folder.

    Raises:
        BenchError: a path without records.
    """
    found: list[Path] = []
    for path in paths:
        here = [path] if path.is_file() else sorted((path / "results").glob("*.json"))
        if not here:
            raise BenchError(f"{path}: holds no results; give an --out folder of `bench eval`, or a record in results/")
        found += [p for p in here if p not in found]
    return found


def find_rows(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Leaderboard rows of leaderboard files, ``--out`` folders and records."""
    rows: list[dict[str, str]] = []
    for path in paths:
        if path.suffix == ".json":
            rows.append(as_text(row_of(read_record(path))))
        else:
            rows += read_leaderboard(path / NAME if path.is_dir() else path)
    return rows


def load_run(path: Path, benchmarks: Sequence[Path] = (), root: Path | None = None) -> Run:
    """Read a record, its predictions, and the test sets they belong to.

    Args:
        path: the record.
        benchmarks: where the benchmarks lie now, if not where they were when they were scored.
        root: the dataset's folder, likewise.

    Raises:
        BenchError: a benchmark is not there or is another one than was scored; predictions are missing or damaged.
    """
    record = read_record(path)
    moved = {folder.resolve().name: folder for folder in benchmarks}
    sets, predictions = [], {}
    for described in record["sets"]:
        name = described["name"]
        if described["kind"] == "iid":
            place = record.get("iid") or {}
            given = root or (Path(place["root"]) if place.get("root") else None)
            s = iid_set(record["dataset"], given, place.get("split", "test"), place.get("fold", 1))
        else:
            s = benchmark_set(moved.get(name, Path(described["folder"])), root)
        if record.get("limit"):
            s = limited(s, record["limit"])
        if s.digest != described["digest"]:
            raise BenchError(f"{path}: {name} has changed since it was scored; run `bench eval` again")
        file = path.parent.parent / described["predictions"]
        predictions[name] = read_predictions(file, s.classes, s.labels, allow_missing=described["top1"]["missing"] > 0)
        sets.append(s)
    return Run(path, record, sets, predictions)


def recompute(run: Run, cluster: str | None = None) -> dict[str, Any]:
    """The record's figures again, from the predictions; the same digits unless a file was altered.

    ``cluster``: other intervals, see :meth:`~evaluator.testsets.TestSet.clusters`; None takes the record's.
    """
    cluster = cluster or run.record.get("cluster", "source")
    return compute(run.sets, run.predictions, run.record.get("bootstrap_seed", 0), cluster)


def clustered(run: Run, cluster: str | None) -> Run:
    """The run with its intervals drawn by ``cluster``; None leaves it as it is."""
    if cluster in (None, run.record.get("cluster", "source")):
        return run
    again = recompute(run, cluster)
    known = {described["name"]: described for described in run.record["sets"]}
    again["sets"] = [{**known[described["name"]], **described} for described in again["sets"]]
    return replace(run, record={**run.record, **again})


def compare_runs(a: Run, b: Run, seed: int = 0, cluster: str = "source") -> dict[str, Comparison]:
    """Compare two runs on every figure that both have; A minus B.

    Args:
        a, b: the runs.
        seed: of the bootstrap.
        cluster: what it draws whole, one of :data:`~evaluator.testsets.CLUSTERS`.

    Raises:
        BenchError: they were not measured on the same videos.
    """
    if {s.digest for s in a.sets} != {s.digest for s in b.sets}:
        raise BenchError(
            f"{a.path} and {b.path} were not measured on the same videos; score both on the same benchmarks"
        )
    ordered = [next(s for s in b.sets if s.digest == known.digest) for known in a.sets]
    split = main_split(a.sets)
    left = figure_parts(a.sets, a.predictions, cluster)[split]
    right = figure_parts(ordered, b.predictions, cluster)[split]
    return {name: compare(left[name], right[name], name, seed) for name in left if name in right}
