"""`bench eval`."""

from pathlib import Path
from typing import Annotated

import typer


def eval_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `bench train` wrote.", metavar="MODEL.CKPT")],
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(
            help="Built benchmarks, several after one another.  [default: those of the checkpoint's dataset in "
            "$BENCH_DATA/benchmarks]",
            metavar="DIR ...",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Predictions, results and leaderboard.csv go here.")] = Path("results"),
    root: Annotated[Path | None, typer.Option(help="Dataset folder, for IID.  [default: $BENCH_DATA/DATASET]")] = None,
    iid: Annotated[bool, typer.Option(help="Score the ordinary test split too.")] = True,
    split: Annotated[str, typer.Option(help="Which split IID is.")] = "test",
    fold: Annotated[int, typer.Option(help="Which official split, from 1.", min=1)] = 1,
    batch: Annotated[int, typer.Option(help="Clips a forward pass.")] = 8,
    workers: Annotated[int, typer.Option(help="Decoding processes; 0 decodes in the main one.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    precision: Annotated[str, typer.Option(help="auto (bf16 on a GPU), float32 or bf16.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only the first N videos of each set: a quick look.")] = None,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Go on without unreadable videos; every figure then says of how many."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Owns the bootstrap's draws.")] = 0,
) -> None:
    """Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑)."""
    from evaluator.evaluate import EvalOptions, evaluate
    from evaluator.leaderboard import read_leaderboard
    from evaluator.plots import plot_leaderboard
    from evaluator.show import show

    options = EvalOptions(
        root=root,
        iid=iid,
        split=split,
        fold=fold,
        batch=batch,
        workers=workers,
        device=device,
        precision=precision,
        limit=limit,
        allow_missing=allow_missing,
        seed=seed,
    )
    evaluate(checkpoint, benchmarks or None, out, options)
    table = out / "leaderboard.csv"
    show([table])
    plot_leaderboard(read_leaderboard(table), out / "leaderboard.png")
    typer.echo(f"{table}\n{out / 'leaderboard.png'}\n{out / 'predictions'}")
