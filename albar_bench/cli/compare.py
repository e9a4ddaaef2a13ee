"""`bench compare`."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from albar.training.settings import ConfigFile, TrainSettings
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import EngineSettings
from benchmark_builder.utils.options import SettingsModel, setting
from benchmark_builder.utils.text import counted, shown
from evaluator.downstream.run import CompareDownstream
from evaluator.options import Sweep, TableFormat

# Settings of all runs that are options; the others can be given with --config.
SHARED = (
    "dataset", "root", "model", "weights", "preset", "epochs", "batch", "lr", "limit", "masks", "places", "device",
)  # fmt: skip
OF_SWEEP = ("methods", "pretrain", "equal_cost", "benchmarks", "time", "slices", "quantiles", "jobs", "out")


class CompareSeeds(SettingsModel):
    """The seeds of :class:`~evaluator.options.Sweep`, by their number and the first."""

    seeds: int = setting(3, "Number of seeds, from --first-seed on.", of="seeds", ge=1, le=10_000)
    first_seed: int = setting(0, "The first of them.")


@with_options
def compare(
    sweep: Annotated[dict[str, Any], Chosen(Sweep, only=OF_SWEEP)],
    drawn: CompareSeeds,
    given: Annotated[dict[str, Any], Chosen(TrainSettings, only=SHARED)],
    file: ConfigFile,
    machines: EngineSettings,
    tasks: CompareDownstream,
    form: TableFormat,
) -> None:
    """Train several methods with several seeds, score them all, and show one table: mean ± standard deviation.

    All kinds of test videos are scored. On synthactions they are built first (of a render that --root names, in
    OUT/benchmarks); of other datasets, those that are built are scored.
    With one seed, the table has 95 % intervals over the test videos instead of deviations.

    Can be resumed: the same command continues a stopped one, and keeps finished runs.

    With --pretrain, the methods fine-tune one network that was trained on other videos before, as in the papers; that
    network is a row, too.

    A method may be there with several settings; each is a row and a run of its own. The table says what every row
    costs, and --equal-cost adds a baseline that is trained as long as the dearest method.

    Example: `bench compare --methods baseline albar --seeds 3 --time one-frame`

    Example: `bench compare --methods baseline albar albar:ent=0 albar:adv=0 albar:still=middle,stills=1 --equal-cost`

    Example: `bench compare --methods baseline stillmix albar --pretrain 2048:bias=0.85,seed=101`

    Example: `bench compare --methods baseline albar --seeds 3 --format latex`

    Example, with runs on all machines of a Ray cluster: `bench compare --methods baseline albar --engine ray`

    With --downstream, it shows how well the features of networks serve other tasks: AUC of anomaly detection, mAP of
    localization, and contrasted accuracy next to them, with the published rows (docs/downstream.md).

    Example: `bench compare --downstream anomaly/ localize/ --leaderboard results/leaderboard.csv`

    Example: `bench compare --downstream runs/*/model.ckpt --on ucf-crime thumos14 --anomaly-head mgfn --out table`
    """
    if tasks.downstream:
        if form.format != "text":
            raise form.wrong("format", form.format, "is for the table of methods; with --downstream leave it out and "
                             "take downstream.csv")  # fmt: skip
        _downstream(tasks, sweep, drawn, given, file, machines)
        return
    _only_with_downstream(tasks)
    from albar.training.settings import read_configs
    from benchmark_builder.synthactions.render import render_if_missing
    from benchmark_builder.utils.errors import BenchError
    from evaluator.compare_methods import check_settings, compare_methods
    from evaluator.reports.compared_slices import show_compared_slices
    from evaluator.reports.comparison import read_compared, show_compared
    from evaluator.reports.leaderboard import own_figures

    tell = partial(say, err=form.format != "text")  # standard output then has the table alone
    training, by_method = read_configs(file.config) if file.config else ({}, {})
    training |= given
    by_method = {method: table | given for method, table in by_method.items()}
    first = drawn.first_seed
    wanted = Sweep(
        **sweep,
        seeds=tuple(range(first, first + drawn.seeds)),
        training=training,
        by_method=by_method,
        source=file.config,
    )
    check_settings(wanted)  # before minutes of rendering and building
    if training.get("dataset", "synthactions") == "synthactions":
        render_if_missing(training.get("root"), tell)
        built = wanted.benchmarks or _synthactions(training.get("root"), wanted.out)
        wanted = wanted.replaced(benchmarks=built, named=bool(wanted.benchmarks))
    outcome = compare_methods(wanted, tell)
    show_compared(outcome.table, form=form.format)
    if form.format == "text":
        show_compared_slices(outcome.slices, own_figures(read_compared(outcome.table)))
    written = (outcome.table, outcome.sliced, wanted.out / "results" / "leaderboard.csv")
    tell("\n".join(str(path) for path in written if path is not None))
    if outcome.failures:
        raise BenchError(
            f"{counted(len(outcome.failures), 'run')} failed; the first: {outcome.failures[0]}; fix the cause and "
            f"run the "
            "command again"
        )


def _downstream(
    tasks: CompareDownstream, sweep: dict[str, Any], drawn: CompareSeeds, given: dict[str, Any], file: ConfigFile,
    machines: EngineSettings,
) -> None:  # fmt: skip
    """The table of downstream tasks."""
    from benchmark_builder.utils import engine
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.options import flag_of
    from evaluator.downstream.run import Measured, measure, split_results
    from evaluator.downstream.table import downstream_table, on_screen
    from evaluator.reports.leaderboard import read_leaderboard
    from evaluator.reports.screen import print_table

    if other := [name for name in (*sweep, *given) if name not in ("out", "device")] + ["config"] * bool(file.config):
        raise BenchError(f"{flag_of(other[0])}: is for training; leave it out, --downstream trains no networks")
    for path in tasks.leaderboard:
        read_leaderboard(path)  # before any work
    results, models = split_results(tasks.downstream)
    if models and not tasks.on:
        raise BenchError(f"--downstream {models[0]}: contains no results.json of `bench downstream`; if it is a model, "
                         "name the datasets to measure it on with --on")  # fmt: skip
    of_models = _changed(tasks, ("on", "anomaly_head", "localize_head", "features")) + _changed(drawn)
    of_models += [name for name in ("device",) if name in given] + _changed(machines)
    if of_models and not models:
        raise BenchError(
            f"{flag_of(of_models[0])}: is for models in --downstream, and there are only results; leave it out"
        )
    if models and not engine.current().local:
        say(f"--engine {engine.current().name}: features are computed on its machines, heads are trained on this one")
    out = sweep.get("out", Path("compare"))
    done = Measured()
    if models:
        done = measure(models, tasks, (drawn.seeds, drawn.first_seed), given.get("device", "auto"), out, say)
    if not results and not done.results:
        raise BenchError(f"all steps failed; the first: {done.failures[0]}")
    table = downstream_table([*results, *done.results], tasks.leaderboard, out)
    print_table(on_screen(table))
    for note in table.notes:
        say(shown(note))
    say("\n".join(map(str, table.written)))
    if done.failures:
        raise BenchError(f"{counted(len(done.failures), 'step')} failed; the first: {done.failures[0]}; fix the cause "
                         f"and run the "
                         "command again")  # fmt: skip


def _changed(settings: SettingsModel, names: Iterable[str] = ()) -> list[str]:
    """Names of settings, of all or of some, that are not at their defaults."""
    fields = type(settings).model_fields
    return [name for name in names or fields if getattr(settings, name) != fields[name].default]


def _only_with_downstream(tasks: CompareDownstream) -> None:
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.options import flag_of

    for name in _changed(tasks):
        raise BenchError(f"{flag_of(name)}: is for --downstream; name results or models with that")


def _synthactions(root: Path | None, out: Path) -> tuple[Path, ...]:
    """The benchmarks of a render: every kind, and SCUBA of the unbiased split. Missing ones are built first.

    They are in ``$BENCH_DATA/benchmarks``, or for a render at another place than ``$BENCH_DATA/synthactions`` in
    ``out/benchmarks``: those of one render never take the place of those of another.
    """
    from benchmark_builder.builders import Run, build_kind, build_scuba
    from benchmark_builder.datasets import data_root
    from benchmark_builder.kinds import KINDS

    usual = data_root() / "synthactions"
    own = root is not None and root.resolve() != usual.resolve()
    built = (out if own else data_root()) / "benchmarks"
    run = Run(say=lambda line: None)
    scuba, unbiased = (built / f"synthactions-{name}-stripes" for name in ("scuba", "scuba-unbiased"))
    build_scuba("synthactions", root, "test", out=scuba, run=run, per_video=1)
    made = [
        build_kind(kind, scuba, out=built / f"synthactions-{kind}" if own else None, run=run).folder
        for kind in KINDS.shipped
        if kind != "scuba"
    ]
    build_scuba("synthactions", root, "test_unbiased", out=unbiased, run=run, per_video=1)
    return scuba, *made, unbiased
