"""`bench segment`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.build import (
    MASK_OPTIONS,
    BoxMargin,
    Chunk,
    Dataset,
    Device,
    Drift,
    Fold,
    KeepGoing,
    Limit,
    MinScore,
    MinTrack,
    Only,
    Root,
    SamCheckpoint,
    SamModel,
    Shard,
    Split,
    Workers,
    say_failures,
)
from albar_bench.cli.say import say

# One paragraph a kind, so that --help shows them as a list.
MASKS = "\n\n".join(
    (
        "KIND or KIND:PATH.  [default: the protocol's]",
        "motion: no files needed.",
        "truth: synthactions' exact masks.",
        "ucf101-24[:pyannot.pkl], ucf101-v2[:UCF101v2-GT.pkl]: boxes of UCF101-24.",
        "jhmdb[:puppet_mask]: JHMDB's puppet masks.",
        "folder:FOLDER: FOLDER/ID/00001.png, as DAVIS and HAT have them.",
        "rle:FILE.json: COCO run-length codes, by video or in YouTube-VIS's form.",
        "stored:FOLDER: what this command wrote.",
        "boxes:KIND[:PATH]: the bounding boxes of another source's masks, to see what boxes would leak.",
        "sam[:CHECKPOINT]: Segment Anything in the boxes of --prompts.",
        "sam2[:FOLDER or hub name]: SAM 2, which follows actors from the boxes of --prompts.",
        "maskrcnn[:WEIGHTS]: people found by torchvision's Mask R-CNN or Keypoint R-CNN; detector[:WEIGHTS]: their "
        "boxes. WEIGHTS: torchvision's name of them, or a file.",
    )
)


def segment(
    dataset: Dataset = "synthactions",
    root: Root = None,
    split: Split = "auto",
    fold: Fold = 1,
    protocol: Annotated[
        str, typer.Option(help="default, stillmix or ucf101-updated; sets --masks, --actors and --prompts.")
    ] = "default",
    masks: Annotated[str | None, typer.Option(help=MASKS)] = None,
    actors: Annotated[
        str | None,
        typer.Option(help="ucf101-24, ucf101-v2: all tubes of the class, or the first alone.  [default: all]"),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="sam, sam2: boxes to start from, KIND or KIND:PATH of any --masks, or detector."),
    ] = None,
    numbering: Annotated[
        str | None, typer.Option(help="folder: the pictures' names count frames from 0 or 1.  [default: auto]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder.  [default: $BENCH_DATA/masks/DATASET-KIND]")] = None,
    sam_checkpoint: SamCheckpoint = None,
    sam_model: SamModel = None,
    box_margin: BoxMargin = None,
    drift: Drift = None,
    min_score: MinScore = None,
    min_track: MinTrack = None,
    device: Device = None,
    chunk: Chunk = None,
    workers: Workers = None,
    limit: Limit = None,
    only: Only = None,
    shard: Shard = None,
    keep_going: KeepGoing = False,
) -> None:
    """Write the masks of any source to disk once; builds reuse them with `--masks stored:FOLDER`. Resumable."""
    own = dict(locals())
    from benchmark_builder.builders import Run, Subset
    from benchmark_builder.segment import segment as write_masks
    from benchmark_builder.utils.errors import BenchError

    report = write_masks(
        dataset,
        root,
        split,
        fold,
        protocol=protocol,
        masks=masks,
        options={k: own[k] for k in ("actors", "numbering", "prompts", *MASK_OPTIONS)},
        out=out,
        subset=Subset(limit, tuple(only or ()), shard),
        run=Run(workers, say=say),
    )
    say_failures(report.failures, report.folder)
    counts = f"{len(report.left_out)} left out, {len(report.failed)} failed"
    videos = report.made + report.kept
    if not videos:
        raise BenchError(f"{report.folder}: no masks were written: {counts} (see above)")
    say(f"{report.folder}: masks of {videos} videos ({report.made} new, {report.kept} kept), {counts}")
    if report.failed and not keep_going:
        raise BenchError(
            f"{report.folder / 'failures.csv'}: {len(report.failed)} failed, the rest is written; fix what it lists "
            "and run the same command again, or pass --keep-going"
        )
