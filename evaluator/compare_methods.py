"""Trains and scores several methods with several seeds, in parallel, and writes one table; can be resumed."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import logged, write_log
from evaluator.metrics.names import EXTRA, FIGURES
from evaluator.options import Sweep
from evaluator.reports.leaderboard import NAME, OWN, number, own_figures, read_leaderboard
from evaluator.results_folder import results_folder

TABLE = "compare.csv"
COLUMNS = ["method", "seeds", *(f"{figure}_{what}" for figure in (*FIGURES, *EXTRA) for what in ("mean", "sd"))]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One run of the sweep, or one of the reference networks that some need (``reference``)."""

    name: str
    settings: Any  # TrainSettings; not imported here, so that the table is read without torch
    reference: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a sweep.

    Attributes:
        table: compare.csv.
        failures: "run: reason" for every failed run.
    """

    table: Path
    failures: tuple[str, ...]


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
    for stage in plan(sweep):
        if not stage:
            continue
        began = time.monotonic()
        for done, (job, error, seconds) in enumerate(_run_all(stage, sweep, jobs, threads, details), 1):
            left = (time.monotonic() - began) / done * (len(stage) - done)
            end = f"{left / 60:.0f} min left" if done < len(stage) else "all done"
            say(f"[{done}/{len(stage)}] {job.name}: {error or f'{seconds / 60:.1f} min'}; {end}")
            if error:
                failures.append(f"{job.name}: {error}")
    if details or sweep.out.is_dir():
        write_log(sweep.out, details)
    table = sweep.out / TABLE
    board = sweep.out / "results" / NAME
    if not board.is_file():
        raise BenchError(f"no run of {sweep.out} could be scored; first: {failures[0] if failures else 'none ran'}")
    chosen = {str(seed) for seed in sweep.seeds}
    methods = [safe_name(method) for method in sweep.methods]
    rows = [r for r in read_leaderboard(board) if r["method"] in methods and r["seed"] in chosen]
    lines = tabulate(rows, methods)
    write_csv(table, columns_of(own_figures(rows)), lines)
    return Outcome(table, tuple(failures))


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

    A deviation is blank if there is only one row; a figure is blank if no row has it.
    """
    table, further = [], own_figures(rows)
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        line: dict[str, object] = {"method": method, "seeds": len(own)}
        if further:
            line[OWN] = "; ".join(f"{name} {arrow}" for name, arrow in further.items())
        for name in (*FIGURES, *EXTRA, *further):
            values = [v for v in (number(row.get(name, "")) for row in own) if v is not None]
            mean = sum(values) / len(values) if values else math.nan
            line[f"{name}_mean"] = round(mean, 4) if values else ""
            spread = sum((v - mean) ** 2 for v in values)
            line[f"{name}_sd"] = round(math.sqrt(spread / (len(values) - 1)), 4) if len(values) > 1 else ""
        if own:
            table.append(line)
    return table


def columns_of(own: Iterable[str]) -> list[str]:
    """Columns of compare.csv; ``own``: figures of users' kinds, which come last with :data:`OWN`."""
    further = [f"{figure}_{what}" for figure in own for what in ("mean", "sd")]
    return [*COLUMNS, *further, OWN] if further else COLUMNS


def _side_by_side(sweep: Sweep, cores: int) -> int:
    from albar.training.accelerator import pick_device

    return cores if pick_device(sweep.training.get("device") or "auto").type == "cpu" else 1


def _run_all(
    jobs: Sequence[Job], sweep: Sweep, at_once: int, threads: int, details: dict[str, str]
) -> Iterator[tuple[Job, str | None, float]]:
    """(job, why it failed or None, seconds) as they end; tracebacks of unexpected errors are added to ``details``."""
    with closing(pool.run(_Runner(sweep, threads), jobs, at_once, apart=True)) as results:
        for job, result in results:
            if isinstance(result, Crashed):
                details[job.name] = result.details
                yield job, logged(str(result)), 0.0
            elif isinstance(result, BenchError):
                yield job, str(result), 0.0
            else:
                yield job, result[1], result[0]


@dataclass(frozen=True)
class _Runner:
    """Trains and scores one run, in a separate process, on its share of the cores."""

    sweep: Sweep
    threads: int

    def make(self, job: Job) -> tuple[float, str | None]:
        """Seconds, and the reason of a failure or None."""
        import torch

        from albar.models import is_own
        from albar.training.reference2d import train_reference
        from albar.training.trainer import train
        from evaluator.evaluate import EvalOptions, evaluate
        from evaluator.models import ModelOptions

        torch.set_num_threads(self.threads)
        os.environ["TQDM_DISABLE"] = "1"
        began, settings = time.monotonic(), job.settings
        try:
            if job.reference:
                train_reference(settings)
            else:
                options = EvalOptions(
                    model=ModelOptions(model=settings.model_name if is_own(settings.model_name) else None),
                    dataset=settings.dataset,
                    root=settings.root,
                    device=settings.device,
                    batch=settings.recipe.batch,
                    progress=False,
                )
                evaluate(train(settings), self.sweep.benchmarks, self.sweep.out / "results", options)
        except BenchError as error:
            return time.monotonic() - began, str(error)
        return time.monotonic() - began, None
