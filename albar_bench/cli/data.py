"""`bench data …`: datasets before any work starts."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import RunSettings, SynthSettings


@with_options
def render(
    settings: SynthSettings,
    run: RunSettings,
    out: Annotated[Path | None, typer.Option(help="Folder.  [default: $BENCH_DATA/synthactions]")] = None,
) -> None:
    """Render *synthactions*: actors whose motion alone is the class, with exact masks. Resumable."""
    from benchmark_builder.datasets import data_root
    from benchmark_builder.synthactions import render_dataset
    from benchmark_builder.utils.pool import default_workers

    root = out or data_root() / "synthactions"
    render_dataset(root, settings, run.workers or default_workers())
    say(f"{root}: {settings.train} training videos, 2 x {settings.test} test videos")


def list_command(
    dataset: Annotated[
        str, typer.Option(help="synthactions, ucf101, hmdb51, kinetics400, jhmdb, folder.")
    ] = "synthactions",
    root: Annotated[Path | None, typer.Option(help="Its folder.  [default: $BENCH_DATA/DATASET]")] = None,
    split: Annotated[str, typer.Option(help="train, test, val, all, auto.")] = "auto",
    fold: Annotated[int, typer.Option(help="Which official split, from 1.", min=1)] = 1,
) -> None:
    """List a dataset's videos as CSV: id, label, class, file."""
    import sys

    from benchmark_builder.datasets import read_dataset
    from benchmark_builder.utils.text import csv_text, shown

    listing = read_dataset(dataset, root, split, fold)
    for note in listing.notes:
        say(note, err=True)
    rows = ([v.id, v.label, v.class_name, v.split, str(v.path)] for v in listing.videos)
    table = csv_text([["id", "label", "class_name", "split", "file"], *rows])
    sys.stdout.write("\n".join(map(shown, table.split("\n"))) if sys.stdout.isatty() else table)
    for line in listing.summary():
        say(line, err=True)


def inspect(
    dataset: Annotated[
        str, typer.Option(help="synthactions, ucf101, hmdb51, kinetics400, jhmdb, folder.")
    ] = "synthactions",
    root: Annotated[Path | None, typer.Option(help="Its folder.  [default: $BENCH_DATA/DATASET]")] = None,
    split: Annotated[
        str, typer.Option(help="train, test, val, auto; all: every video that is there or that a split file names.")
    ] = "all",
    fold: Annotated[int, typer.Option(help="Which official split, from 1.", min=1)] = 1,
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row per video here.")] = None,
) -> None:
    """Decode every video and say what is wrong with a copy. Exit status 1 if any is missing, unreadable or of a name
    that cannot be used."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark_builder.audit.inspect import inspect_dataset, table
    from benchmark_builder.utils.errors import BenchError

    found = inspect_dataset(dataset, root, split, fold, workers)
    if csv is not None:
        found.write(csv)
    console = Console()
    screen = Table(title=escape(f"{found.dataset} in {found.root}, split {found.split}"))
    for heading in ("", "count", "first of them"):
        screen.add_column(heading, overflow="fold", justify="right" if heading == "count" else "left")
    for name, count, example in table(found):
        screen.add_row(name, str(count), escape(example))
    console.print(screen)
    for note in found.notes:
        say(f"note: {note}")
    if csv is not None:
        say(f"{csv}: a row for each of {len(found.videos)} videos")
    if not found.fine:
        missing, unreadable, unusable = (len(found.of(kind)) for kind in ("missing", "unreadable", "unusable"))
        names = f", {unusable} of a name that cannot be used" if unusable else ""
        listed = f"{csv} lists them" if csv is not None else "--csv FILE lists them"
        raise BenchError(
            f"{found.root}: {missing} videos missing, {unreadable} unreadable{names}; get or rename them ({listed}), "
            "or build without them"
        )
