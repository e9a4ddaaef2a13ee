"""The figures of `bench figure`: what they draw, what they say, and what they refuse."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_scores import refused
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.utils.files import write_csv, write_json
from benchmark_builder.utils.pictures import svg_text
from evaluator.figures.bars import draw_bars
from evaluator.figures.classes import draw_classes
from evaluator.figures.confusion import answers_of, draw_confusion
from evaluator.figures.curves import draw_curves
from evaluator.figures.entries import read_entries
from evaluator.figures.figure import write_figure
from evaluator.figures.models import merged_models
from evaluator.figures.runs import read_curves
from evaluator.figures.scatter import draw_scatter, limits
from evaluator.records import ResultsRecord
from evaluator.reports.leaderboard import as_text, row_of
from evaluator.reports.seeds import merge_seeds, ranked

ODD = "$x_1$ <b>& \x1b[31m"


def record(method: str = "albar", seed: int = 0, contra: float = 50.0, **more: Any) -> ResultsRecord:
    """A record with figures, two classes, and a ConflFG set."""

    def figure(percent: float) -> dict[str, object]:
        return {"percent": percent, "n": 8, "missing": 0, "low": max(0, percent - 9), "high": min(100, percent + 9)}

    one = {"mover": "Run", "donor": "Wave", "said_mover": 6, "said_donor": 1, "said_other": 1}
    other = {"mover": "Wave", "donor": "Run", "said_mover": 2, "said_donor": 4, "said_other": 2}
    said: dict[str, Any] = {
        "format": 1, "dataset": "ucf101", "method": method, "model": "net", "seed": seed, "split": "test1",
        "figures": {"iid": figure(90.0), "avg_scuba": figure(70.0), "contra_acc": figure(contra)},
        "sets": [
            {"name": name, "kind": name, "split": "test1", "backgrounds": "", "built_by": "", "digest": digest * 16,
             "top1": figure(50.0), **({"confusion": [one, other]} if name == "conflfg" else {})}
            for name, digest in (("scuba", "0123"), ("conflfg", "4567"))
        ],
        "per_class": {
            name: {"contra_acc": {"percent": share, "n": n}} for name, share, n in (("Run", contra, 8), ("Wave", 25, 4))
        },
        **more,
    }  # fmt: skip
    return ResultsRecord.made(said, "record.json")


def entries_of(records: Sequence[ResultsRecord]) -> list[Any]:
    return ranked(merge_seeds([as_text(row_of(one)) for one in records]))


def texts(figure: Any) -> list[str]:
    """Every text of a figure's SVG, entities as they are."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg_text(figure))


def boxes(figure: Any, found: Sequence[Any]) -> list[Any]:
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    return [item.get_window_extent(renderer) for item in found]


