"""bench compare: what it plans, the table it makes, and a whole small sweep through the command."""

import io
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import commands
import pytest
from rich.console import Console

from albar_bench.cli.compare import _synthactions
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.kinds import KINDS
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from evaluator.compare_methods import (
    Sweep,
    columns_of,
    compare_methods,
    drops_of,
    eval_options,
    plan,
    tabulate,
)
from evaluator.reports.comparison import compared_sheet, read_compared, show_compared
from evaluator.reports.leaderboard import COLUMNS, read_leaderboard


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
    assert baseline["iid_sd"] == "" and albar["iid_low"] == ""


def test_with_one_seed_there_is_the_interval_over_videos_and_drops_are_given() -> None:
    rows = [
        row("albar", 0, iid=90.0, iid_low=85.0, iid_high=94.0, drop_one_frame_iid=-3.0, drop_one_frame_iid_low=-5.0)
    ]
    (line,) = tabulate(rows, ["albar"])
    assert (line["iid_low"], line["iid_high"], line["iid_sd"]) == (85.0, 94.0, "")
    assert (line["drop_one_frame_iid_mean"], line["drop_one_frame_iid_low"]) == (-3.0, -5.0)
    assert columns_of([], drops_of(rows))[-4:] == [
        f"drop_one_frame_iid_{what}" for what in ("mean", "sd", "low", "high")
    ]


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny synthactions."""
    root = tmp_path_factory.mktemp("render") / "synthactions"
    render_dataset(root, SynthSettings(train=16, test=8, frames=4, size=32), progress=False)
    return root


def shown(path: Path) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_compared(path, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_many_figures_are_rows_with_their_intervals_and_changes(tmp_path: Path) -> None:
    rows = [
        row("baseline", 0, iid=96.0, iid_low=94.0, iid_high=98.0, swap=60.0, swap_background=35.0, swap_wins=62.0),
        row("albar", 0, iid=97.0, swap=80.0, swap_background=5.0, swap_wins=90.0, drop_reversed_iid=-1.5),
    ]
    path = tmp_path / "compare.csv"
    write_csv(path, columns_of([], drops_of(rows)), tabulate(rows, ["baseline", "albar"]))
    below = shown(path).split("─\n")[1].split("\n\n")[0]
    lines = [" ".join(line.split()) for line in below.splitlines()]
    assert lines == [
        "IID ↑ 96.0 [94.0, 98.0] 97.0 (+1.0)",
        "Swap ↑ 60.0 80.0 (+20.0)",
        "Swap background ↓ 35.0 5.0 (-30.0)",
        "Swap: action wins ↑ 62.0 90.0 (+28.0)",
        "IID: drop, reversed ↑ – -1.5",
    ]
    read = read_compared(path)
    assert "[95 % interval over test videos]" in shown(path) and read[1]["drop_reversed_iid_mean"] == "-1.5"
    path.write_text(path.read_text().replace(",-1.5,", ",-150,"))
    with pytest.raises(BenchError, match="line 3: drop_reversed_iid_mean is '-150', not a number from -100 to 100"):
        read_compared(path)


def test_what_would_fail_after_training_is_found_before(tmp_path: Path, render: Path) -> None:
    def refused(**given: object) -> str:
        with pytest.raises(BenchError) as error:
            compare_methods(
                Sweep(methods=["baseline"], seeds=[0], training={"root": render}, out=tmp_path / "c", **given)
            )
        assert not (tmp_path / "c").exists()
        return str(error.value)

    assert "nowhere" in refused(benchmarks=[tmp_path / "nowhere"])
    assert "--slices no-such: neither a file nor a source" in refused(slices=["no-such"])
    assert "give their source with --masks" in refused(time=["frozen-background"])


@pytest.mark.usefixtures("quick_workers")
def test_benchmarks_of_another_render_are_kept_apart(tmp_path: Path, render: Path) -> None:
    built = _synthactions(render, tmp_path / "out")
    kinds = [read_benchmark(folder).kind for folder in built]
    assert kinds == ["scuba", *(k for k in KINDS.shipped if k != "scuba"), "scuba"]
    assert {folder.parent for folder in built} == {tmp_path / "out" / "benchmarks"}
    assert not (tmp_path / "data").exists()  # $BENCH_DATA


def test_a_run_is_scored_on_the_fold_it_was_not_trained_on(tmp_path: Path) -> None:
    sweep = Sweep(methods=["baseline"], seeds=[0], training={"dataset": "hmdb51", "fold": 2, "model": "r3d_18"})
    settings = plan(sweep.replaced(out=tmp_path))[1][0].settings
    assert settings.fold == 2 and eval_options(sweep, settings).fold == 2


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
        return commands.bench(*words, cwd=tmp_path, env=env)

    made = bench("data", "render", "--train", "32", "--test", "8", "--frames", "8", "--size", "32", "--workers", "1")
    assert made.returncode == 0, made.stderr
    words = ["compare", "--methods", "baseline", "mixup:p=0.5", "--time", "one-frame", "--seeds", "2", "--jobs", "2"]
    words += ["--slices", "synthactions", "--epochs", "1"]
    first = bench(*words)
    assert first.returncode == 0, first.stderr
    assert "[4/4]" in first.stdout and "mixup:p=0.5" in first.stdout
    table = read_compared(tmp_path / "compare" / "compare.csv")
    assert [(r["method"], r["seeds"]) for r in table] == [("baseline", "2"), ("mixup:p=0.5", "2")]
    assert [[r[c] for c in ("forward_clips", "backward_clips", "cost")] for r in table] == [["1.0"] * 3] * 2
    rows = read_leaderboard(tmp_path / "compare" / "results" / "leaderboard.csv")
    assert len(rows) == 4 and len({(r["method"], r["recipe"]) for r in rows}) == 2  # the seed is no part of it
    assert all("epochs=1; batch=" in r["recipe"] and "contra_acc=" in r["figure_videos"] for r in rows)
    board = bench("leaderboard", "compare", "--format", "csv").stdout.splitlines()
    assert len(board) == 3 and all(",0 1," in line for line in board[1:])  # both seeds in one row
    figures = (
        "iid",
        "avg_scuba",
        "avg_scufo",
        "conflfg",
        "conflfg_donor",
        "contra_acc",
        "avg_shaken",
        "contra_shaken",
        "unbiased_scuba",
        "human_only",
        "background_only",
        "swap",
        "swap_background",
        "swap_wins",
        "appearance_free",
    )
    assert all(0 <= float(r[f"{name}_mean"]) <= 100 for r in table for name in figures)
    assert [name for name in table[0] if name.startswith("drop_") and name.endswith("_mean")] == [
        "drop_one_frame_iid_mean"  # and not those of benchmarks that were found, not named
    ]
    shown = compared_sheet(table)
    assert len(shown.rows) == len(figures) + 2  # a drop, and the cost
    assert shown.columns[-1].heading == "stillness detector (baseline)"
    assert {r["chance"] for r in table} == {"12.5"}  # eight classes
    sliced = (tmp_path / "compare" / "compare-slices.csv").read_text().splitlines()
    assert {tuple(line.split(",")[:3]) for line in sliced} >= {("scenery agrees", "facts.csv", "swap_background")}
    assert {line.split(",")[4] for line in sliced[1:]} == {
        "baseline",
        "mixup:p=0.5",
    } and "scenery agrees" in first.stdout
    # The report reads the comparison's folder, whatever has moved since.
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "compare", moved / "compare")
    shutil.copytree(tmp_path / "data" / "benchmarks", moved / "data" / "benchmarks")
    page = bench("report", str(moved / "compare"), "--gallery", "0", "--out", str(moved / "r.html"))
    assert page.returncode == 0, page.stderr
    text = (moved / "r.html").read_text()
    for method in ("baseline", "mixup:p=0.5"):
        assert all(f"<summary>{method} (small3d, seed {seed})</summary>" in text for seed in range(2))
    checkpoint = tmp_path / "compare" / "runs" / "mixup.p=0.5-s1" / "model.ckpt"
    before, text = checkpoint.stat().st_mtime_ns, (tmp_path / "compare" / "compare.csv").read_text()
    again = bench(*words)
    assert again.returncode == 0, again.stderr
    assert checkpoint.stat().st_mtime_ns == before and (tmp_path / "compare" / "compare.csv").read_text() == text
    other = bench(*words[:-2], "--epochs", "2")  # other runs lie there: each is told, nothing is overwritten
    assert other.returncode == 1 and "runs failed" in other.stderr and "--epochs 2: " in other.stdout
    assert checkpoint.stat().st_mtime_ns == before


def test_on_a_cluster_each_run_reserves_a_gpu_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark_builder.utils import cluster, engine
    from evaluator import compare_methods as module

    monkeypatch.setattr(cluster, "gpus_of", lambda chosen: 8.0)
    said = list[str]()

    def needs(device: str, jobs: int | None = None, **given: float) -> tuple[object, object, object]:
        sweep = Sweep(methods=("baseline",), training={"device": device}, out=tmp_path, jobs=jobs)
        with engine.using("ray", **given), module._engine(sweep, said.append):
            chosen = engine.current()
            return chosen.gpus, chosen.needs["CPU"], chosen.workers

    assert needs("auto") == (1.0, 1.0, None) and needs("cuda", 2, cpus=4.0) == (1.0, 4.0, 2)
    assert needs("cpu", cpus=8.0) == (None, 8.0, None) and needs("auto", gpus=0.5) == (0.5, 1.0, None)
    assert said[:2] == [
        "--engine ray: each run reserves 1 cores, 1 GPUs; --engine-cpus and --engine-gpus change that",
        "--engine ray: each run reserves 4 cores, 1 GPUs; --engine-cpus and --engine-gpus change that",
    ]
