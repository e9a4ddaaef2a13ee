"""The commands that lead to a record: derived, checked, run, compared."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from albar.training.settings import TrainSettings
from albar.training.trainer import train
from albar_bench.cli.app import app
from albar_bench.cli.reproduce import reproduce as command
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, build_kind, build_scuba
from benchmark_builder.settings import PublishSettings
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils import argv, command_line
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_text
from evaluator.evaluate import EvalOptions, evaluate
from evaluator.publish_results import publish_results
from evaluator.records import read_record
from evaluator.reproduce.compare import compared, figures_compared
from evaluator.reproduce.plan import Places, plan_of
from evaluator.reproduce.steps import Step, Underivable, options, toml, word

QUIET = Run(workers=1, progress=False, say=lambda line: None)


@dataclasses.dataclass(frozen=True)
class Demo:
    base: Path
    record: Path
    checkpoint: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A tiny demo: a render, two benchmarks, one epoch, a record."""
    base = tmp_path_factory.mktemp("demo")
    root = base / "synthactions"
    render_dataset(root, SynthSettings(size=24, frames=4, train=8, test=3), 1, False)
    build_scuba("synthactions", root, "test", out=base / "b/scuba", run=QUIET, per_video=1, dilate=1, seed=3)
    build_kind("shaken", base / "b/scuba", out=base / "b/shaken", run=QUIET, shake=0.1)
    settings = TrainSettings(
        method="mixup", root=root, epochs=1, batch=4, out=base / "runs/mixup", progress=False, tensorboard=False,
        validation=0.0, device="cpu",
        clip={"frames": 4, "stride": 1, "size": 24, "resize": 24},
    )  # fmt: skip
    checkpoint = train(settings, lambda line: None)
    options = EvalOptions(root=root, progress=False, device="cpu")
    scored = evaluate(checkpoint, [base / "b/scuba", base / "b/shaken"], base / "results", options)
    assert scored is not None and scored.path is not None
    return Demo(base, scored.path, checkpoint)


def places(out: Path, **more: Any) -> Places:
    return Places(out, **more)


def test_the_demo_gives_the_same_digests_and_figures(demo: Demo, tmp_path: Path) -> None:
    plan, record = plan_of(demo.record, places(tmp_path / "again"))
    assert plan.unknown == []
    assert [step.words[0] for step in plan.steps] == ["data", "build", "build", "train", "eval"]
    scuba = " ".join(plan.steps[1].words)
    assert "--dilate 1" in scuba and "--per-video 1" in scuba and "--seed 3" in scuba
    assert "scufo --shaken" in " ".join(plan.steps[2].words) and "--shake 0.1" in " ".join(plan.steps[2].words)
    for step in plan.steps:
        if step.config_file is not None:
            write_text(step.config_file, step.config)
        done = CliRunner().invoke(app, list(step.words))
        assert done.exit_code == 0, (step.line, done.output, done.exception)
    said: list[str] = []
    assert compared(plan, record, said.append) == []
    assert "equal: checkpoint" in said and any("avg_scuba" in line for line in said)
    # Broken on purpose: other weights, another video, another figure.
    assert plan.checkpoint is not None and record is not None
    plan.checkpoint.write_bytes(b"other")
    manifest = tmp_path / "again/benchmarks/scuba/manifest.csv"
    manifest.write_text(manifest.read_text() + "\n")
    found = "\n".join(compared(plan, record, said.append))
    assert "checkpoint: recorded" in found and "manifest of scuba: recorded" in found


def test_other_figures_are_said(demo: Demo) -> None:
    record = read_record(demo.record)
    other = record.replaced(
        figures={k: v.replaced(percent=99.5) for k, v in record.figures.items()}, sets=record.sets[1:]
    )
    found = figures_compared(record, other)
    assert found[0] == f"test set {record.sets[0].name}: was not scored"
    assert any("iid: recorded" in line and "99.5 %" in line for line in found)
    assert figures_compared(record, record) == []


def test_a_benchmark_and_a_run_can_be_named(demo: Demo, tmp_path: Path) -> None:
    plan, record = plan_of(demo.base / "b/shaken", places(tmp_path))
    assert record is None and [s.words[0] for s in plan.steps] == ["data", "build", "build"]
    plan, _ = plan_of(demo.base / "runs/mixup", places(tmp_path, root=demo.base / "synthactions"))
    assert [s.words[:2] for s in plan.steps] == [("train", "mixup")] and not plan.unknown


