"""`bench data …`: datasets before any work starts."""

from typing import Annotated, Any

from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import (
    GenerateSettings,
    InspectSettings,
    RenderRun,
    SegmentSettings,
    SynthLongSettings,
    SynthSettings,
    TranscodeRun,
    TranscodeSettings,
    VideoSettings,
)
from benchmark_builder.utils import blas
from benchmark_builder.utils.text import counted, shown

blas.one_thread()


@with_options
def render(
    run: RenderRun,
    settings: Annotated[dict[str, Any], Chosen(SynthSettings)],
    more: Annotated[dict[str, Any], Chosen(SynthLongSettings, "Only for synthlong", only=("shortest", "longest"))],
) -> None:
    """Render *synthactions* or *synthlong*: only the motion of the actor is the class. Can be resumed.

    synthactions: clips of one action each, with exact masks.

    synthlong: untrimmed videos of the same actors, with several actions and idle stretches, for `bench features` and
    `bench downstream`. Kick, Squat and JumpingJack are the anomalies; half of the videos have one or two of them.
    Annotations are in the forms of UCF-Crime and of THUMOS14. In training videos, scenery and clothing suggest the
    wrong answer; test videos are unbiased. --frames, --skin-bias and --pan are options of synthactions alone.

    Example: `bench data render --train 4096 --test 256`

    Example: `bench data render --dataset synthlong --train 40 --test 20 --out data/synthlong`
    """
    from benchmark_builder.datasets import data_root
    from benchmark_builder.utils.options import setting_error
    from benchmark_builder.utils.pool import default_workers

    root, workers = run.out or data_root() / run.dataset, run.workers or default_workers()
    if run.dataset == "synthactions":
        from benchmark_builder.synthactions import render_dataset

        for name, value in more.items():
            raise setting_error(name, value, "is an option of --dataset synthlong; leave it out")
        clips = SynthSettings(**settings)
        render_dataset(root, clips, workers)
        say(f"{root}: {counted(clips.train, 'training video')}, 2 x {counted(clips.test, 'test video')}")
    else:
        from benchmark_builder.synthlong import render_synthlong

        for name in settings.keys() - SynthLongSettings.model_fields.keys():
            raise setting_error(name, settings[name], "is an option of --dataset synthactions; leave it out")
        long = SynthLongSettings(**settings, **more)
        render_synthlong(root, long, workers)
        say(f"{root}: {long.train} training videos, {long.test} test videos")


@with_options
def list_command(videos: VideoSettings) -> None:
    """List a dataset's videos as CSV: id, label, class, file.

    Example: `bench data list --dataset hmdb51 --split test`
    """
    import sys

    from benchmark_builder.datasets import read_dataset
    from benchmark_builder.utils.text import csv_text

    listing = read_dataset(videos.dataset, videos.root, videos.split, videos.fold)
    for note in listing.notes:
        say(shown(note), err=True)
    rows = ([v.id, v.label, v.class_name, v.split, str(v.path)] for v in listing.videos)
    table = csv_text([["id", "label", "class_name", "split", "file"], *rows])
    sys.stdout.write("\n".join(map(shown, table.split("\n"))) if sys.stdout.isatty() else table)
    for line in listing.summary():
        say(line, err=True)


@with_options
def segments(videos: SegmentSettings) -> None:
    """Print the annotated segments of a dataset of untrimmed videos as CSV: id, class, start, end, unit, split.

    Example: `bench data segments --dataset thumos14`
    """
    import sys

    from benchmark_builder.datasets.segments import read_segments
    from benchmark_builder.utils.text import csv_text

    found, notes = read_segments(videos.dataset, videos.root)
    for note in notes:
        say(shown(note), err=True)
    rows = ([s.video_id, s.class_name, f"{s.start:g}", f"{s.end:g}", s.unit, s.split] for s in found)
    table = csv_text([["id", "class_name", "start", "end", "unit", "split"], *rows])
    sys.stdout.write("\n".join(map(shown, table.split("\n"))) if sys.stdout.isatty() else table)


