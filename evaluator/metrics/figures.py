"""From predictions to a results record: figures, intervals, counts, digests.

Pure functions without a network or GPU.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.drops import drops
from evaluator.metrics.intervals import with_interval
from evaluator.metrics.names import EXTRA as EXTRA
from evaluator.metrics.names import FIGURES as FIGURES
from evaluator.metrics.names import KINDS, SCENE_FIGURE, SCUBA_FIGURE, UNBIASED, UNBIASED_FIGURE, ordered
from evaluator.metrics.outcomes import (
    Part,
    class_parts,
    contrasted_part,
    donor_confusion,
    donor_part,
    figure,
    prefers_mover_part,
    top1_part,
    top_k_part,
)
from evaluator.predictions.files import Predictions
from evaluator.records import Computed
from evaluator.records import version as version
from evaluator.testsets import TestSet, pair_sets


def compute(
    sets: Sequence[TestSet],
    predictions: Mapping[str, Predictions],
    seed: int = 0,
    cluster: str = "source",
    timed: Sequence[TestSet] = (),
) -> Computed:
    """Compute every figure of the test sets.

    Args:
        sets: test sets of one dataset, of any kinds.
        predictions: set name -> predictions of this set.
        seed: seed of the bootstrap.
        cluster: the unit that the bootstrap draws, one of :data:`~evaluator.testsets.CLUSTERS`.
        timed: some of the test sets in other orders of time, for their drops; ``predictions`` has theirs, too.

    Returns:
        The figures, and the entries of the test sets for a record.

    Raises:
        BenchError: sets belong to several datasets, or two sets have the same kind, backgrounds and split.
    """
    check_sets(sets)
    parts = figure_parts(sets, predictions, cluster)
    main = main_split(sets)
    by_split = {
        split: {name: asdict(with_interval(p, f"{split}/{name}", seed)) for name, p in named.items()}
        for split, named in parts.items()
    }
    figures = dict(by_split[main])
    if SCUBA_FIGURE in by_split.get(UNBIASED, {}):
        figures[UNBIASED_FIGURE] = by_split[UNBIASED][SCUBA_FIGURE]
    pairs = []
    for scuba, still, part in _contrasted(sets, predictions, cluster):
        value = asdict(with_interval([part], f"{scuba.name}/{still.name}", seed)) if part.ids else None
        pairs.append({"scuba": scuba.name, "scufo": still.name, "contra_acc": value})
    found: dict[str, object] = {
        "figures": {name: figures[name] for name in ordered(figures)},
        "other": {split: named for split, named in by_split.items() if split != main},
        "split": main,
        "cluster": cluster,
        "sets": [{**describe(s), **set_figures(s, predictions[s.name], seed, cluster)} for s in sets],
        "pairs": pairs,
        "per_class": per_class(sets, parts[main]),
        **_own_kinds(sets),
        **drops(sets, timed, predictions, main, seed, cluster),
    }
    return Computed.made(found, "the results", "give it a shorter name, or report this")


def figure_parts(
    sets: Sequence[TestSet], predictions: Mapping[str, Predictions], cluster: str = "source", main: str | None = None
) -> dict[str, dict[str, list[Part]]]:
    """The parts whose mean is each figure: split -> name -> one part per background set.

    ``cluster`` as in :func:`compute`.

    The IID set is listed under ``main``, regardless of the name of its split; None: under :func:`main_split`.
    """
    main = main_split(sets) if main is None else main
    parts: dict[str, dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
    for s in sets:
        same = s.about.same if s.has_same_donors else ""
        split = main if s.kind == "iid" else s.split
        parts[split][same or s.about.figure].append(_top1(s, predictions[s.name], cluster))
        if (scenes := predictions[s.name].scenes) is not None and scenes.ids:
            parts[split][SCENE_FIGURE].append(_top1(s, scenes, cluster))
        if s.about.donors and s.donors and not same:
            p, drawn = predictions[s.name], s.clusters(cluster)
            parts[s.split][s.about.donors].append(donor_part(p, s.donors, drawn))
            if s.about.wins and p.scores is not None:
                parts[s.split][s.about.wins].append(prefers_mover_part(p, s.donors, drawn))
    for scuba, still, part in _contrasted(sets, predictions, cluster):
        if part.ids:
            parts[scuba.split][still.about.contrast].append(part)
    return {split: {name: named[name] for name in ordered(named)} for split, named in parts.items()}


def set_figures(s: TestSet, p: Predictions, seed: int = 0, cluster: str = "source") -> dict[str, object]:
    """The figures of one test set, each a Figure as a dict; ``top5`` only if there are more than five classes.

    Without scores there is neither ``top5`` nor ``prefers_mover``. If there are answers that are no class, ``unread``
    is their number and ``top1_read`` the accuracy on the other videos.
    """
    part, drawn = _top1(s, p, cluster), s.clusters(cluster)
    found = {
        "top1": with_interval([part], s.name, seed),
        "mean_class": with_interval(list(class_parts(part, s.labels).values()), f"{s.name}/mean_class", seed),
    }
    if len(s.classes) > 5 and p.scores is not None:
        found["top5"] = with_interval([top_k_part(p, 5, drawn)], f"{s.name}/top5", seed)
    result: dict[str, object] = {}
    if p.scenes is not None and p.scenes.ids:
        result["scene"] = asdict(with_interval([_top1(s, p.scenes, cluster)], f"{s.name}/scene", seed))
    if not p.answered.all():
        result["unread"] = int((~p.answered).sum())
        if p.answered.any():
            read = top1_part(p.rows(np.flatnonzero(p.answered).tolist()), drawn)
            found["top1_read"] = with_interval([read], f"{s.name}/top1_read", seed)
    if s.about.donors and s.donors and not (s.about.same and s.has_same_donors):
        found["donor"] = with_interval([donor_part(p, s.donors, drawn)], f"{s.name}/donor", seed)
        if p.scores is not None:
            prefers = prefers_mover_part(p, s.donors, drawn)
            found["prefers_mover"] = with_interval([prefers], f"{s.name}/prefers_mover", seed)
        result["confusion"] = [
            {"mover": s.classes[m], "donor": s.classes[d], "said_mover": a, "said_donor": b, "said_other": c}
            for (m, d), (a, b, c) in donor_confusion(p, s.donors).items()
        ]
    return {**{name: {**asdict(value), "missing": part.missing} for name, value in found.items()}, **result}


def per_class(sets: Sequence[TestSet], parts: Mapping[str, Sequence[Part]]) -> dict[str, dict[str, dict[str, float]]]:
    """Class name -> figure name -> {percent, n}: each figure over the videos of one true class.

    Args:
        sets: the test sets, for the labels.
        parts: figure name -> parts, as returned by :func:`figure_parts` for one split.
    """
    labels = {video_id: label for s in sets for video_id, label in s.labels.items()}
    table: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for name, given in parts.items():
        split_up = [class_parts(part, labels) for part in given]
        for label in sorted({k for one in split_up for k in one}):
            value = figure([one[label] for one in split_up if label in one])
            table[sets[0].classes[label]][name] = {"percent": value.percent, "n": value.n}
    return {name: table[name] for name in sets[0].classes if name in table}


def main_split(sets: Sequence[TestSet]) -> str:
    """The main split in the leaderboard: that of IID if a benchmark has it, otherwise the one with most videos."""
    counts: dict[str, int] = defaultdict(int)
    for s in sets:
        counts[s.split] += len(s.items) if s.kind != "iid" else 0
    ordinary = next((s.split for s in sets if s.kind == "iid"), None)
    if ordinary is not None and (counts[ordinary] or not any(counts.values())):
        return ordinary
    return max(sorted(counts), key=lambda split: counts[split])


def describe(s: TestSet) -> dict[str, object]:
    """The entry of a test set in a record."""
    return {
        "name": s.name, "kind": s.kind, "split": s.split, "backgrounds": s.backgrounds, "built_by": s.built_by,
        "digest": s.digest, "videos": len(s.items),
    }  # fmt: skip


def plain(name: str) -> str:
    """A name as part of a file name; names in checkpoints from others cannot leave the folder."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)[:60]
    return text.strip(".") or "run"


