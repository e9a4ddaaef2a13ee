"""The table of kinds, and a kind of one's own: built, verified, previewed, exported and scored without a fork."""

import importlib
import importlib.metadata
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import bench
from tiny_videos import make_actions

import albar_bench as ab
from benchmark_builder import kinds
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.preview import contact_sheet, family
from benchmark_builder.builders import Run, build_kind, build_scuba
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils import registry
from benchmark_builder.utils.errors import BenchError
from evaluator.metrics import names
from evaluator.predictions.files import write_predictions
from evaluator.reports.board import board
from evaluator.reports.comparison import compared_sheet, read_compared
from evaluator.reports.leaderboard import read_leaderboard
from evaluator.runs import load_run, recompute
from evaluator.score import score
from evaluator.testsets import benchmark_set

QUIET = Run(workers=1, progress=False, say=lambda line: None)
# The example of docs/extending.md.
_PAGE = (Path(__file__).parents[3] / "docs" / "extending.md").read_text(encoding="utf-8")
MINE = next(code for code in re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL) if "class Shuffled(Derived)" in code)


@pytest.fixture(scope="module")
def scuba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_actions(tmp_path_factory.mktemp("kinds") / "ucf")
    out = root.parent / "b" / "scuba"
    build_scuba("ucf101", root, out=out, run=QUIET, masks=f"stored:{root / 'masks'}", per_video=1, layout="lossless")
    return out


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("my_kinds")
    (folder / "my_kinds.py").write_text(MINE)
    return folder


@pytest.fixture(scope="module")
def shuffled(scuba: Path, module: Path) -> Path:
    out = scuba.parent / "shuffled"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(module)
        build_kind("my_kinds:Shuffled", scuba, out=out, run=QUIET, block=2)
    return out


