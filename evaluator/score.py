"""`bench score`: figures from predictions alone, for users of any framework. Needs neither torch nor the videos."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.datasets import data_root
from benchmark_builder.datasets.subset import read_subset
from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.figures import compute, file_tag, plain, version
from evaluator.options import ScoreOptions
from evaluator.predictions.files import Predictions, of_videos, write_predictions
from evaluator.predictions.mmaction import read_any_predictions
from evaluator.records import ResultsRecord, Scored, check_names, subset_said, write_record
from evaluator.reports import leaderboard
from evaluator.reports.slices import write_slices
from evaluator.results_folder import results_folder
from evaluator.slices.figures import slice_figures
from evaluator.slices.table import read_slices
from evaluator.testsets import TestSet, benchmark_set, iid_set, listed_sets
from evaluator.training_data import UNKNOWN

IID = "iid:"


def score(
    files: Sequence[Path],
    benchmarks: Sequence[Path | str],
    out: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Scored:
    """Figures of predictions that exist already.

    Args:
        files: predictions, one file per benchmark: our CSV or Parquet, or other frameworks' dumps.
        benchmarks: folders of the benchmarks, in the files' order; ``iid:DATASET`` for the ordinary test split.
            With SCUBA and its SCUFO, contrasted accuracy is computed too.
        out: where to put ``predictions/``, ``results/`` and the row of ``leaderboard.csv``; None writes nothing.
        say: function that shows lines to the user.
        options: fields of :class:`~evaluator.options.ScoreOptions`: ``method``, ``model``, ``trained_on``, ``root``,
            ``lists``, ``allow_missing``, ``seed``, ``cluster``, ``suffix``, ``slices``, ``quantiles``, ``subset``.

    Returns:
        The results record, and where it was written.

    Raises:
        BenchError: a wrong option, not as many benchmarks (or lists) as files, or files that do
            not fit (see :func:`~evaluator.predictions.mmaction.read_any_predictions`), or a source of slices is wrong.
    """
    o = ScoreOptions(**options)
    method, model, lists, seed, cluster = o.method, o.model, o.lists, o.seed, o.cluster
    if not files or len(files) != len(benchmarks):
        raise BenchError(
            f"{len(files)} predictions files and {len(benchmarks)} benchmarks; give each file its --benchmark"
        )
    if lists and len(lists) != len(files):
        raise BenchError(
            f"{len(lists)} list files for {len(files)} predictions files; give each file its --lists, or none"
        )
    check_names(method=method, model=model, trained_on=o.trained_on)
    if out is not None:
        leaderboard.check(out / leaderboard.NAME)
    sets = [_set(b, o.root) for b in benchmarks]
    if len({s.name for s in sets}) < len(sets):
        raise BenchError("two of the benchmarks have the same name; give each benchmark once")
    whole, chosen = sets, None
    if o.subset is not None:
        sets, chosen = listed_sets(sets, read_subset(o.subset))
        say(chosen.message)
    attributes = read_slices(o.slices, sets, o.quantiles)
    predictions = {
        s.name: read_any_predictions(path, s, lists[k] if lists else None, o.allow_missing or chosen is not None)
        for k, (path, s) in enumerate(zip(files, whole, strict=True))
    }
    if chosen is not None:
        predictions = {s.name: of_videos(predictions[s.name], s.labels, o.allow_missing) for s in sets}
    digest = _digest(list(predictions.values()))
    computed = compute(sets, predictions, seed, cluster)
    sliced = slice_figures(sets, predictions, attributes, seed, cluster, computed.own_arrows)
    said: dict[str, object] = {
        "format": ResultsRecord.FORMAT,
        "dataset": sets[0].dataset, "method": method or files[0].stem, "model": model, "classes": sets[0].classes,
        "seed": "", "checkpoint": "", "checkpoint_sha256": digest, "protocol": "predictions", "sampling": None,
        "trained_on": o.trained_on or UNKNOWN,
        "bootstrap_seed": seed, "iid": {} if any(s.kind == "iid" for s in sets) else None,
        "versions": {"albar-bench": version()},
        **subset_said(chosen), **computed.plain(), **({"slices": [s.record.plain() for s in sliced]} if sliced else {}),
    }  # fmt: skip
    record = ResultsRecord.made(said, "the results", "give it a shorter name, or report this")
    if out is None:
        return Scored(record)
    tag, described = file_tag(record.method, digest), []
    with results_folder(out):
        for kept, s in zip(record.sets, sets, strict=True):
            path = out / "predictions" / f"{s.name}--{tag}{o.suffix}"
            p = predictions[s.name]
            answers = dict(zip(p.ids, p.pred.tolist(), strict=True))
            write_predictions(path, p.classes, zip(p.ids, p.labels.tolist(), p.scores, strict=True), answers)
            described.append(kept.replaced(predictions=path.relative_to(out).as_posix()))
        record = record.replaced(sets=described).placed(sets, out, o.root or data_root() / record.dataset)
        videos = leaderboard.videos_digest([s.digest for s in sets])
        path = out / "results" / f"{plain(record.dataset)}-{tag}-{videos}.json"
        write_record(path, record)
        tables = write_slices(path, sliced) if sliced else []
        leaderboard.update(out / leaderboard.NAME, record)
    return Scored(record, path, out / leaderboard.NAME, slices=tuple(tables))


def _set(benchmark: Path | str, root: Path | None) -> TestSet:
    text = str(benchmark)
    return iid_set(text.removeprefix(IID), root) if text.startswith(IID) else benchmark_set(Path(benchmark))


def _digest(predictions: Sequence[Predictions]) -> str:
    """Names the predictions: SHA-256 over ids and scores, whatever the order or format of the files; and over the
    answers where they are not merely the first class of the highest score."""
    total = hashlib.sha256()
    for p in sorted(predictions, key=lambda p: p.ids):
        total.update("\x1f".join(p.ids).encode() + p.scores.tobytes())
        if not np.array_equal(p.pred, p.scores.argmax(1)):
            total.update(p.pred.tobytes())
    return total.hexdigest()