def file_tag(method: str, sha256: str) -> str:
    """The name of a run in file names: its method and eight digits of the digest of its checkpoint (or predictions)."""
    return f"{plain(method)}-{sha256[:8]}"


def check_sets(sets: Sequence[TestSet]) -> None:
    """Raise BenchError if test sets cannot be scored together: other data sets or classes, or two of the same kind."""
    if not sets:
        raise BenchError("nothing to score: no IID set and no benchmark; build one or pass --benchmarks DIR")
    first = sets[0]
    seen: dict[tuple[str, ...], str] = {}
    names: set[str] = set()
    for s in sets:
        if s.dataset != first.dataset:
            raise BenchError(
                f"{s.name} is of {s.dataset}, {first.name} of {first.dataset}; score one dataset at a time"
            )
        if s.classes != first.classes:
            raise BenchError(f"{s.name} has other classes than {first.name}; build both from the same dataset")
        if s.name in names:
            raise BenchError(f"two benchmarks are called {s.name}; rename one of the folders")
        key = (s.kind, s.backgrounds, s.split)
        if key in seen:
            what = f"both {s.kind} on backgrounds {s.backgrounds!r}" if s.backgrounds else f"both {s.kind}"
            raise BenchError(f"{seen[key]} and {s.name} are {what}; pass one of them with --benchmarks")
        seen[key] = s.name
        names.add(s.name)


def _contrasted(
    sets: Sequence[TestSet], predictions: Mapping[str, Predictions], cluster: str
) -> Iterator[tuple[TestSet, TestSet, Part]]:
    for kind in dict.fromkeys(s.kind for s in _by_kind(sets) if s.about.contrasted):
        for scuba, still in pair_sets(list(sets), kind):
            p, q = predictions[scuba.name], predictions[still.name]
            yield scuba, still, contrasted_part(p, q, still.partners, scuba.clusters(cluster))


def _by_kind(sets: Sequence[TestSet]) -> list[TestSet]:
    """The sets in the order of the table of kinds; those of users' kinds come last."""
    return sorted(sets, key=lambda s: KINDS.index(s.kind) if s.kind in KINDS else len(KINDS))


def _own_kinds(sets: Sequence[TestSet]) -> dict[str, object]:
    """The descriptions of users' kinds in a record, so that it can be read without their code."""
    own = {s.kind: s.about.said() for s in sets if s.kind not in KINDS}
    return {"kinds": own} if own else {}


def _top1(s: TestSet, p: Predictions, cluster: str = "source") -> Part:
    part = top1_part(p, s.clusters(cluster))
    return replace(part, missing=part.missing + len(s.absent))
