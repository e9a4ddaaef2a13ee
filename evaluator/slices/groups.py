"""Which video of a test set is in which group of an attribute."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark_builder.datasets.common import class_matcher
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.random_access import shape
from benchmark_builder.video.selection import indices
from evaluator.predictions.files import Predictions, VideoNames
from evaluator.slices.attributes import Attribute, Segment, longest_value
from evaluator.testsets import Item, TestSet

if TYPE_CHECKING:
    from albar.clips.clips import ClipSampling

NO_LABEL = "has no value"
NO_FRAMES = "has no value in the frames that the video shows"
NO_VIDEO = "is no video of the test sets"


@dataclass(frozen=True)
class Groups:
    """The groups of one attribute.

    Attributes:
        attribute: whose groups they are.
        of: name of a test set -> id of its video -> group; videos without a group are not in it.
        names: the groups that have a video, in the order of the tables.
        unlabelled: (id of a source video of the test sets, why it is in no group).
        unknown: (id in the attribute's source, why no video has its value).
        frames: where values hold for a range of frames, whether the frames of the test clips decided (``clip``) or all
            frames of the video (``video``); empty if there are no such values.
    """

    attribute: Attribute
    of: dict[str, dict[str, str]]
    names: tuple[str, ...]
    unlabelled: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    frames: str = ""


def group(attribute: Attribute, sets: Sequence[TestSet], sampling: "ClipSampling | None" = None) -> Groups:
    """Find the group of every video of the test sets.

    A video made from a source video has the value that holds longest in the frames of the source which its test clips
    show: all frames of its clips, each once. A SCUFO video and its SCUBA video count the same frames, so they are in
    the same group.

    Args:
        attribute, sets: whose groups.
        sampling: how the test clips were cut; None: it is not known, and all frames of the video count.

    Raises:
        BenchError: two names of the attribute mean the same video and say different things.
    """
    segments, unknown = _by_class(attribute, sets) if attribute.by_class else _by_source(attribute, sets)
    of: dict[str, dict[str, str]] = {}
    without: dict[str, str] = {}
    labelled: set[str] = set()
    decided: set[str] = set()
    for s in sets:
        of[s.name] = {}
        for item in s.items:
            said = segments.get(item.source_id)
            frames = None
            if said is not None and said[0].start is not None:
                frames, known = _frames(s, item, attribute, sampling)
                decided.add("clip" if known else "video")
            value = None if said is None else longest_value(said, frames)
            if value is None:
                without.setdefault(item.source_id, NO_LABEL if said is None else NO_FRAMES)
            else:
                of[s.name][item.id] = value
                labelled.add(item.source_id)
    names = attribute.ordered({value for table in of.values() for value in table.values()})
    for s in sets:  # missing videos of the ordinary test split are counted in their groups
        values = {i: longest_value(segments[i]) for i in s.absent if i in segments}
        of[s.name] |= {i: value for i, value in values.items() if value is not None}
    unlabelled = tuple(sorted((i, why) for i, why in without.items() if i not in labelled))
    frames_said = "video" if "video" in decided else "".join(decided)
    unused = tuple(sorted([*unknown, *attribute.unusable]))
    return Groups(attribute, of, tuple(names), unlabelled, unused, frames_said)


def _by_source(
    attribute: Attribute, sets: Sequence[TestSet]
) -> tuple[dict[str, tuple[Segment, ...]], list[tuple[str, str]]]:
    """Source id -> segments; and the names that no source video has."""
    names = VideoNames(i for s in sets for i in (*(item.source_id for item in s.items), *s.absent))
    found: dict[str, tuple[Segment, ...]] = {}
    unknown: list[tuple[str, str]] = []
    first: dict[str, str] = {}
    for name, segments in attribute.segments.items():
        meant = names.find(name)
        if len(meant) == 1:
            (video_id,) = meant
            if found.setdefault(video_id, segments) != segments:
                raise BenchError(
                    f"--slices {attribute.source}: {first[video_id]!r} and {name!r} are both the video {video_id!r} "
                    f"and have different values of {attribute.name!r}; keep one of them"
                )
            first.setdefault(video_id, name)
        else:
            unknown.append((name, f"can be {meant[0]!r} or {meant[1]!r}; give the whole id" if meant else NO_VIDEO))
    return found, unknown


def _by_class(
    attribute: Attribute, sets: Sequence[TestSet]
) -> tuple[dict[str, tuple[Segment, ...]], list[tuple[str, str]]]:
    """The same for an attribute of classes."""
    classes = sets[0].classes if sets else []
    match = class_matcher(classes)
    of: dict[int, tuple[Segment, ...]] = {}
    unknown: list[tuple[str, str]] = []
    for name, segments in attribute.segments.items():
        label = match(name)
        if label is None:
            unknown.append((name, "is no class of the dataset"))
        elif of.setdefault(label, segments) != segments:
            raise BenchError(
                f"--slices {attribute.source}: class {classes[label]!r} is in two groups; keep one of them"
            )
    return {item.source_id: of[item.label] for s in sets for item in s.items if item.label in of}, unknown


def _frames(
    s: TestSet, item: Item, attribute: Attribute, sampling: "ClipSampling | None"
) -> tuple[np.ndarray | None, bool]:
    """Which frames of its source a video shows, int (N,), None where all count; and whether these are its clips'."""
    if attribute.frames_of not in ("", s.dataset if s.benchmark is None else s.benchmark.dataset):
        return None, False
    shown, count = None, item.frames
    if s.benchmark is not None:
        text = s.benchmark.by_id[item.id].source_frames
        if not text:
            return None, False
        shown = np.array(indices(text))
        count = len(shown)
    if sampling is None:
        return shown, False
    count = count or _count(s, item)
    if not count:
        return shown, False
    from albar.clips.clips import eval_indices

    clips = [eval_indices(count, sampling, view, sampling.views) for view in range(sampling.views)]
    at = np.unique(np.concatenate(clips))
    return at if shown is None else shown[at], True


def _count(s: TestSet, item: Item) -> int:
    """The number of frames of a video, as :func:`~evaluator.inference.clips.read_clips` finds it; 0 if unreadable."""
    try:
        return shape(item.path)[0]
    except BenchError:
        return 0


def restricted(s: TestSet, p: Predictions, of: dict[str, str], name: str) -> tuple[TestSet, Predictions]:
    """The videos of one group: the test set and its predictions with these alone."""
    at = [k for k, video_id in enumerate(p.ids) if of.get(video_id) == name]
    missing = tuple(i for i in p.missing if of.get(i) == name)
    kept = p.rows(at, missing)
    items = [item for item in s.items if of.get(item.id) == name]
    absent = tuple(i for i in s.absent if of.get(i) == name)
    return replace(s, items=items, absent=absent, same_donors=s.has_same_donors), kept
