"""Figures per group in bench compare, against values computed by hand."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from small_slices import made

from evaluator.records import Slices
from evaluator.reports.compared_slices import over_seeds, show_compared_slices, write_compared_slices
from evaluator.score import score

GROUPS = "id,attribute,value\na,skin tone,light\nb,skin tone,light\nc,skin tone,dark\nd,skin tone,dark\n"


@pytest.fixture
def runs(tmp_path: Path) -> list[tuple[str, tuple[Slices, ...]]]:
    """Two seeds of one method, one of another. Percent right of light and dark: 100, 50; 50, 50; 0, 100."""
    (tmp_path / "groups.csv").write_text(GROUPS)

    def run(name: str, right: Mapping[str, Sequence[int]]) -> tuple[Slices, ...]:
        files, folder = made(tmp_path / name, right)
        return tuple(score([files], [folder], slices=tmp_path / "groups.csv").record.slices)

    return [
        ("baseline", run("s0", {"a": [1], "b": [1], "c": [1], "d": [0]})),
        ("baseline", run("s1", {"a": [1], "b": [0], "c": [1], "d": [0]})),
        ("albar", run("t0", {"a": [0], "b": [0], "c": [1], "d": [1]})),
    ]


def test_means_deviations_and_gaps_by_hand(runs: list[tuple[str, tuple[Slices, ...]]], tmp_path: Path) -> None:
    found = {(f.method, f.group): f for f in over_seeds(runs)}
    light, dark = found["baseline", "light"], found["baseline", "dark"]
    assert (light.mean, light.sd, dark.mean, dark.sd) == (75.0, statistics.stdev([100.0, 50.0]), 50.0, 0.0)
    assert (light.gap, light.largest, light.smallest, light.gap_limits) == (25.0, "light", "dark", (None, None))
    alone = found["albar", "light"]
    gap = runs[2][1][0].figures["avg_scuba"].gap
    assert gap is not None and (alone.mean, alone.sd, alone.gap, alone.largest) == (0.0, None, 100.0, "dark")
    assert alone.gap_limits == (gap.low, gap.high) and alone.limits[1] is not None
    with open(write_compared_slices(tmp_path, runs), newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [(r["method"], r["group"], r["seeds"], r["percent_mean"], r["few"]) for r in rows] == [
        ("baseline", "dark", "2", "50.0", "True"),
        ("baseline", "light", "2", "75.0", "True"),
        ("albar", "dark", "1", "100.0", "True"),
        ("albar", "light", "1", "0.0", "True"),
    ]


def test_on_screen_a_column_per_method_with_what_a_reader_must_know(
    runs: list[tuple[str, tuple[Slices, ...]]],
) -> None:
    console = Console(file=io.StringIO(), width=200)
    show_compared_slices(runs, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert lines[0][:4] == ["Avg SCUBA ↑", "dark", "2", "50.0 ± 0.0"] and lines[0][4].startswith("100.0 (")
    assert lines[1][1:4] == ["light", "2", "75.0 ± 35.4"]
    assert lines[2][1:4] == ["gap", "", "25.0 light minus dark"] and lines[2][4].endswith(") dark minus light")
    console = Console(file=io.StringIO(), width=200)
    show_compared_slices(runs[:2], console=console)
    assert "gap: light minus dark" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "fewer than 30 source videos" in text and "Do not use them to identify" in text
