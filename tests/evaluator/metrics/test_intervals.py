"""Intervals that respect clusters, and paired comparisons."""

import numpy as np
import pytest

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from evaluator.metrics.intervals import REPLICATES, replicates, with_interval
from evaluator.metrics.outcomes import Part, figure
from evaluator.metrics.paired import compare, mcnemar

SOURCES, VARIANTS = 200, 5


def simulated(run: int, clustered: bool) -> tuple[Part, float]:
    """Outcomes of a network that is right on 60 % of all videos, alike on the variants of one source.

    Each source has its own chance of a right answer, Beta(1.2, 0.8): mean 0.6, so that variants of a source
    correlate with 1 / (1.2 + 0.8 + 1) = 1/3.
    """
    rng = generator(run, "simulation", "outcomes")
    chance = rng.beta(1.2, 0.8, SOURCES)
    outcomes = (rng.random((SOURCES, VARIANTS)) < chance[:, None]).astype(float).ravel()
    ids = [f"{k}__{v}" for k in range(SOURCES) for v in range(VARIANTS)]
    return Part(ids, outcomes, [i.split("__")[0] if clustered else i for i in ids]), 60.0


def coverage(clustered: bool, runs: int) -> float:
    """Share of simulated runs whose 95 % interval covers the truth."""
    hits = 0
    for run in range(runs):
        part, truth = simulated(run, clustered)
        found = with_interval([part], "top1", seed=run, n=1000)
        assert found.low is not None and found.high is not None
        hits += found.low <= truth <= found.high
    return hits / runs


@pytest.mark.slow
def test_the_clustered_interval_covers_the_truth_and_the_unclustered_does_not() -> None:
    # 93 to 97 %: three standard errors of a 95 % share over 1,000 runs, sqrt(.95 * .05 / 1000) = 0.7 points each.
    assert 0.93 <= coverage(clustered=True, runs=1000) <= 0.97
    # The design effect is 1 + (5 - 1) / 3 = 2.33, so taking videos for independent makes the interval 1.53 times too
    # narrow: it covers P(|z| < 1.96 / 1.53) = 80 %.
    assert 0.75 <= coverage(clustered=False, runs=1000) <= 0.85


def test_the_spread_is_that_of_the_sampling_theory_of_clusters() -> None:
    part, _ = simulated(0, clustered=True)
    sums = part.outcomes.reshape(SOURCES, VARIANTS).sum(1)
    error = np.sqrt(((sums - VARIANTS * part.outcomes.mean()) ** 2).sum()) / len(part.outcomes)
    # The relative error of a standard deviation from B draws is 1 / sqrt(2 B) = 1.6 %; five of them.
    assert replicates([part], "x").std() == pytest.approx(error, rel=5 / np.sqrt(2 * REPLICATES))


def test_sets_that_share_their_sources_are_drawn_together() -> None:
    part, _ = simulated(1, clustered=True)
    mirrored = Part(part.ids, 1 - part.outcomes, part.sources)
    # Right on one set exactly where wrong on the other: the mean is 1/2 in every draw of the sources.
    found = with_interval([part, mirrored], "avg")
    assert found.percent == pytest.approx(50, abs=1e-9)
    assert found.low == pytest.approx(50, abs=1e-9) and found.high == pytest.approx(50, abs=1e-9)


def test_intervals_do_not_depend_on_row_order_or_on_other_figures() -> None:
    part, _ = simulated(2, clustered=True)
    turned = Part(part.ids[::-1], part.outcomes[::-1], part.sources[::-1])
    assert with_interval([part], "top1") == with_interval([turned], "top1")
    assert with_interval([part], "top1", seed=1) != with_interval([part], "top1", seed=0)


def test_a_class_of_one_video_does_not_break_the_mean_over_classes() -> None:
    rare = Part(["r"], np.array([1.0]), ["r"])
    common = Part([f"c{k}" for k in range(40)], np.zeros(40), [f"c{k}" for k in range(40)])
    found = with_interval([rare, common], "mean_class")
    assert found.percent == 50 and found.low == 0 and found.high is not None and found.high <= 100


