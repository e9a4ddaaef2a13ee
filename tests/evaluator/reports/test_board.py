"""The ranked leaderboard: order, merged seeds, notes, widths."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from scipy.stats import t

from benchmark_builder.utils.errors import BenchError
from evaluator.figures.entries import blocks as parted
from evaluator.options import BoardOptions
from evaluator.reports.board import board, by_rank, shown_figures
from evaluator.reports.comparable import OTHER_VIDEOS, ranked_blocks
from evaluator.reports.formats import print_sheets
from evaluator.reports.leaderboard import COLUMNS, distinct
from evaluator.reports.palette import looks
from evaluator.reports.published import published_rows
from evaluator.reports.report import _leaderboard
from evaluator.reports.screen import drop_sheet
from evaluator.reports.seeds import display_names, merge_seeds
from evaluator.reports.sheet import Sheet, plain

MAIN = ("iid", "avg_scuba", "avg_scufo", "conflfg", "contra_acc", "avg_shaken", "contra_shaken", "unbiased_scuba",
        "conflfg_donor")  # fmt: skip


def row(method: str, contra: float | None = 50.0, seed: object = 0, **more: object) -> dict[str, str]:
    made: dict[str, object] = dict.fromkeys(COLUMNS, "")
    made |= {"dataset": "d", "method": method, "model": "m", "protocol": "8x2", "seed": seed, "chance": 12.5}
    made |= {"manifests": "d-iid=000000000001; d-scuba=000000000002", "recipe": "epochs=6; #1", "trained_on": "d"}
    made |= {name: 40.0 for name in MAIN} | {"contra_acc": contra} | {f"n_{name}": 512 for name in MAIN} | more
    return {k: "" if v is None else str(v) for k, v in made.items()}


def column(sheet: Sheet, heading: str) -> list[str]:
    at = [c.heading for c in sheet.columns].index(heading)
    return [plain(cells[at]) for cells in sheet.rows]


def text(sheet: Sheet, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    print_sheets([sheet], console=console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_rows_are_ranked_and_shaken_stands_next() -> None:
    rows = [row("a", 20.0), row("none", None), row("b", 70.0, iid=1.0)]
    sheet = board(rows)
    assert column(sheet, "Method") == ["b", "a", "none"] and column(sheet, "#") == ["1", "2", "–"]
    assert [c.heading for c in sheet.columns if c.number][:2] == ["Contra. Acc. ↑", "Contra. shaken ↑"]
    assert column(board(rows, BoardOptions(sort="iid")), "Method")[-1] == "b"
    low = board([row("a", avg_scufo=9.0), row("b", avg_scufo=3.0)], BoardOptions(sort="avg_scufo"))
    assert column(low, "Method") == ["b", "a"]  # low is good
    for wrong, said in (("shoe", "no such figure"), ("swap", "no row has this figure")):
        with pytest.raises(BenchError, match=f"--sort {wrong}: {said}; choose from"):
            board(rows, BoardOptions(sort=wrong))


def test_seeds_are_merged_by_the_sample_deviation() -> None:
    rows = [row("a", value, seed) for seed, value in enumerate((60.0, 70.0, 80.0))] + [row("b", 10.0)]
    sheet = board(rows)
    assert column(sheet, "Contra. Acc. ↑") == ["70.0 ± 10.0", "10.0"]
    assert "over 3 seeds" in sheet.title and "A figure without ± is of one seed." in sheet.notes
    apart = board(rows, BoardOptions(by_seed=True))
    assert column(apart, "Seed") == ["2", "1", "0", "0"] and column(apart, "Contra. Acc. ↑")[0] == "80.00"
    half = t.ppf(0.975, 2) * 10 / 3**0.5
    shown = board(rows, BoardOptions(intervals=True, n=True))
    assert column(shown, "Contra. Acc. ↑")[0] == f"70.0 ± 10.0 [{70 - half:.1f}, {70 + half:.1f}] n = 512"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": "epochs=12; #2"}, r"differ in the recipe \(epochs=6, #1 / epochs=12, #2\)"),
        ({"manifests": "d-iid=000000000001"}, "differ in the sets they were scored on"),
        ({"seed": 0, "checkpoint_sha256": "x"}, "a seed occurs twice"),
    ],
)
def test_what_differs_is_not_merged_and_the_note_says_why(change: dict[str, object], said: str) -> None:
    sheet = board([row("a", 60.0, 0), row("a", 50.0, **{"seed": 1, **change})])
    assert column(sheet, "Method") == ["a [1]", "a [2]"]
    assert any(re.search(said, note) for note in sheet.notes)


def test_another_model_is_another_row_and_needs_no_note() -> None:
    sheet = board([row("a", 60.0, 0), row("a", 50.0, 1, model="n")])
    assert column(sheet, "Model") == ["m", "n"] and not any("not merged" in note for note in sheet.notes)


def test_rows_without_a_recipe_are_merged_and_the_note_says_so() -> None:
    sheet = board([row("a", 60.0, 0, recipe=""), row("a", 50.0, 1, recipe="")])
    assert len(sheet.rows) == 1 and any("do not say how they were trained" in note for note in sheet.notes)
    assert len(board([row("a", seed=""), row("a", 49.0, seed="")]).rows) == 2  # seeds that are not known


def test_points_and_the_relative_change() -> None:
    rows = [row("baseline", 25.0), row("a", 50.0), row("zero", 0.0)]
    shown = {c: column(board(rows, BoardOptions(change=c)), "Contra. Acc. ↑") for c in ("points", "relative", "both")}
    assert shown["points"] == ["50.00 (+25.00)", "25.00", "0.00 (-25.00)"]
    assert shown["relative"] == ["50.00 (+100.0 %)", "25.00", "0.00 (-100.0 %)"]
    assert shown["both"][0] == "50.00 (+25.00, +100.0 %)"
    none = board(rows, BoardOptions(baseline="zero", change="relative"))
    assert column(none, "Contra. Acc. ↑")[0] == "50.00 (–)"  # nothing is relative to 0
    with pytest.raises(BenchError, match="--baseline x: no row of this method; choose from baseline, a, zero"):
        board(rows, BoardOptions(baseline="x"))


def test_other_videos_are_marked_figure_by_figure_and_ranked_apart() -> None:
    told = {name: f"{name}=11111111" for name in ("contra_acc", "avg_scuba", "conflfg")}
    own = row("a", 60.0, figure_videos="; ".join(told.values()))
    most = row("b", 50.0, figure_videos="; ".join(told.values()))
    other = row("c", 90.0, manifests="x=000000000009",
                figure_videos="contra_acc=22222222; avg_scuba=11111111; conflfg=33333333")  # fmt: skip
    sheet = board([other, own, most])
    assert column(sheet, "Method") == ["a", "b", "c"] and sheet.breaks == {0, 2}
    assert column(sheet, "#") == ["1", "2", "1ᵇ"] and column(sheet, "ConflFG ↑") == ["40.00", "40.00", "40.00ᵇ"]
    assert column(sheet, "Avg SCUBA ↑") == ["40.00"] * 3


def test_published_rows_are_short() -> None:
    sheet = board([row("a"), *published_rows("hmdb51")])
    assert [c.heading for c in sheet.columns][:3] == ["#", "Dataset", "Method"]
    assert any(note.startswith("† published: Swin-T, clips 32x2-224") for note in sheet.notes)
    assert "Swin-T" not in "".join(cell.text for cells in sheet.rows for cell in cells)


LONG = "a-method-whose-name-has-eighty-characters-" + "x" * 38
ODD = {
    "three": [row(m, seed=s) for m in ("baseline", "albar", "体育運動方法") for s in range(3)],
    "one": [row("albar")],
    "sixty": [row(f"method {k}", k / 2, model=f"model-{k % 3}", protocol=f"{k % 2}x2") for k in range(60)],
    "long": [row("baseline"), row(LONG, 60.0), row("b", None, avg_scuba=None)],
    "published": [row("albar"), *published_rows("hmdb51"), *published_rows("kinetics400")],
}


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
@pytest.mark.parametrize("name", ODD)
def test_every_column_and_every_figure_is_there_within_the_width(name: str, width: int) -> None:
    for options in (BoardOptions(), BoardOptions(intervals=True, n=True, change="both")):
        sheet = board(ODD[name], options, reference=True)
        lines = text(sheet, width)
        assert max(map(cell_len, lines)) <= max(width, 60)  # four columns of names leave no room at 40
        words = " ".join(lines).split()
        for heading in (c.heading for c in sheet.columns if width > 40 and (c.number or len(sheet.rows) > 4)):
            assert all(word in words for word in heading.split()), heading
        shown = "".join("".join(lines).split())
        for cells in sheet.rows:
            assert all(cell.text in words for cell in cells if cell.text[:1].isdigit())
        assert all("".join(cells[1].text.split())[:12] in shown for cells in sheet.rows)


def test_drops_are_merged_too() -> None:
    rows = [row("a", 1.0, seed, drop_one_frame_iid=v, n_drop_one_frame_iid=8) for seed, v in enumerate((-2.0, 2.0))]
    merged, apart = drop_sheet(rows), drop_sheet(rows, by_seed=True)
    assert merged is not None and apart is not None and drop_sheet([row("a")]) is None
    assert [plain(cell) for cell in merged.rows[0]] == ["a", "m", "one frame ↑", "IID", "+0.00 ± 2.83", "", "8"]
    assert column(apart, "Seed") == ["0", "1"] and column(apart, "Drop") == ["-2.00", "+2.00"]


def test_points_stand_below_each_other() -> None:
    rows = [row("a", 60.0, 0), row("a", 50.0, 1), row("b", 9.0, missing_contra_acc=2)]
    lines = [line for line in text(board(rows), 200) if line.startswith(("1  a", "2  b"))]
    assert len({line.index(".") for line in lines}) == 1 and len(lines) == 2, lines


def test_csv_has_every_number(tmp_path: Path) -> None:
    rows = [row("baseline", 25.0), row("=1+1", 60.0, 0, iid_low=30.0, iid_high=45.0), row("=1+1", 50.0, 1)]
    first, second = csv.DictReader(io.StringIO(board(rows).csv()))
    assert (first["rank"], first["method"], first["seeds"]) == ("1", "'=1+1", "0 1")
    assert (first["contra_acc"], first["contra_acc_change"], first["contra_acc_relative"]) == ("55.0", "30.0", "120.0")
    assert float(first["contra_acc_sd"]) == pytest.approx(50**0.5) and second["contra_acc_sd"] == ""


def test_report_and_figures_merge_and_separate_the_rows_as_the_leaderboard_does() -> None:
    shared = "contra_acc=11111111; avg_scuba=22222222; iid=33333333"
    other = "contra_acc=44444444; avg_scuba=22222222; iid=33333333"
    rows = [row("b", 50.0 + s, s, figure_videos=shared, recipe=f"lr={lr}; #{lr}") for lr in (1, 2) for s in (0, 1)]
    rows += [row("c", 99.0, figure_videos=other, manifests="d-scufo=000000000003")]
    rows += [row("b", 50.0, 0, figure_videos=shared, recipe="lr=1; #1")]  # a row that is there twice
    entries = merge_seeds(distinct(rows))
    blocks = ranked_blocks([r for one in entries for r in one.rows], entries, "contra_acc")
    table = _leaderboard([r for one in entries for r in one.rows], blocks, {id(e): "" for e in entries},
                         looks("bc"), False, "contra_acc")  # fmt: skip
    sheet = board(rows)
    lines: list[dict[str, Any]] = table["rows"]  # type: ignore[assignment]
    assert [f"{line['rank']}{line['mark']}" for line in lines] == ["1", "2", "1b"]
    assert column(sheet, "#") == ["1", "2", "1ᵇ"]
    assert [line["names"][0] for line in lines] == [("b", "lr=1, #1, 2 seeds"), ("b", "lr=2, #2, 2 seeds"),
                                                    ("c", "seed 0")]  # fmt: skip
    scuba = by_rank(shown_figures(rows), "contra_acc").index("avg_scuba")
    assert [line["cells"][scuba]["mark"] for line in lines] == ["", "", ""]  # the same videos in all rows
    assert OTHER_VIDEOS in sheet.notes and OTHER_VIDEOS in table["notes"]  # type: ignore[operator]
    # The figures' panels: apart by contrasted accuracy, together by SCUBA.
    assert [len(group) for group in parted(entries, ["iid", "contra_acc"]).values()] == [2, 1]
    assert [len(group) for group in parted(entries, ["iid", "avg_scuba"]).values()] == [3]
    assert display_names(entries)[:2] == ["b, lr=1, #1", "b, lr=2, #2"]
