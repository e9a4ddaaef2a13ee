"""`bench eval`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.say import say


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
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(
            help="Built benchmarks, several after one another.  [default: those of the checkpoint's dataset in "
            "$BENCH_DATA/benchmarks]",
            metavar="DIR ...",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of a network given by name: a file, or a published set (KINETICS400_V1).")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="Class names of the model's outputs, one a line.  [default: the model's own, else the benchmark's]"
        ),
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="How clips are cut: albar-32x2-224, stillmix-4x3, …  [default: the model's]")
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", help="A setting of the clips, NAME=VALUE, e.g. stride=4.")
    ] = None,
    views: Annotated[int | None, typer.Option(help="Clips a video, evenly in time; softmax is averaged.")] = None,
    crops: Annotated[int | None, typer.Option(help="Crops a clip: 1 (centre) or 3.")] = None,
    method: Annotated[str | None, typer.Option(help="What to call it in the leaderboard.  [default: its own]")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Open a TorchScript or .pt2 file, which can run its author's code.")
    ] = False,
    dataset: Annotated[
        str | None, typer.Option(help="Whose videos to score.  [default: the checkpoint's, else the benchmarks']")
    ] = None,
    out: Annotated[Path, typer.Option(help="Predictions, results and leaderboard.csv go here.")] = Path("results"),
    root: Annotated[Path | None, typer.Option(help="Dataset folder, for IID.  [default: $BENCH_DATA/DATASET]")] = None,
    iid: Annotated[bool, typer.Option(help="Score the ordinary test split too.")] = True,
    split: Annotated[str, typer.Option(help="Which split IID is.")] = "test",
    fold: Annotated[int, typer.Option(help="Which official split, from 1.", min=1)] = 1,
    batch: Annotated[int, typer.Option(help="Clips a forward pass and GPU.")] = 8,
    workers: Annotated[int, typer.Option(help="Decoding processes; 0 decodes in the main one.", min=0, max=256)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
    precision: Annotated[str, typer.Option(help="auto (bf16 on a GPU), float32 or bf16.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only the first N videos of each set: a quick look.")] = None,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Go on without unreadable videos; every figure then says of how many."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Owns the bootstrap's draws.")] = 0,
    cluster: Annotated[
        str, typer.Option(help="What the intervals' bootstrap draws whole: source, group (UCF101's) or video.")
    ] = "source",
    format: Annotated[str, typer.Option(help="Of the predictions: csv or parquet.")] = "csv",
) -> None:
    """Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑).

    On several GPUs: `accelerate launch --num_processes N -m bench eval MODEL …`.
    """
    from albar_bench.cli.train import _pairs
    from evaluator.evaluate import EvalOptions, evaluate
    from evaluator.models import ModelOptions
    from evaluator.reports.leaderboard import read_leaderboard
    from evaluator.reports.picture import plot_leaderboard
    from evaluator.reports.screen import show

    options = EvalOptions(
        model=ModelOptions(
            weights=weights,
            classes=classes,
            method=method,
            sampling=sampling,
            clip=_pairs("--clip", clip),
            views=views,
            crops=crops,
            trust=trust,
        ),
        dataset=dataset,
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
        cluster=cluster,
        suffix=f".{format}",
    )
    if not evaluate(model, benchmarks or None, out, options, say):
        return  # one of several processes, not the one that writes
    table = out / "leaderboard.csv"
    show([table])
    plot_leaderboard(read_leaderboard(table), out / "leaderboard.png")
    say(f"{table}\n{out / 'leaderboard.png'}\n{out / 'predictions'}")
