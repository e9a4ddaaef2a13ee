"""`bench eval`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from evaluator.options import EvalOptions, ModelOptions

OF_MODEL = ("model", "weights", "classes", "sampling", "views", "crops", "method", "trust")
OPTIONS = (
    "dataset", "root", "iid", "split", "fold", "batch", "workers", "device", "precision", "limit", "allow_missing",
    "seed", "cluster",
)  # fmt: skip


@with_options
def eval_command(
    model: Annotated[
        str,
        typer.Argument(
            help="A checkpoint of `bench train` or of ALBAR's release; a network's name with --weights (swin3d_t, …); "
            "hf:FOLDER_OR_NAME (VideoMAE, TimeSformer, ViViT); a TorchScript or .pt2 file (--trust); "
            "package.module:factory.",
            metavar="MODEL",
        ),
    ],
    said: Annotated[dict[str, Any], Chosen(ModelOptions, only=OF_MODEL)],
    chosen: Annotated[dict[str, Any], Chosen(EvalOptions, only=OPTIONS)],
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(
            help="Built benchmarks, several after one another.  [default: those of the checkpoint's dataset in "
            "$BENCH_DATA/benchmarks]",
            metavar="DIR ...",
        ),
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", help="A setting of the clips, NAME=VALUE, e.g. stride=4.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Predictions, results and leaderboard.csv go here.")] = Path("results"),
    format: Annotated[str, typer.Option(help="Of the predictions: csv or parquet.")] = "csv",
) -> None:
    """Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑).

    On several GPUs: `accelerate launch --num_processes N $(which bench) eval MODEL …`.
    """
    from albar_bench.cli.train import _pairs
    from evaluator.evaluate import evaluate
    from evaluator.reports.leaderboard import read_leaderboard
    from evaluator.reports.picture import plot_leaderboard
    from evaluator.reports.screen import show

    options = EvalOptions(
        model=ModelOptions(**said, clip=_pairs("--clip", clip)),
        **chosen,
        suffix=f".{format}",  # type: ignore[arg-type]  # checked there
    )
    if not evaluate(model, benchmarks or None, out, options, say):
        return  # one of several processes, not the one that writes
    table = out / "leaderboard.csv"
    show([table])
    plot_leaderboard(read_leaderboard(table), out / "leaderboard.png")
    say(f"{table}\n{out / 'leaderboard.png'}\n{out / 'predictions'}")
