"""`bench weights …`: weights from other projects for mask sources and methods; `bench export-weights`: the user's own
weights."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say


@with_options
def list_command(json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False) -> None:
    """List every network: use, licence, size, digest, where its weights come from, whether they are installed.

    Example: `bench weights list --json`
    """
    from benchmark_builder.pretrained.store import kept_at, size_text, state
    from benchmark_builder.pretrained.table import NETWORKS, Address, origin

    states = {network.name: state(network) for network in NETWORKS.values()}
    if json:
        import json as library

        rows = [
            {
                "name": n.name, "use": n.use, "licence": n.licence, "file": n.file, "size": n.size,
                "sha256": n.sha256 or None, "from": origin(n.source), "fetched_when_needed": n.unasked,
                "there": states[n.name][0], "path": str(states[n.name][1] or kept_at(n)),
            }
            for n in NETWORKS.values()
        ]  # fmt: skip
        typer.echo(library.dumps(rows, indent=2))
        return
    from urllib.parse import urlsplit

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "for; licence, from", "size", "SHA-256", "there", box=None, padding=(0, 1, 0, 0))
    table.caption = "* fetched when it is first needed; the others by `bench weights fetch NAME`"
    for k, column in enumerate(table.columns):
        column.no_wrap, column.overflow = k != 1, "fold"
    table.columns[2].justify = "right"
    for n in NETWORKS.values():
        there = states[n.name][0]
        there += "*" if there == "no" and n.unasked else ""
        source = urlsplit(n.source.url).netloc if isinstance(n.source, Address) else origin(n.source)
        cells = (n.name, f"{n.use}\n{n.licence}, {source}", size_text(n.size), n.sha256[:8] or "-", there)
        table.add_row(*map(escape, cells))
    Console().print(table)


@with_options
def fetch(
    name: Annotated[str, typer.Argument(help="As `bench weights list` names it.", metavar="NAME")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Your own copy, verified and copied: the file (for mediapipe also the wheel; for a network of the "
            "Hugging Face hub the folder). For machines without a network.",
        ),
    ] = None,
) -> None:
    """Download a network's weights, verify their digest and store them; print their path.

    Existing files are not downloaded again. A folder of such files can be named in `$BENCH_WEIGHTS` instead.

    Example: `bench weights fetch sam-vit-b`

    Example: `bench weights fetch mediapipe-pose --from pose.onnx`
    """
    from benchmark_builder.pretrained import fetch as bring

    say(bring(name, source, lambda line: say(line, err=True)))


@with_options
def export_weights(
    model: Annotated[
        Path, typer.Argument(help="A checkpoint of `bench train` (model.ckpt), or its run's folder.", metavar="MODEL")
    ],
    out: Annotated[Path, typer.Option(help="FILE.safetensors, or FILE.pth with the weights under state_dict.")],
) -> None:
    """Write a checkpoint's weights for other programs; `bench eval` and `bench train --weights` can read them, too.

    The file also contains the network's name, classes and clip sampling: in the metadata of a .safetensors, under
    albar-bench in a .pth. Equal checkpoints give equal bytes.

    Example: `bench export-weights runs/albar --out albar.safetensors`
    """
    from albar.checkpoint import export_weights as export

    typer.echo(f"{export(model, out)}")
