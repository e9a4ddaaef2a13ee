"""`bench train METHOD`."""

import shlex
from typing import Annotated, Any

import typer

from albar.parts import METHODS
from albar.training.settings import METHOD, ConfigFile, TrainSettings
from albar_bench.cli.options import Chosen, pairs, with_options
from albar_bench.cli.say import say

# Options of the command; the other settings can be given in TOML files and in Python.
OPTIONS = (
    "dataset", "root", "name", "split", "fold", "subset", "limit", "validation", "validation_split", "keep",
    "keep_state", "seed", "out", "preset", "masks", "places", "reference", "tau", "features", "options", "model",
    "weights", "keep_head", "sampling", "clip", "epochs", "batch", "accumulate", "optimiser", "lr", "lr_clips",
    "backbone_lr", "weight_decay", "decay", "warmup", "schedule", "clip_gradient", "precision", "compile", "workers",
    "decode", "device", "save_steps", "track", "tensorboard",
)  # fmt: skip


@with_options
def train(
    method: Annotated[
        str,
        typer.Argument(
            help=f"{METHODS.help()}; or reference2d: only StillMix's 2-D network.",
            metavar="METHOD",
        ),
    ],
    settings: Annotated[dict[str, Any], Chosen(TrainSettings, only=OPTIONS)],
    file: ConfigFile,
    static_frames: Annotated[
        str | None,
        typer.Option(
            help="Frames of albar's still clip: auto (fewest with equal logits, and equal penalty if there is "
            "one), all, or a number.  [default: auto]",
            rich_help_panel=METHOD,
        ),
    ] = None,
) -> None:
    """Train a network. Can be resumed: the same command continues a stopped run.

    Example: `bench train albar --dataset folder --root my_videos --name gestures`, for my_videos/CLASS/VIDEO.mp4, or
    my_videos/train/CLASS/VIDEO.mp4 with test and val next to train

    Example: `bench train albar --epochs 20 --schedule constant --keep best,last,every:5 --track tensorboard,wandb`

    Example: `bench train albar --epochs 8 --seed 1 --out runs/mine`

    Example: `bench train stillmix --dataset hmdb51 --model swin3d_t --weights KINETICS400_V1 --batch 8 --accumulate
    4`

    Example: `bench train albar --help`

    `bench eval RUN` scores a run's folder, also before its end. With a constant learning rate, --epochs can be raised
    later. docs/training.md says more.

    On several GPUs: `accelerate launch $(which bench) train …`.
    """
    from albar.training.reference2d import NAME, reference_settings, train_reference, with_reference
    from albar.training.settings import make_settings
    from albar.training.trainer import train as run

    given = {**settings, "method": "baseline" if method == NAME else method}
    if static_frames is not None:
        given["options"] = {**given.get("options", {}), **pairs("--static-frames", [f"static_frames={static_frames}"])}
    made = make_settings(file.config, given)
    if made.dataset == "synthactions":
        from benchmark_builder.synthactions.render import render_if_missing

        render_if_missing(made.root, say)
    if method == NAME:
        say(f"{train_reference(reference_settings(made, made.out, given), say)}")
    else:
        checkpoint = run(with_reference(made, say), say)
        say(f"score it: bench eval {shlex.quote(str(checkpoint.parent))}")
        say(f"{checkpoint}")
