"""Which video of a test set is in which group of an attribute."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmark_builder.datasets.common import class_matcher
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.selection import indices
from evaluator.predictions.files import Predictions, VideoNames
from evaluator.slices.attributes import Attribute, Segment, longest_value
from evaluator.testsets import TestSet

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
    """

    attribute: Attribute
    of: dict[str, dict[str, str]]
    names: tuple[str, ...]
    unlabelled: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


def group(attribute: Attribute, sets: Sequence[TestSet]) -> Groups:
    """Find the group of every video of the test sets.

    A video made from a source video has the value that holds longest in the frames of the source which it shows; a
    SCUFO video and its SCUBA video show the same frames, so they are in the same group.

    Raises:
        BenchError: two names of the attribute mean the same video and say different things.
    """
    segments, unknown = _by_class(attribute, sets) if attribute.by_class else _by_source(attribute, sets)
    of: dict[str, dict[str, str]] = {}
    without: dict[str, str] = {}
    labelled: set[str] = set()
    for s in sets:
        of[s.name] = {}
        for item in s.items:
            said = segments.get(item.source_id)
            ranged = said is not None and said[0].start is not None
            value = None if said is None else longest_value(said, _frames(s, item.id, attribute) if ranged else None)
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
    return Groups(attribute, of, tuple(names), unlabelled, tuple(sorted([*unknown, *attribute.unusable])))


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


def _frames(s: TestSet, video_id: str, attribute: Attribute) -> np.ndarray | None:
    """Which frames of its source a video shows; None where all count."""
    if s.benchmark is None or attribute.frames_of not in ("", s.benchmark.dataset):
        return None
    text = s.benchmark.by_id[video_id].source_frames
    return np.array(indices(text)) if text else None


def restricted(s: TestSet, p: Predictions, of: dict[str, str], name: str) -> tuple[TestSet, Predictions]:
    """The videos of one group: the test set and its predictions with these alone."""
    at = [k for k, video_id in enumerate(p.ids) if of.get(video_id) == name]
    chosen = None if p.chosen is None else p.chosen[at]
    missing = tuple(i for i in p.missing if of.get(i) == name)
    kept = replace(
        p, ids=[p.ids[k] for k in at], labels=p.labels[at], scores=p.scores[at], missing=missing, chosen=chosen
    )
    items = [item for item in s.items if of.get(item.id) == name]
    absent = tuple(i for i in s.absent if of.get(i) == name)
    return replace(s, items=items, absent=absent, same_donors=s.has_same_donors), kept
