"""The table of a paper against values computed by hand."""

import math
from pathlib import Path

import pytest

from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.text import read_table
from evaluator.papers.plan import read_plan
from evaluator.papers.table import combined, write_table
from evaluator.reports.leaderboard import COLUMNS


def rows_of(table: Path) -> list[dict[str, str]]:
    columns, rows = read_table(table, "table")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def board(folder: Path, rows: list[dict[str, object]]) -> Path:
    made = [dict.fromkeys(COLUMNS, "") | {"dataset": "hmdb51", "manifests": "iid=0123456789ab"} | row for row in rows]
    write_csv(folder / "leaderboard.csv", COLUMNS, made)
    return folder


def test_errors_of_videos_and_seeds_add_as_squares() -> None:
    # Seeds 1, 2, 3: sd 1, t(2) = 4.302653; videos: mean of 3 and 5 is 4.
    assert combined([3.0, 5.0, 4.0], [1.0, 2.0, 3.0]) == pytest.approx(math.hypot(4.0, 4.302653 / math.sqrt(3)), 1e-6)
    assert combined([3.0], [50.0]) == 3.0


def test_figures_next_to_the_published_ones(tmp_path: Path) -> None:
    plan = read_plan("albar-hmdb51")
    rows = [
        {"method": "baseline", "seed": seed, "iid": iid, "iid_low": iid - 2, "iid_high": iid + 2, "n_iid": 1530}
        for seed, iid in ((0, 72.0), (1, 74.0), (2, 76.0))
    ]
    # Another number of seeds was asked for before: not counted.
    rows.append({"method": "baseline", "seed": 3, "iid": 0.0, "iid_low": 0.0, "iid_high": 0.0, "n_iid": 1530})
    also = board(tmp_path / "also", [{"method": "albar_stillmix", "seed": 0, "iid": 60.0, "n_iid": 10}])
    table = write_table(tmp_path / "paper.csv", plan, board(tmp_path / "own", rows), {"aras": also})
    found = {(r["method"], r["figure"]): r for r in rows_of(table)}
    line = found["baseline", "iid"]
    margin = math.hypot(2.0, 4.302653 * 2 / math.sqrt(3))
    assert line["published"] == "73.92"
    assert float(line["mean"]) == 74.0
    assert float(line["sd"]) == 2.0
    assert float(line["difference"]) == pytest.approx(0.08, abs=1e-4)
    assert float(line["difference_low"]) == pytest.approx(0.08 - margin, abs=1e-4)
    assert float(line["high"]) == pytest.approx(74.0 + margin, abs=1e-4)
    assert (line["seeds"], line["n"]) == ("3", "1530")
    # A method that was not run has its published figures alone.
    assert found["albar", "contra_acc"]["published"] == "53.02"
    assert found["albar", "contra_acc"]["mean"] == ""


def test_intervals_stay_between_0_and_100_percent(tmp_path: Path) -> None:
    # Two ends of an interval differ: 1 of 40 videos. Seeds agree, so they add nothing.
    one = {"method": "baseline", "avg_scufo": 2.5, "avg_scufo_low": 0.4, "avg_scufo_high": 12.9, "n_avg_scufo": 40}
    whole = {"iid": 100.0, "iid_low": 67.6, "iid_high": 100.0, "n_iid": 8}
    folder = board(tmp_path / "own", [{**one, **whole, "seed": seed} for seed in range(3)])
    table = write_table(tmp_path / "paper.csv", read_plan("albar-hmdb51"), folder, {})
    found = {(r["method"], r["figure"]): r for r in rows_of(table)}
    assert [float(found["baseline", "avg_scufo"][end]) for end in ("low", "high")] == pytest.approx([0.4, 12.9])
    assert [float(found["baseline", "iid"][end]) for end in ("low", "high")] == pytest.approx([67.6, 100.0])
    # Seeds that differ widen the interval, within the possible figures: 2, 0 and 1 of 100 videos.
    assert combined([1.0], [2.0, 0.0, 1.0], 1.0) == 1.0


def test_averages_over_other_background_sets_are_not_subtracted(tmp_path: Path) -> None:
    row = {"method": "baseline", "seed": 0, "iid": 70.0, "avg_scuba": 40.0, "contra_acc": 20.0}
    folder = board(tmp_path / "own", [row])
    for without, compared in (((), True), (("vqgan",), False)):
        table = write_table(tmp_path / "paper.csv", read_plan("albar-hmdb51").without(without), folder, {})
        found = {(r["method"], r["figure"]): r for r in rows_of(table)}
        assert found["baseline", "iid"]["difference"] != ""
        for figure in ("avg_scuba", "contra_acc"):
            assert found["baseline", figure]["published"] != ""
            assert (found["baseline", figure]["difference"] != "") == compared
