"""Models in the report: the runs of their seeds together, and paired comparisons of their means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.figures import figure_parts, main_split
from evaluator.metrics.names import SCENE_FIGURE
from evaluator.metrics.outcomes import Part
from evaluator.metrics.paired import Comparison, compare
from evaluator.records import same_scenes
from evaluator.reports.leaderboard import videos_of_figures
from evaluator.reports.seeds import Entry
from evaluator.runs import Run


@dataclass(frozen=True)
class Group:
    """One model in the report: its name there, the entry of its rows, and the runs of its seeds."""

    name: str
    entry: Entry
    runs: tuple[Run, ...]

    @property
    def videos(self) -> frozenset[str]:
        """Digests of its test sets."""
        return frozenset(s.digest for s in self.runs[0].sets)

    @property
    def figure_videos(self) -> Mapping[str, str]:
        """Figure -> what identifies the test sets that it is of."""
        return videos_of_figures(self.runs[0].record)


def parts_of(group: Group, like: Group | None = None) -> Mapping[str, list[Part]]:
    """The parts of every figure that all seeds have, with the mean over seeds as the outcome of each video.

    Args:
        group: the model.
        like: test sets that this model has come first, in its order; None: all in their own.

    Raises:
        BenchError: its seeds have no video in common.
    """
    first = [s.digest for s in like.runs[0].sets] if like else []
    own = [s.digest for s in group.runs[0].sets]
    order = [*(digest for digest in first if digest in own), *(digest for digest in own if digest not in first)]
    tables = []
    for run in group.runs:
        sets = [next(s for s in run.sets if s.digest == digest) for digest in order]
        tables.append(figure_parts(sets, run.predictions, run.record.cluster)[main_split(sets)])
    if len(tables) == 1:
        return tables[0]
    return {
        figure: [_mean(same, f"{group.name}, {figure}") for same in zip(*(t[figure] for t in tables), strict=True)]
        for figure in tables[0]
        if all(figure in table for table in tables)
    }


def _mean(same: Sequence[Part], what: str) -> Part:
    outcomes = [dict(zip(part.ids, part.outcomes, strict=True)) for part in same]
    kept = [k for k, i in enumerate(same[0].ids) if all(i in known for known in outcomes)]
    if not kept:
        raise BenchError(f"{what}: the seeds have no video in common; score them again")
    ids = [same[0].ids[k] for k in kept]
    means = np.array([np.mean([known[i] for known in outcomes]) for i in ids])
    return Part(ids, means, [same[0].sources[k] for k in kept])


def compare_groups(a: Group, b: Group) -> dict[str, Comparison]:
    """Compare two models in every figure that both have, measured on the same videos; differences of the means over
    seeds, A minus B.

    Only between single runs can McNemar's test be computed; of means, its ``p`` and counts mean nothing.
    """
    left, right = dict(parts_of(a)), parts_of(b, a)
    if not same_scenes(a.runs[0].record.sets, b.runs[0].record.sets):
        left.pop(SCENE_FIGURE, None)
    names = [name for name in left if name in right]
    if a.videos != b.videos:
        ours, theirs = a.figure_videos, b.figure_videos
        names = [name for name in names if name in ours and ours[name] == theirs.get(name)]
    return {name: compare(left[name], right[name], name) for name in names}
