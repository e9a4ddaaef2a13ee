"""The figures of a results record, per group of videos."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from evaluator.metrics.figures import figure_parts, main_split
from evaluator.metrics.gaps import gap
from evaluator.metrics.intervals import with_interval
from evaluator.metrics.names import SCUBA_FIGURE, UNBIASED, UNBIASED_FIGURE, headings, ordered
from evaluator.metrics.outcomes import Part
from evaluator.predictions.files import Predictions
from evaluator.records import Slices
from evaluator.slices.attributes import Attribute
from evaluator.slices.groups import Groups, group, restricted
from evaluator.testsets import TestSet

if TYPE_CHECKING:
    from albar.clips.clips import ClipSampling

FEW = 30  # source videos; a group with fewer is marked
LISTED = 20  # ids that a record lists; the csv file alongside lists all


@dataclass(frozen=True)
class Sliced:
    """The figures per group of one attribute: the entry of a record, and everything that is not used.

    Attributes:
        record: the entry.
        unlabelled, unknown: as in :class:`~evaluator.slices.groups.Groups`, all of them.
    """

    record: Slices
    unlabelled: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]


def slice_figures(
    sets: Sequence[TestSet],
    predictions: Mapping[str, Predictions],
    attributes: Iterable[Attribute],
    seed: int = 0,
    cluster: str = "source",
    arrows: Mapping[str, str] | None = None,
    sampling: "ClipSampling | None" = None,
) -> list[Sliced]:
    """Every figure of the main split (and SCUBA of the unbiased test set) per group of each attribute.

    A figure of a group is computed as that of all videos, from the videos of the group alone.

    Args:
        sets, predictions, seed, cluster: as in :func:`~evaluator.metrics.figures.compute`.
        attributes: what is known of the source videos.
        arrows: figures of users' kinds -> whether high or low is good.
        sampling: how the test clips were cut, if it is known; see :func:`~evaluator.slices.groups.group`.

    Raises:
        BenchError: an attribute contradicts itself.
    """
    known = headings(arrows)
    return [_sliced(group(a, sets, sampling), sets, predictions, seed, cluster, known) for a in attributes]


def _sliced(
    groups: Groups,
    sets: Sequence[TestSet],
    predictions: Mapping[str, Predictions],
    seed: int,
    cluster: str,
    known: Mapping[str, tuple[str, str]],
) -> Sliced:
    attribute = groups.attribute
    table: dict[str, dict[str, list[Part]]] = {}  # figure -> group -> parts
    for name in groups.names:
        for figure_name, parts in _parts_of(groups, name, sets, predictions, cluster).items():
            table.setdefault(figure_name, {})[name] = parts
    sources = {item.id: item.source_id for s in sets for item in s.items}
    figures: dict[str, object] = {}
    for figure_name in ordered(table):
        by_group = table[figure_name]
        drawn = f"{figure_name}/{attribute.name}"
        found = {name: _figure(parts, f"{drawn}/{name}", seed, sources) for name, parts in by_group.items()}
        percents = {name: float(str(values["percent"])) for name, values in found.items()}
        worst = (max if known[figure_name][1] == "↓" else min)(percents, key=lambda name: percents[name])
        between = gap(by_group, drawn, seed)
        figures[figure_name] = {
            "groups": found, "worst": worst, "gap": None if between is None else asdict(between),
        }  # fmt: skip
    record = Slices.model_validate({
        "attribute": attribute.name, "source": attribute.source, "digest": attribute.digest,
        "notice": attribute.notice, "frames": groups.frames, "cluster": cluster,
        "groups": list(groups.names), "figures": figures,
        "unlabelled": _not_used(groups.unlabelled), "unknown": _not_used(groups.unknown),
    })  # fmt: skip
    return Sliced(record, groups.unlabelled, groups.unknown)


def _parts_of(
    groups: Groups, name: str, sets: Sequence[TestSet], predictions: Mapping[str, Predictions], cluster: str
) -> dict[str, list[Part]]:
    """Figure -> its parts, of one group; a background set without a scored video of the group is left out."""
    own = [restricted(s, predictions[s.name], groups.of[s.name], name) for s in sets]
    own = [(s, p) for s, p in own if s.items]
    main = main_split(sets)
    by_split = figure_parts([s for s, _ in own], {s.name: p for s, p in own}, cluster, main)
    found = dict(by_split.get(main, {}))
    if SCUBA_FIGURE in by_split.get(UNBIASED, {}):
        found[UNBIASED_FIGURE] = by_split[UNBIASED][SCUBA_FIGURE]
    scored = {figure_name: [part for part in parts if part.ids] for figure_name, parts in found.items()}
    return {figure_name: parts for figure_name, parts in scored.items() if parts}


def _figure(parts: Sequence[Part], name: str, seed: int, sources: Mapping[str, str]) -> dict[str, object]:
    value = with_interval(parts, name, seed)
    if len({s for part in parts for s in part.sources}) == 1 and 0 < value.percent < 100:
        value = replace(value, low=None, high=None)  # the variants of one source video say nothing about others
    return {**asdict(value), "sources": len({sources[i] for part in parts for i in part.ids})}


def _not_used(found: Sequence[tuple[str, str]]) -> dict[str, object]:
    return {"count": len(found), "first": [video_id for video_id, _ in found[:LISTED]]}
