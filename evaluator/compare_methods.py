"""Trains and scores several methods with several seeds, in parallel, and writes one table; can be resumed."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark_builder.datasets import data_root, scored_as
from benchmark_builder.utils import engine, pool
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import logged, write_log
from benchmark_builder.utils.text import counted
from evaluator.metrics.figures import check_sets
from evaluator.metrics.names import EXTRA, FIGURES
from evaluator.options import EvalOptions, ModelOptions, Sweep
from evaluator.pretrain import FOLDER, PRESET, PretrainSettings, checkpoint_of, render, run_of
from evaluator.records import Slices
from evaluator.reports.compare_columns import COLUMNS as COLUMNS
from evaluator.reports.compare_columns import COSTS, PARTS
from evaluator.reports.compare_columns import columns_of as columns_of
from evaluator.reports.compared_slices import write_compared_slices
from evaluator.reports.leaderboard import OWN, as_text, drops_in, number, own_figures, row_of
from evaluator.reports.reference import chance_of
from evaluator.results_folder import results_folder
from evaluator.slices.table import check_slices
from evaluator.testsets import benchmark_set, iid_set
from evaluator.time_order import FROZEN
from evaluator.variants import Variant

TABLE, BASELINE, PRETRAINED = "compare.csv", "baseline", "pre-trained"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One run of the sweep.

    Attributes:
        name: the run's, for messages.
        settings: of its training.
        variant: its name in tables; empty: it is only trained, not scored.
        reference: whether it is a 2-D reference network that other runs need.
        root: the dataset to score it on, if it is not the one it is trained on.
    """

    name: str
    settings: Any  # TrainSettings; not imported here, so that the table is read without torch
    reference: bool = False
    variant: str = ""
    root: Path | None = None


@dataclass(frozen=True)
class Done:
    """What came of one run.

    Attributes:
        seconds: it took.
        error: why it failed, or None.
        row: its leaderboard row; None for a reference network or a failed run.
        slices: its figures per group of videos.
        cost: its clips through the network per training clip; empty: not counted (trained by an older version).
    """

    seconds: float
    error: str | None = None
    row: dict[str, str] | None = None
    slices: tuple[Slices, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict[str, float])


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
    with results_folder(sweep.out), _engine(sweep, say):
        return _compare(sweep, say)


@contextmanager
def _engine(sweep: Sweep, say: Say) -> Iterator[None]:
    """On a cluster, each run reserves a GPU where there are any, unless the user says otherwise."""
    chosen = engine.current()
    if chosen.local:
        yield
        return
    from benchmark_builder.utils.cluster import gpus_of

    gpus = chosen.gpus
    if gpus is None and sweep.training.get("device") != "cpu" and gpus_of(chosen):
        gpus = 1.0
    each = f"{chosen.needs['CPU']:g} cores" + (f", {gpus:g} GPUs" if gpus else "")
    say(f"--engine {chosen.name}: each run reserves {each}; --engine-cpus and --engine-gpus change that")
    needs: dict[str, Any] = {"cpus": chosen.cpus, "gpus": gpus, "memory": chosen.memory}
    with engine.using(chosen.name, **needs, workers=sweep.jobs):
        yield


