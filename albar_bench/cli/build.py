"""`bench build scuba|scufo|conflfg`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.say import say

if TYPE_CHECKING:
    from benchmark_builder.benchmark.runner import Report
    from benchmark_builder.builders import Run, Subset

app = typer.Typer(
    no_args_is_help=True,
    help="Build test videos: **scuba** (actor over an unrelated background), **scufo** (a still of it), "
    "**conflfg** (with the still actor of another class added).",
    rich_markup_mode="markdown",
)

Dataset = Annotated[str, typer.Option(help="synthactions, ucf101, hmdb51, kinetics400, jhmdb, or folder (your own).")]
Root = Annotated[Path | None, typer.Option(help="The dataset's folder.  [default: $BENCH_DATA/DATASET]")]
Split = Annotated[str, typer.Option(help="train, test, val, all; auto: the test split, or all where no lists are.")]
Fold = Annotated[int, typer.Option(help="Which official split, from 1.", min=1)]
Seed = Annotated[int, typer.Option(help="Owns every random draw.")]
Out = Annotated[Path | None, typer.Option(help="Folder.  [default: $BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND]")]
Workers = Annotated[int | None, typer.Option(help="Processes.  [default: one a core]", min=1, max=256)]
Limit = Annotated[int | None, typer.Option(help="Only the first N source videos.", min=1)]
Only = Annotated[list[str] | None, typer.Option(help="Only sources whose id begins so; may be given several times.")]
Shard = Annotated[str | None, typer.Option(help="i/n: every n-th source from the i-th, for n machines.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Exit with 0 even if some videos failed.")]
From = Annotated[
    Path | None,
    typer.Option("--from", help="The SCUBA benchmark to start from.  [default: the dataset's, built first if missing]"),
]

# Settings that a protocol decides; an option overrides it.
_P = "Protocol's settings"
Protocol = Annotated[
    str, typer.Option(help="default, stillmix (as published) or ucf101-updated; sets all that follows.")
]
Masks = Annotated[
    str | None,
    typer.Option(
        help="KIND or KIND:PATH; ucf101-24:pyannot.pkl, truth (synthactions), motion (needs no files), stored:FOLDER … "
        "(`bench segment --help` lists them).  [default: the dataset's]",
        rich_help_panel=_P,
    ),
]
Prompts = Annotated[str | None, typer.Option(help="Boxes that prompt the mask source, KIND:PATH.", rich_help_panel=_P)]
# Settings of the mask sources that run a network.
_N = "Masks by a network"
SamCheckpoint = Annotated[
    Path | None,
    typer.Option(help="sam: a file; sam2: a folder or a hub's name.  [default: the published one]", rich_help_panel=_N),
]
SamModel = Annotated[
    str | None, typer.Option(help="vit_h, vit_l, vit_b.  [default: the checkpoint's, else vit_h]", rich_help_panel=_N)
]
BoxMargin = Annotated[
    float | None,
    typer.Option(
        help="sam, sam2: a mask ends at its box enlarged by this share a side.  [default: 0.1]",
        rich_help_panel=_N,
    ),
]
Drift = Annotated[
    float | None,
    typer.Option(help="sam2: prompt anew where mask and box overlap less (IoU).  [default: 0.25]", rich_help_panel=_N),
]
MinScore = Annotated[
    float | None,
    typer.Option(help="maskrcnn, detector: least score of a person, 0 to 1.  [default: 0.7]", rich_help_panel=_N),
]
MinTrack = Annotated[
    int | None,
    typer.Option(help="maskrcnn, detector: frames that a person must be seen on.  [default: 8]", rich_help_panel=_N),
]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:1 …  [default: the GPU if there is one]", rich_help_panel=_N)
]
Chunk = Annotated[int | None, typer.Option(help="Frames that share the GPU at a time.", rich_help_panel=_N)]
Actors = Annotated[str | None, typer.Option(help="all tubes of the class, or the first alone.", rich_help_panel=_P)]
Unannotated = Annotated[
    str | None, typer.Option(help="Frames between annotated ones: hold, drop, background.", rich_help_panel=_P)
]
Smooth = Annotated[int | None, typer.Option(help="Frames before and after that join a mask.", rich_help_panel=_P)]
SmoothHow = Annotated[str | None, typer.Option(help="majority or union.", rich_help_panel=_P)]
Dilate = Annotated[int | None, typer.Option(help="Pixels a mask grows.", rich_help_panel=_P)]
Feather = Annotated[float | None, typer.Option(help="Softness of its edge, pixels.", rich_help_panel=_P)]
MinArea = Annotated[
    float | None, typer.Option(help="Least share of the picture a valid mask fills.", rich_help_panel=_P)
]
MinValid = Annotated[float | None, typer.Option(help="Least share of valid frames.", rich_help_panel=_P)]
Backgrounds = Annotated[
    str | None,
    typer.Option(help="stripes, plain, noise, or images:FOLDER (Places365's test_256 …).", rich_help_panel=_P),
]
Fit = Annotated[str | None, typer.Option(help="Pictures cover the frame, or stretch.", rich_help_panel=_P)]
Grey = Annotated[
    str | None, typer.Option(help="Grey pictures among the backgrounds: keep, or redraw another.", rich_help_panel=_P)
]
PerVideo = Annotated[int | None, typer.Option(help="Backgrounds a source video.", rich_help_panel=_P)]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        help="video (H.264, near-lossless), lossless (FFV1), frames (JPEG), zip, virtual (composed when read).",
        rich_help_panel=_P,
    ),
]
JpegQuality = Annotated[int | None, typer.Option(help="Of frames and zip.", rich_help_panel=_P)]
Shake = Annotated[float | None, typer.Option(help="Amplitude of --shaken, share of the picture.", rich_help_panel=_P)]
StillArea = Annotated[
    float | None,
    typer.Option(help="Least mask of a still, as a share of its video's median mask.", rich_help_panel=_P),
]
Order = Annotated[
    str | None, typer.Option(help="The still actor is behind the moving one, or front.", rich_help_panel=_P)
]
Place = Annotated[str | None, typer.Option(help="random: at a drawn place; keep: where it stood.", rich_help_panel=_P)]
MaxCovered = Annotated[
    float | None, typer.Option(help="Share of the mover the still actor may hide.", rich_help_panel=_P)
]
MinVisible = Annotated[
    float | None, typer.Option(help="Share of the still actor that must be seen.", rich_help_panel=_P)
]


@app.command()
def scuba(
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    limit: Limit = None,
    only: Only = None,
    shard: Shard = None,
    keep_going: KeepGoing = False,
    protocol: Protocol = "default",
    masks: Masks = None,
    prompts: Prompts = None,
    actors: Actors = None,
    unannotated: Unannotated = None,
    smooth: Smooth = None,
    smooth_how: SmoothHow = None,
    dilate: Dilate = None,
    feather: Feather = None,
    min_area: MinArea = None,
    min_valid: MinValid = None,
    sam_checkpoint: SamCheckpoint = None,
    sam_model: SamModel = None,
    box_margin: BoxMargin = None,
    drift: Drift = None,
    min_score: MinScore = None,
    min_track: MinTrack = None,
    device: Device = None,
    chunk: Chunk = None,
    backgrounds: Backgrounds = None,
    fit: Fit = None,
    grey: Grey = None,
    per_video: PerVideo = None,
    layout: LayoutOption = None,
    jpeg_quality: JpegQuality = None,
    virtual: Annotated[bool, typer.Option("--virtual", help="Short for --layout virtual.")] = False,
) -> None:
    """Composite the actor of every video over backgrounds that have nothing to do with the action."""
    options = dict(locals())
    _end(keep_going, _scuba(options)[1])


@app.command()
def scufo(
    source: From = None,
    shaken: Annotated[
        bool, typer.Option("--shaken", help="Under a smooth camera path, so that it is not still.")
    ] = False,
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    limit: Limit = None,
    only: Only = None,
    shard: Shard = None,
    keep_going: KeepGoing = False,
    protocol: Protocol = "default",
    masks: Masks = None,
    prompts: Prompts = None,
    actors: Actors = None,
    unannotated: Unannotated = None,
    smooth: Smooth = None,
    smooth_how: SmoothHow = None,
    dilate: Dilate = None,
    feather: Feather = None,
    min_area: MinArea = None,
    min_valid: MinValid = None,
    sam_checkpoint: SamCheckpoint = None,
    sam_model: SamModel = None,
    box_margin: BoxMargin = None,
    drift: Drift = None,
    min_score: MinScore = None,
    min_track: MinTrack = None,
    device: Device = None,
    chunk: Chunk = None,
    backgrounds: Backgrounds = None,
    fit: Fit = None,
    grey: Grey = None,
    per_video: PerVideo = None,
    layout: LayoutOption = None,
    jpeg_quality: JpegQuality = None,
    shake: Shake = None,
    still_area: StillArea = None,
) -> None:
    """Repeat one frame of every SCUBA video, so that nothing moves: who still names the action reads looks."""
    from benchmark_builder.builders import build_scufo

    options = dict(locals())
    chosen = {k: options[k] for k in ("layout", "jpeg_quality", "shake", "still_area")}
    scuba_folder, subset, failed = _start(options)
    report = build_scufo(
        scuba_folder, shaken=shaken, root=root, seed=seed, out=out, subset=subset, run=_run(workers), **chosen
    )
    _end(keep_going, failed, _finish(report)[1])


@app.command()
def conflfg(
    source: From = None,
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    limit: Limit = None,
    only: Only = None,
    shard: Shard = None,
    keep_going: KeepGoing = False,
    protocol: Protocol = "default",
    masks: Masks = None,
    prompts: Prompts = None,
    actors: Actors = None,
    unannotated: Unannotated = None,
    smooth: Smooth = None,
    smooth_how: SmoothHow = None,
    dilate: Dilate = None,
    feather: Feather = None,
    min_area: MinArea = None,
    min_valid: MinValid = None,
    sam_checkpoint: SamCheckpoint = None,
    sam_model: SamModel = None,
    box_margin: BoxMargin = None,
    drift: Drift = None,
    min_score: MinScore = None,
    min_track: MinTrack = None,
    device: Device = None,
    chunk: Chunk = None,
    backgrounds: Backgrounds = None,
    fit: Fit = None,
    grey: Grey = None,
    per_video: PerVideo = None,
    layout: LayoutOption = None,
    jpeg_quality: JpegQuality = None,
    order: Order = None,
    place: Place = None,
    max_covered: MaxCovered = None,
    min_visible: MinVisible = None,
    still_area: StillArea = None,
) -> None:
    """Add the still actor of another class to every SCUBA video; the label stays the moving actor's."""
    from benchmark_builder.builders import build_conflfg

    options = dict(locals())
    names = ("layout", "jpeg_quality", "order", "place", "max_covered", "min_visible", "still_area")
    chosen = {k: options[k] for k in names}
    scuba_folder, subset, failed = _start(options)
    report = build_conflfg(scuba_folder, root=root, seed=seed, out=out, subset=subset, run=_run(workers), **chosen)
    _end(keep_going, failed, _finish(report)[1])


