"""Divides the videos of a split into those for training and those for validation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from albar.training.settings import TrainSettings
from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.subset import ChosenIds, read_subset
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted
from benchmark_builder.video.record import Video, group_of


def chosen_by_list(listing: Listing, settings: TrainSettings) -> tuple[Listing, ChosenIds | None]:
    """The listing with only the videos that ``subset`` names, and what the list means for it; None without a list.

    Raises:
        BenchError: the list cannot be read, or names no video of the split.
    """
    if settings.subset is None:
        return listing, None
    chosen = read_subset(settings.subset).chosen([*(v.id for v in listing.videos), *listing.missing])
    videos = [v for v in listing.videos if v.id in chosen.ids]
    return replace(listing, videos=videos, missing=tuple(i for i in listing.missing if i in chosen.ids)), chosen


def said_validation(settings: TrainSettings, videos: Sequence[Video], kept_back: Sequence[Video]) -> str:
    """What the validation videos of a run are, in words."""
    s = settings
    if s.validation_split is not None:
        return f"validation: {counted(len(kept_back), 'video')} of split {s.validation_split}"
    if kept_back:
        return (
            f"validation: {counted(len(kept_back), 'video')} of {len(videos) + len(kept_back)}, drawn with seed "
            f"{s.seed} (--validation {s.validation_share:g}); they are not trained on"
        )
    if not s.validation_share:
        return "validation: none (--validation 0)"
    return (
        f"validation: none of the {counted(len(videos), 'video')} was drawn (--validation {s.validation_share:g}); "
        "raise --validation, or add videos"
    )


def _lowest(videos: Sequence[Video], label: int, lots: Mapping[str, float], share: float) -> list[str]:
    """The ids of the videos of a class with the lowest lots: the share of them, but one at least, and never all."""
    ids = sorted((v.id for v in videos if v.label == label), key=lambda video_id: lots[video_id])
    return ids[: min(max(round(share * len(ids)), 1), len(ids) - 1)]


def divide(listing: Listing, settings: TrainSettings) -> tuple[list[Video], list[Video]]:
    """The videos for training, and those for validation.

    The draw depends on (seed, group), so clips cut from one filmed scene stay together: otherwise scenes and people of
    validation videos would also be in the training videos. Where the listing says so, the same lots are drawn in each
    class: those with the lowest ones are for validation, at least one of two or more videos.
    """
    videos = listing.videos
    if settings.limit is not None:
        lots = {v.id: generator(settings.seed, v.id, "limit").random() for v in videos}
        chosen = sorted(videos, key=lambda v: lots[v.id])[: settings.limit]
        videos = sorted(chosen, key=lambda v: v.id)
    if settings.validation_split is not None:
        return videos, []
    lots = {g: generator(settings.seed, g, "validation").random() for g in {group_of(v) for v in videos}}
    share = settings.validation_share
    if listing.by_class and share:
        kept = {video_id for label in {v.label for v in videos} for video_id in _lowest(videos, label, lots, share)}
    else:
        kept = {v.id for v in videos if lots[group_of(v)] < share}
    return [v for v in videos if v.id not in kept], [v for v in videos if v.id in kept]
