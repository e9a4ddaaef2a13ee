"""`bench compare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar.training.settings import TrainSettings
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say

ALL = "baseline mixup videomix sdn be actorcutmix fame stillmix albar"


# Settings of all runs that are options; --config takes the others.
SHARED = (
    "dataset", "root", "model", "weights", "preset", "epochs", "batch", "lr", "limit", "masks", "places", "device",
)  # fmt: skip


@with_options
def compare(
    given: Annotated[dict[str, Any], Chosen(TrainSettings, only=SHARED)],
    methods: Annotated[
        list[str] | None,
        typer.Option(help=f"Methods, several after one another.  [default: {ALL}]", metavar="METHOD ..."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from --first-seed on.", min=1, max=10000)] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(
            help="Built benchmarks, several after one another.  [default: those of the dataset in "
            "$BENCH_DATA/benchmarks]",
            metavar="DIR ...",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML of training settings for all methods, or a published recipe by name, as for "
            "`bench train --config`; a table [method.NAME] holds settings of one."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs side by side.  [default: one a core; with a GPU one]", min=1, max=64)
    ] = None,
    out: Annotated[Path, typer.Option(help="Runs, results and compare.csv go here.")] = Path("compare"),
) -> None:
    """Train several methods with several seeds, score them all, and show one table: mean ± standard deviation.

    Resumable: the same command goes on where it was stopped, and keeps what is finished.
    """
    from albar.training.settings import read_configs
    from benchmark_builder.utils.errors import BenchError
    from evaluator.compare_methods import Sweep, compare_methods
    from evaluator.reports.comparison import show_compared

    training, by_method = read_configs(config) if config else ({}, {})
    training |= given
    by_method = {method: table | given for method, table in by_method.items()}
    if training.get("dataset", "synthactions") == "synthactions":
        benchmarks = _synthactions(training.get("root"), benchmarks)
    outcome = compare_methods(
        Sweep(
            methods=tuple(methods or ALL.split()),
            seeds=tuple(range(first_seed, first_seed + seeds)),
            training=training,
            by_method=by_method,
            benchmarks=tuple(benchmarks) if benchmarks else None,
            out=out,
            source=config,
            jobs=jobs,
        ),
        say,
    )
    show_compared(outcome.table)
    say(f"{outcome.table}\n{out / 'results' / 'leaderboard.csv'}")
    if outcome.failures:
        raise BenchError(
            f"{len(outcome.failures)} runs failed, first {outcome.failures[0]}; fix the cause and run again"
        )


def _synthactions(root: Path | None, benchmarks: list[Path] | None) -> list[Path]:
    """The benchmarks of a render, rendered and built where missing: every kind, and SCUBA of the unbiased split."""
    from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
    from benchmark_builder.datasets import data_root
    from benchmark_builder.synthactions.render import render_if_missing

    render_if_missing(root, say)
    if benchmarks:
        return benchmarks
    built = data_root() / "benchmarks"
    run = Run(say=lambda line: None)
    scuba, scufo, shaken, conflfg, unbiased = (
        built / f"synthactions-{kind}-stripes" for kind in ("scuba", "scufo", "shaken", "conflfg", "scuba-unbiased")
    )
    build_scuba("synthactions", root, "test", out=scuba, run=run, per_video=1)
    build_scufo(scuba, out=scufo, run=run)
    build_scufo(scuba, out=shaken, shaken=True, run=run)
    build_conflfg(scuba, out=conflfg, run=run)
    build_scuba("synthactions", root, "test_unbiased", out=unbiased, run=run, per_video=1)
    return [scuba, scufo, shaken, conflfg, unbiased]
