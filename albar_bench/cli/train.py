"""`bench train METHOD`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar.parts import METHODS
from albar.training.settings import CLIPS, METHOD, TrainSettings
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say

# Options of the command; the other settings are for files of settings and for Python.
OPTIONS = (
    "dataset", "root", "split", "fold", "limit", "validation", "validation_split", "seed", "out", "preset", "masks",
    "places", "reference", "tau", "model", "weights", "keep_head", "sampling", "epochs", "batch", "accumulate",
    "optimiser", "lr", "backbone_lr", "weight_decay", "decay", "warmup", "schedule", "clip_gradient", "precision",
    "compile", "workers", "device", "save_steps", "tensorboard",
)  # fmt: skip


@with_options
def train(
    method: Annotated[
        str,
        typer.Argument(
            help=f"{METHODS.help()}; or reference2d: StillMix's 2-D network, trained by itself.",
            metavar="METHOD",
        ),
    ],
    settings: Annotated[dict[str, Any], Chosen(TrainSettings, only=OPTIONS)],
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of these options (underscores for hyphens, tables [options], [clip] and [method.NAME]), "
            "or a published recipe by name: swin-t-kinetics-hmdb51, … (manifests/training). The command line's own "
            "take precedence."
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the method, NAME=VALUE, e.g. adv=0.5; may be given several times.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    static_frames: Annotated[
        str | None,
        typer.Option(
            help="Frames of albar's still clip: auto (fewest with equal logits, and equal penalty if there is "
            "one), all, or a number.  [default: auto]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option(
            "--clip", help="A setting of the clips, NAME=VALUE, e.g. frames=16 or flip=0.5.", rich_help_panel=CLIPS
        ),
    ] = None,
) -> None:
    """Train a network. Resumable: the same command goes on where a stopped run was.

    On several GPUs: `accelerate launch $(which bench) train …`.
    """
    from albar.training.reference2d import NAME, reference_settings, train_reference, with_reference
    from albar.training.settings import make_settings
    from albar.training.trainer import train as run

    own = _pairs("--set", options)
    if static_frames is not None:
        own |= _pairs("--static-frames", [f"static_frames={static_frames}"])
    given = {
        **settings,
        "method": "baseline" if method == NAME else method,
        "options": own,
        "clip": _pairs("--clip", clip),
    }
    made = make_settings(config, given)
    if made.dataset == "synthactions":
        from benchmark_builder.synthactions.render import render_if_missing

        render_if_missing(made.root, say)
    if method == NAME:
        say(f"{train_reference(reference_settings(made, made.out, given), say)}")
    else:
        say(f"{run(with_reference(made, say), say)}")


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