@pytest.fixture(autouse=True)
def _forgotten(scuba: Path, shuffled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts without the module of the kind, and trusts nothing."""
    sys.modules.pop("my_kinds", None)
    monkeypatch.delenv("BENCH_TRUST", raising=False)


def predictions(folder: Path, benchmark: Path, right: bool) -> Path:
    s = benchmark_set(benchmark)
    path = folder / f"{benchmark.name}.csv"
    rows = [(i.id, i.label, np.eye(len(s.classes))[i.label if right else i.label - 1]) for i in s.items]
    write_predictions(path, s.classes, rows)
    return path


def test_the_table_says_what_the_figures_are_called() -> None:
    assert names.FIGURES == ("iid", "avg_scuba", "avg_scufo", "conflfg", "contra_acc")
    assert names.EXTRA == (
        "avg_shaken", "human_only", "background_only", "swap", "appearance_free", "contra_shaken", "conflfg_donor",
        "swap_background", "swap_wins", "swap_same", "unbiased_scuba", "scene",
    )  # fmt: skip
    assert names.HEADINGS["contra_acc"] == ("Contra. Acc.", "↑") and names.HEADINGS["conflfg_donor"][1] == "↓"
    assert [about.name for about in kinds.shipped()] == list(kinds.KINDS.shipped)


def test_a_kind_of_ones_own_is_built_and_verifies_without_its_code(scuba: Path, shuffled: Path, module: Path) -> None:
    made, source = read_benchmark(shuffled), read_benchmark(scuba)
    assert made.kind == "shuffled" and made.protocol.settings == {"block": 2}
    for row in made.rows:
        frames, base = list(made.frames(row)), list(source.frames(source.by_id[row.id]))
        assert row.partner_id == row.id and sorted(f.tobytes() for f in frames) == sorted(f.tobytes() for f in base)
        assert any(not np.array_equal(a, b) for a, b in zip(frames, base, strict=True))
    assert "my_kinds" not in sys.modules
    assert verify(shuffled, progress=False) == []


def test_it_is_previewed_and_exported_without_its_code(shuffled: Path, tmp_path: Path) -> None:
    assert [known.about.title for known in family(shuffled).derived.values()] == ["Shuffled SCUBA"]
    assert contact_sheet(shuffled, tmp_path / "sheet.png").stat().st_size > 1000
    assert not export(shuffled, tmp_path / "zip", Layout("zip"), progress=False).failures
    assert verify(tmp_path / "zip", progress=False) == []
    assert read_benchmark(tmp_path / "zip").about.good == "low"


def test_it_is_scored_with_figures_of_its_own(scuba: Path, shuffled: Path, tmp_path: Path) -> None:
    given = [predictions(tmp_path / "p", scuba, True), predictions(tmp_path / "p", shuffled, False)]
    record = score(given, [scuba, shuffled], tmp_path / "out", method="mine").plain()
    assert list(record["figures"]) == ["avg_scuba", "avg_shuffled", "contra_shuffled"]
    assert record["figures"]["contra_shuffled"]["percent"] == 100 and record["figures"]["avg_shuffled"]["percent"] == 0
    run = load_run(Path(record["record"]))
    assert recompute(run).plain()["figures"] == record["figures"]

    rows = read_leaderboard(tmp_path / "out" / "leaderboard.csv")
    assert rows[0]["own_figures"] == "avg_shuffled ↓; contra_shuffled ↑" and rows[0]["n_avg_shuffled"] == "4"
    headings = [column.heading for column in board(rows).columns]
    assert headings[-2:] == ["Avg shuffled ↓", "Contra. shuffled ↑"]
    table = ab.leaderboard(tmp_path / "out")
    assert table["contra_shuffled"].tolist() == [100.0]
    # A row without these figures joins the same file, and reads as before.
    score(given[:1], [scuba], tmp_path / "out", method="other")
    rows = read_leaderboard(tmp_path / "out" / "leaderboard.csv")
    assert [row["avg_shuffled"] for row in rows] == ["0.0", ""]


def test_its_figures_are_in_the_report_and_in_compare(scuba: Path, shuffled: Path, tmp_path: Path) -> None:
    from evaluator.compare_methods import columns_of, tabulate
    from evaluator.reports.leaderboard import own_figures
    from evaluator.reports.report import report

    given = [predictions(tmp_path / "p", scuba, True), predictions(tmp_path / "p", shuffled, False)]
    for method in ("baseline", "mine"):
        score(given, [scuba, shuffled], tmp_path / "out", method=method)
    page = report([tmp_path / "out"], tmp_path / "r.html", gallery=1).read_text()
    for words in ("Avg shuffled", "Contra. shuffled", "Shuffled SCUBA", "frames in a drawn order: should not be right"):
        assert words in page
    rows = read_leaderboard(tmp_path / "out" / "leaderboard.csv")
    lines = tabulate(rows, ["baseline", "mine"])
    pd.DataFrame(lines).reindex(columns=columns_of(own_figures(rows))).to_csv(tmp_path / "compare.csv", index=False)
    headings = [
        row[0].text for row in compared_sheet(read_compared(tmp_path / "compare.csv")).rows
    ]  # more figures than methods
    assert "Avg shuffled ↓" in headings


def test_the_command_line_builds_it_and_lists_its_settings(
    scuba: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copy(module / "my_kinds.py", tmp_path)
    out = tmp_path / "b"
    ran = bench("build", "my_kinds:Shuffled", "--from", scuba, "--out", out, "--block", "3")
    assert ran.returncode == 0, ran.stderr
    assert read_benchmark(out).protocol.settings == {"block": 3}
    helped = bench("build", "my_kinds:Shuffled", "--help")
    assert "--block" in helped.stdout and "Frames that stay together." in helped.stdout
    wrong = bench("build", "my_kinds:Shuffled", "--from", scuba, "--out", tmp_path / "c", "--block", "0")
    assert wrong.returncode != 0 and "--block 0: give a whole number of frames from 1 to 64" in wrong.stderr
    unknown = bench("build", "shufled")
    assert unknown.returncode != 0 and "choose from scuba, scufo, conflfg, shaken" in unknown.stderr


def test_virtual_videos_are_composed_by_the_kind_where_it_is_trusted(
    scuba: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(module)
    made = build_kind("my_kinds:Shuffled", scuba, out=tmp_path / "v", run=QUIET, layout="virtual", block=2).benchmark
    assert made and verify(tmp_path / "v", progress=False) == []
    monkeypatch.delenv("BENCH_TRUST")
    with pytest.raises(BenchError, match="BENCH_TRUST=my_kinds:Shuffled"):
        next(made.frames(made.rows[0]))


def test_the_class_itself_is_built(scuba: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(module)
    kind = importlib.import_module("my_kinds").Shuffled
    made = ab.build_kind(kind, scuba, tmp_path / "b", workers=1, block=4, layout="virtual")
    assert made.kind == "shuffled" and len(list(made.frames(made.rows["id"][0]))) == 8
    assert verify(tmp_path / "b", progress=False) == []


def test_an_installed_package_adds_a_kind_by_name(
    scuba: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(module)
    point = importlib.metadata.EntryPoint("shuffled", "my_kinds:Shuffled", "albar_bench.kinds")
    monkeypatch.setattr(registry, "_points", lambda group: (point,) if group == point.group else ())
    build_kind("shuffled", scuba, out=tmp_path / "v", run=QUIET, layout="virtual")
    assert verify(tmp_path / "v", progress=False) == []  # its code is known by the name, and needs no trust
    point = importlib.metadata.EntryPoint("mixed", "my_kinds:Shuffled", "albar_bench.kinds")
    with pytest.raises(BenchError, match="use the same name"):
        build_kind("mixed", scuba, out=tmp_path / "w", run=QUIET)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name="shuffled"', 'name="scufo"', "rename the kind"),
        ('name="shuffled"', 'name="iid"', "rename the kind"),
        ('name="shuffled"', 'name="My kind"', "rename the kind"),
        ('name="shuffled"', 'name="shuffled", figure="avg_scuba"', "they are derived from its name"),
        ('good="low"', 'good="high"', "its good must be low"),
        ("(Derived)", "", "subclass of benchmark_builder.kinds.base.Derived"),
        ("yield from blocks[k]", "yield from blocks[k][:1]", "its SCUBA video has 8"),
        ("yield from blocks[k]", "yield blocks[k][0][:8]", "not uint8"),
        ("    block: int", "    layout: int", "but every build has an option"),
    ],
)
def test_what_is_wrong_with_a_kind_is_one_line(
    scuba: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    (tmp_path / "wrongkind.py").write_text(MINE.replace(old, new))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wrongkind", raising=False)
    try:
        report = build_kind("wrongkind:Shuffled", scuba, out=tmp_path / "out", run=QUIET, block=2)
    except BenchError as error:
        told = [str(error)]
    else:
        told = [failure["reason"] for failure in report.failures]
    assert told and all(said in line and "\n" not in line for line in told)


@pytest.mark.parametrize("kind", ["os:system", "my_kinds:Shuffled", "nothing", "iid", "avg_x"])
def test_a_file_never_names_a_module_to_import(shuffled: Path, module: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(shuffled, tmp_path / "b")
    path = tmp_path / "b" / "protocol.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": kind}))
    shutil.copy(module / "my_kinds.py", tmp_path)
    if kind == "nothing":  # a name like any other, and described
        assert benchmark_set(tmp_path / "b").about.figure == "avg_nothing"
    else:
        with pytest.raises(BenchError, match="rename the kind"):
            benchmark_set(tmp_path / "b")
    assert "my_kinds" not in sys.modules


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", "a\nb"), ("title", 5), ("title", "x" * 41), ("good", "up"), ("still", "no"), ("explained", "")],
)
def test_a_wrong_description_is_refused(shuffled: Path, tmp_path: Path, field: str, value: object) -> None:
    shutil.copytree(shuffled, tmp_path / "b")
    path = tmp_path / "b" / "protocol.json"
    protocol = json.loads(path.read_text())
    protocol["kind_described"][field] = value
    path.write_text(json.dumps(protocol))
    with pytest.raises(BenchError, match=f"protocol.json: {field} of kind shuffled"):
        benchmark_set(tmp_path / "b")
    del protocol["kind_described"]
    path.write_text(json.dumps(protocol))
    with pytest.raises(BenchError, match="has no description"):
        benchmark_set(tmp_path / "b")