_SCUBA_SETTINGS = (
    "masks", "prompts", "actors", "unannotated", "smooth", "smooth_how", "dilate", "feather", "min_area", "min_valid",
    "backgrounds", "fit", "grey", "per_video", "layout", "jpeg_quality",
)  # fmt: skip
MASK_OPTIONS = ("sam_checkpoint", "sam_model", "box_margin", "drift", "min_score", "min_track", "device", "chunk")


def _scuba(options: dict[str, Any]) -> tuple[Path, str]:
    """Build SCUBA with a command's options; its folder, and what :func:`_end` is to say."""
    from benchmark_builder.builders import build_scuba

    chosen = {k: options[k] for k in _SCUBA_SETTINGS}
    if options.get("virtual"):
        chosen["layout"] = "virtual"
    report = build_scuba(
        options["dataset"],
        options["root"],
        options["split"],
        options["fold"],
        protocol=options["protocol"],
        seed=options["seed"],
        out=options["out"],
        subset=_part(options),
        run=_run(options["workers"]),
        mask_options={k: options[k] for k in MASK_OPTIONS},
        **chosen,
    )
    return _finish(report)


def _start(options: dict[str, Any]) -> tuple[Path, "Subset | None", str]:
    """The SCUBA benchmark to start from, which part of it to take, and what :func:`_end` is to say of its failures.

    It is the named one, or the one that is there, or one that is built first, which is that part already.
    """
    from benchmark_builder.start_from import require_wishes, scuba_there

    chosen = {k: options[k] for k in _SCUBA_SETTINGS}
    if options["source"]:
        wishes = {k: options[k] for k in ("split", "fold", "protocol")}
        require_wishes(options["source"], None, **wishes, **chosen)  # --root says where the dataset is now
        return options["source"], _part(options), ""
    names = ("root", "split", "fold", "protocol")
    found = scuba_there(options["dataset"], **{k: options[k] for k in names}, **chosen)
    if found is None:
        folder, failed = _scuba(options | {"out": None})
        return folder, None, failed
    say(f"starting from {found} (name another SCUBA benchmark with --from)")
    return found, _part(options), ""