def test_nothing_right_is_no_certainty() -> None:
    ids = [f"{k}__{v}" for k in range(20) for v in range(5)]
    none = Part(ids, np.zeros(100), [i.split("__")[0] for i in ids])
    found = with_interval([none], "avg_scufo")
    # 20 independent sources, all wrong: the largest p with (1 - p)**20 >= 0.025.
    assert (found.percent, found.low) == (0, 0)
    assert found.high is not None and (1 - found.high / 100) ** 20 == pytest.approx(0.025, rel=1e-9)
    every = with_interval([Part(ids, np.ones(100), none.sources)], "iid")
    assert every.low == pytest.approx(100 - found.high, abs=1e-9) and every.high == 100


def test_mcnemar_by_hand() -> None:
    # 6 against 1 of 7 discordant: 2 * (C(7,0) + C(7,1)) / 2**7 = 2 * 8 / 128
    assert mcnemar(6, 1) == pytest.approx(0.125, abs=1e-12)
    assert mcnemar(1, 6) == pytest.approx(0.125, abs=1e-12)
    assert mcnemar(0, 10) == pytest.approx(2 / 1024, abs=1e-12)
    assert mcnemar(0, 0) == 1 and mcnemar(4, 4) == 1


def _part(outcomes: dict[str, int]) -> Part:
    return Part(list(outcomes), np.array(list(outcomes.values()), float), [i.split("__")[0] for i in outcomes])


def test_comparison_joins_by_id() -> None:
    a = _part({"a__0": 1, "a__1": 1, "b__0": 1, "c__0": 0, "d__0": 1})
    b = _part({"d__0": 1, "c__0": 1, "b__0": 0, "a__1": 0, "a__0": 0, "e__0": 1})
    found = compare([a], [b], "scuba")
    # A alone: a__0 a__1 b__0; B alone: c__0; of five that both scored; e__0 is dropped.
    assert (found.only_a, found.only_b, found.n, found.sources, found.dropped) == (3, 1, 5, 4, 1)
    assert found.difference == pytest.approx(100 * (4 / 5 - 2 / 5), abs=1e-9)
    assert found.p == pytest.approx(2 * (1 + 4) / 16, abs=1e-12)
    assert found.low <= found.difference <= found.high


def test_comparison_is_antisymmetric_and_null_for_equals() -> None:
    a, _ = simulated(3, clustered=True)
    b, _ = simulated(4, clustered=True)
    one, other = compare([a], [b], "x"), compare([b], [a], "x")
    assert one.difference == -other.difference and one.p == other.p
    # The same draws, mirrored; the quantiles interpolate between the same two values from the other side.
    assert one.low == pytest.approx(-other.high, abs=1e-9)
    same = compare([a], [a], "x")
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_a_paired_interval_is_narrower_than_the_difference_of_two() -> None:
    a, _ = simulated(5, clustered=True)
    flipped = a.outcomes.copy()
    flipped[:50] = 1 - flipped[:50]
    b = Part(a.ids, flipped, a.sources)
    found, alone = compare([a], [b], "x"), with_interval([a], "x")
    assert alone.low is not None and alone.high is not None
    # Independent samples would give sqrt(2) times the interval of one; here 190 of 200 sources agree.
    assert found.high - found.low < np.sqrt(2) * (alone.high - alone.low) / 2
    # Ten sources of five variants each carry all of the difference: McNemar, blind to that, is far too sure.
    assert found.p < 0.001 and found.low < 0 < found.high


def test_models_scored_on_different_sets() -> None:
    part = _part({"a__0": 1})
    with pytest.raises(BenchError, match="no video in common"):
        compare([part], [_part({"z__0": 1})], "scuba")
    with pytest.raises(BenchError, match="scored on 1 sets, the other on 2"):
        compare([part], [part, part], "scuba")
    assert figure([part]).percent == 100
