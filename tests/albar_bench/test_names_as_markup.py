"""Names that strangers chose are shown as they are: never a formula, a command of the terminal, or markup."""

import csv
import hashlib
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from albar_bench.cli.say import say
from benchmark_builder.utils.files import write_csv, write_json, write_text
from benchmark_builder.utils.text import csv_text, meant, neutral, read_records, shown
from evaluator.compare_methods import COLUMNS as COMPARED
from evaluator.metrics.figures import FIGURES
from evaluator.records import ResultsRecord
from evaluator.reports.comparison import show_compared
from evaluator.reports.leaderboard import as_text, read_leaderboard, row_of, update
from evaluator.reports.palette import look
from evaluator.reports.picture import MOST_DATASETS, plot_leaderboard
from evaluator.reports.screen import show
from evaluator.reports.seeds import Mean
from evaluator.reports.svg import Line, Spot, line_chart, scatter

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+cmd|' /C calc'!A0",
    "-x__0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1",
    "'=1",
]


@pytest.mark.parametrize("name", [*FORMULAS, "-inf", "=", "''=", "a\r\nb", "a\rb", 'a"b', "", " x ", "'quoted'", "'"])
def test_a_cell_comes_back_as_it_was_and_no_spreadsheet_runs_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    write_csv(path, ["name", "value"], [{"name": name, "value": -1.5}])
    assert read_records(path, ["name", "value"]) == [{"name": name, "value": "-1.5"}]
    with open(path, newline="", encoding="utf-8") as handle:
        _, (cell, value) = csv.reader(handle)
    assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) and value == "-1.5"


@given(st.lists(st.text(alphabet="='+-@\t\r\n 1a.\"", max_size=6), min_size=1, max_size=3))
def test_any_row_comes_back(cells: list[str]) -> None:
    assert [meant(neutral(cell)) for cell in cells] == cells
    (row,) = csv.reader(csv_text([["x", *cells]]).splitlines(keepends=True))
    assert [meant(cell) for cell in row[1:]] == cells


@pytest.mark.parametrize("cell", ["-1", "+5", "-3 5", "-1.5e-3", "'it is'", "0", "plain"])
def test_numbers_and_plain_text_are_written_as_they_are(cell: str) -> None:
    assert neutral(cell) == cell == meant(cell)


def test_a_file_written_without_the_rule_reads_as_before(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name\n=1\n-x\n'a'\n")
    assert [r["name"] for r in read_records(tmp_path / "t.csv", ["name"])] == ["=1", "-x", "'a'"]


def test_control_characters_become_visible() -> None:
    assert shown("\x1b[31mred\x9b0m\n\u202egnp\x00") == "\\x1b[31mred\\x9b0m\\n\\u202egnp\\x00"
    assert shown("Größe 体 ✓ $x$ [/b] \\n") == "Größe 体 ✓ $x$ [/b] \\n"


def test_a_name_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    odd = b"\xff.mp4".decode("utf-8", "surrogateescape")
    write_text(tmp_path / "t.txt", odd)
    write_json(tmp_path / "t.json", {"name": odd})
    assert (tmp_path / "t.txt").read_text() == "\\udcff.mp4"
    assert shown(odd) == "\\udcff.mp4"


NAMES = [
    "x[/y]",
    "albar[lr=0.1]", "[bold]b[/bold]", "[link=http://x]l[/link]", "[", "[/]", ":smile:", "$\\frac$", "$x$", "$5",
    "\\$", "_hidden", "<b>&amp;</b>", '"onload="x', "</script><script>alert(1)</script>", "{{ 7*7 }}", "{% x %}",
    "=1+1", "-1+1", "@x", "\x1b[31mred", "a\nb", "\x9bx", "x" * 3000, "\u202eabc",
    "体", "%s", "a\\b", "| a | b |", "`c`",
]  # fmt: skip


def row(method: str, model: str = "net", dataset: str = "hmdb51") -> ResultsRecord:
    figures = {k: {"percent": 50.0, "n": 10, "missing": 1, "low": 40.0, "high": 60.0} for k in FIGURES}
    described = {"name": dataset, "digest": "d" * 64, "built_by": method, "kind": "scuba", "split": "",
                 "backgrounds": "", "top1": figures["avg_scuba"]}  # fmt: skip
    said = {
        "dataset": dataset, "method": method, "model": model, "protocol": model, "figures": figures, "format": 1,
        "checkpoint": method, "checkpoint_sha256": hashlib.sha256(method.encode()).hexdigest(), "sets": [described],
    }  # fmt: skip
    return ResultsRecord.made(said, "record.json")


def on_screen(draw: Callable[[Console], None]) -> str:
    sink = io.StringIO()
    draw(Console(width=20000, file=sink, force_terminal=True, color_system=None, legacy_windows=False))
    return sink.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_leaderboard_shows_names_as_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / "leaderboard.csv"
    for record in (row("baseline"), row(name, name, name), row("plain", name, "hmdb51")):
        update(path, record)
    update(path, row(name, name, name))  # takes the place of its own row
    rows = read_leaderboard(path)
    assert [r["method"] for r in rows] == ["baseline", "plain", name]
    table = on_screen(lambda console: show([path], console))
    assert shown(name) in table
    assert "\x1b[31m" not in table and "\x9b" not in table and "\u202e" not in table
    with open(path, newline="", encoding="utf-8") as handle:
        cells = [cell for record in csv.reader(handle) for cell in record]
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)


