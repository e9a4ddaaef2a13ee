"""`bench train METHOD`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar.parts import METHODS, MODELS
from albar_bench.cli.say import say

Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting of the method, NAME=VALUE, e.g. adv=0.5; may be given several times.",
        rich_help_panel="Method",
    ),
]
Clip = Annotated[
    list[str] | None,
    typer.Option(
        "--clip", help="A setting of the clips, NAME=VALUE, e.g. frames=16 or flip=0.5.", rich_help_panel="Clips"
    ),
]
METHOD, CLIPS, OPTIMISER, RUNNING = "Method", "Clips", "Optimiser", "Running"


def train(
    method: Annotated[
        str,
        typer.Argument(
            help=f"{METHODS.help()}; or reference2d: StillMix's 2-D network, trained by itself.",
            metavar="METHOD",
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of these options (underscores for hyphens, tables [options], [clip] and [method.NAME]), "
            "or a published recipe by name: swin-t-kinetics-hmdb51, … (manifests/training). The command line's own "
            "take precedence."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="What to train on; synthactions is rendered first if absent.  [default: synthactions]"),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Its folder.  [default: $BENCH_DATA/DATASET]")] = None,
    split: Annotated[str | None, typer.Option(help="Which split.  [default: train]")] = None,
    fold: Annotated[int | None, typer.Option(help="Which official split, from 1.  [default: 1]", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="Train on so many videos only, drawn from the seed.")] = None,
    validation: Annotated[
        float | None,
        typer.Option(help="Share of the training videos kept back to watch the run; chooses nothing.  [default: 0.1]"),
    ] = None,
    validation_split: Annotated[
        str | None, typer.Option(help="Watch the dataset's own split instead, e.g. val.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Owns every random draw.  [default: 0]")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATASET-METHOD-sSEED]")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="finetune (as published) or scratch.  [default: by --weights]", rich_help_panel=METHOD),
    ] = None,
    options: Override = None,
    static_frames: Annotated[
        str | None,
        typer.Option(
            help="Frames of albar's still clip: auto (fewest with equal logits, and equal penalty if there is "
            "one), all, or a number.  [default: auto]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            help="Actors for actorcutmix and sdn, KIND or KIND:PATH as in `bench build`.  [default: the dataset's]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    places: Annotated[
        Path | None, typer.Option(help="Weights of a Places365 ResNet: scenes for sdn.", rich_help_panel=METHOD)
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Run of `bench train reference2d`, for stillmix.  [default: beside this run, trained first if absent]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            help="Share of frames left out of stillmix's bank.  [default: the preset's]", rich_help_panel=METHOD
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"{MODELS.help()}, or hf:FOLDER_OR_NAME.  [default: small3d for synthactions, else swin3d_t]",
            rich_help_panel=CLIPS,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A published set's name (KINETICS400_V1), or a file: weights, or a model.ckpt of an earlier run, "
            "which then also says --model and --clip.",
            rich_help_panel=CLIPS,
        ),
    ] = None,
    keep_head: Annotated[
        bool | None,
        typer.Option(
            "--keep-head/--fresh-head",
            help="Refuse weights whose head has another number of classes.  [default: their head starts fresh]",
            rich_help_panel=CLIPS,
        ),
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(help="How clips are cut.  [default: the model's]", rich_help_panel=CLIPS)
    ] = None,
    clip: Clip = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the videos.  [default: the preset's]", rich_help_panel=OPTIMISER)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Clips of a forward pass, on each device.", rich_help_panel=OPTIMISER)
    ] = None,
    accumulate: Annotated[int | None, typer.Option(help="Forward passes a step.", rich_help_panel=OPTIMISER)] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw or sgd.", rich_help_panel=OPTIMISER)] = None,
    lr: Annotated[
        float | None, typer.Option(help="Highest learning rate, the head's.", rich_help_panel=OPTIMISER)
    ] = None,
    backbone_lr: Annotated[
        float | None, typer.Option(help="Factor of it for all but the head.", rich_help_panel=OPTIMISER)
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.", rich_help_panel=OPTIMISER)] = None,
    decay: Annotated[
        str | None,
        typer.Option(
            help="What it holds for: all, weights (no biases, norms), or mmcv (StillMix's).", rich_help_panel=OPTIMISER
        ),
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Share of the run in which the rate rises.", rich_help_panel=OPTIMISER)
    ] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine, step or constant.", rich_help_panel=OPTIMISER)] = None,
    clip_gradient: Annotated[
        float | None, typer.Option(help="Largest gradient norm; 0: any.", rich_help_panel=OPTIMISER)
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, tf32, bf16, or auto: bf16 on a GPU.  [default: auto]", rich_help_panel=RUNNING),
    ] = None,
    compile_: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Through torch.compile.", rich_help_panel=RUNNING)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Decoding processes.  [default: none on a CPU]", rich_help_panel=RUNNING)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:1 …  [default: auto]", rich_help_panel=RUNNING)
    ] = None,
    save_steps: Annotated[
        int | None, typer.Option(help="Also keep the state every so many steps.", rich_help_panel=RUNNING)
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Log for it.  [default: yes]", rich_help_panel=RUNNING),
    ] = None,
) -> None:
    """Train a network. Resumable: the same command goes on where a stopped run was.

    On several GPUs: `accelerate launch $(which bench) train …`.
    """
    given = dict(locals())
    given["compile"] = given.pop("compile_")
    from albar.training.reference2d import NAME, reference_settings, train_reference, with_reference
    from albar.training.settings import make_settings
    from albar.training.trainer import train as run

    given |= {"options": _pairs("--set", options), "clip": _pairs("--clip", clip)}
    if (frames := given.pop("static_frames")) is not None:
        given["options"] |= _pairs("--static-frames", [f"static_frames={frames}"])
    if method == NAME:
        given["method"] = "baseline"
    settings = make_settings(given.pop("config"), given)
    if settings.dataset == "synthactions":
        from benchmark_builder.synthactions.render import render_if_missing

        render_if_missing(settings.root, say)
    if method == NAME:
        say(f"{train_reference(reference_settings(settings, settings.out, given), say)}")
    else:
        say(f"{run(with_reference(settings, say), say)}")


def _pairs(flag: str, words: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE words as a dict; values become numbers, booleans or text as TOML would read them."""
    import tomllib

    from benchmark_builder.utils.errors import BenchError

    pairs: dict[str, Any] = {}
    for word in words or []:
        name, equals, text = word.partition("=")
        if not equals or not all(part.isidentifier() for part in name.split(".")):
            raise BenchError(f"{flag} {word}: give NAME=VALUE")
        try:
            pairs[name] = tomllib.loads(f"x = {text}")["x"]
        except (ValueError, RecursionError):  # no TOML, or a number without end
            pairs[name] = text
    return pairs
