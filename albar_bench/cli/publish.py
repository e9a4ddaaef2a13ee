"""`bench publish` and `bench rebuild`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import PublishSettings, RebuildSettings
from benchmark_builder.utils.text import counted, shown


@with_options
def publish(
    source: Annotated[
        Path, typer.Argument(help="A built benchmark, or an --out folder of `bench eval`.", metavar="BENCHMARK|RESULTS")
    ],
    settings: PublishSettings,
) -> None:
    """Write a folder that others can load, cite and check: video folder, dataset card, Croissant metadata, checksums.

    Example: `bench publish data/benchmarks/synthactions-scuba-stripes --out published --author "Ada Lovelace"`

    Example: `bench publish results --out published-results` publishes leaderboard, records and predictions.

    Videos are in it only if the licence of the dataset allows it, or with --with-pixels; otherwise `bench rebuild`
    makes them again from an own copy of the dataset. docs/publish.md has the table of licences.
    """
    from albar_bench.version import __version__
    from evaluator.publish_results import publish_any

    made = publish_any(source, settings, __version__)
    for line in made.said:
        say(shown(line))
    check = "check it with `sha256sum -c checksums.sha256`"
    if made.what == "results":
        say(f"{made.folder}: {counted(made.videos, 'evaluation')}; {check}")
        return
    what = f"with pixels, in {counted(made.archives, 'archive')}" if made.archives else "with pixels"
    what = what if made.pixels else "without pixels"
    say(f"{made.folder}: {counted(made.videos, 'video')}, {what}; {check}")


@with_options
def rebuild(
    folder: Annotated[Path, typer.Argument(help="A folder that `bench publish` has written.", metavar="PUBLISHED")],
    settings: RebuildSettings,
) -> None:
    """Make a published benchmark again, and compare the digest of every video's pixels. Can be resumed.

    Example: `bench rebuild published --root data/ucf101 --out data/benchmarks/ucf101-scuba-stripes`

    A published folder with videos is unpacked. Exit status 1 if a video is missing or differs.
    """
    from benchmark_builder.publishing.rebuild import rebuild as run
    from benchmark_builder.utils.errors import BenchError

    found = run(folder, settings)
    report = found.report
    failed = [f for f in report.failures if f["kind"] == "failed"]
    for failure in failed[:20]:
        say(shown(failure["reason"]))
    if len(failed) > 20:
        say(f"… and {len(failed) - 20} more in {report.folder / 'failures.csv'}")
    count = 0 if report.benchmark is None else len(report.benchmark.rows)
    say(f"{report.folder}: {count} of {counted(found.videos, 'video')} with the published pixels ({report.kept} kept)")
    if found.same:
        say("manifest.csv is, byte by byte, the published one: figures can be compared")
    elif found.other_bytes:
        say(f"{counted(len(found.other_bytes), 'file has', 'files have')} equal pixels and other bytes, as another "
            "encoder writes them")  # fmt: skip
    if found.missing:
        raise BenchError(found.missing)