def test_a_comparison_table_shows_names_as_they_are(tmp_path: Path) -> None:
    columns = ["method", "seeds", *COMPARED[2:]]
    write_csv(tmp_path / "c.csv", columns, [{"method": name, "seeds": 3, "iid_mean": 50.0} for name in NAMES])
    table = on_screen(lambda console: show_compared(tmp_path / "c.csv", console))
    assert all(shown(name) in table for name in NAMES)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".SVG"])
def test_a_chart_draws_names_as_they_are(tmp_path: Path, suffix: str) -> None:
    names = [name for name in NAMES if len(name) < 40]
    for some in (names[:12], names[12:]):
        for name in some:
            update(tmp_path / "l.csv", row(name, "a", "b$"))
    rows = read_leaderboard(tmp_path / "l.csv")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a font without Chinese letters
        plot_leaderboard(rows, tmp_path / f"chart{suffix}")
    data = (tmp_path / f"chart{suffix}").read_bytes()
    assert data.startswith({".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix.lower()])


def test_a_chart_names_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with an underscore at the start or with dollars: matplotlib leaves the first out, and reads the second."""
    import evaluator.reports.picture

    seen: list[str] = []

    def texts(figure: Any, path: Path) -> None:
        figure.canvas.draw()
        seen.extend(t.get_text() for t in figure.axes[0].get_yticklabels())

    monkeypatch.setattr(evaluator.reports.picture, "save_figure", texts)
    for name in ("_hidden", "$\\frac$", "$x$ and $y$"):
        update(tmp_path / "l.csv", row(name))
    plot_leaderboard(read_leaderboard(tmp_path / "l.csv"), tmp_path / "l.png")
    assert seen == ["_hidden", "\\$\\frac\\$", "\\$x\\$ and \\$y\\$"]  # escaped dollars are drawn plain


def test_a_chart_of_many_rows_draws_the_last_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluator.reports.picture

    figures: list[Any] = []
    monkeypatch.setattr(evaluator.reports.picture, "save_figure", lambda figure, path: figures.append(figure))
    rows = [as_text(row_of(row(f"m{k}", dataset=f"d{k % 7}"))) for k in range(7 * 30)]
    plot_leaderboard(rows, tmp_path / "l.png")
    (figure,) = figures
    note = " ".join(figure.get_supxlabel().split())
    assert f"The last {MOST_DATASETS} of 7 data sets." in note and note.count("the last 24 of 30 rows") == MOST_DATASETS
    named = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(named) == MOST_DATASETS * 25 and set(named) >= {f"m{k}" for k in range(7 * 6 + 6, 210, 7)}


def test_what_commands_print_is_not_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("left out: a\x1b[2J/b: broken\r\nnext")
    assert capsys.readouterr().out == "left out: a\\x1b[2J/b: broken\\r\nnext\n"


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_an_error_that_names_an_odd_file_is_one_line(tmp_path: Path) -> None:
    odd = b"x\xff\x1b[31m\n[/y]\xc3\xa9.csv"
    (tmp_path / "b").mkdir()
    command = [sys.executable, "-m", "albar_bench", "score", odd, "--benchmark", "b"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_page_shows_names_as_they_are() -> None:
    name, mean = '\u202e<x> & "y"', Mean(40.0, None, None, None, 9, 0, 1)
    drawn = scatter([Spot(1, name, look(0), mean, mean)], "a\x1b<b>", "y", 'title" onload="x')
    drawn += line_chart([Line(name, look(0), ((1, 1),))], 'title" onload="x', True)
    assert "a\\x1b&lt;b&gt;" in drawn and "\\u202e&lt;x&gt; &amp; &quot;y&quot;" in drawn and ' onload="' not in drawn
