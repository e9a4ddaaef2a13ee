"""`bench features`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from albar_bench.cli.build import say_failures
from albar_bench.cli.eval import OF_MODEL
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.text import counted
from evaluator.features.options import FeaturesFiles, FeaturesOptions, FeaturesRun
from evaluator.options import ModelOptions

# Views and crops are those of windows; classes do not matter.
OF_NETWORK = tuple(name for name in OF_MODEL if name not in ("classes", "prompts", "views", "crops"))


@with_options
def features(
    said: Annotated[dict[str, Any], Chosen(ModelOptions, "Options of the model", only=OF_NETWORK)],
    files: FeaturesFiles,
    chosen: Annotated[dict[str, Any], Chosen(FeaturesOptions, leave=("progress", "workers"))],
    machines: FeaturesRun,
    model: Annotated[
        str | None,
        typer.Argument(
            help="A model as `bench eval` takes it, whose layers can be reached: no exported program.", metavar="MODEL"
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Extract nothing: check this folder of features, also one of others, and exit with 1 if "
                     "something does not fit.", show_default=False, metavar="DIR"),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="Extract nothing: write the tables for this folder of features that others have "
                     "extracted, so that `bench downstream` reads it.", show_default=False, metavar="DIR"),
    ] = None,
    lists: Annotated[
        list[Path] | None,
        typer.Option(help="With --check, --import: a list of feature files; may be repeated.",
                     show_default=False, metavar="FILE"),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--gt", help="With --check, --import: truth per frame of the test list, .npy.",
                     show_default=False, metavar="FILE"),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="With --check, --import: json of segments, as of ActionFormer or OpenTAD.",
                     show_default=False, metavar="FILE"),
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Exit with 0 even if some videos failed.")] = False,
) -> None:  # fmt: skip
    """Write features of every window of long videos, in the formats that detectors of others read. Can be resumed.

    Example: `bench features runs/albar/model.ckpt --dataset ucf-crime --preset rtfm --out features/ucf`

    Own videos: `bench features MODEL --root VIDEOS --window 32 --stride 16 --out features/own` (docs/features.md).

    On all machines of a Ray cluster: add `--engine ray --engine-gpus 0.5` (docs/cluster.md).

    Check anybody's features: `bench features --check DIR --lists test.list --gt gt-ucf.npy --stride 16`

    Use published ones: `bench features --import DIR --lists train.list --lists test.list --gt gt-ucf.npy`
    """
    from benchmark_builder.utils.errors import BenchError

    if model is not None and (check or import_):
        raise BenchError(f"--{'check' if check else 'import'}: extracts nothing; leave MODEL out")
    if import_ is not None:
        _import(import_, tuple(lists or ()), truth, annotations, FeaturesOptions(**chosen), said.get("method"))
        return
    if check is not None:
        _check(check, tuple(lists or ()), truth, annotations, FeaturesOptions(**chosen))
        return
    for name, value in (("--lists", lists), ("--gt", truth), ("--annotations", annotations)):
        if value:
            raise BenchError(f"{name}: goes with --check DIR or --import DIR; leave it out")
    if model is None:
        raise BenchError("MODEL: give a model, such as a checkpoint of `bench train`; or --check DIR to check features")
    from evaluator.features.extract import extract_features

    options = FeaturesOptions(**chosen, workers=machines.workers)
    found = extract_features(
        model, files.dataset, files.root, files.split, files.out, options, ModelOptions(**said), say
    )
    report = found.report
    say_failures(report.failures, report.folder)
    if report.changed:
        say(f"made again, since their files have changed: {len(report.changed)}, such as {report.changed[0]}")
    counts = f"{found.missing} missing, {len(report.failed)} failed"
    if not found.videos:
        raise BenchError(f"{report.folder}: no features were written: {counts} (see above)")
    say(
        f"{found.path}: {counted(found.windows, 'window')} of {counted(found.videos, 'video')} ({report.made} new), "
        f"{counts}"
    )
    if report.failed and not keep_going:
        raise BenchError(f"{report.folder / 'failures.csv'}: {len(report.failed)} failed, the rest is written; fix"
                         " what it lists and run the same command again, or pass --keep-going")  # fmt: skip


def _check(
    path: Path, lists: tuple[Path, ...], truth: Path | None, annotations: Path | None, options: FeaturesOptions
) -> None:
    from benchmark_builder.utils.errors import BenchError
    from evaluator.features.check import check_features

    found = check_features(path, lists, truth, annotations, options.window, options.stride)
    for line in found.facts:
        say(line)
    for line in found.problems:
        say(f"does not fit: {line}")
    if found.problems:
        raise BenchError(f"{path}: {counted(len(found.problems), 'thing does', 'things do')} not fit (see above)")
    say(f"{path}: everything fits")


def _import(
    path: Path,
    lists: tuple[Path, ...],
    truth: Path | None,
    annotations: Path | None,
    options: FeaturesOptions,
    method: str | None,
) -> None:
    from evaluator.features.published import import_features

    window, stride, fps = (options.value(name) for name in ("window", "stride", "fps"))
    folder = import_features(path, lists, truth, annotations, window, stride, fps, method, say)
    videos = folder.videos()
    say(f"{path}: tables of {counted(len(videos), 'video')}, {counted(sum(v.windows for v in videos), 'window')}, "
        f"{counted(folder.crops, 'crop')} of "
        f"{counted(folder.dimension, 'value')}, for {folder.task}")  # fmt: skip
