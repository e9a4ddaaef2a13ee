"""The stillness detector: its figures against hand-computed ones, and where it is shown."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.rng import generator
from evaluator.compare_methods import COLUMNS as COMPARED
from evaluator.compare_methods import tabulate
from evaluator.metrics.outcomes import contrasted, top1
from evaluator.predictions.files import Predictions
from evaluator.reports.board import board
from evaluator.reports.comparison import compared_sheet, read_compared
from evaluator.reports.leaderboard import COLUMNS, read_leaderboard
from evaluator.reports.reference import (
    NAME,
    chance_of,
    contrasted_by_chance,
    is_reference,
    reference_of_means,
    reference_row,
)
from evaluator.reports.screen import show, shown_figures, with_references
from evaluator.reports.sheet import plain


def row(method: str = "albar", **cells: object) -> dict[str, str]:
    figures = {"iid": 90.0, "avg_scuba": 80.0, "avg_scufo": 30.0, "conflfg": 70.0, "contra_acc": 55.0,
               "avg_shaken": 35.0, "contra_shaken": 50.0}  # fmt: skip
    counts = {f"n_{name}": 40 for name in figures}
    made = {"dataset": "synthactions", "method": method, "model": "small3d", "manifests": "a=000000000000",
            "chance": 12.5, "seed": 0} | figures | counts | cells  # fmt: skip
    return dict.fromkeys(COLUMNS, "") | {name: str(value) for name, value in made.items()}


def test_figures_of_a_row_are_those_computed_by_hand() -> None:
    made = reference_row(row(avg_scufo_low=20.0, contra_acc_high=60.0, conflfg_low=65.0))
    assert made is not None and is_reference(made) and not is_reference(row())
    # Eight classes: a guess is right once in eight. SCUBA is right 80 times of 100; of these the guess on the still is
    # wrong seven times in eight: 80 · 7/8 = 70.
    assert {name: float(made[name]) for name in ("avg_scufo", "contra_acc")} == {"avg_scufo": 12.5, "contra_acc": 70.0}
    for name in ("iid", "avg_scuba", "conflfg", "avg_shaken", "contra_shaken", "conflfg_low"):
        assert made[name] == row(conflfg_low=65.0)[name]  # they move, so it answers as the model
    assert made["avg_scufo_low"] == made["contra_acc_high"] == ""  # not measured


def test_the_formula_is_what_a_detector_scores_on_average() -> None:
    """Answers of a detector that knows SCUBA as the model does and guesses on stills, drawn many times."""
    classes, n, draws = 4, 50, 400
    names = [f"c{k}" for k in range(classes)]
    labels = np.arange(n) % classes
    ids, partners = [f"v{k}" for k in range(n)], {f"v{k}": f"v{k}" for k in range(n)}
    rng = generator(0, "stillness", "test")
    right = rng.random(n) < 0.7
    answers = np.where(right, labels, (labels + 1) % classes)

    def predictions(given: np.ndarray) -> Predictions:
        return Predictions("p", names, list(ids), labels, np.eye(classes)[given], given)

    scuba = predictions(answers)
    found = [contrasted(scuba, predictions(rng.integers(classes, size=n)), partners).percent for _ in range(draws)]
    expected = contrasted_by_chance(top1(scuba).percent, 100 / classes)
    # Of the m pairs that are right on SCUBA, a binomial number with p = 3/4 counts; mean over the draws, 4 deviations.
    deviation = 100 / n * np.sqrt(right.sum() * 0.75 * 0.25 / draws)
    assert abs(np.mean(found) - expected) < 4 * deviation


def test_it_is_blank_or_missing_where_nothing_can_be_said() -> None:
    unpaired = reference_row(row(n_contra_acc=39))
    assert unpaired is not None and unpaired["contra_acc"] == "" and unpaired["avg_scufo"] == "12.5"
    assert reference_row(row(chance="")) is None  # of an older version
    assert reference_row(row(avg_scufo="", contra_acc="")) is None  # no stills were scored
    no_scuba = reference_row(row(avg_scuba="", n_avg_scuba="", contra_acc=""))
    assert no_scuba is not None and no_scuba["contra_acc"] == ""
    assert chance_of([row(), row(n_contra_acc=39)]) == chance_of([row(), row(chance=10.0)]) == ""
    assert chance_of([row(), row()]) == "12.5"


def test_the_mean_over_seeds_and_its_deviation(tmp_path: Path) -> None:
    rows = [row("baseline", seed=0, avg_scuba=80.0), row("baseline", seed=1, avg_scuba=60.0), row("albar")]
    lines = tabulate(rows, ["albar", "baseline"])
    write_csv(tmp_path / "compare.csv", COMPARED, lines)
    table = read_compared(tmp_path / "compare.csv")
    made = reference_of_means(table[1])
    assert made is not None
    # SCUBA 70 ± 14.1421 (the deviation of 80 and 60), times 7/8.
    assert float(made["contra_acc_mean"]) == pytest.approx(61.25) and made["avg_scufo_mean"] == "12.5"
    assert float(made["contra_acc_sd"]) == pytest.approx(0.875 * 14.1421, abs=1e-4)
    assert (made["avg_shaken_mean"], made["avg_scufo_sd"]) == (table[1]["avg_shaken_mean"], "")
    shown = compared_sheet(table)  # more figures than methods: one row per figure
    assert [column.heading for column in shown.columns] == ["Figure", "albar", "baseline", f"{NAME} (baseline)"]
    figures = [row[0].text for row in shown.rows]
    assert plain(shown.rows[figures.index("Contra. Acc. ↑")][3]).startswith("61.2 ± 12.4")
    # A table of an older version has no chance, and no reference.
    old = [name for name in COMPARED if name != "chance"]
    write_csv(tmp_path / "old.csv", old, [{k: v for k, v in line.items() if k in old} for line in lines])
    assert len(compared_sheet(read_compared(tmp_path / "old.csv")).columns) == 3


def test_on_the_leaderboard_by_option_with_shaken_among_the_first(tmp_path: Path) -> None:
    write_csv(tmp_path / "leaderboard.csv", COLUMNS, [row("baseline"), row("albar")])
    rows = read_leaderboard(tmp_path / "leaderboard.csv")
    assert shown_figures(rows) == ["iid", "avg_scuba", "avg_scufo", "conflfg", "avg_shaken", "contra_acc",
                                   "contra_shaken"]  # fmt: skip
    assert [r["method"] for r in with_references(rows)] == ["baseline", NAME, "albar", NAME]
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    show([tmp_path / "leaderboard.csv"], console)
    assert NAME not in console.export_text()
    show([tmp_path / "leaderboard.csv"], console, reference=True)
    text = console.export_text()
    # ConflFG of four rows, and the contrasted accuracy of two references.
    assert text.count("70.00") == 4 + 2 and "guessed wherever nothing moves" in text
    assert len(board(rows).rows) == 2
    write_csv(tmp_path / "old.csv", COLUMNS, [row("baseline", chance="")])
    show([tmp_path / "old.csv"], console, reference=True)
    assert "No stillness detector" in console.export_text()
