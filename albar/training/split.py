"""Which videos of a split are trained on, and which are kept back for validation."""

from albar.training.settings import TrainSettings
from benchmark_builder.datasets import Listing
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.record import Video, group_of


def divide(listing: Listing, settings: TrainSettings) -> tuple[list[Video], list[Video]]:
    """The videos to train on, and those kept back for validation.

    Lots belong to (seed, group): clips cut from one filmed scene stay on one side, or validation would see its scenes
    and people in training.
    """
    videos = listing.videos
    if settings.limit is not None:
        lots = {v.id: generator(settings.seed, v.id, "limit").random() for v in videos}
        chosen = sorted(videos, key=lambda v: lots[v.id])[: settings.limit]
        videos = sorted(chosen, key=lambda v: v.id)
    if settings.validation_split is not None:
        return videos, []
    lots = {g: generator(settings.seed, g, "validation").random() for g in {group_of(v) for v in videos}}
    kept = {v.id for v in videos if lots[group_of(v)] < settings.validation}
    return [v for v in videos if v.id not in kept], [v for v in videos if v.id in kept]
