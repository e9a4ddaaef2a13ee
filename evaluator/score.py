"""`bench score`: figures from predictions alone, for users of any framework. Needs neither torch nor the videos."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.datasets import data_root
from benchmark_builder.datasets.subset import read_subset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import remove, write_csv
from benchmark_builder.utils.text import counted, shown
from evaluator.metrics.figures import compute, file_tag, plain, version
from evaluator.options import ScoreOptions
from evaluator.predictions.files import Predictions, of_videos, write_predictions
from evaluator.predictions.mmaction import read_any_predictions
from evaluator.predictions.questions import read_answer_texts, read_questions
from evaluator.records import LONGEST, ResultsRecord, Scored, check_names, subset_said, write_record
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
        files: predictions, one file per benchmark: ``id,pred``, our CSV or Parquet, or other frameworks' dumps.
        benchmarks: folders of the benchmarks, in the files' order; ``iid:DATASET`` for the ordinary test split.
            With SCUBA and its SCUFO, contrasted accuracy is computed too.
        out: where to put ``predictions/``, ``results/`` and the row of ``leaderboard.csv``; None writes nothing.
        say: function that shows lines to the user.
        options: fields of :class:`~evaluator.options.ScoreOptions`: ``method``, ``model``, ``trained_on``, ``root``,
            ``lists``, ``answers``, ``questions``, ``allow_missing``, ``seed``, ``cluster``, ``suffix``, ``slices``,
            ``quantiles``, ``subset``.

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
            f"{counted(len(files), 'predictions file')} and {counted(len(benchmarks), 'benchmark')}; give each file "
            f"its --benchmark"
        )
    if lists and len(lists) != len(files):
        raise BenchError(
            f"{counted(len(lists), 'list file')} for {counted(len(files), 'predictions file')}; give each file its "
            f"--lists, or none"
        )
    if o.questions and len(o.questions) != len(files):
        raise BenchError(
            f"{counted(len(o.questions), 'folder')} of questions for {counted(len(files), 'file')} of answers; give "
            f"each file its --questions"
        )
    if o.questions and lists:
        raise BenchError("--lists and --questions do not go together; answers to questions name their videos")
    if o.questions and o.answers != "auto":
        raise BenchError(f"--answers {o.answers} and --questions do not go together; leave --answers out, the "
                         "questions say what an answer means")  # fmt: skip
    check_names(method=method, model=model, trained_on=o.trained_on)
    if out is not None:
        leaderboard.check(out / leaderboard.NAME)
    sets = [set_of(b, o.root) for b in benchmarks]
    if len({s.name for s in sets}) < len(sets):
        raise BenchError("two of the benchmarks have the same name; give each benchmark once")
    whole, chosen = sets, None
    if o.subset is not None:
        sets, chosen = listed_sets(sets, read_subset(o.subset))
        say(chosen.message)
    attributes = read_slices(o.slices, sets, o.quantiles)
    predictions = {
        s.name: read_answer_texts(path, s, read_questions(o.questions[k], s), o.allow_missing or chosen is not None)
        if o.questions
        else read_any_predictions(
            path, s, lists[k] if lists else None, o.allow_missing or chosen is not None, o.answers
        )
        for k, (path, s) in enumerate(zip(files, whole, strict=True))
    }
    if chosen is not None:
        predictions = {s.name: of_videos(predictions[s.name], s.labels, o.allow_missing) for s in sets}
    notes = _notes(sets, predictions, o.answers)
    for line in notes:
        say(line)
    digest = _digest(list(predictions.values()))
    computed = compute(sets, predictions, seed, cluster)
    sliced = slice_figures(sets, predictions, attributes, seed, cluster, computed.own_arrows)
    said: dict[str, object] = {
        "format": ResultsRecord.FORMAT,
        "dataset": sets[0].dataset, "method": method or files[0].stem, "model": model, "classes": sets[0].classes,
        "seed": "", "checkpoint": "", "checkpoint_sha256": digest, "protocol": _protocol(predictions), "sampling": None,
        "trained_on": o.trained_on or UNKNOWN,
        "notes": notes, "bootstrap_seed": seed, "iid": {} if any(s.kind == "iid" for s in sets) else None,
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
            scores = [None] * len(p.ids) if p.scores is None else list(p.scores)
            write_predictions(path, p.classes, zip(p.ids, p.labels.tolist(), scores, strict=True), answers)
            described.append(kept.replaced(predictions=path.relative_to(out).as_posix()))
        record = record.replaced(sets=described).placed(sets, out, o.root or data_root() / record.dataset)
        videos = leaderboard.videos_digest([s.digest for s in sets])
        path = out / "results" / f"{plain(record.dataset)}-{tag}-{videos}.json"
        write_record(path, record)
        tables = write_slices(path, sliced) if sliced else []
        tables += _write_left_out(path, sets, predictions)
        leaderboard.update(out / leaderboard.NAME, record)
    return Scored(record, path, out / leaderboard.NAME, slices=tuple(tables))


def _protocol(predictions: Mapping[str, Predictions]) -> str:
    """``predictions``; ``qa-5`` for answers to questions with five options, whose chance level is another."""
    choices = {p.choices for p in predictions.values()}
    if len(choices) > 1:
        both = " and ".join(map(str, sorted(choices)))
        raise BenchError(f"the questions have {both} options, so their figures cannot be compared; export both "
                         "with the same --options")  # fmt: skip
    return f"qa-{choices.pop()}" if choices != {0} else "predictions"


def _notes(sets: Sequence[TestSet], predictions: Mapping[str, Predictions], answers: str) -> list[str]:
    """What was assumed, and what is not among the figures, as lines for the user and the record."""
    notes: list[str] = []
    for s in sets:
        p = predictions[s.name]
        notes += p.notes
        if answers != "auto" and p.scores is not None:
            notes.append(f"--answers {answers} is not used for {p.name}: it has scores for every class, in known order")
        if p.missing:
            listed = ", ".join(p.missing[:5]) + (", …" if len(p.missing) > 5 else "")
            notes.append(f"{s.name}: {len(p.missing)} of {len(s.items)} videos were not predicted: {listed}")
        unread = int((~p.answered).sum())
        if unread:
            ids = [i for i, read in zip(p.ids, p.answered.tolist(), strict=True) if not read]
            listed = ", ".join(ids[:5]) + (", …" if unread > 5 else "")
            right = 100 * p.right.mean()
            without = f", {100 * p.right[p.answered].mean():.2f} without them" if p.answered.any() else ""
            notes.append(
                f"{s.name}: {unread} of {len(p.ids)} answers are no class and count as wrong (top-1 {right:.2f}"
                f"{without}): {listed}"
            )
    unscored = [s for s in sets if predictions[s.name].scores is None]
    if unscored:
        lacking = ["top5"] if any(len(s.classes) > 5 for s in unscored) else []
        lacking += [
            s.about.wins or "prefers_mover" for s in unscored if s.about.donors and s.donors and not s.has_same_donors
        ]
        if lacking:
            notes.append(f"not available, since it needs scores: {', '.join(dict.fromkeys(lacking))}")
    return [note[:LONGEST] for note in notes]


def _write_left_out(record: Path, sets: Sequence[TestSet], predictions: Mapping[str, Predictions]) -> list[Path]:
    """Write ``NAME-left-out.csv`` alongside a record: videos without a prediction, and answers that are no class."""
    path = record.with_name(f"{record.stem}-left-out.csv")
    rows = []
    for s in sets:
        p = predictions[s.name]
        rows += [{"set": s.name, "id": i, "reason": "not predicted", "answer": ""} for i in p.missing]
        rows += [
            {"set": s.name, "id": i, "reason": "no class", "answer": shown(p.unread.get(i, ""))}
            for i, read in zip(p.ids, p.answered.tolist(), strict=True) if not read
        ]  # fmt: skip
    if not rows:
        remove(path)
        return []
    write_csv(path, ["set", "id", "reason", "answer"], rows)
    return [path]


def set_of(benchmark: Path | str, root: Path | None = None) -> TestSet:
    """The test set of a benchmark's folder or of ``iid:DATASET``, whose folder is ``root``."""
    text = str(benchmark)
    return iid_set(text.removeprefix(IID), root) if text.startswith(IID) else benchmark_set(Path(benchmark))


def _digest(predictions: Sequence[Predictions]) -> str:
    """Names the predictions: SHA-256 over ids and scores, whatever the order or format of the files; and over the
    answers where they are not merely the first class of the highest score, or where there are no scores."""
    total = hashlib.sha256()
    for p in sorted(predictions, key=lambda p: p.ids):
        total.update("\x1f".join(p.ids).encode() + (b"answers" if p.scores is None else p.scores.tobytes()))
        if p.scores is None or not np.array_equal(p.pred, p.scores.argmax(1)):
            total.update(p.pred.tobytes())
    return total.hexdigest()
