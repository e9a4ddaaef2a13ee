"""The figures: pure functions of predictions.

All are percent, 0..100, with the number of videos from which they are computed.

Top-1, SCUBA, SCUFO, ConflFG: Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
Background and the Foreground" (StillMix), ICCV 2023. Contrasted accuracy as Fioresi et al., "ALBAR: Adversarial
Learning approach to mitigate Biases in Action Recognition", ICLR 2025, compute it, but paired by id.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.utils.errors import BenchError
from evaluator.predictions.files import Predictions


@dataclass(frozen=True, eq=False)
class Part:
    """The outcomes for a share: one 0/1 outcome per video (or pair), with its source video.

    Attributes:
        ids: N ids of the videos (for a pair: of the still video).
        outcomes: float64 (N,), each 0 or 1.
        sources: N source ids; outcomes of one source are not independent.
        missing: number of videos (or pairs) that should be included but were not scored.
    """

    ids: list[str]
    outcomes: np.ndarray
    sources: list[str]
    missing: int = 0


@dataclass(frozen=True)
class Figure:
    """A share in percent.

    Attributes:
        percent: 0..100.
        n: number of videos (or pairs) from which it is computed.
        missing: number of further videos in the test set that were not scored: "n of n + missing".
        low, high: limits of the 95 % interval, if it was computed.
    """

    percent: float
    n: int
    missing: int = 0
    low: float | None = None
    high: float | None = None


def figure(parts: Sequence[Part]) -> Figure:
    """The unweighted mean over parts (for example background sets) of the share of outcomes that are 1.

    For a single part this is its share. Both papers use the unweighted mean over background sets.

    Raises:
        BenchError: there is no part, or a part without outcomes.
    """
    if not parts or any(len(part.outcomes) == 0 for part in parts):
        raise BenchError("nothing was scored, so there is no accuracy to give; predict some videos first")
    shares = [math.fsum(part.outcomes) / len(part.outcomes) for part in parts]
    n, missing = sum(len(p.outcomes) for p in parts), sum(p.missing for p in parts)
    return Figure(100 * math.fsum(shares) / len(shares), n, missing)


def top1_part(p: Predictions, sources: Mapping[str, str] | None = None) -> Part:
    """Whether the highest score of each video is that of its true class.

    Args:
        p: predictions of one test set.
        sources: id -> source video; None: every video is its own source.
    """
    return _part(p, p.right, sources)


def top_k_part(p: Predictions, k: int, sources: Mapping[str, str] | None = None) -> Part:
    """Whether the true class is among the k highest scores, for predictions with scores.

    Of equal scores, the answer in the file comes first, then the lower index.

    Raises:
        BenchError: k is not smaller than the number of classes, so every answer would be right.
    """
    if not 1 <= k < len(p.classes):
        raise BenchError(
            f"top-{k} of {len(p.classes)} classes is always 100 %; choose k from 1 to {len(p.classes) - 1}"
        )
    scores = _scores(p)
    own = np.take_along_axis(scores, p.labels[:, None], 1)
    each = np.arange(len(p.classes))[None]
    # Of equal scores the answer comes first, then the lower index.
    earlier = (p.labels != p.pred)[:, None] & ((each < p.labels[:, None]) | (each == p.pred[:, None]))
    ahead = (scores > own) | ((scores == own) & earlier)
    return _part(p, ahead.sum(1) < k, sources)


def class_parts(part: Part, labels: Mapping[str, int]) -> dict[int, Part]:
    """A part, split by true class for the classes that occur; the unweighted mean is the mean class accuracy.

    The benchmarks cover 21 of HMDB51's 51 classes and 24 of UCF101's 101, so only classes that occur are used.

    Args:
        part: a part of one test set.
        labels: id -> class.
    """
    rows: dict[int, list[int]] = {}
    for k, video_id in enumerate(part.ids):
        rows.setdefault(labels[video_id], []).append(k)
    return {
        label: Part([part.ids[k] for k in at], part.outcomes[at], [part.sources[k] for k in at])
        for label, at in sorted(rows.items())
    }


def donor_part(p: Predictions, donors: Mapping[str, int], sources: Mapping[str, str] | None = None) -> Part:
    """Whether the predicted class is the donor's; low is good.

    ConflFG: the class of the still actor (StillMix's "static label" accuracy). Swap: that of the background's video.

    Args:
        donors: id -> class of the donor.
    """
    return _part(p, p.pred == _donor_labels(p, donors), sources)


def prefers_mover_part(p: Predictions, donors: Mapping[str, int], sources: Mapping[str, str] | None = None) -> Part:
    """Whether the moving actor's class has a higher score than the donor's, ignoring other classes; high is good.

    Needs predictions with scores.
    """
    at, scores = np.arange(len(p.ids)), _scores(p)
    return _part(p, scores[at, p.labels] > scores[at, _donor_labels(p, donors)], sources)


def donor_confusion(p: Predictions, donors: Mapping[str, int]) -> dict[tuple[int, int], tuple[int, int, int]]:
    """ConflFG: for each (mover's class, donor's class) that occurs, the numbers of answers with the mover's class, the
    donor's class, and another class."""
    table: dict[tuple[int, int], list[int]] = {}
    for label, donor, pred in zip(p.labels, _donor_labels(p, donors), p.pred, strict=True):
        cell = table.setdefault((int(label), int(donor)), [0, 0, 0])
        cell[0 if pred == label else 1 if pred == donor else 2] += 1
    return {key: (cell[0], cell[1], cell[2]) for key, cell in sorted(table.items())}


def contrasted_part(
    scuba: Predictions, scufo: Predictions, partners: Mapping[str, str], sources: Mapping[str, str] | None = None
) -> Part:
    """Whether each SCUBA video is right while the SCUFO video made from it is wrong (ALBAR, ICLR 2025).

    Args:
        scuba, scufo: predictions over the same classes.
        partners: SCUFO id -> SCUBA id. A SCUBA video without a SCUFO video is not in a pair.
        sources: SCUBA id -> source video.

    Returns:
        One outcome per pair, in the order of the SCUFO ids; a pair with a video that was not scored counts as missing.

    Raises:
        BenchError: paired videos have different labels, or a SCUFO video has no partner.
    """
    place = {video_id: k for k, video_id in enumerate(scuba.ids)}
    right, fooled = scuba.right, scufo.right
    ids, outcomes, of = [], [], []
    missing = len(scufo.missing)
    for k, video_id in enumerate(scufo.ids):
        partner = partners.get(video_id)
        if partner is None:
            raise BenchError(
                f"{scufo.name}: {video_id!r} has no SCUBA partner; give the SCUFO benchmark to which it belongs"
            )
        if partner not in place:
            missing += 1
            continue
        j = place[partner]
        if scuba.labels[j] != scufo.labels[k]:
            raise BenchError(
                f"{scufo.name}: label of {video_id!r} is not its partner's in {scuba.name}; build it again"
            )
        ids.append(video_id)
        outcomes.append(right[j] and not fooled[k])
        of.append(sources[partner] if sources else partner)
    return Part(ids, np.array(outcomes, float), of, missing)


def top1(p: Predictions) -> Figure:
    """Share of videos whose highest score is that of the true class, percent."""
    return figure([top1_part(p)])


def contrasted(scuba: Predictions, scufo: Predictions, partners: Mapping[str, str]) -> Figure:
    """Contrasted accuracy of one background set, percent; see :func:`contrasted_part`."""
    return figure([contrasted_part(scuba, scufo, partners)])


def _scores(p: Predictions) -> np.ndarray:
    if p.scores is None:
        raise BenchError(f"{p.name}: has answers without scores, which this figure needs; predict with scores")
    return p.scores


def _part(p: Predictions, outcomes: np.ndarray, sources: Mapping[str, str] | None) -> Part:
    return Part(p.ids, outcomes.astype(float), [sources[i] if sources else i for i in p.ids], len(p.missing))


def _donor_labels(p: Predictions, donors: Mapping[str, int]) -> np.ndarray:
    unknown = next((i for i in p.ids if i not in donors), None)
    if unknown is not None:
        raise BenchError(f"{p.name}: {unknown!r} has no donor; score it with the benchmark it belongs to")
    return np.array([donors[i] for i in p.ids], np.int64)