@with_options
def backgrounds(settings: GenerateSettings) -> None:
    """Make pictures of scenes with a text-to-image network, for `--backgrounds images:OUT`. Can be resumed.

    Example: `bench data backgrounds --model hf:NAME --out scenes`, then `bench build scuba --backgrounds images:scenes`

    Look at the pictures: a network may show people although it was asked not to (docs/generated_backgrounds.md).
    """
    from benchmark_builder.backgrounds.generate import generate
    from benchmark_builder.utils.errors import BenchError

    report = generate(settings, say)
    counts = f"{report.made} new, {report.kept} kept, {len(report.failed)} failed"
    say(f"{report.folder}: {counted(report.made + report.kept, 'picture')} ({counts})")
    if report.failed:
        first = report.failed[0]
        raise BenchError(
            f"{report.folder / 'failures.csv'}: {counted(len(report.failed), 'picture')} could not be made; "
            f"{first['id']}: "
            f"{first['reason']}; run the same command again, the others are kept"
        )


@with_options
def transcode(run: TranscodeRun, settings: TranscodeSettings) -> None:
    """Write a dataset's videos smaller and with frequent key frames, so that clips are read faster. Can be resumed.

    OUT gets the same folders and names with the suffix .mp4 (H.264, yuv420p, no audio) and the dataset's lists: give it
    as --root afterwards. Sources are not changed. Damaged ones are listed in failures.csv. Frames are counted in each
    source and result. The digests of OUT's videos differ from the dataset's: masks and benchmarks made from one do not
    fit the other (docs/transcode.md).

    Example: `bench data transcode --dataset kinetics400 --out data/kinetics400-256`

    Example: `bench data transcode --dataset ucf101 --short 0 --keys 16 --out data/ucf101-keys`
    """
    import time

    from albar_bench.cli.build import say_failures
    from benchmark_builder.builders import Run, Subset
    from benchmark_builder.transcode import rows_of
    from benchmark_builder.transcode import transcode as write_videos
    from benchmark_builder.utils.errors import BenchError

    start = time.monotonic()
    report = write_videos(
        **run.model_dump(include={"dataset", "root", "split", "fold", "out"}),
        settings=settings,
        subset=Subset(run.limit, run.only, run.shard, run.subset),
        run=Run(run.workers, say=say),
    )
    seconds = time.monotonic() - start
    say_failures(report.failures, report.folder)
    if report.changed:
        say(f"made again, since their sources have changed: {len(report.changed)}, such as {report.changed[0]}")
    counts = f"{len(report.left_out)} left out, {len(report.failed)} failed"
    videos = report.made + report.kept
    if not videos:
        raise BenchError(f"{report.folder}: no videos were written: {counts} (see above)")
    say(f"{report.folder}: {counted(videos, 'video')} ({report.made} new, {report.kept} kept), {counts}")
    rows = rows_of(report.folder)
    before, after = (sum(row[name] for row in rows) for name in ("source_bytes", "bytes"))
    say(f"size: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after ({after / before:.2f} of it)")
    if report.made:
        say(f"time: {seconds:.1f} s for {counted(report.made, 'video')} ({report.made / seconds:.2f} per second)")
    if run.sample:
        from albar.clips.reading import compared  # imports torch

        if line := compared(run.dataset, run.root, report.folder, run.sample):
            say(line)
    if report.failed and not run.keep_going:
        raise BenchError(
            f"{report.folder / 'failures.csv'}: {len(report.failed)} failed, the rest is written; fix what it lists "
            "and run the same command again, or pass --keep-going"
        )


@with_options
def inspect(settings: InspectSettings) -> None:
    """Decode every video and report problems of a copy. Exit status 1 if a video is missing, unreadable, or has a name
    that cannot be used.

    Example: `bench data inspect --dataset ucf101 --csv problems.csv`
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark_builder.audit.inspect import inspect_dataset, table
    from benchmark_builder.utils.errors import BenchError

    s, csv = settings, settings.csv
    found = inspect_dataset(s.dataset, s.root, s.split, s.fold, s.workers)
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
        say(f"note: {shown(note)}")
    if csv is not None:
        say(f"{csv}: one row for each of {len(found.videos)} videos")
    if not found.fine:
        missing, unreadable, unusable = (len(found.of(kind)) for kind in ("missing", "unreadable", "unusable"))
        names = f", {unusable} with a name that cannot be used" if unusable else ""
        listed = f"{csv} lists them" if csv is not None else "--csv FILE lists them"
        raise BenchError(
            f"{found.root}: {counted(missing, 'video')} missing, {unreadable} unreadable{names}; get or rename them "
            f"({listed}), "
            "or build without them"
        )
