"""Trains and scores several methods with several seeds, in parallel, and writes one table; can be resumed."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.datasets import scored_as
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import logged, write_log
from evaluator.metrics.figures import check_sets
from evaluator.metrics.names import EXTRA, FIGURES
from evaluator.options import EvalOptions, ModelOptions, Sweep
from evaluator.records import Slices
from evaluator.reports.compared_slices import write_compared_slices
from evaluator.reports.leaderboard import OWN, as_text, drops_in, number, own_figures, row_of
from evaluator.reports.reference import chance_of
from evaluator.results_folder import results_folder
from evaluator.slices.table import check_slices
from evaluator.testsets import benchmark_set, iid_set
from evaluator.time_order import FROZEN

TABLE = "compare.csv"
# Of each figure: mean and standard deviation over seeds; with one seed, the limits of its 95 % interval over videos.
PARTS = ("mean", "sd", "low", "high")
COLUMNS = ["method", "seeds", *(f"{figure}_{what}" for figure in (*FIGURES, *EXTRA) for what in PARTS), "chance"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One run of the sweep, or one of the reference networks that some need (``reference``)."""

    name: str
    settings: Any  # TrainSettings; not imported here, so that the table is read without torch
    reference: bool = False


@dataclass(frozen=True)
class Done:
    """What came of one run.

    Attributes:
        seconds: it took.
        error: why it failed, or None.
        row: its leaderboard row; None for a reference network or a failed run.
        slices: its figures per group of videos.
    """

    seconds: float
    error: str | None = None
    row: dict[str, str] | None = None
    slices: tuple[Slices, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of a sweep.

    Attributes:
        table: compare.csv.
        failures: "run: reason" for every failed run.
        slices: of every run, its method and its figures per group of videos; empty without slices.
        sliced: compare-slices.csv; None without slices.
    """

    table: Path
    failures: tuple[str, ...]
    slices: tuple[tuple[str, tuple[Slices, ...]], ...] = ()
    sliced: Path | None = None


def compare_methods(sweep: Sweep, say: Say = lambda line: None) -> Outcome:
    """Train and score every method with every seed; finished runs are kept.

    A run that fails is reported and left out; the others continue.

    Raises:
        BenchError: a setting is invalid.
    """
    with results_folder(sweep.out):
        return _compare(sweep, say)


def _compare(sweep: Sweep, say: Say) -> Outcome:
    cores = pool.default_workers()
    jobs = sweep.jobs or _side_by_side(sweep, cores)
    threads, failures, details = max(1, cores // jobs), [], dict[str, str]()
    stages, finished = plan(sweep), list[Done]()
    check_before(sweep, stages[1])
    for stage in stages:
        if not stage:
            continue
        began = time.monotonic()
        for count, (job, done) in enumerate(_run_all(stage, sweep, jobs, threads, details), 1):
            left = (time.monotonic() - began) / count * (len(stage) - count)
            end = f"{left / 60:.0f} min left" if count < len(stage) else "all done"
            say(f"[{count}/{len(stage)}] {job.name}: {done.error or f'{done.seconds / 60:.1f} min'}; {end}")
            finished.append(done)
            if done.error:
                failures.append(f"{job.name}: {done.error}")
    if details or sweep.out.is_dir():
        write_log(sweep.out, details)
    # Only what these runs gave: results/ may also contain rows of earlier commands, with other test sets.
    rows = [done.row for done in finished if done.row is not None]
    # In the order of the command, not in that in which they end.
    by_method = [(m, d) for m in map(safe_name, sweep.methods) for d in finished if d.row and d.row["method"] == m]
    slices = tuple((m, d.slices) for m, d in by_method if d.slices)
    if not rows:
        raise BenchError(f"{sweep.out}: all {len(failures)} runs failed; the first: {failures[0]}")
    table = sweep.out / TABLE
    lines = tabulate(rows, [safe_name(method) for method in sweep.methods])
    write_csv(table, columns_of(own_figures(rows), drops_of(rows)), lines)
    return Outcome(table, tuple(failures), slices, write_compared_slices(sweep.out, slices) if slices else None)


def check_before(sweep: Sweep, runs: Sequence[Job]) -> None:
    """Find before hours of training what would fail after it: test sets, slices, masks.

    Raises:
        BenchError: a benchmark or the ordinary test videos are missing, they cannot be scored together, or a source of
            slices or an order of frames cannot be used.
    """
    check_slices(sweep.slices)
    known: set[tuple[object, ...]] = set()
    for settings in (job.settings for job in runs):
        options, key = eval_options(sweep, settings), (settings.dataset, settings.root, settings.fold)
        if key in known:
            continue
        known.add(key)
        ordinary = iid_set(settings.dataset, settings.root, options.split, settings.fold)
        sets = [benchmark_set(folder, settings.root) for folder in sweep.benchmarks or ()]
        for s in sets:
            if s.dataset != scored_as(safe_name(settings.dataset)):
                fix = "choose benchmarks of the data set that is trained on"
                raise BenchError(f"--benchmarks: {s.name} is of {s.dataset}, not of {settings.dataset}; {fix}")
        check_sets([ordinary, *sets])


def eval_options(sweep: Sweep, settings: Any) -> EvalOptions:
    """How a run is scored. ``settings``: its TrainSettings.

    Raises:
        BenchError: ``--time frozen-background`` without masks.
    """
    from albar.models import is_own

    return EvalOptions(
        model=ModelOptions(model=settings.model_name if is_own(settings.model_name) else None, clip=sweep.clips),
        dataset=settings.dataset,
        root=settings.root,
        split=sweep.split,
        fold=settings.fold,
        device=settings.device,
        batch=settings.recipe.batch,
        progress=False,
        time=sweep.time,
        masks=settings.masks if FROZEN in sweep.time else None,
        slices=sweep.slices,
        quantiles=sweep.quantiles,
    )


def plan(sweep: Sweep) -> tuple[list[Job], list[Job]]:
    """The reference networks, which must be trained first, and the runs, seed by seed."""
    from albar.methods import make_method
    from albar.training.reference2d import finished, reference_settings
    from albar.training.settings import make_settings

    references: dict[Path, Job] = {}
    runs = []
    for seed in sweep.seeds:
        for method in sweep.methods:
            name = f"{safe_name(method)}-s{seed}"
            given = {**sweep.training, **sweep.by_method.get(method, {}), "progress": False, "method": method}
            settings = make_settings(None, {**given, "seed": seed, "out": sweep.out / "runs" / name}, sweep.source)
            kind = make_method(method, settings.preset_name, settings.options)
            if "bank" in kind.needs:
                reference = reference_settings(settings)
                settings = settings.replaced(reference=reference.folder)
                if not finished(reference.folder):
                    references[reference.folder] = Job(reference.folder.name, reference, reference=True)
            runs.append(Job(name, settings))
    return list(references.values()), runs


def tabulate(rows: Sequence[Mapping[str, str]], methods: Sequence[str]) -> list[dict[str, object]]:
    """One row per method, in the order of ``methods``: mean and standard deviation (n − 1) of each of its figures.

    A deviation is blank if there is only one row; then the limits of the 95 % interval over videos are given instead. A
    figure is blank if no row has it. ``chance`` is the accuracy of a guess, percent; blank if it is unknown, or if
    SCUBA videos are in no pair.
    """
    table, further, drops = [], own_figures(rows), drops_of(rows)
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        line: dict[str, object] = {"method": method, "seeds": len(own)}
        if further:
            line[OWN] = "; ".join(f"{name} {arrow}" for name, arrow in further.items())
        line["chance"] = chance_of(own)
        for name in (*FIGURES, *EXTRA, *drops, *further):
            line |= {f"{name}_{what}": value for what, value in _over_seeds(own, name).items()}
        if own:
            table.append(line)
    return table


def _over_seeds(rows: Sequence[Mapping[str, str]], name: str) -> dict[str, object]:
    """Mean, standard deviation and limits of one figure of one method; see :func:`tabulate`."""
    measured = [(value, row) for row in rows if (value := number(row.get(name, ""))) is not None]
    found: dict[str, object] = dict.fromkeys(PARTS, "")
    if measured:
        mean = sum(value for value, _ in measured) / len(measured)
        found["mean"] = round(mean, 4)
        if len(measured) > 1:
            found["sd"] = round(math.sqrt(sum((v - mean) ** 2 for v, _ in measured) / (len(measured) - 1)), 4)
        else:
            for end in ("low", "high"):
                limit = number(measured[0][1].get(f"{name}_{end}", ""))
                found[end] = "" if limit is None else round(limit, 4)
    return found


def drops_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The drops that any row has, in the order of the leaderboard."""
    return drops_in(name for row in rows for name, cell in row.items() if cell)


def columns_of(own: Iterable[str], drops: Iterable[str] = ()) -> list[str]:
    """Columns of compare.csv; ``own``: figures of users' kinds, which come last with :data:`OWN`."""
    lost = [f"{drop}_{what}" for drop in drops for what in PARTS]
    further = [f"{figure}_{what}" for figure in own for what in PARTS]
    return [*COLUMNS, *lost, *further, OWN] if further else [*COLUMNS, *lost]


def _side_by_side(sweep: Sweep, cores: int) -> int:
    from albar.training.accelerator import pick_device

    return cores if pick_device(sweep.training.get("device") or "auto").type == "cpu" else 1


def _run_all(
    jobs: Sequence[Job], sweep: Sweep, at_once: int, threads: int, details: dict[str, str]
) -> Iterator[tuple[Job, Done]]:
    """What came of each job, as they end; tracebacks of unexpected errors are added to ``details``."""
    with closing(pool.run(_Runner(sweep, threads), jobs, at_once, apart=True)) as results:
        for job, result in results:
            if isinstance(result, Crashed):
                details[job.name] = result.details
                yield job, Done(0.0, logged(str(result)))
            elif isinstance(result, BenchError):
                yield job, Done(0.0, str(result))
            else:
                yield job, result


@dataclass(frozen=True)
class _Runner:
    """Trains and scores one run, in a separate process, on its share of the cores."""

    sweep: Sweep
    threads: int

    def make(self, job: Job) -> Done:
        """Train and score, or say why that failed."""
        import torch

        from albar.training.reference2d import train_reference
        from albar.training.trainer import train
        from evaluator.evaluate import evaluate

        torch.set_num_threads(self.threads)
        os.environ["TQDM_DISABLE"] = "1"
        began, settings, sweep = time.monotonic(), job.settings, self.sweep
        try:
            if job.reference:
                train_reference(settings)
                return Done(time.monotonic() - began)
            options, out = eval_options(sweep, settings), sweep.out / "results"
            scored = evaluate(train(settings), sweep.benchmarks, out, options, named=sweep.named)
        except BenchError as error:
            return Done(time.monotonic() - began, str(error))
        assert scored is not None
        record = scored.record
        return Done(time.monotonic() - began, None, as_text(row_of(record)), tuple(record.slices))
