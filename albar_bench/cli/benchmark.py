"""`bench verify`, `preview`, `stats`, `export`, `import` and `merge`: commands for built benchmarks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import (
    ChartSettings,
    EngineSettings,
    ExportSettings,
    ImportSettings,
    MergeSettings,
    MovedOrigins,
    PreviewSettings,
    QuestionSettings,
    RunSettings,
)
from benchmark_builder.utils import blas
from benchmark_builder.utils.text import counted

blas.one_thread()

Folder = Annotated[Path, typer.Argument(help="A built benchmark.", metavar="BENCHMARK")]


@with_options
def verify(
    run: RunSettings,
    moved: MovedOrigins,
    folder: Annotated[
        Path | None, typer.Argument(help="A built benchmark.", metavar="[BENCHMARK]", show_default=False)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="A frozen protocol: also check that the benchmark is that of the protocol; without a benchmark, make "
            "what needs no download again, and compare its digests.  [example: albar-bench-2026.1]"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --protocol and without a benchmark: only four videos.")
    ] = False,
) -> None:
    """Check a benchmark against its manifest: the digest, size and length of every file, and every row.

    Example: `bench verify data/benchmarks/hmdb51-scuba-stripes`

    Example: `bench verify --protocol albar-bench-2026.1` makes the videos of synthactions again and compares digests.
    """
    from benchmark_builder.utils.errors import BenchError

    if folder is None and protocol is None:
        raise BenchError("bench verify: nothing to check; give a benchmark, or --protocol NAME of a frozen protocol")
    if quick and (folder is not None or protocol is None):
        raise BenchError("--quick: is for --protocol without a benchmark; leave it out")
    if folder is None:
        _same_protocol(str(protocol), quick, run)
        return
    _verified(folder, run, moved, protocol)


def _same_protocol(name: str, quick: bool, run: RunSettings) -> None:
    from benchmark_builder.frozen import check
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    problems, count = check(name, quick, run.workers or default_workers(), say)
    for problem in problems[:50]:
        say(problem)
    if problems:
        raise BenchError(f"{name}: what is made here is not the same; {len(problems)} lines, of {count} digests")
    say(f"{name}: {count} digests, all equal: what is made here is the same benchmark")


def _verified(folder: Path, run: RunSettings, moved: MovedOrigins, protocol: str | None) -> None:
    from benchmark_builder.audit.verify import verify as check
    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    problems = []
    if protocol is not None:
        from benchmark_builder.frozen import differences, frozen

        problems = differences(read_benchmark(folder), frozen(protocol))
    problems += check(folder, run.workers or default_workers(), root=moved.root, scuba=moved.scuba)
    for problem in problems[:50]:
        say(problem)
    if problems:
        raise BenchError(f"{folder}: {len(problems)} problems; build it again, or get an intact copy")
    say(f"{folder}: {counted(len(read_benchmark(folder).rows), 'video')}, all unchanged since the build")
    if protocol is not None:
        say(f"{folder}: is the benchmark of {protocol}")


@with_options
def preview(folder: Folder, settings: PreviewSettings) -> None:
    """Show a benchmark (original, mask, SCUBA, SCUFO, ConflFG) or the masks of `bench segment`: a picture, or an
    animation.

    Example: `bench preview data/benchmarks/hmdb51-scuba-stripes --videos 6 --out sheet.png`

    Example: `bench preview data/benchmarks/hmdb51-conflfg-stripes --out plays.gif`
    """
    from benchmark_builder.benchmark.preview import animation, contact_sheet
    from benchmark_builder.utils.pictures import PLAYING, SHEETS, check_suffix

    plays = check_suffix(settings.out, (*SHEETS, *PLAYING)) in PLAYING
    say(f"{(animation if plays else contact_sheet)(folder, **dict(settings))}")


@with_options
def stats(
    folder: Folder,
    chart: ChartSettings,
    moved: Annotated[dict[str, Any], Chosen(MovedOrigins, only=("scuba",))],
) -> None:
    """Show class balance, mask coverage, and how much of the actor the stills show: tables and plots.

    Example: `bench stats data/benchmarks/hmdb51-scufo-stripes --out stats.pdf`
    """
    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.benchmark.stats import class_balance, mask_areas_of, plot_stats
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pictures import check_suffix

    check_suffix(chart.out)
    benchmark = read_benchmark(folder, **moved)
    for name, count in class_balance(benchmark).items():
        say(f"{count:6d}  {name}")
    areas = None
    try:
        areas = mask_areas_of(benchmark)
    except BenchError as error:
        say(f"it is unknown how much of the actor the stills show: {error}")
    for line in areas.lines() if areas else ():
        say(line)
    say(f"{plot_stats(benchmark, chart.out, areas)}")


@with_options
def export(
    source: Annotated[
        str,
        typer.Argument(help="A built benchmark; or iid:DATASET, a split's ordinary videos.", metavar="BENCHMARK"),
    ],
    settings: ExportSettings,
    asked: Annotated[dict[str, Any], Chosen(QuestionSettings, "Questions (--layout qa)")],
) -> None:
    """Write a benchmark in another layout, or in the format of another project's loader (--for).

    `bench export DIR --layout qa --out QA` writes multiple choice questions for video language models, as a task of
    lmms-eval and as a table for VLMEvalKit; `bench score --questions QA` scores their answers (docs/qa.md).
    `bench export iid:ucf101 --for mmaction2 --out DIR` writes lists of the ordinary test videos, which are not copied.
    `names.csv` lists the name of every video; give it as --lists to `bench score`.

    Example: `bench export data/benchmarks/hmdb51-scuba-stripes --for mmaction2 --out exported`
    """
    from benchmark_builder.benchmark.export import export as run
    from benchmark_builder.benchmark.export import export_for
    from benchmark_builder.export_iid import export_dataset
    from benchmark_builder.layouts.layout import Layout
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    s, peer, out = settings, settings.peer, settings.out
    if s.layout == "qa":
        if peer is not None or source.startswith("iid:"):
            raise BenchError("--layout qa: is for built benchmarks, without --for; leave one of them out")
        from benchmark_builder.benchmark.questions import export_questions

        made = export_questions(Path(source), out, **asked)
        for line in made.said:
            say(line)
        if made.failed:
            first = f"{made.failed[0]['id']}: {made.failed[0]['reason']}"
            raise BenchError(
                f"{out / 'failures.csv'}: {counted(len(made.failed), 'video has', 'videos have')} no question; {first}"
            )
        return
    if asked:
        raise BenchError(f"--{next(iter(asked))}: is for --layout qa only; leave it out")
    lines: list[str] = []
    workers = s.workers or default_workers()
    kind, _, dataset = source.partition(":")
    if kind == "iid" and dataset and not Path(source).is_dir():
        if peer is None:
            raise BenchError(f"{source}: give --for stillmix, albar, mmaction2, pyslowfast or videomae")
        exported, lines = export_dataset(
            peer, dataset, out, s.root, s.split, s.fold, s.layout, s.jpeg_quality, workers, say=lambda line: say(line)
        )
        failed, count = exported.failed, exported.made + exported.kept
        say(f"{out}: {counted(count, 'video')} ({exported.made} new, {exported.kept} kept)")
    else:
        if peer is None:
            layout = Layout(s.layout or "frames", s.jpeg_quality)
            report = run(Path(source), out, layout, workers, root=s.root, scuba=s.scuba)
        else:
            report, lines = export_for(
                peer, Path(source), out, s.layout, s.jpeg_quality, workers, root=s.root, scuba=s.scuba
            )
        failed = report.failed or ([] if report.benchmark else report.failures)
        count = len(report.benchmark.rows) if report.benchmark else 0
        say(f"{out}: {counted(count, 'video')}")
    for line in lines if count else ():
        say(f"{peer}: {line}")
    if failed or not count:
        first = f"; {failed[0]['id']}: {failed[0]['reason']}" if failed else ""
        raise BenchError(
            f"{out / 'failures.csv'}: {counted(len(failed), 'video')} could not be exported, {count} could{first}"
        )


@with_options
def merge(
    parts: Annotated[list[Path], typer.Argument(help="Built benchmarks with the same settings.", metavar="PART...")],
    settings: MergeSettings,
) -> None:
    """Join parts that were built with `--shard i/n` on several machines into one benchmark; the parts are kept.

    Example: `bench merge part1 part2 --out whole`
    """
    from benchmark_builder.benchmark.merge import merge as run
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.pool import default_workers

    out = settings.out
    report = run(parts, out, settings.workers or default_workers())
    if report.benchmark is None:
        wrong = report.failed or report.failures
        raise BenchError(
            f"{out}: nothing could be merged" + (f"; {wrong[0]['id']}: {wrong[0]['reason']}" if wrong else "")
        )
    say(
        f"{out}: {counted(len(report.benchmark.rows), 'video')} of {len(parts)} parts, {len(report.left_out)} left "
        f"out, "
        f"{len(report.failed)} failed"
    )
    if report.failed:
        raise BenchError(
            f"{out / 'failures.csv'}: {len(report.failed)} failed; build those parts again, then merge again"
        )


@with_options
def import_command(
    folder: Annotated[Path, typer.Argument(help="A published benchmark: frames or zips, named VIDEO__N.")],
    settings: ImportSettings,
) -> None:
    """Write a manifest for a published benchmark, so that it can be verified, previewed and scored.

    If the videos have moved, give the same command with their new folder and the same --out.

    Example: `bench import SCUBA_Place365 --kind scuba --dataset hmdb51 --backgrounds places365`
    """
    from benchmark_builder.benchmark.export import import_published
    from benchmark_builder.benchmark.manifest import FAILURE_COLUMNS, FAILURES
    from benchmark_builder.utils.pool import default_workers
    from benchmark_builder.utils.text import read_records

    given = {name: value for name, value in settings if name not in EngineSettings.setting_names()}
    made = import_published(folder, **{**given, "workers": settings.workers or default_workers()})
    table = made.folder / FAILURES
    say(f"{made.folder}: {counted(len(made.rows), 'video')}, now a {made.kind} benchmark")
    notes = read_records(table, FAILURE_COLUMNS, "table of failures")
    for kind_noted, words in (
        ("length", "whose length differs from the list"),
        ("unlisted", "without a line in the list"),
        ("label", "whose label differs from their name"),
    ):
        names = [note["id"] for note in notes if note["kind"] == kind_noted]
        if names:
            first = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            say(f"{counted(len(names), 'video')} {words} ({first}), see {table}")
