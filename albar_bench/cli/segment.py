"""`bench segment`."""

from typing import Annotated, Any

from albar_bench.cli.build import Network, say_failures
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.parts import MASKS
from benchmark_builder.settings import (
    ActorSettings,
    CorrectionSettings,
    FolderSettings,
    PartSettings,
    ReviewSettings,
    RunSettings,
    VideoSettings,
)
from benchmark_builder.utils import blas
from benchmark_builder.utils.options import PathSetting, setting

blas.one_thread()

# One paragraph per kind, so that --help shows them as a list.
MASKS_HELP = "KIND or KIND:PATH.  [default: the protocol's]\n\n" + MASKS.help("\n\n")


class SegmentOptions(RunSettings, PartSettings, VideoSettings):
    """Options of the command in addition to the settings of mask sources."""

    protocol: str = setting(
        "default", "default, stillmix, ucf101-updated, or a FILE.toml; sets --masks, --actors and --prompts."
    )
    masks: str | None = setting(None, MASKS_HELP)
    prompts: str | None = setting(
        None, "sam, sam2: source of the prompt boxes, KIND or KIND:PATH of any --masks, or detector."
    )
    out: PathSetting | None = setting(None, "Folder.", shown="$BENCH_DATA/masks/DATASET-KIND")
    keep_going: bool = setting(False, "Exit with 0 even if some videos failed.")


@with_options
def segment(
    own: SegmentOptions,
    actors: Annotated[dict[str, Any], Chosen(ActorSettings)],
    folder: Annotated[dict[str, Any], Chosen(FolderSettings)],
    network: Network,
    by_hand: CorrectionSettings,
    review: ReviewSettings,
) -> None:
    """Write the masks of any source to disk once; builds reuse them with `--masks stored:FOLDER`. Can be resumed.

    Example: `bench segment --dataset hmdb51 --masks people --review review.csv`

    Example: `bench segment --dataset ucf101 --masks sam --prompts ucf101-24:pyannot.pkl --shard 1/4 --out masks/1`
    """
    from benchmark_builder.builders import Run, Subset
    from benchmark_builder.segment import segment as write_masks
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.text import counted

    report = write_masks(
        **own.model_dump(include={"dataset", "root", "split", "fold", "protocol", "masks", "out"}),
        options={**actors, **folder, "prompts": own.prompts, **network},
        subset=Subset(own.limit, own.only, own.shard, own.subset),
        run=Run(own.workers, say=say),
        review=review.review,
        **by_hand.model_dump(),
    )
    say_failures(report.failures, report.folder)
    if report.changed:
        say(f"made again, since their corrections have changed: {len(report.changed)}, such as {report.changed[0]}")
    counts = f"{len(report.left_out)} left out, {len(report.failed)} failed"
    videos = report.made + report.kept
    if not videos:
        raise BenchError(f"{report.folder}: no masks were written: {counts} (see above)")
    say(f"{report.folder}: masks of {counted(videos, 'video')} ({report.made} new, {report.kept} kept), {counts}")
    if review.review is not None:
        say(f"{review.review}: fill in verdict, frames and reason, then give it as --corrections")
    if report.failed and not own.keep_going:
        raise BenchError(
            f"{report.folder / 'failures.csv'}: {len(report.failed)} failed, the rest is written; fix what it lists "
            "and run the same command again, or pass --keep-going"
        )
