"""`bench compare --downstream`: models measured on a tiny synthlong from start to table, and options without effect."""

import csv
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from albar.checkpoint import save_checkpoint
from albar.clips.clips import ClipSampling
from albar.models.small3d import Small3D
from albar_bench.cli.app import app
from benchmark_builder.settings import SynthLongSettings
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthlong.render import render_synthlong
from evaluator.downstream.results import write_results

HEADS = ("--anomaly-head", "quick_heads:Quick", "--localize-head", "localizers:Oracle")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A render of fourteen videos, and the checkpoint of a network with random weights."""
    root = tmp_path_factory.mktemp("world")
    settings = SynthLongSettings(size=24, fps=4, shortest=6, longest=8, train=8, test=6)
    render_synthlong(root / "long", settings, progress=False)
    torch.manual_seed(0)
    save_checkpoint(
        root / "albar/model.ckpt", network=Small3D(8), model="small3d", method="albar", dataset="synthactions",
        classes=list(CLASSES), sampling=ClipSampling(frames=4, stride=2, size=16, resize=16), settings={}, digests={},
    )  # fmt: skip
    return root


def compare(*words: object, **env: str):
    return CliRunner().invoke(app, ["compare", *map(str, words)], env={"COLUMNS": "250", **env})


def said(done) -> str:
    return f"{done.output} {done.exception}"


def test_a_model_from_videos_to_the_table(world: Path, tmp_path: Path) -> None:
    words = ("--downstream", world / "albar/model.ckpt", "--on", f"synthlong:{world / 'long'}", *HEADS, "--seeds", 2,
             "--features", "stride=8", "--out", tmp_path / "t")  # fmt: skip
    done = compare(*words)
    assert done.exit_code == 0, said(done)
    rows = list(csv.DictReader((tmp_path / "t/downstream.csv").open(encoding="utf-8")))
    (own,) = [row for row in rows if not row["published"]]
    assert (own["method"], own["synthlong_map_seeds"], own["synthlong_auc_seeds"]) == ("albar", "2", "2")
    assert float(own["synthlong_map"]) == 100  # the oracle knows
    found = json.loads((tmp_path / "t/anomaly/albar-synthlong-quick_heads.Quick/results.json").read_text())
    assert float(own["synthlong_auc"]) == pytest.approx(100 * found["mean"]["auc"], rel=1e-5)
    before = (tmp_path / "t/downstream.csv").read_bytes()
    again = compare(*words)
    assert again.exit_code == 0 and (tmp_path / "t/downstream.csv").read_bytes() == before


def test_options_without_effect_are_refused(tmp_path: Path) -> None:
    seeds = [{"seed": 0, "figures": {"auc": 0.8, "ap": 0.3}}]
    write_results(tmp_path / "r", {"task": "anomaly", "head": "mil", "seeds": seeds, "features": {"name": "x"}})
    words = ("--downstream", tmp_path / "r", "--out", tmp_path / "t")
    for option in (("--engine", "ray"), ("--seeds", "5"), ("--device", "cpu"), ("--on", "synthlong")):
        done = compare(*words, *option)
        assert done.exit_code and f"{option[0]}: is for models in --downstream" in said(done), said(done)
    assert not (tmp_path / "t").exists()
    changed = json.loads((tmp_path / "r/results.json").read_text())
    changed["mean"]["auc"] = 0.9
    (tmp_path / "r/results.json").write_text(json.dumps(changed))
    done = compare(*words)
    assert done.exit_code and "mean.auc is 0.9, but its seeds give 0.8" in said(done)


def test_an_engine_of_the_environment_is_said(tmp_path: Path) -> None:
    for command in ("anomaly", "localize"):
        words = ["downstream", command, str(tmp_path), "--out", str(tmp_path / "o")]
        done = CliRunner().invoke(app, words, env={"BENCH_ENGINE": "ray"})
        assert "BENCH_ENGINE=ray: has no effect here, heads are trained on this machine" in done.output