def covers(a: Any, b: Any) -> bool:
    """Whether boxes overlap by more than half a pixel, which is rounding."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5


def test_bars_write_every_number_outside_of_every_bar() -> None:
    found = entries_of([record("baseline", contra=10.0), record(contra=50.0), record(seed=1, contra=60.0), record(ODD)])
    figure = draw_bars(found, title="A title")
    said = texts(figure)
    assert {"A title", "albar", "baseline", "55.0 ± 7.1", "10.0", "IID ↑", "Contra. Acc. ↑"} <= set(said)  # 7.07: n - 1
    assert "$x_1$ &lt;b&gt;&amp; �[31m" in said
    assert any("± standard deviation over 2 seeds" in text for text in said)
    for axes in figure.axes:
        numbers = boxes(figure, [t for t in axes.texts if t.get_text()])
        drawn = boxes(figure, [*axes.patches, *axes.collections])
        assert numbers and not any(covers(number, bar) for number in numbers for bar in drawn)
        assert not any(covers(a, b) for a, b in itertools.combinations(numbers, 2))


def test_bars_keep_what_was_measured_on_other_videos_apart(tmp_path: Path) -> None:
    write_csv(tmp_path / "l.csv", (row := as_text(row_of(record()))), [row])
    found = read_entries([tmp_path / "l.csv"], "hmdb51")
    said = texts(draw_bars(found, ["contra_acc"], width=4))
    assert {"ucf101", "hmdb51, published †", "albar", "ALBAR †"} <= set(said)
    assert "not comparable digit by digit" in " ".join(said)


@pytest.mark.parametrize("count", [1, 12, 40])
def test_labels_of_a_scatter_chart_do_not_overlap(count: int) -> None:
    found = entries_of([record(f"method {k}", contra=40 + (k * 7 % 11) / 3) for k in range(count)])
    figure = draw_scatter(found)
    (axes,) = figure.axes
    labels = [
        t for t in axes.texts if t.get_text() in ({str(k) for k in range(1, 41)} | {f"method {k}" for k in range(40)})
    ]
    assert len(labels) == count
    placed = boxes(figure, labels)
    assert not any(covers(a, b) for a, b in itertools.combinations(placed, 2))
    frame = axes.get_window_extent()
    assert all(box.x0 >= frame.x0 - 1 and box.x1 <= frame.x1 + 1 for box in placed)
    ink = boxes(figure, axes.collections)  # error bars
    assert not any(covers(a, b) for a in placed for b in ink)


def test_a_scatter_chart_shows_the_range_of_its_points() -> None:
    assert limits([80, 84]) == (75, 90) and limits([0, 100]) == (0, 100) and limits([99.5]) == (90, 100)
    figure = draw_scatter(entries_of([record(contra=50.0), record("b", contra=52.0)]))
    assert figure.axes[0].get_ylim() == (35, 65)  # with the ends of the intervals, 41 to 61
    assert draw_scatter(entries_of([record()]), full=True).axes[0].get_ylim() == (0, 100)


def test_the_same_method_has_the_same_colour_in_every_figure() -> None:
    from evaluator.reports.palette import looks

    colour = looks(["albar"])["albar"].colour
    found = entries_of([record("baseline"), record()])
    assert colour in svg_text(draw_bars(found)) and colour in svg_text(draw_scatter(found))
    models = merged_models([record("baseline", contra=20.0), record()])
    assert colour in svg_text(draw_classes(models))


def test_conflfg_is_a_matrix_of_answers() -> None:
    models = merged_models([record(), record(seed=1), record("baseline")])
    said = texts(draw_confusion(answers_of(models)))
    # Run: 6 of 8 the actor's; Wave: 2, 4, 2 of 8; all 16: 8, 5, 3.
    assert said.count("75") == 2 and said.count("12") == 4 and said.count("31") == 2 and said.count("19") == 2
    assert {"albar", "baseline", "32 videos", "16 videos"} <= set(said)
    pairs = texts(draw_confusion(answers_of(models), pairs=True))
    assert pairs.count("50") == 2 and "class of the still" in pairs
    assert "no ConflFG set" in refused(lambda: draw_confusion([]))


def test_the_change_per_class_is_the_second_minus_the_first() -> None:
    models = merged_models([record("baseline", contra=20.0), record(contra=50.0), record(seed=1, contra=70.0)])
    said = texts(draw_classes(models))
    assert said.index("Run") < said.index("Wave") and "+40.0" in said and "+0.0" in said
    assert any("one video is 25.0 points" in text for text in said)
    assert "−40.0" in texts(draw_classes(models[::-1]))
    assert "compares two models" in refused(lambda: draw_classes(models[:1]))
    others = merged_models([record(), record("b", sets=[s.plain() for s in record().sets[:1]])])
    assert "not measured on the same videos" in refused(lambda: draw_classes(others))
    assert "not measured per class" in refused(lambda: draw_classes(models, ["iid"]))


def run_folder(folder: Path, seed: int, lines: str, **settings: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(f"epoch,ce,val_acc,val_still_acc\n{lines}")
    write_json(folder / "settings.json", {"method": "albar", "seed": seed, "training_videos": str(seed), **settings})
    return folder


def test_curves_merge_seeds_and_end_where_the_runs_end(tmp_path: Path) -> None:
    run_folder(tmp_path / "runs/a", 0, "1,2.0,10,5\n2,1.0,20,\n")
    run_folder(tmp_path / "runs/b", 1, "1,4.0,30,5\n")
    run_folder(tmp_path / "runs/c", 0, "1,3.0,nan,5\n", model="other")
    runs = read_curves([tmp_path, tmp_path / "runs/a/metrics.csv"])
    assert [run.folder.name for run in runs] == ["a", "b", "c"] and runs[2].values["val_acc"] == ()
    figure = draw_curves(runs)
    assert len(figure.axes) == 3
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 1]
    assert [list(line.get_ydata()) for line in thick] == [[3.0, 1.0], [3.0]]
    assert thick[0].get_color() == thick[1].get_color() and thick[0].get_linestyle() != "None"
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == ["albar, a, 2 seeds", "albar, other"]
    assert list(draw_curves(runs, ["val_still_acc"]).axes[0].lines[0].get_ydata()) == [5.0]


@pytest.mark.parametrize(
    "text,said",
    [("epoch,ce\n1,x\n", "line 2: ce is 'x', not a number"), ("ce\n1\n", "column epoch"),
     ("epoch,ce\n,1\n", "line 2: epoch is blank"), ("epoch,ce\n1,2,3\n", "line 2"),
     ("epoch,ce,ce\n1,2,3\n", "different names"),
     ("epoch,ce\n", "no epoch is finished"), ("epoch,ce\n1,2\n", "--figures loss: not in metrics.csv; choose from ce")],
)  # fmt: skip
def test_what_curves_refuse(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    assert said in refused(lambda: draw_curves(read_curves([tmp_path]), ["loss"] if "loss" in said else []))


def test_settings_of_strangers_are_only_text(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", 0, "1,2,3,4\n")
    for content, fine in (("[1]", False), ("{", False), ('{"method": 3, "seed": [], "model": {}}', True)):
        (folder / "settings.json").write_text(content)
        if fine:
            assert read_curves([folder])[0].method == "run"
        else:
            assert "settings.json" in refused(lambda: read_curves([folder]))


def test_the_command_writes_the_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    board = tmp_path / "leaderboard.csv"
    rows = [as_text(row_of(one)) for one in (record("baseline"), record(), record(seed=1))]
    write_csv(board, rows[0], rows)
    out = tmp_path / "f.svg"
    done = CliRunner().invoke(app, ["figure", "bars", "--out", str(out), "--figures", "iid", "contra_acc", str(board)])
    assert done.exit_code == 0, done.output
    assert "albar" in out.read_text() and "seed" not in re.findall(r"<text[^>]*>albar[^<]*", out.read_text())[0]
    same = out.read_bytes()
    write_figure("bars", [board], out=out, figures=("iid", "contra_acc"))
    assert out.read_bytes() == same  # neither date nor chance
    write_figure("scatter", [board], out=out, by_seed=True)
    assert "albar, seed 1" in out.read_text()
    for kind, options, said in (
        ("pie", {}, "choose from bars"), ("bars", {"full": True}, "--full: not an option of bars, but of scatter"),
        ("bars", {"figures": ("nope",)}, "--figures nope"), ("scatter", {"figures": ("iid",)}, "takes two"),
        ("scatter", {"figures": ("iid", "avg_scufo")}, "no row has both"), ("bars", {"published": "x"}, "choose from"),
        ("bars", {"out": tmp_path / "f.gif"}, "cannot be written as .gif"), ("classes", {}, ""),
        ("bars", {"width": 0.1}, "--width"),
    ):  # fmt: skip
        assert said in refused(lambda kind=kind, options=options: write_figure(kind, [board], **options))  # type: ignore[misc]
    assert "no such file" in refused(lambda: write_figure("bars", [tmp_path / "gone"]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.svg", "leaderboard.csv"]


def test_a_table_of_bench_compare_has_its_own_deviations(tmp_path: Path) -> None:
    from evaluator.compare_methods import COLUMNS

    row = dict.fromkeys(COLUMNS, "") | {"method": "albar", "seeds": "3", "iid_mean": "90.0", "iid_sd": "1.5"}
    write_csv(tmp_path / "compare.csv", COLUMNS, [row])
    (one,) = read_entries([tmp_path / "compare.csv"])
    assert (one.figures["iid"].value, one.figures["iid"].sd, one.figures["iid"].seeds) == (90.0, 1.5, 3)
    assert "--by-seed" in refused(lambda: read_entries([tmp_path / "compare.csv"], by_seed=True))
