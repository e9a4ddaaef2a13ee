"""`bench train METHOD`."""

from pathlib import Path
from typing import Annotated, Any

import typer

Override = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the method, NAME=VALUE, e.g. adv=0.5; may be given several times."),
]
Clip = Annotated[
    list[str] | None, typer.Option("--clip", help="A setting of the clips, NAME=VALUE, e.g. frames=16 or flip=true.")
]


def train(
    method: Annotated[str, typer.Argument(help="baseline, albar, …", metavar="METHOD")],
    dataset: Annotated[
        str, typer.Option(help="What to train on; synthactions is rendered first if absent.")
    ] = "synthactions",
    root: Annotated[Path | None, typer.Option(help="Its folder.  [default: $BENCH_DATA/DATASET]")] = None,
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    fold: Annotated[int, typer.Option(help="Which official split, from 1.", min=1)] = 1,
    model: Annotated[
        str | None, typer.Option(help="Network.  [default: small3d for synthactions, else swin3d_t]")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="A published set's name (KINETICS400_V1), or a file.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="finetune (as published) or scratch.  [default: by --weights]")
    ] = None,
    options: Override = None,
    sampling: Annotated[str | None, typer.Option(help="How clips are cut.  [default: the model's]")] = None,
    clip: Clip = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the videos.  [default: the preset's]")] = None,
    batch: Annotated[int | None, typer.Option(help="Clips a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="AdamW's.")] = None,
    seed: Annotated[int, typer.Option(help="Owns every random draw.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Train on so many videos only, drawn from the seed.")] = None,
    validation: Annotated[float, typer.Option(help="Share of the training videos kept back to watch the run.")] = 0.1,
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATASET-METHOD-sSEED]")] = None,
    workers: Annotated[int, typer.Option(help="Decoding processes; 0 decodes in the main one.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")] = "auto",
) -> None:
    """Train a network. Resumable: the same command goes on where a stopped run was."""
    from albar.settings import TrainSettings
    from albar.train import train as run

    settings = TrainSettings(
        method=method,
        dataset=dataset,
        root=root,
        split=split,
        fold=fold,
        model=model,
        weights=weights,
        preset=preset,
        options=_pairs("--set", options),
        sampling=sampling,
        clip=_pairs("--clip", clip),
        epochs=epochs,
        batch=batch,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        limit=limit,
        validation=validation,
        out=out,
        workers=workers,
        device=device,
    )
    if dataset == "synthactions":
        render_if_absent(root)
    typer.echo(f"{run(settings, typer.echo)}")


def render_if_absent(root: Path | None) -> None:
    """Render synthactions at its defaults where there is none yet."""
    from benchmark_builder.datasets import data_root
    from benchmark_builder.pool import default_workers
    from benchmark_builder.synthactions import SynthSettings, render_dataset

    folder = root or data_root() / "synthactions"
    if not (folder / "synthactions.json").is_file():
        typer.echo(f"{folder}: no synthactions here yet; rendering it first (`bench data render` has its settings)")
        render_dataset(folder, SynthSettings(), default_workers())


def _pairs(flag: str, words: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE words as a dict; values become numbers, booleans or text as TOML would read them."""
    import tomllib

    from benchmark_builder.errors import BenchError

    pairs: dict[str, Any] = {}
    for word in words or []:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise BenchError(f"{flag} {word}: give NAME=VALUE")
        try:
            pairs[name] = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            pairs[name] = text
    return pairs
