"""`bench verify`, `preview`, `stats`, `export`, `import` and `merge`: what one does with a built benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.say import say

Folder = Annotated[Path, typer.Argument(help="A built benchmark.", metavar="BENCHMARK")]
Root = Annotated[Path | None, typer.Option(help="The dataset's folder, if it has moved since.")]
Scuba = Annotated[
    Path | None,
    typer.Option(
        help="The SCUBA benchmark that it was made from, if that has moved.  [default: where it was, or alongside]"
    ),
]


def verify(
    folder: Folder,
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)] = None,
    root: Root = None,
    scuba: Scuba = None,
) -> None:
    """Check a benchmark against its manifest: every file's digest, size and length, and every row."""
    from benchmark_builder.audit.verify import verify as check
    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    problems = check(folder, workers or default_workers(), root=root, scuba=scuba)
    for problem in problems[:50]:
        say(problem)
    if problems:
        raise BenchError(f"{folder}: {len(problems)} problems; build it again, or get a whole copy")
    say(f"{folder}: {len(read_benchmark(folder).rows)} videos, all as they were built")


def preview(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="A .png or .jpg contact sheet, or a .gif or .mp4 that plays.")] = Path(
        "preview.png"
    ),
    videos: Annotated[
        int | None, typer.Option(help="How many videos.  [default: 4; playing: 1]", min=1, max=1000)
    ] = None,
    columns: Annotated[int, typer.Option(help="Frames of each on a sheet.", min=1, max=1000)] = 6,
    height: Annotated[int, typer.Option(help="Height of a frame, pixels.", min=16)] = 120,
    root: Root = None,
    scuba: Scuba = None,
) -> None:
    """Look at a benchmark: original, mask, SCUBA, SCUFO and ConflFG of some videos, on a sheet or playing."""
    from benchmark_builder.benchmark.preview import PLAYING, SHEETS, animation, contact_sheet
    from benchmark_builder.utils.pictures import check_suffix

    if check_suffix(out, (*SHEETS, *PLAYING)) in PLAYING:
        say(f"{animation(folder, out, videos or 1, height, root, scuba)}")
    else:
        say(f"{contact_sheet(folder, out, videos or 4, columns, height, root, scuba)}")


def stats(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The plots to write (.png, .pdf or .svg).")] = Path("stats.png"),
    scuba: Annotated[
        Path | None, typer.Option(help="The SCUBA benchmark that it was made from, if that has moved.")
    ] = None,
) -> None:
    """Class balance, mask coverage, and what its stills show of the actor: tables, and plots."""
    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.benchmark.stats import class_balance, mask_areas_of, plot_stats
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pictures import check_suffix

    check_suffix(out)
    benchmark = read_benchmark(folder, None, scuba)
    for name, count in class_balance(benchmark).items():
        say(f"{count:6d}  {name}")
    areas = None
    try:
        areas = mask_areas_of(benchmark)
    except BenchError as error:
        say(f"what the stills show of the actor is unknown: {error}")
    for line in areas.lines() if areas else ():
        say(line)
    say(f"{plot_stats(benchmark, out, areas)}")


