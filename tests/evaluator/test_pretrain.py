"""bench compare --pretrain: what is read, refused, rendered and planned. And a small one, from start to table."""

from pathlib import Path

import pytest

from albar.checkpoint import load_checkpoint
from albar.methods import make_method
from albar.training.reference2d import reference_settings
from albar.training.settings import TrainSettings
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.render import render_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from evaluator.compare_methods import check_settings, compare_methods, from_pretrained, plan
from evaluator.options import Sweep
from evaluator.pretrain import PretrainSettings, checkpoint_of, read_pretrain, render, run_of
from evaluator.reports.comparison import read_compared
from evaluator.reports.leaderboard import read_leaderboard


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("2048", PretrainSettings(videos=2048, bias=0.85, seed=101, epochs=8)),
        ("64:bias=.5,epochs=3", PretrainSettings(videos=64, bias=0.5, seed=101, epochs=3)),
        ("64:seed=-1", PretrainSettings(videos=64, bias=0.85, seed=-1, epochs=8)),
    ],
)
def test_videos_and_settings_are_read(word: str, said: PretrainSettings) -> None:
    assert read_pretrain(word) == said == Sweep(pretrain=word).before


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "give a number of videos"),
        ("many", "give a number of videos"),
        ("-3", "give a number of videos"),
        ("٣", "give a number of videos"),
        ("0", "--pretrain videos=0: give a whole number of videos from 1"),
        ("64:", "give NAME=VALUE"),
        ("64:bias", "give NAME=VALUE"),
        ("64:bias=2", "--pretrain bias=2: give 0.125"),
        ("64:bias=.7,bias=.8", "given twice"),
        ("64:videos=3", "given twice"),
        ("64:epoch=3", "epoch=3: no such setting; did you mean 'epochs'"),
        ("64:epochs=2.5", "epochs=2.5: give a whole number"),
    ],
)
def test_a_word_that_is_wrong_is_told(word: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        Sweep(pretrain=word)


def test_it_is_for_synthactions_and_for_one_set_of_weights() -> None:
    with pytest.raises(BenchError, match=r"--pretrain 64: is for synthactions; .*--weights"):
        Sweep(pretrain="64", training={"dataset": "hmdb51"})
    for more in ({"training": {"weights": "w.pth"}}, {"by_method": {"albar": {"weights": "w.pth"}}}):
        with pytest.raises(BenchError, match="--pretrain 64: does not go with --weights"):
            Sweep(pretrain="64", **more)


def test_the_render_is_like_the_one_that_is_tested_on(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    render_dataset(root, SynthSettings(size=24, frames=4, train=3, test=2, seed=5), progress=False)
    with pytest.raises(BenchError, match=r"--pretrain seed=5: .*root was rendered with this seed"):
        render(read_pretrain("2:seed=5"), root, out, 1)
    folder = render(read_pretrain("2:bias=.6"), root, out, 1)
    known = read_json(folder / "synthactions.json", "render", "")["settings"]
    changed = {"train": 2, "test": 0, "bias": 0.6, "seed": 101}
    assert known == {**read_json(root / "synthactions.json", "render", "")["settings"], **changed}


def test_every_run_starts_from_the_weights_with_the_preset_for_them(tmp_path: Path) -> None:
    sweep = Sweep(methods=["baseline", "albar:preset=finetune"], pretrain="64", training={"lr": 1e-4}, out=tmp_path)
    _, runs = plan(from_pretrained(sweep))
    assert {job.settings.weights for job in runs} == {str(checkpoint_of(tmp_path))}
    assert [job.settings.preset_name for job in runs[:2]] == ["pretrained", "finetune"]
    assert {job.settings.recipe.lr for job in runs} == {1e-4}
    before = run_of(read_pretrain("64:epochs=5,seed=7"), {"lr": 1e-4, "device": "cpu"}, tmp_path)
    assert (before.method, before.preset_name, before.recipe.epochs, before.seed) == ("baseline", "scratch", 5, 0)
    assert before.recipe.lr == 3e-3 and before.weights is None
    assert before.folder == checkpoint_of(tmp_path).parent


def test_a_method_without_a_preset_of_its_own_takes_the_published_one() -> None:
    for name in ("stillmix", "mixup", "sdn"):
        published, pretrained = (make_method(name, preset, {}).settings for preset in ("finetune", "pretrained"))
        assert published == pretrained
    with pytest.raises(BenchError, match="unknown preset 'trained'; choose from finetune, scratch, pretrained"):
        make_method("mixup", "trained", {})


def test_a_reference_network_is_not_pretrained() -> None:
    small = TrainSettings(method="stillmix", preset="pretrained", weights="w.ckpt")
    assert reference_settings(small).recipe == TrainSettings(preset="scratch").recipe
    large = TrainSettings(method="stillmix", preset="pretrained", weights="w.ckpt", dataset="hmdb51")
    assert reference_settings(large).recipe.epochs == 50 and reference_settings(large).weights != "w.ckpt"


@pytest.mark.usefixtures("quick_workers")
def test_the_network_is_trained_once_and_is_a_row(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    render_dataset(root, SynthSettings(size=48, frames=8, train=24, test=8), progress=False)
    training = {"root": root, "epochs": 1, "batch": 8, "device": "cpu"}
    sweep = Sweep(methods=["baseline"], seeds=[0], pretrain="24:epochs=1", training=training, benchmarks=(), out=out)
    lines = list[str]()
    outcome = compare_methods(sweep, lines.append)
    assert not outcome.failures and [line.split(":")[0] for line in lines] == ["[1/1] pretrain", "[1/1] baseline-s0"]
    table = read_compared(outcome.table)
    assert [(r["method"], r["seeds"], r["cost"]) for r in table] == [("pre-trained", "1", ""), ("baseline", "1", "1.0")]
    tuned = load_checkpoint(out / "runs" / "baseline-s0" / "model.ckpt")
    assert tuned.settings["weights_sha256"] == load_checkpoint(checkpoint_of(out)).digest
    assert tuned.settings["preset"] == "pretrained"
    row = next(r for r in read_leaderboard(out / "results" / "leaderboard.csv") if r["method"] == "baseline")
    assert row["trained_on"] == "synthactions (train), then synthactions (train)"
    before, text = checkpoint_of(out).stat().st_mtime_ns, outcome.table.read_text()
    assert compare_methods(sweep).table.read_text() == text and checkpoint_of(out).stat().st_mtime_ns == before
    with pytest.raises(
        BenchError, match=r"pretrain: --epochs 2: .*has a run of 1 epochs"
    ):  # the folder has other weights
        compare_methods(sweep.replaced(pretrain="24:epochs=2"))
    assert checkpoint_of(out).stat().st_mtime_ns == before


def test_settings_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no setting gpp"):
        check_settings(Sweep(methods=["albar:gpp=1"], pretrain="64", out=tmp_path / "out"))
    check_settings(Sweep(methods=["albar:gp=1"], pretrain="64", out=tmp_path / "out"))
    assert not list(tmp_path.iterdir())
