"""`bench eval`."""

from typing import Annotated, Any

import typer

from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from evaluator.options import EvalFiles, EvalOptions, ModelOptions

OF_MODEL = (
    "model", "weights", "classes", "prompts", "sampling", "clip", "views", "crops", "method", "trained_on", "trust",
)  # fmt: skip
UNNAMED = tuple(name for name in OF_MODEL if name not in ("method", "trained_on"))  # without those for the leaderboard
OPTIONS = (
    "dataset", "root", "name", "iid", "split", "fold", "batch", "workers", "device", "precision", "subset", "limit",
    "allow_missing", "seed", "cluster", "suffix", "old_suffix", "slices", "quantiles", "time", "protocol", "masks",
    "mask_set", "scenes", "places",
)  # fmt: skip


@with_options
def eval_command(
    model: Annotated[
        str,
        typer.Argument(
            help="A checkpoint of `bench train` or of ALBAR's release; a network's name with --weights (swin3d_t, …); "
            "hf:FOLDER_OR_NAME (VideoMAE, TimeSformer, ViViT, V-JEPA 2, VideoPrism; zero-shot, with --prompt: CLIP, "
            "SigLIP, MetaCLIP, X-CLIP, VideoPrism); a TorchScript or .pt2 file (--trust); package.module:factory.",
            metavar="MODEL",
        ),
    ],
    said: Annotated[dict[str, Any], Chosen(ModelOptions, only=OF_MODEL)],
    chosen: Annotated[dict[str, Any], Chosen(EvalOptions, only=OPTIONS)],
    files: EvalFiles,
) -> None:
    """Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑).

    A model that compares videos with texts is scored zero-shot, with the benchmark's classes as phrases: `bench eval
    hf:openai/clip-vit-base-patch32 --benchmarks DIR --no-iid --prompt "a video of a person {}"`.

    A checkpoint of `bench train devias` also gets the accuracy of its scenes on the ordinary test videos: `bench eval
    model.ckpt --places resnet18_places365.pth.tar`; a render of synthactions needs no --places.

    On several GPUs: `accelerate launch --num_processes N $(which bench) eval MODEL …`.

    Example: `bench eval runs/synthactions-albar-s0/model.ckpt`

    Example: `bench eval model.ckpt --benchmarks data/benchmarks/hmdb51-scuba-stripes --time one-frame shuffled
    --out results/mine`
    """
    from evaluator.evaluate import evaluate
    from evaluator.reports.leaderboard import read_leaderboard
    from evaluator.reports.picture import plot_leaderboard
    from evaluator.reports.screen import show
    from evaluator.reports.slices import show_slices

    out, options = files.out, EvalOptions(model=ModelOptions(**said), **chosen)
    if options.renamed:
        say(options.renamed, err=True)
    benchmarks = () if files.no_benchmarks else files.benchmarks or None
    scored = evaluate(model, benchmarks, out, options, say)
    if not scored:
        return  # one of several processes; another one writes
    table = out / "leaderboard.csv"
    show([table])
    show_slices(scored.record.slices, scored.record.own_arrows)
    plot_leaderboard(read_leaderboard(table), out / "leaderboard.png")
    say("\n".join(map(str, (table, out / "leaderboard.png", out / "predictions", *scored.slices))))