def export(
    source: Annotated[
        str,
        typer.Argument(help="A built benchmark; or iid:DATASET, a split's ordinary videos.", metavar="BENCHMARK"),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    peer: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="stillmix, albar, mmaction2, pyslowfast, videomae: layout, names and lists as it reads them.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="video, lossless, frames or zip.  [default: what --for reads, else frames]"),
    ] = None,
    jpeg_quality: Annotated[int, typer.Option(help="Of frames and zip.")] = 95,
    split: Annotated[str, typer.Option(help="iid: train, test, val, all, auto.")] = "auto",
    fold: Annotated[int, typer.Option(help="iid: which official split, from 1.", min=1)] = 1,
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)] = None,
    root: Root = None,
    scuba: Scuba = None,
) -> None:
    """Write a benchmark in another layout, or as another project's loader reads it (--for).

    `bench export iid:ucf101 --for mmaction2 --out DIR` writes lists of the ordinary test videos, which stay where they
    are. `names.csv` says which video has which name; give it as --lists to `bench score`.
    """
    from benchmark_builder.benchmark.export import export as run
    from benchmark_builder.benchmark.export import export_for
    from benchmark_builder.export_iid import export_dataset
    from benchmark_builder.layouts.layout import Layout
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    workers = workers or default_workers()
    kind, _, dataset = source.partition(":")
    if kind == "iid" and dataset and not Path(source).is_dir():
        if peer is None:
            raise BenchError(f"{source}: give --for stillmix, albar, mmaction2, pyslowfast or videomae")
        exported, settings = export_dataset(
            peer, dataset, out, root, split, fold, layout, jpeg_quality, workers, say=lambda line: say(line)
        )
        failed, count = exported.failed, exported.made + exported.kept
        say(f"{out}: {count} videos ({exported.made} new, {exported.kept} kept)")
    else:
        if peer is None:
            report = run(Path(source), out, Layout(layout or "frames", jpeg_quality), workers, root=root, scuba=scuba)
            settings = []
        else:
            report, settings = export_for(
                peer, Path(source), out, layout, jpeg_quality, workers, root=root, scuba=scuba
            )
        failed = report.failed or ([] if report.benchmark else report.failures)
        count = len(report.benchmark.rows) if report.benchmark else 0
        say(f"{out}: {count} videos")
    for line in settings if count else ():
        say(f"{peer}: {line}")
    if failed or not count:
        first = f"; {failed[0]['id']}: {failed[0]['reason']}" if failed else ""
        raise BenchError(f"{out / 'failures.csv'}: {len(failed)} videos could not be exported, {count} are{first}")


def merge(
    parts: Annotated[list[Path], typer.Argument(help="Built benchmarks with the same settings.", metavar="PART...")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)] = None,
) -> None:
    """Make one benchmark of parts that were built with `--shard i/n` on several machines; the parts stay."""
    from benchmark_builder.benchmark.merge import merge as run
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    report = run(parts, out, workers or default_workers())
    if report.benchmark is None:
        wrong = report.failed or report.failures
        raise BenchError(
            f"{out}: nothing could be merged" + (f"; {wrong[0]['id']}: {wrong[0]['reason']}" if wrong else "")
        )
    say(
        f"{out}: {len(report.benchmark.rows)} videos of {len(parts)} parts, {len(report.left_out)} left out, "
        f"{len(report.failed)} failed"
    )
    if report.failed:
        raise BenchError(f"{out / 'failures.csv'}: {len(report.failed)} failed; build those parts again and merge anew")


def import_command(
    folder: Annotated[Path, typer.Argument(help="A published benchmark: frames or zips, named VIDEO__N.")],
    kind: Annotated[str, typer.Option(help="scuba, scufo, conflfg, shaken, or a kind that a package adds.")],
    dataset: Annotated[str, typer.Option(help="Whose classes the labels are: ucf101, hmdb51, kinetics400.")],
    list_file: Annotated[
        Path | None, typer.Option("--list", help="Lines 'name frames label'.  [default: FOLDER/list.txt]")
    ] = None,
    backgrounds: Annotated[str, typer.Option(help="Name of the background set, e.g. places365.")] = "unknown",
    split: Annotated[str, typer.Option(help="The split the tables shall say.")] = "test1",
    label_base: Annotated[int, typer.Option(help="The list's first label, 0 or 1.")] = 0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the tables; the videos stay in FOLDER, which may be read-only.  [default: FOLDER]"
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)] = None,
) -> None:
    """Give a published benchmark a manifest, so that it can be verified, previewed and scored.

    Videos that have moved: the same command with their new folder and the same --out.
    """
    from benchmark_builder.benchmark.export import import_published
    from benchmark_builder.benchmark.manifest import FAILURE_COLUMNS, FAILURES
    from benchmark_builder.utils.pool import default_workers
    from benchmark_builder.utils.text import read_records

    made = import_published(
        folder, kind, dataset, list_file, backgrounds, split, label_base, fps, workers or default_workers(), out=out
    )
    table = made.folder / FAILURES
    say(f"{made.folder}: {len(made.rows)} videos, a {made.kind} benchmark now")
    notes = read_records(table, FAILURE_COLUMNS, "table of failures")
    for kind_noted, words in (
        ("length", "of another length than the list says"),
        ("unlisted", "without a line in the list"),
        ("label", "whose label is not what their name says"),
    ):
        names = [note["id"] for note in notes if note["kind"] == kind_noted]
        if names:
            first = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            say(f"{len(names)} videos {words} ({first}), see {table}")
