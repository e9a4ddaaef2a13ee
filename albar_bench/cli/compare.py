"""`bench compare`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.say import say

ALL = "baseline mixup videomix sdn be actorcutmix fame stillmix albar"


def compare(
    methods: Annotated[
        list[str] | None,
        typer.Option(help=f"Methods, several after one another.  [default: {ALL}]", metavar="METHOD ..."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from --first-seed on.", min=1, max=10000)] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="What to train on; synthactions is rendered, and its benchmarks are built, if absent.  "
            "[default: synthactions]"
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.  [default: $BENCH_DATA/DATASET]")] = None,
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
    model: Annotated[
        str | None, typer.Option(help="Network.  [default: small3d for synthactions, else swin3d_t]")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="A published set's name, or a file.")] = None,
    preset: Annotated[str | None, typer.Option(help="finetune or scratch.  [default: by --weights]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the videos.  [default: the preset's]")] = None,
    batch: Annotated[int | None, typer.Option(help="Clips of a forward pass.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    limit: Annotated[int | None, typer.Option(help="Train on so many videos only.")] = None,
    masks: Annotated[str | None, typer.Option(help="Actors for actorcutmix and sdn.")] = None,
    places: Annotated[Path | None, typer.Option(help="Weights of a Places365 ResNet: scenes for sdn.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda …")] = None,
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
    own = {"dataset": dataset, "root": root, "model": model, "weights": weights, "preset": preset, "epochs": epochs,
           "batch": batch, "lr": lr, "limit": limit, "masks": masks, "places": places, "device": device}  # fmt: skip
    given = {name: value for name, value in own.items() if value is not None}
    training |= given
    by_method = {method: table | given for method, table in by_method.items()}
    if training.get("dataset", "synthactions") == "synthactions":
        benchmarks = _synthactions(training.get("root"), benchmarks)
    outcome = compare_methods(
        Sweep(
            methods=methods or ALL.split(),
            seeds=range(first_seed, first_seed + seeds),
            training=training,
            by_method=by_method,
            benchmarks=benchmarks or None,
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
    """The benchmarks of a render, rendered and built where absent: every kind, and SCUBA of the unbiased split."""
    from albar_bench.cli.train import render_if_absent
    from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
    from benchmark_builder.datasets import data_root

    render_if_absent(root)
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
