"""bench downstream demo: which models, what is written, and one small run of all steps, twice."""

import csv
from pathlib import Path

import pytest
import torch
from commands import error_of

from albar.checkpoint import save_checkpoint
from albar.clips.clips import ClipSampling
from albar.models.small3d import Small3D
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.utils.errors import BenchError
from evaluator.downstream import demo
from evaluator.downstream.demo import DownstreamDemo, Measured, downstream_demo, named_models, rows_of, table_of
from evaluator.downstream.results import write_results


def checkpoint(path: Path, seed: int) -> Path:
    """A network with random weights, for clips of 4 frames, 16 pixels square."""
    torch.manual_seed(seed)
    save_checkpoint(
        path, network=Small3D(8), model="small3d", method=path.parent.name, dataset="synthactions",
        classes=list(CLASSES), sampling=ClipSampling(frames=4, stride=2, size=16, resize=16), settings={}, digests={},
    )  # fmt: skip
    return path


def test_models_and_their_names(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file; run `bench demo` first"):
        named_models(DownstreamDemo(demo=tmp_path))
    for method in ("baseline", "albar"):
        checkpoint(tmp_path / "runs" / method / "model.ckpt", 0)
    assert list(named_models(DownstreamDemo(demo=tmp_path))) == ["baseline", "albar"]
    own = DownstreamDemo(checkpoints=("a/model.ckpt", "hf:x/y"))
    assert named_models(own) == {"a": "a/model.ckpt", "hf.x-y": "hf:x/y"}
    with pytest.raises(BenchError, match="are both called a; rename"):
        named_models(DownstreamDemo(checkpoints=("a/model.ckpt", "b/a/model.ckpt")))
    with pytest.raises(BenchError, match="both called a; name every model once"):
        named_models(DownstreamDemo(checkpoints=("a/model.ckpt", "a/model.ckpt")))


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("--train 5: give 6 or more", ["--train", "5"]),
        ("--seeds 0", ["--seeds", "0"]),
        ("none/model.ckpt: no such model", ["--checkpoints", "none/model.ckpt"]),
        ("nonsense: no such anomaly head", ["--checkpoints", "none/model.ckpt", "--heads", "nonsense"]),
    ],
)
def test_wrong_options_are_refused_before_anything_is_rendered(said: str, options: list[str], tmp_path: Path) -> None:
    assert said in error_of("downstream", "demo", "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_the_table_has_a_row_per_model_and_head(tmp_path: Path) -> None:
    features = {"model": {"method": "albar"}}
    one = write_results(tmp_path / "a", {
        "task": "anomaly", "head": "mil", "features": features,
        "seeds": [{"seed": 0, "figures": {"auc": 0.8, "ap": 0.5}}, {"seed": 1, "figures": {"auc": 0.9, "ap": 0.4}}],
    })  # fmt: skip
    two = write_results(tmp_path / "b", {
        "task": "localization", "head": "actionformer", "features": features,
        "seeds": [{"seed": 0, "figures": {"map": 0.3, "map@0.5": 0.2}}],
    })  # fmt: skip
    found = [Measured("x", one), Measured("x", two), Measured("[red]y", one)]
    columns, rows = rows_of(found)
    assert [(r["model"], r["method"], r["head"], r["auc"], r["auc_sd"], r["map"], r["map_sd"]) for r in rows] == [
        ("x", "albar", "mil", "0.850000", "0.070711", "", ""),
        ("x", "albar", "actionformer", "", "", "0.300000", ""),
        ("[red]y", "albar", "mil", "0.850000", "0.070711", "", ""),
    ]
    assert {"ap", "map@0.5_sd"} < set(columns)
    table = table_of(found)
    assert [str(c.header) for c in table.columns] == ["Model", "mil AUC ↑", "mil AP ↑", "actionformer mAP ↑"]
    assert [str(cell) for cell in table.columns[0].cells] == ["x", "[red]y"]
    assert list(table.columns[1].cells) == ["85.0 ± 7.1", "85.0 ± 7.1"]


def test_all_steps_and_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STEPS", 3)
    monkeypatch.setattr(demo, "EPOCHS", 1)
    monkeypatch.setattr(demo, "RENDER", {"size": 24, "fps": 4, "shortest": 6, "longest": 8})
    models = tuple(str(checkpoint(tmp_path / name / "model.ckpt", k)) for k, name in enumerate(("one", "two")))
    options = DownstreamDemo(checkpoints=models, out=tmp_path / "out", train=8, test=6, seeds=2, workers=1)
    lines = list[str]()
    written, _ = downstream_demo(options, lines.append)
    rows = list(csv.DictReader(written.open()))
    assert [(r["model"], r["method"], r["head"], r["seeds"]) for r in rows] == [
        ("one", "one", "mil", "2"), ("two", "two", "mil", "2"),
        ("one", "one", "actionformer", "1"), ("two", "two", "actionformer", "1"),
    ]  # fmt: skip
    assert all(0 <= float(r["auc"]) <= 1 for r in rows[:2]) and all(0 <= float(r["map"]) <= 1 for r in rows[2:])
    files = [*options.out.rglob("*.mp4"), *options.out.glob("features/*/features/*.npy")]
    assert len(files) == 14 + 2 * 14
    before = written.read_bytes(), {p: p.stat().st_mtime_ns for p in files}
    # The pictures are drawn again from what is kept; that takes longer than all the rest.
    monkeypatch.setattr("evaluator.downstream.anomaly.report.draw_curves", lambda *given: [])
    monkeypatch.setattr("evaluator.downstream.localize.localize.draw_videos", lambda *given: [])
    again, _ = downstream_demo(options, lines.append)
    assert (again.read_bytes(), {p: p.stat().st_mtime_ns for p in files}) == before
