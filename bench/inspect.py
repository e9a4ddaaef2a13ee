"""`bench verify` and `bench preview`: look at what was built."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="A built benchmark.", metavar="BENCHMARK")]


def verify(
    folder: Folder,
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1)] = None,
) -> None:
    """Check a benchmark against its manifest: every file's digest, size and length, and every row."""
    from benchmark_builder.errors import BenchError
    from benchmark_builder.manifest import read_benchmark
    from benchmark_builder.pool import default_workers
    from benchmark_builder.verify import verify as check

    problems = check(folder, workers or default_workers())
    for problem in problems[:50]:
        typer.echo(problem)
    if problems:
        raise BenchError(f"{folder}: {len(problems)} problems; build it again, or get a whole copy")
    typer.echo(f"{folder}: {len(read_benchmark(folder).rows)} videos, all as they were built")


def preview(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The picture to write (.png or .jpg).")] = Path("preview.png"),
    videos: Annotated[int, typer.Option(help="How many videos.", min=1)] = 4,
    columns: Annotated[int, typer.Option(help="How many frames of each.", min=1)] = 6,
    height: Annotated[int, typer.Option(help="Height of a frame, pixels.", min=16)] = 120,
) -> None:
    """Draw a contact sheet: original, mask, SCUBA, SCUFO and ConflFG of some videos, frames over time."""
    from benchmark_builder.preview import contact_sheet

    typer.echo(f"{contact_sheet(folder, out, videos, columns, height)}")
