"""Rows that differ only in the seed become one entry; others never do."""

import math

import pytest

from evaluator.reports.leaderboard import COLUMNS
from evaluator.reports.seeds import Mean, merge_seeds, ranked


def row(method: str = "albar", seed: str = "0", **cells: str) -> dict[str, str]:
    known = {"dataset": "d", "model": "m", "protocol": "p", "manifests": "a=0123456789ab", "n_iid": "10"}
    return {**dict.fromkeys(COLUMNS, ""), **known, "method": method, "seed": seed, "iid": "50.0", **cells}


def test_seeds_become_a_mean_and_the_sample_deviation() -> None:
    rows = [row(seed=s, iid=v, iid_low="1", iid_high="99", n_iid=n) for s, v, n in
            (("10", "40", "9"), ("2", "50", "10"), ("1", "60", "10"))]  # fmt: skip
    rows[0]["missing_iid"], rows[1]["contra_acc"] = "1", "7.5"
    (one,) = merge_seeds(rows)
    assert one.seeds == ["1", "2", "10"] and one.method == "albar"
    # Deviation with n - 1: of 40, 50, 60 it is 10. The intervals of single seeds are not that of the mean.
    assert one.figures["iid"] == Mean(50, 10, None, None, n=9, missing=1, seeds=3)
    assert one.figures["iid"].ends == (40, 60)
    assert one.figures["contra_acc"] == Mean(7.5, None, None, None, n=0, missing=0, seeds=1)


def test_a_single_row_keeps_its_interval() -> None:
    (one,) = merge_seeds([row(iid_low="45", iid_high="55")])
    assert one.figures["iid"] == Mean(50, None, 45, 55, n=10, missing=0, seeds=1)
    assert one.figures["iid"].ends == (45, 55)
    (none,) = merge_seeds([row(iid_low="45")])
    assert none.figures["iid"].ends is None


@pytest.mark.parametrize(
    "other",
    [{"method": "x"}, {"model": "x"}, {"protocol": "x"}, {"trained_on": "x"}, {"dataset": "x"}, {"recipe": "x"},
     {"cluster": "video"}, {"manifests": "a=ba9876543210"}],
)  # fmt: skip
def test_what_differs_in_more_than_the_seed_is_not_merged(other: dict[str, str]) -> None:
    assert len(merge_seeds([row(seed="0"), {**row(seed="1"), **other}])) == 2


def test_rows_without_a_seed_and_repeated_seeds_stay_alone() -> None:
    assert len(merge_seeds([row(seed=""), row(seed=""), row(seed="None")])) == 3
    # Two rows of seed 1: two settings under one name, and nobody can say to which of them seed 2 belongs.
    assert [one.seeds for one in merge_seeds([row(seed="1"), row(seed="2"), row(seed="1")])] == [["1"], ["2"], ["1"]]


def test_the_best_comes_first_and_those_without_the_figure_last() -> None:
    entries = merge_seeds([row(m, contra_acc=v) for m, v in (("a", ""), ("b", "10"), ("c", "30"), ("d", "20"))])
    assert [one.method for one in ranked(entries)] == ["c", "d", "b", "a"]
    assert [one.method for one in ranked(entries, low=True)] == ["b", "d", "c", "a"]
    assert all(not math.isnan(one.figures["iid"].value) for one in entries)