def _edited(demo: Demo, folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "results" / demo.record.name
    path.parent.mkdir(parents=True)
    document = json.loads(demo.record.read_text())
    for s in document["sets"]:
        s.pop("folder_relative", None)
    document["iid"].pop("root_relative", None)
    document["checkpoint"] = str(demo.checkpoint)
    edit(document)
    path.write_text(json.dumps(document))
    return path


def test_a_run_that_is_not_alongside_its_dataset_is_trained_and_scored_again(demo: Demo, tmp_path: Path) -> None:
    far = tmp_path / "far/away/runs/mixup/model.ckpt"
    far.parent.mkdir(parents=True)
    shutil.copy(demo.checkpoint, far)
    path = _edited(demo, tmp_path / "r", lambda d: d.update(checkpoint=str(far)))
    plan, record = plan_of(path, places(tmp_path / "again"))
    assert not plan.unknown and [s.words[0] for s in plan.steps] == ["data", "build", "build", "train", "eval"]
    plan.results = None  # without a score nothing is reproduced, whatever else is equal
    assert any("no command that scores" in line for line in compared(plan, record, lambda line: None))


def test_a_dataset_that_no_record_places_is_looked_for_in_bench_data(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    far = tmp_path / "far/away/runs/mixup"
    shutil.copytree(demo.checkpoint.parent, far)
    plan, _ = plan_of(far, places(tmp_path / "again"))
    assert not plan.steps and str(tmp_path / "data/synthactions") in plan.unknown[0]
    shutil.copytree(demo.base / "synthactions", tmp_path / "data/synthactions")
    plan, _ = plan_of(far, places(tmp_path / "again"))
    assert not plan.unknown and [s.words[:2] for s in plan.steps] == [("data", "render"), ("train", "mixup")]
    assert "--size 24" in plan.steps[0].line and "is taken ($BENCH_DATA)" in plan.notes[0]


EVIL: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "model": (lambda d: d.update(kind="factory", checkpoint="os:system"), "no checkpoint of `bench train`"),
    "checkpoint": (lambda d: d.update(checkpoint="/none; rm -rf /"), "give it with --checkpoint"),
    "digest": (lambda d: d.update(checkpoint_sha256="0" * 64), "the file with the recorded digest"),
    "frozen": (lambda d: d.update(frozen="../../evil"), "is not part of this toolkit"),
    "name": (lambda d: d["sets"][1].update(name="../../evil"), "path or no plain value"),
    "split": (lambda d: d["iid"].update(split="$(touch x)"), "path or no plain value"),
    "method": (lambda d: d.update(method="-rf; touch x"), "path or no plain value"),
    "precision": (lambda d: d.update(precision="a b"), "path or no plain value"),
    "clip": (lambda d: d["sampling"].update(stride="os:system"), "path or no plain value"),
    "folder": (lambda d: d["sets"][1].update(folder="/etc"), "give it, or its"),
    "root": (lambda d: d["iid"].update(root="/etc"), ""),
}


@pytest.mark.parametrize("what", EVIL)
def test_a_stranger_s_record_runs_nothing_of_its_own(what: str, demo: Demo, tmp_path: Path) -> None:
    edit, said = EVIL[what]
    path = _edited(demo, tmp_path / "r", edit)
    plan, _ = plan_of(path, places(tmp_path / "again"))
    assert said in "\n".join(plan.unknown)
    for step in plan.steps:  # what is left is made of checked words and the user's own folder
        assert not any(text in step.line for text in ("evil", "rm -rf", "touch", "os:system", "/etc"))


def test_a_stranger_s_benchmark_runs_nothing_of_its_own(demo: Demo, tmp_path: Path) -> None:
    for number, (change, said) in enumerate([
        ({"layout": "os:system"}, "layout"), ({"dataset": "os:system"}, "os:system"),
        ({"masks": {"kind": "os:system"}}, "masks"),
        ({"backgrounds": {"name": "x", "kind": "video"}}, "--backgrounds video"),
        ({"protocol": {"name": "mine-12345678"}}, "is a file of the user's"), ({"split": "a;b1"}, "split"),
        ({"subset": [{"limit": 1, "only": ["--out=/tmp"], "shard": None}]}, "no beginning of an id"),
    ]):  # fmt: skip
        folder = tmp_path / str(number) / "scuba"
        shutil.copytree(demo.base / "b/scuba", folder)
        protocol = json.loads((folder / "protocol.json").read_text())
        (folder / "protocol.json").write_text(json.dumps({**protocol, **change}))
        plan, _ = plan_of(folder, places(tmp_path / "again", root=demo.base / "synthactions"))
        assert said in "\n".join(plan.unknown) and plan.steps == []


def test_words_and_tables_are_plain() -> None:
    for value in ("a b", "-x", "a:b", "/etc", "../x", "$(x)", "", "x" * 200, None, [1], "a\nb", ".", "..", ".hidden"):
        with pytest.raises(Underivable):
            word(value, "it")
    assert options({"a_b": 1, "c": True, "d": False, "e": None, "f": "x"}) == [
        "--a-b",
        "1",
        "--c",
        "--no-d",
        "--f",
        "x",
    ]
    assert options({"dilate": -1}) == ["--dilate=-1"]
    assert toml({"a": 1, "b": {"c": [0.5, "x"], "d": True}, "e": None}) == 'a = 1\nb.c = [0.5, "x"]\nb.d = true\n'
    with pytest.raises(Underivable):
        toml({"a = 1\nb": 2})
    with pytest.raises(BenchError, match="is not run by"):
        Step(("weights", "fetch"), "", Path())


def test_several_records_must_be_named(demo: Demo, tmp_path: Path) -> None:
    first = _edited(demo, tmp_path / "r", lambda d: None)
    shutil.copy(first, first.with_name("other.json"))
    with pytest.raises(BenchError, match="holds 2 records"):
        plan_of(tmp_path / "r", places(tmp_path / "again"))
    plan, found = plan_of(demo.base / "results/leaderboard.csv", places(tmp_path / "again"))
    assert found is not None and plan.steps
    with pytest.raises(BenchError, match="no such file"):
        plan_of(tmp_path / "none.json", places(tmp_path / "again"))


def test_command_lines_are_recorded_and_change_no_folder(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_line.recorded_commands(demo.base / "b/scuba/manifest.csv") == []  # from Python there is none
    monkeypatch.setattr(argv, "_said", ["build", "scuba", "--out", "a b"])
    manifest = (demo.base / "b/scuba/manifest.csv").read_bytes()
    for _ in range(2):
        build_scuba("synthactions", demo.base / "synthactions", "test", out=tmp_path / "b", run=QUIET, per_video=1,
                    dilate=1, seed=3)  # fmt: skip
    (said,) = command_line.recorded_commands(tmp_path / "b/manifest.csv")
    assert said.command == "bench build scuba --out 'a b'" and said.version
    assert (tmp_path / "b/manifest.csv").read_bytes() == manifest and read_benchmark(tmp_path / "b").rows
    names = {p.name for p in (tmp_path / "b").iterdir()}
    assert names == {p.name for p in (demo.base / "b/scuba").iterdir()}  # nothing of it is in the folder
    assert argv.current(without=("--out", "--workers")) == "bench build scuba"
    (tmp_path / "cache/commands").rename(tmp_path / "cache/moved")
    (tmp_path / "cache/commands").write_text("not a folder")
    command_line.record_command(tmp_path / "b/manifest.csv")  # a cache that cannot be written does no harm
    assert command_line.recorded_commands(tmp_path / "b/manifest.csv") == []


def test_published_results_have_no_paths_of_this_machine(demo: Demo, tmp_path: Path) -> None:
    out = tmp_path / "published"
    publish_results(demo.base / "results", PublishSettings(out=out, date="2026-01-31"), "1.0")
    texts = "".join(p.read_text() for p in out.rglob("*") if p.suffix in (".json", ".csv", ".md", ".cff"))
    assert str(demo.base) not in texts and "| `synthactions` | `mixup` |" in (out / "README.md").read_text()
    (record,) = (out / "results").iterdir()
    assert figures_compared(read_record(demo.record), read_record(record)) == []
    assert {p.name for p in (out / "predictions").iterdir()} >= {
        Path(s.predictions or "").name for s in read_record(record).sets
    }
    with pytest.raises(BenchError, match="--archive-size"):
        publish_results(demo.base / "results", PublishSettings(out=tmp_path / "x", archive_size="1GB"), "1.0")
    with pytest.raises(BenchError, match="holds no results"):
        publish_results(demo.base / "b", PublishSettings(out=tmp_path / "x"), "1.0")
    assert not (tmp_path / "x").exists()


def test_the_command_prints_and_refuses(demo: Demo, tmp_path: Path) -> None:
    assert command.__doc__
    done = CliRunner().invoke(app, ["reproduce", str(demo.record), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0 and "bench build scuba" in done.output and not (tmp_path / "again").exists()
    path = _edited(demo, tmp_path / "c", lambda d: d.update(command="bench eval\nrm -rf x"))
    done = CliRunner().invoke(app, ["reproduce", str(path), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0 and not any(line.startswith("rm") for line in done.output.splitlines())
    path = _edited(demo, tmp_path / "r", lambda d: d.update(checkpoint_sha256="0" * 64))
    done = CliRunner().invoke(app, ["reproduce", str(path), "--run", "--out", str(tmp_path / "again")])
    assert isinstance(done.exception, BenchError) and "cannot be derived" in done.output
    assert not (tmp_path / "again").exists()
