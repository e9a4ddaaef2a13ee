"""`bench build scuba|scufo|conflfg`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark_builder.build import Report
    from benchmark_builder.recipes import Run

app = typer.Typer(
    no_args_is_help=True,
    help="Build test videos: **scuba** (actor over an unrelated background), **scufo** (a still of it), "
    "**conflfg** (with the still actor of another class added).",
    rich_markup_mode="markdown",
)

Dataset = Annotated[
    str, typer.Option(help="synthactions, ucf101, hmdb51 or kinetics400; a *folder* is named with --root.")
]
Root = Annotated[Path | None, typer.Option(help="The dataset's folder.  [default: $BENCH_DATA/DATASET]")]
Split = Annotated[
    str, typer.Option(help="train, test, val, all; auto: the test split, or all where no split files are.")
]
Fold = Annotated[int, typer.Option(help="Which official split, from 1.", min=1)]
Masks = Annotated[
    str | None,
    typer.Option(
        help="KIND or KIND:PATH: ucf101-24[:pyannot.pkl], truth (synthactions), motion (no files needed), "
        "stored:FOLDER.  [default: the dataset's own]"
    ),
]
Backgrounds = Annotated[str, typer.Option(help="stripes, or images:FOLDER (Places365's test_256, any pictures).")]
PerVideo = Annotated[int | None, typer.Option(help="Backgrounds a source video.  [default: 5; kinetics400: 1]", min=1)]
Seed = Annotated[int, typer.Option(help="Owns every random draw.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder to write.  [default: $BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND]")
]
Layout = Annotated[str, typer.Option(help="video (H.264, near-lossless), lossless (FFV1), frames (JPEG), zip.")]
Workers = Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1)]
Limit = Annotated[int | None, typer.Option(help="Only the first N source videos.", min=1)]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Exit with 0 even if some videos failed.")]
From = Annotated[
    Path | None, typer.Option("--from", help="The SCUBA benchmark.  [default: the dataset's, built if absent]")
]


@app.command()
def scuba(
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    masks: Masks = None,
    backgrounds: Backgrounds = "stripes",
    per_video: PerVideo = None,
    seed: Seed = 0,
    out: Out = None,
    layout: Layout = "video",
    workers: Workers = None,
    limit: Limit = None,
    keep_going: KeepGoing = False,
) -> None:
    """Composite the actor of every video over backgrounds that have nothing to do with the action."""
    from benchmark_builder.recipes import build_scuba

    _finish(
        build_scuba(dataset, root, split, fold, masks, backgrounds, per_video, seed, out, layout, limit, _run(workers)),
        keep_going,
    )


@app.command()
def scufo(
    source: From = None,
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    masks: Masks = None,
    backgrounds: Backgrounds = "stripes",
    per_video: PerVideo = None,
    seed: Seed = 0,
    out: Out = None,
    layout: Layout = "video",
    workers: Workers = None,
    limit: Limit = None,
    keep_going: KeepGoing = False,
) -> None:
    """Repeat one frame of every SCUBA video, so that nothing moves: who still names the action reads looks."""
    from benchmark_builder.recipes import build_scufo

    run = _run(workers)
    source = source or _scuba_first(
        dataset, root, split, fold, masks, backgrounds, per_video, seed, layout, limit, run, keep_going
    )
    _finish(build_scufo(source, seed, out, layout, run), keep_going)


@app.command()
def conflfg(
    source: From = None,
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    masks: Masks = None,
    backgrounds: Backgrounds = "stripes",
    per_video: PerVideo = None,
    seed: Seed = 0,
    out: Out = None,
    layout: Layout = "video",
    order: Annotated[str, typer.Option(help="The still actor stands behind the moving one, or in front.")] = "behind",
    place: Annotated[str, typer.Option(help="random: at a drawn place; keep: where it stood.")] = "random",
    workers: Workers = None,
    limit: Limit = None,
    keep_going: KeepGoing = False,
) -> None:
    """Add the still actor of another class to every SCUBA video; the label stays the moving actor's."""
    from benchmark_builder.conflfg import ConflfgSettings
    from benchmark_builder.recipes import build_conflfg

    run = _run(workers)
    source = source or _scuba_first(
        dataset, root, split, fold, masks, backgrounds, per_video, seed, layout, limit, run, keep_going
    )
    settings = ConflfgSettings(order=order, place=place)
    _finish(build_conflfg(source, seed, out, layout, settings, run), keep_going)


def _scuba_first(
    dataset: str,
    root: Path | None,
    split: str,
    fold: int,
    masks: str | None,
    backgrounds: str,
    per_video: int | None,
    seed: int,
    layout: str,
    limit: int | None,
    run: "Run",
    keep_going: bool,
) -> Path:
    """Build the SCUBA benchmark that SCUFO and ConflFG are made from, at its conventional place."""
    from benchmark_builder.recipes import build_scuba

    report = build_scuba(dataset, root, split, fold, masks, backgrounds, per_video, seed, None, layout, limit, run)
    _finish(report, keep_going)
    assert report.benchmark is not None
    return report.benchmark.folder


def _run(workers: int | None) -> "Run":
    from benchmark_builder.recipes import Run

    return Run(workers=workers, say=typer.echo)


def _finish(report: "Report", keep_going: bool) -> None:
    """Say what was built and what was not; raises BenchError if that makes the command fail."""
    from benchmark_builder.errors import BenchError

    for failure in report.failures[:10]:
        typer.echo(f"{failure['kind']}: {failure['id']}: {failure['reason']}")
    if len(report.failures) > 10:
        typer.echo(f"… and {len(report.failures) - 10} more")
    if report.benchmark is None:
        raise BenchError(f"nothing was built: {len(report.left_out)} left out, {len(report.failed)} failed (see above)")
    folder = report.benchmark.folder
    typer.echo(
        f"{folder}: {len(report.benchmark.rows)} videos ({report.made} new, {report.kept} kept), "
        f"{len(report.left_out)} left out, {len(report.failed)} failed"
    )
    if report.failed and not keep_going:
        raise BenchError(
            f"{folder / 'failures.csv'}: {len(report.failed)} failed, the rest is built; mend what it lists and run "
            "the same command again, or pass --keep-going"
        )