def _part(options: dict[str, Any]) -> "Subset":
    from benchmark_builder.builders import Subset

    return Subset(options["limit"], tuple(options["only"] or ()), options["shard"])


def _run(workers: int | None) -> "Run":
    from benchmark_builder.builders import Run

    return Run(workers=workers, say=say)


def say_failures(failures: list[dict[str, str]], folder: Path, most: int = 10) -> None:
    """Print a line for each item that was not made and each note, those that failed first."""
    for failure in sorted(failures, key=lambda f: f["kind"] != "failed")[:most]:
        say(f"{failure['kind']}: {failure['id']}: {failure['reason']}")
    if len(failures) > most:
        say(f"… and {len(failures) - most} more in {folder / 'failures.csv'}")


def _finish(report: "Report") -> tuple[Path, str]:
    """Say what was built and what was not; the benchmark's folder, and what :func:`_end` is to say.

    Raises BenchError if nothing was built.
    """
    from benchmark_builder.utils.errors import BenchError

    say_failures(report.failures, report.folder)
    if report.changed:
        say(f"built again, since what they are made from has changed: {len(report.changed)} of them, "
                   f"such as {report.changed[0]}")  # fmt: skip
    if report.benchmark is None:
        if not report.failures:
            raise BenchError(f"{report.folder}: nothing was built: this part of the data set has no videos")
        raise BenchError(
            f"nothing was built: {len(report.left_out)} left out, {len(report.failed)} failed; "
            f"{report.folder / 'failures.csv'} lists them"
        )
    folder = report.benchmark.folder
    say(
        f"{folder}: {len(report.benchmark.rows)} videos ({report.made} new, {report.kept} kept), "
        f"{len(report.left_out)} left out, {len(report.failed)} failed"
        + (
            f", {noted} notes in failures.csv"
            if (noted := len(report.failures) - len(report.left_out + report.failed))
            else ""
        )
    )
    failed = (
        f"{folder / 'failures.csv'}: {len(report.failed)} failed, the rest is built; fix what it lists and run "
        "the same command again, or pass --keep-going"
    )
    return folder, failed if report.failed else ""


def _end(keep_going: bool, *failed: str) -> None:
    """End the command with an error if something failed on the way; it comes last, so that it costs nothing else."""
    from benchmark_builder.utils.errors import BenchError

    said = "; ".join(filter(None, failed))
    if said and not keep_going:
        raise BenchError(said)