def _compare(sweep: Sweep, say: Say) -> Outcome:
    cores, chosen = pool.default_workers(), engine.current()
    jobs = sweep.jobs or _side_by_side(sweep, cores)
    threads, failures, details = max(1, cores // jobs), [], dict[str, str]()
    if not chosen.local:
        threads = max(1, int(chosen.needs["CPU"]))
    before = sweep.before
    if before is not None:
        sweep = from_pretrained(sweep)
    references, runs = plan(sweep)
    check_before(sweep, runs)
    finished = list[tuple[Job, Done]]()

    def work(stage: Sequence[Job]) -> None:
        began = time.monotonic()
        for count, (job, done) in enumerate(_run_all(stage, sweep, jobs, threads, details), 1):
            left = (time.monotonic() - began) / count * (len(stage) - count)
            end = f"{left / 60:.0f} min left" if count < len(stage) else "all done"
            say(f"[{count}/{len(stage)}] {job.name}: {done.error or f'{done.seconds / 60:.1f} min'}; {end}")
            finished.append((job, done))
            if done.error:
                failures.append(f"{job.name}: {done.error}")

    names = [variant.name for variant in sweep.variants]
    if before is not None:
        work([pretraining(sweep, before, cores)])
        if failures:
            raise BenchError(f"{failures[0]}; fix the cause and run the command again")
        names = [PRETRAINED, *names]
    for stage in filter(None, (references, runs)):
        work(stage)
    if sweep.equal_cost:
        equal = equal_baseline(sweep, finished, say)
        if equal is not None:
            work(plan(equal)[1])
            names += [variant.name for variant in equal.variants]
    if details or sweep.out.is_dir():
        write_log(sweep.out, details)
    # Only what these runs gave: results/ may also contain rows of earlier commands, with other test sets.
    epochs = baseline_epochs(sweep)
    scored = [(job.variant, done) for job, done in finished if done.row is not None]
    rows = [done.row | costs(job, done, epochs) for job, done in finished if done.row is not None]
    # In the order of the command, not in that in which they end.
    slices = tuple((name, done.slices) for name in names for own, done in scored if own == name and done.slices)
    if not rows:
        raise BenchError(f"{sweep.out}: all {counted(len(failures), 'run')} failed; the first: {failures[0]}")
    table = sweep.out / TABLE
    write_csv(table, columns_of(own_figures(rows), drops_of(rows)), tabulate(rows, names))
    return Outcome(table, tuple(failures), slices, write_compared_slices(sweep.out, slices) if slices else None)


def from_pretrained(sweep: Sweep) -> Sweep:
    """The sweep whose runs start from the pre-trained weights, with the preset for them unless another is chosen."""
    training = {"preset": PRESET, **sweep.training, "weights": str(checkpoint_of(sweep.out))}
    return sweep.replaced(training=training, pretrain=None)


def pretraining(sweep: Sweep, before: PretrainSettings, workers: int) -> Job:
    """The run that trains the weights of :func:`from_pretrained`, scored as the others are; its videos are rendered."""
    root = sweep.training.get("root")
    render(before, root, sweep.out, workers)
    settings = run_of(before, sweep.training, sweep.out)
    return Job(FOLDER, settings, variant=PRETRAINED, root=root or data_root() / settings.dataset)


def baseline_epochs(sweep: Sweep) -> int:
    """Epochs of the baseline with the settings that all runs share: what costs are relative to."""
    from albar.training.settings import make_settings

    given = {**sweep.training, **sweep.by_method.get(BASELINE, {}), "method": BASELINE}
    return make_settings(None, given, sweep.source).recipe.epochs


def costs(job: Job, done: Done, epochs: int) -> dict[str, str]:
    """The columns :data:`COSTS` of a run; empty if they were not counted, and of the pre-training, which all share.

    Args:
        epochs: those of the baseline, which passes every clip forward and backward once per epoch.
    """
    if not done.cost or job.variant == PRETRAINED:
        return {}
    relative = sum(done.cost.values()) / 2 * job.settings.recipe.epochs / epochs
    return {name: repr(float(value)) for name, value in {**done.cost, "cost": relative}.items()}


def equal_baseline(sweep: Sweep, finished: Sequence[tuple[Job, Done]], say: Say) -> Sweep | None:
    """The sweep of a baseline that costs as much as the dearest method; None if there is one, or if it is not known."""
    scored = [(job, done) for job, done in finished if not job.reference and job.variant != PRETRAINED]
    if any(done.error or not done.cost for _, done in scored):
        say("no baseline of equal cost: the cost of some runs is not known; fix their errors and run the command again")
        return None
    # Of one variant all seeds cost the same, but for rounding: SDN's second half, clips that are drawn.
    passes = {job.variant: sum(done.cost.values()) / 2 * job.settings.recipe.epochs for job, done in scored}
    dearest = max(passes, key=lambda name: passes[name])
    equal = f"{BASELINE}:epochs={math.ceil(passes[dearest] - 1e-6)}"
    said = f"the dearest method is {dearest}: {passes[dearest]:.3g} epochs of the baseline"
    if dearest == BASELINE or equal in passes:
        say(f"{said}; a baseline of equal cost is there")
        return None
    say(f"{said}; {equal} costs as much")
    return sweep.replaced(methods=(equal,), equal_cost=False)


def check_settings(sweep: Sweep) -> None:
    """Raise BenchError if a setting of a run is wrong; nothing is read but files of settings and weights."""
    plan(sweep if sweep.before is None else from_pretrained(sweep))


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


def eval_options(sweep: Sweep, settings: Any, name: str = "") -> EvalOptions:
    """How a run is scored. ``settings``: its TrainSettings; ``name``: in tables; empty: its method's.

    Raises:
        BenchError: ``--time frozen-background`` without masks.
    """
    from albar.models import is_own

    own = settings.model_name if is_own(settings.model_name) else None
    return EvalOptions(
        model=ModelOptions(model=own, method=name or None, clip=sweep.clips),
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

    references: dict[Path, Job] = {}
    runs, known = [], dict[str, str]()
    for seed in sweep.seeds:
        for variant in sweep.variants:
            name = f"{variant.folder}-s{seed}"
            settings = _settings(sweep, variant, seed, sweep.out / "runs" / name)
            kind = make_method(variant.method, settings.preset_name, settings.options)
            if "bank" in kind.needs:
                reference = reference_settings(settings)
                settings = settings.replaced(reference=reference.folder)
                if not finished(reference.folder):
                    references[reference.folder] = Job(reference.folder.name, reference, reference=True)
            same = known.setdefault(_decides(settings, kind), variant.name)
            if same != variant.name:
                raise BenchError(f"--methods {variant.name}: its runs are those of {same}; leave one of them out")
            runs.append(Job(name, settings, variant=variant.name))
    return list(references.values()), runs


def _settings(sweep: Sweep, variant: Variant, seed: int, out: Path) -> Any:
    """TrainSettings of one run."""
    from albar.training.settings import make_settings

    options, run = variant.settings()
    given = {**sweep.training, **sweep.by_method.get(variant.method, {}), **run, "method": variant.method}
    given |= {"progress": False, "seed": seed, "out": out, "options": {**given.get("options", {}), **options}}
    try:
        return make_settings(None, given, sweep.source)
    except BenchError as error:
        raise (BenchError(f"--methods {variant.name}: {error}") if variant.changes else error) from None


def _decides(settings: Any, method: Any) -> str:
    """Text that is equal for two runs if all that decides their results is."""
    recipe = settings.recipe
    rest = settings.replaced(out=None, options={}, preset=None, **dict.fromkeys(type(recipe).setting_names()))
    return repr((rest, recipe, method.settings))


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
        for name in COSTS:
            line[name] = _over_seeds(own, name)["mean"]
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


def _side_by_side(sweep: Sweep, cores: int) -> int:
    from albar.training.accelerator import pick_device

    return cores if pick_device(sweep.training.get("device") or "auto").type == "cpu" else 1


def _run_all(
    jobs: Sequence[Job], sweep: Sweep, at_once: int, threads: int, details: dict[str, str]
) -> Iterator[tuple[Job, Done]]:
    """What came of each job, as they end; tracebacks of unexpected errors are added to ``details``."""
    with closing(engine.run(_Runner(sweep, threads), jobs, at_once, apart=True, shared=(sweep.out,))) as results:
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

        from albar.checkpoint import load_checkpoint
        from albar.training.reference2d import train_reference
        from albar.training.trainer import train
        from evaluator.evaluate import evaluate
        from evaluator.models import load_model

        torch.set_num_threads(self.threads)
        os.environ["TQDM_DISABLE"] = "1"
        began, settings, sweep = time.monotonic(), job.settings, self.sweep
        try:
            if job.reference:
                train_reference(settings)
                return Done(time.monotonic() - began)
            checkpoint, out = train(settings), sweep.out / "results"
            options = eval_options(sweep, settings.replaced(root=job.root or settings.root), job.variant)
            if settings.places is not None and load_model(checkpoint, options.model).scenes is not None:
                options = options.replaced(places=settings.places)
            scored = evaluate(checkpoint, sweep.benchmarks, out, options, named=sweep.named)
        except BenchError as error:
            return Done(time.monotonic() - began, str(error))
        assert scored is not None
        record, cost = scored.record, load_checkpoint(checkpoint).cost
        return Done(time.monotonic() - began, None, as_text(row_of(record)), tuple(record.slices), cost)
