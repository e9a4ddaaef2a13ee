"""`bench leaderboard`, `versus` and `score` on the command line: forms of tables, and an option's old name."""

import csv
import io
from pathlib import Path

import pytest
from small_scores import SCORES, benchmark, dump
from typer.testing import CliRunner

from albar_bench.cli import app as cli
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from evaluator.compare_methods import tabulate
from evaluator.reports.leaderboard import COLUMNS

FORMS = ("text", "md", "latex", "csv", "html")


def run(*words: object, width: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(width)}).invoke(cli.app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models scored on one benchmark."""
    folder = tmp_path_factory.mktemp("scored")
    benchmark(folder / "scuba", "scuba")
    for method in ("baseline", "mine"):
        scores = {k: v if method == "mine" else v[::-1] for k, v in SCORES.items()}
        path = dump(folder / f"{method}.json", scores)
        run("score", path, "--benchmark", folder / "scuba", "--method", method, "--out", folder / method)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_every_table_in_every_form(out: Path, form: str) -> None:
    board = run("leaderboard", out / "baseline", out / "mine", "--format", form)
    assert board.index("mine") < board.index("baseline")
    paired = run("versus", out / "mine", out / "baseline", "--format", form)
    published = run("leaderboard", "--published", "hmdb51", "--format", form)
    assert "53.02" in published and ("McNemar" in paired) != (form == "csv")
    start = {"md": "**", "latex": "\\begin{table}", "html": "<table>", "csv": ("rank,", "figure,"), "text": ("L", "m")}
    for text in (board, paired, published):
        assert text.startswith(start[form])
    if form == "csv":
        for text in (board, paired, published):
            assert len({len(line) for line in csv.reader(io.StringIO(text))}) == 1


def test_a_table_of_compare_is_shown_alone_and_with_others(out: Path, tmp_path: Path) -> None:
    rows = [
        dict.fromkeys(COLUMNS, "") | {"method": m, "seed": s, "iid": "50.0"} for m in ("baseline", "b") for s in "01"
    ]
    lines = tabulate(rows, ["baseline", "b"])
    write_csv(tmp_path / "compare.csv", list(lines[0]), lines)
    text = run("leaderboard", tmp_path / "compare.csv")
    assert "over 2 seeds" in text and "50.0 ± 0.0" in text and "Leaderboard" not in text
    assert "Leaderboard" in run("leaderboard", tmp_path / "compare.csv", out / "mine")


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no results: give an --out folder .* or show published"):
        run("leaderboard")
    with pytest.raises(BenchError, match=r"--format md: .*--downstream"):
        run("compare", "--downstream", tmp_path, "--format", "md")


def test_the_old_name_of_predictions_works_with_a_warning(out: Path, tmp_path: Path) -> None:
    words = ("score", out / "mine.json", "--benchmark", out / "scuba", "--out")
    text = run(*words, tmp_path / "old", "--format", "parquet")
    assert "warning: --format parquet: is now --predictions parquet" in text
    assert "warning" not in run(*words, tmp_path / "new", "--predictions", "parquet")
    for name in ("old", "new"):
        assert [path.suffix for path in (tmp_path / name / "predictions").iterdir()] == [".parquet"]
    with pytest.raises(BenchError, match="--format csv and --predictions parquet: --format is the old name"):
        run(*words, tmp_path / "two", "--format", "csv", "--predictions", "parquet")
