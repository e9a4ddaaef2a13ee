"""`bench export-weights`."""

from pathlib import Path
from typing import Annotated

import typer


def export_weights(
    model: Annotated[
        Path, typer.Argument(help="A checkpoint of `bench train` (model.ckpt), or its run's folder.", metavar="MODEL")
    ],
    out: Annotated[Path, typer.Option(help="FILE.safetensors, or FILE.pth with the weights under state_dict.")],
) -> None:
    """Write a checkpoint's weights for other programs; `bench eval` and `bench train --weights` read them, too.

    The network's name, its classes and its clips are in the file: in the metadata of a .safetensors, under albar-bench
    in a .pth. Equal checkpoints give equal bytes.
    """
    from albar.checkpoint import export_weights as export

    typer.echo(f"{export(model, out)}")
