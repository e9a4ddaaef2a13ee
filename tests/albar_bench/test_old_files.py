"""What the first version wrote stays readable: benchmarks of every kind and layout, records, leaderboards.

``tests/data/version1.zip`` was written by version 0.1.0 (commit 74597e7): a render of 8 videos of 6 frames and what was
built, trained and scored from it.
"""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.errors import BenchError
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.runs import find_records, load_run, recompute

QUIET = Run(workers=1, progress=False, say=lambda line: None)
BUILT = ("scuba", "scufo", "shaken", "conflfg", "scuba-virtual", "conflfg-virtual", "scuba-zip", "scufo-zip",
         "scuba-frames")  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version1")
    with zipfile.ZipFile(Path(__file__).parents[1] / "data" / "version1.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", BUILT)
def test_old_benchmarks_verify_where_they_have_moved_to(first: Path, name: str) -> None:
    root = first / "data" / "synthactions"
    assert verify(first / "b" / name, progress=False, root=root) == []
    benchmark = read_benchmark(first / "b" / name, root)
    for row in benchmark.rows:
        assert sum(1 for _ in benchmark.frames(row)) == row.frames


@pytest.mark.parametrize("name", BUILT)
def test_old_benchmarks_are_exported(first: Path, tmp_path: Path, name: str) -> None:
    report = export(first / "b" / name, tmp_path / "out", Layout("zip"), progress=False,
                    root=first / "data" / "synthactions")  # fmt: skip
    assert not report.failures and verify(tmp_path / "out", progress=False) == []


def test_new_benchmarks_are_made_from_old_ones(first: Path, tmp_path: Path) -> None:
    for name in ("scuba", "scuba-virtual", "scuba-zip"):
        root = first / "data" / "synthactions"
        for build in (build_scufo, build_conflfg):
            out = tmp_path / name / build.__name__
            build(first / "b" / name, root=root, out=out, run=QUIET)
            assert verify(out, progress=False, root=root) == []


def test_a_build_into_an_old_folder_is_refused_and_loses_nothing(first: Path) -> None:
    """The protocol's version has changed since, so the folder of the first version is left as it is."""
    folder, root = first / "b" / "scuba", first / "data" / "synthactions"
    before = digest_of(folder)
    with pytest.raises(BenchError, match="holds a build with other settings"):
        build_scuba("synthactions", root, out=folder, run=QUIET, per_video=1)
    assert digest_of(folder) == before and verify(folder, progress=False, root=root) == []


def digest_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and ".build" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_old_records_give_the_same_figures(first: Path) -> None:
    root = first / "data" / "synthactions"
    (record,) = find_records([first / "results"])
    run = load_run(record, [first / "b" / name for name in ("scuba", "scufo", "shaken", "conflfg")], root)
    told = json.loads(record.read_text())["figures"]
    assert recompute(run).plain()["figures"] == told and told["avg_scuba"]["n"] == 8
    (row,) = read_leaderboard(first / "results" / "leaderboard.csv")
    assert float(row["avg_scuba"]) == told["avg_scuba"]["percent"]


def test_old_tables_of_runs_are_read(first: Path) -> None:
    assert len(pd.read_csv(first / "run" / "metrics.csv")) == 1
    assert json.loads((first / "run" / "settings.json").read_text())["method"] == "baseline"
