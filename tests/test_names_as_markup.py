"""Names that strangers chose are shown as they are: never a formula, a command of the terminal, or markup."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_builder.files import write_csv, write_json, write_text
from benchmark_builder.text import csv_text, meant, neutral, read_records, shown

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
