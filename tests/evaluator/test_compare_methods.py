"""bench compare: what it plans, the table it makes, and a whole small sweep through the command."""

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.compare_methods import Sweep, plan, tabulate
from evaluator.reports.comparison import compared_table, read_compared
from evaluator.reports.leaderboard import COLUMNS


def row(method: str, seed: int, **figures: float) -> dict[str, str]:
    return {
        **dict.fromkeys(COLUMNS, ""),
        "method": method,
        "seed": str(seed),
        **{k: str(v) for k, v in figures.items()},
    }


def test_mean_and_deviation_are_those_of_the_seeds() -> None:
    rows = [row("albar", 0, iid=90.0, avg_scufo=1.0), row("albar", 1, iid=94.0), row("baseline", 0, iid=95.0)]
    albar, baseline = tabulate(rows, ["albar", "mixup", "baseline"])
    assert (albar["method"], albar["seeds"]) == ("albar", 2)
    assert albar["iid_mean"] == 92.0 and albar["iid_sd"] == round(statistics.stdev([90.0, 94.0]), 4)
    assert albar["avg_scufo_mean"] == 1.0 and albar["avg_scufo_sd"] == "" and albar["conflfg_mean"] == ""
    assert baseline["iid_sd"] == ""


def test_every_seed_trains_every_method_and_a_reference_is_planned_once(tmp_path: Path) -> None:
    sweep = Sweep(
        methods=["baseline", "stillmix", "albar+stillmix"],
        seeds=[3, 4],
        training={"epochs": 1},
        by_method={"stillmix": {"epochs": 2}},
        out=tmp_path,
    )
    references, runs = plan(sweep)
    assert [job.name for job in references] == ["synthactions-reference2d-s3", "synthactions-reference2d-s4"]
    assert [job.name for job in runs] == [f"{m}-s{s}" for s in (3, 4) for m in sweep.methods]
    assert [job.settings.epochs for job in runs[:2]] == [1, 2]
    assert runs[1].settings.reference == runs[2].settings.reference == references[0].settings.folder


def test_an_unknown_method_is_told() -> None:
    with pytest.raises(BenchError, match="METHOD magic: no such method; choose from baseline"):
        Sweep(methods=["magic"], seeds=[0])


def test_a_wrong_setting_is_told_with_the_file_it_came_from(tmp_path: Path) -> None:
    sweep = Sweep(
        methods=["albar"],
        seeds=[0],
        by_method={"albar": {"options": {"advv": 1.0}}},
        source=Path("nine.toml"),
        out=tmp_path,
    )
    with pytest.raises(BenchError, match=r"nine\.toml.*method albar: --set advv=1.0: no such setting"):
        plan(sweep)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_command_trains_scores_and_resumes(tmp_path: Path) -> None:
    env = {**os.environ, "BENCH_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}

    def bench(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "albar_bench", *words]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    made = bench("data", "render", "--train", "32", "--test", "8", "--frames", "8", "--workers", "1")
    assert made.returncode == 0, made.stderr
    words = ["compare", "--methods", "baseline", "mixup", "--seeds", "2", "--epochs", "1", "--jobs", "2"]
    first = bench(*words)
    assert first.returncode == 0, first.stderr
    assert "[4/4]" in first.stdout and "mixup" in first.stdout
    table = read_compared(tmp_path / "compare" / "compare.csv")
    assert [(r["method"], r["seeds"]) for r in table] == [("baseline", "2"), ("mixup", "2")]
    figures = (
        "iid",
        "avg_scuba",
        "avg_scufo",
        "conflfg",
        "contra_acc",
        "avg_shaken",
        "contra_shaken",
        "unbiased_scuba",
    )
    assert all(0 <= float(r[f"{name}_mean"]) <= 100 for r in table for name in figures)
    assert compared_table(table).row_count == 2
    # The report reads the comparison's folder, whatever has moved since.
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "compare", moved / "compare")
    shutil.copytree(tmp_path / "data" / "benchmarks", moved / "data" / "benchmarks")
    page = bench("report", str(moved / "compare"), "--gallery", "0", "--out", str(moved / "r.html"))
    assert page.returncode == 0 and (moved / "r.html").read_text().count("<summary>") == 4, page.stderr
    checkpoint = tmp_path / "compare" / "runs" / "mixup-s1" / "model.ckpt"
    before, text = checkpoint.stat().st_mtime_ns, (tmp_path / "compare" / "compare.csv").read_text()
    again = bench(*words)
    assert again.returncode == 0, again.stderr
    assert checkpoint.stat().st_mtime_ns == before and (tmp_path / "compare" / "compare.csv").read_text() == text
    other = bench(*words[:-4], "--epochs", "2")  # other runs lie there: each is told, nothing is overwritten
    assert other.returncode == 1 and "runs failed" in other.stderr and "recipe.epochs" in other.stdout
    assert checkpoint.stat().st_mtime_ns == before
