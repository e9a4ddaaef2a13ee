"""The figures: pure functions of predictions. All are percent, 0..100, and carry how many videos they rest on.

Top-1, SCUBA, SCUFO, ConflFG: Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
Background and the Foreground" (StillMix), ICCV 2023. Contrasted accuracy as Fioresi et al., "ALBAR: Adversarial
Learning approach to mitigate Biases in Action Recognition", ICLR 2025, compute it, but paired by id.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_builder.errors import BenchError
from evaluator.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Part:
    """What a share is taken of: one 0/1 outcome a video (or pair), with the source video it stems from.

    Attributes:
        outcomes: float64 (N,), each 0 or 1.
        sources: N source ids; outcomes of one source are not independent.
        missing: videos (or pairs) that belong here but were not scored.
    """

    outcomes: np.ndarray
    sources: list[str]
    missing: int = 0


@dataclass(frozen=True)
class Figure:
    """A share in percent.

    Attributes:
        percent: 0..100.
        n: videos (or pairs) it rests on.
        missing: how many more belong to the test set but were not scored: "n of n + missing".
        low, high: ends of the 95 % interval, where one was computed.
    """

    percent: float
    n: int
    missing: int = 0
    low: float | None = None
    high: float | None = None


def figure(parts: Sequence[Part]) -> Figure:
    """The unweighted mean over parts (background sets, say) of the share of outcomes that are 1.

    A single part gives its plain share. Both papers average the background sets unweighted.

    Raises:
        BenchError: no part, or one without outcomes.
    """
    if not parts or any(len(part.outcomes) == 0 for part in parts):
        raise BenchError("nothing was scored, so there is no accuracy to give; predict some videos first")
    shares = [math.fsum(part.outcomes) / len(part.outcomes) for part in parts]
    n, missing = sum(len(p.outcomes) for p in parts), sum(p.missing for p in parts)
    return Figure(100 * math.fsum(shares) / len(shares), n, missing)


def top1_part(p: Predictions, sources: Mapping[str, str] | None = None) -> Part:
    """Whether each video's highest score is its true class's.

    Args:
        p: predictions of one test set.
        sources: id -> source video; None takes every video for its own source.
    """
    return Part(p.right.astype(float), [sources[i] if sources else i for i in p.ids], len(p.missing))


def contrasted_part(
    scuba: Predictions, scufo: Predictions, partners: Mapping[str, str], sources: Mapping[str, str] | None = None
) -> Part:
    """Whether each SCUBA video is right while the SCUFO video made from it is wrong (ALBAR, ICLR 2025).

    Args:
        scuba, scufo: predictions over the same classes.
        partners: SCUFO id -> SCUBA id. A SCUBA video without a SCUFO video is in no pair.
        sources: SCUBA id -> source video.

    Returns:
        One outcome a pair, in the order of the SCUFO ids; a pair with a side that was not scored counts as missing.

    Raises:
        BenchError: paired videos have different labels, or a SCUFO video has no partner.
    """
    place = {video_id: k for k, video_id in enumerate(scuba.ids)}
    right, fooled = scuba.right, scufo.right
    outcomes, of = [], []
    missing = len(scufo.missing)
    for k, video_id in enumerate(scufo.ids):
        partner = partners.get(video_id)
        if partner is None:
            raise BenchError(f"{scufo.name}: {video_id!r} has no SCUBA partner; give the benchmark it was built into")
        if partner not in place:
            missing += 1
            continue
        j = place[partner]
        if scuba.labels[j] != scufo.labels[k]:
            raise BenchError(
                f"{scufo.name}: label of {video_id!r} is not its partner's in {scuba.name}; build it again"
            )
        outcomes.append(right[j] and not fooled[k])
        of.append(sources[partner] if sources else partner)
    return Part(np.array(outcomes, float), of, missing)


def top1(p: Predictions) -> Figure:
    """Share of videos whose highest score is the true class's, percent."""
    return figure([top1_part(p)])


def contrasted(scuba: Predictions, scufo: Predictions, partners: Mapping[str, str]) -> Figure:
    """Contrasted accuracy of one background set, percent; see :func:`contrasted_part`."""
    return figure([contrasted_part(scuba, scufo, partners)])
