"""What a model loses when the frames of its clips are in another order: drops, in percent points, paired by video."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from evaluator.metrics.intervals import with_interval
from evaluator.metrics.outcomes import Part, top1_part
from evaluator.metrics.paired import compare
from evaluator.predictions.files import Predictions
from evaluator.testsets import TestSet
from evaluator.time_order import TIMES, drop_name


def drops(
    sets: Sequence[TestSet],
    timed: Sequence[TestSet],
    predictions: Mapping[str, Predictions],
    main: str,
    seed: int = 0,
    cluster: str = "source",
) -> dict[str, object]:
    """The entries ``timed`` and ``drops`` of a results record; empty if there are no timed sets.

    A drop is top-1 on the plain clips minus top-1 on the others, over the videos that were scored in both; its interval
    is the paired bootstrap of :func:`~evaluator.metrics.paired.compare`. The drop of a figure over several background
    sets is the mean of their drops.

    Args:
        sets: the plain test sets.
        timed: the same sets in other orders, see :func:`~evaluator.testsets.in_time`; their plain set is in ``sets``.
        predictions: name of a set, plain or timed -> its predictions.
        main: the main split, whose figures ``drops`` has.
        seed, cluster: as in :func:`~evaluator.metrics.figures.compute`.
    """
    if not timed:
        return {}
    plain = {s.name: s for s in sets}
    described: list[dict[str, object]] = []
    parts: dict[str, list[tuple[Part, Part, int]]] = defaultdict(list)
    for t in sorted(timed, key=lambda t: TIMES.index(t.time.name) if t.time else 0):
        assert t.time is not None
        s, drawn = plain[t.plain], t.clusters(cluster)
        pair = top1_part(predictions[s.name], drawn), top1_part(predictions[t.name], drawn)
        total = len(s.items) + len(s.absent)
        described.append({
            "name": t.name, "of_set": s.name, **t.time.said(), "digest": t.digest,
            "top1": {**asdict(with_interval([pair[1]], t.name, seed)), "missing": total - len(pair[1].ids)},
            "drop": _drop([(*pair, total)], t.name, seed),
        })  # fmt: skip
        if s.kind == "iid" or s.split == main:
            parts[drop_name(t.time.name, s.about.figure)].append((*pair, total))
    figures = {name: _drop(given, name, seed) for name, given in parts.items()}
    return {"timed": described, "drops": figures}


def _drop(parts: Sequence[tuple[Part, Part, int]], name: str, seed: int) -> dict[str, object]:
    """A drop as a record has it; each part: outcomes on plain clips, on others, and number of videos that belong."""
    found = compare([a for a, _, _ in parts], [b for _, b, _ in parts], name, seed)
    missing = sum(total for _, _, total in parts) - found.n
    low, high = found.low, found.high
    if low == high:
        # All videos changed alike, so resamples do not vary: the exact limit for so many sources of which none differs
        # (Clopper and Pearson, 1934), as for figures of 0 and 100 %.
        width = 100 * (1 - 0.025 ** (1 / found.sources))
        low, high = max(low - width, -100.0), min(high + width, 100.0)
    return {"points": found.difference, "low": low, "high": high, "n": found.n, "missing": missing}
