"""Training and scoring: planted anomalies are learned, noise is not; files, resuming, what is left out, bad input."""

import csv
import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_folders import MadeVideo, write_feature_folder
from planted import WINDOWS, planted_folder

import albar_bench as ab
from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.anomaly import mgfn
from evaluator.downstream.anomaly.bags import batches, read_bags, split
from evaluator.downstream.anomaly.base import Bag, Head
from evaluator.downstream.anomaly.detect import Detected, detect_anomalies
from evaluator.downstream.anomaly.mil import MIL
from evaluator.downstream.anomaly.options import AnomalyOptions
from evaluator.downstream.anomaly.train import train, window_scores
from evaluator.downstream.results import read_results
from evaluator.features.folder import FeatureFolder

TEST = 40  # test videos of each kind for the bounds below
QUICK = {"seeds": 1, "steps": 3, "set": ("segments=10", "batch=4"), "curves": "none", "progress": False}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("planted") / "f", strength=8.0, train=40, test=TEST)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("noise") / "f", strength=0.0, train=40, test=TEST)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("small") / "f", train=6, test=3, crops=2)


def quick(folder: Path, out: Path, **more) -> Detected:
    return detect_anomalies(folder, AnomalyOptions(**{**QUICK, "out": out, **more}))


# Best for a head that tells videos apart, but not windows: of the normal windows, those of normal videos (20 of each)
# are below the anomalous ones, and those of abnormal videos (15 of each) equal to them.
ONLY_VIDEOS = (20 + 15 / 2) / (20 + 15)
# Mann-Whitney statistic without any effect, if all windows of a video moved together (the largest deviation possible):
# as of 40 against 80 samples; four standard deviations.
CHANCE = 4 * math.sqrt((TEST + 2 * TEST + 1) / (12 * TEST * 2 * TEST))


@pytest.mark.parametrize(("head", "steps", "more"), [("mil", 40, ()), ("rtfm", 40, ()), ("mgfn", 30, ("lr=0.0003",))])
def test_each_head_learns_what_is_planted_and_nothing_from_noise(
    monkeypatch, tmp_path, planted, noise, head, steps, more
) -> None:
    monkeypatch.setattr(mgfn, "WIDTHS", (64, 64, 128))  # a tenth of the time
    given = {"head": head, "steps": steps, "set": ("segments=10", "batch=16", *more)}
    learned = quick(planted, tmp_path / "planted", **given).record
    chance = quick(noise, tmp_path / "noise", **given).record
    assert learned.mean["auc"] > ONLY_VIDEOS > 0.5 + CHANCE
    assert abs(chance.mean["auc"] - 0.5) < CHANCE
    # The interval's ends are around the figure, and the one of what is learned is above chance.
    assert 0.5 < learned.interval["auc"].low < learned.mean["auc"] < learned.interval["auc"].high


def test_files(tmp_path, small) -> None:
    found = quick(small, tmp_path / "out", seeds=2, curves="pages", validation=0.4, every=1)
    out = tmp_path / "out"
    assert {p.name for p in out.iterdir()} >= {
        "results.json", "scores.csv", "classes.csv", "training.csv", "left_out.csv", "curves", "seeds", "run.json"
    }  # fmt: skip
    record = read_results(out)
    assert record == found.record and record.head == "mil" and record.task == "anomaly"
    assert [s.seed for s in record.seeds] == [0, 1] and set(record.mean) == {"auc", "ap", "pr_auc"}
    assert record.features["model"]["method"] == "made" and record.features["window"] == 16
    assert record.settings["segments"] == 10 and record.settings["validation"] == 0.4
    # The scores of the file give the figures: pooled, each window repeated 16 times.
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert len(rows) == 6 * WINDOWS
    from sklearn.metrics import average_precision_score, roc_auc_score

    for k, seed in enumerate(record.seeds):
        truth = np.repeat([float(r["anomalous"]) for r in rows], 16)
        scores = np.repeat([np.float32(r[f"seed_{k}"]) for r in rows], 16)
        # 9 digits identify a float32
        assert seed.figures["auc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
        assert seed.figures["ap"] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    log = list(csv.DictReader((out / "training.csv").open()))
    assert [(r["seed"], r["step"]) for r in log] == [(s, t) for s in "01" for t in "123"]
    for seed in record.seeds:  # the first of the best steps on the validation videos
        auc = [float(r["validation_auc"]) for r in log if r["seed"] == str(seed.seed)]
        assert seed.step == 1 + auc.index(max(auc))
    classes = {r["class"]: r for r in csv.DictReader((out / "classes.csv").open())}
    assert set(classes) == {"Abuse", "Fire"} and classes["Abuse"]["videos"] == "2"
    assert [p.name for p in (out / "curves").iterdir()] == ["page-01.png"]


def test_the_last_step_is_scored_without_validation(tmp_path, small) -> None:
    assert [s.step for s in quick(small, tmp_path / "out").record.seeds] == [3]


@pytest.mark.parametrize("head", ["mil", "rtfm"])
def test_same_seed_same_bytes(tmp_path, small, head) -> None:
    for name in ("a", "b"):
        torch.manual_seed(hash(name) % 1000)  # the state of torch's own generator does not matter, and stays
        before = torch.random.get_rng_state()
        quick(small, tmp_path / name, head=head, seeds=2, curves="pages")
        assert torch.equal(before, torch.random.get_rng_state())
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*") if p.name != ".lock")
    assert len(files) > 8
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    seeds = [np.load(tmp_path / "a" / "seeds" / f"seed-{k}.npz") for k in (0, 1)]
    assert not np.array_equal(*(s[s.files[0]] for s in seeds))


def test_finished_seeds_are_kept(tmp_path, small) -> None:
    quick(small, tmp_path / "out", seeds=2)
    kept = (tmp_path / "out" / "seeds" / "seed-0.npz").stat().st_mtime_ns
    (tmp_path / "out" / "seeds" / "seed-1.json").unlink()  # as if killed in the second training
    (tmp_path / "out" / ".tmp-0.npz").touch()
    found = quick(small, tmp_path / "out", seeds=3)
    assert (tmp_path / "out" / "seeds" / "seed-0.npz").stat().st_mtime_ns == kept
    assert not (tmp_path / "out" / ".tmp-0.npz").exists()
    whole = quick(small, tmp_path / "whole", seeds=3)
    assert found.record == whole.record
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


def test_a_folder_with_another_run_is_left_alone(tmp_path, small) -> None:
    quick(small, tmp_path / "out")
    before = (tmp_path / "out" / "results.json").read_bytes()
    with pytest.raises(BenchError, match="holds a run with other steps; choose another --out"):
        quick(small, tmp_path / "out", steps=4)
    with pytest.raises(BenchError, match="holds a run with other head"):
        quick(small, tmp_path / "out", head="rtfm")
    other = planted_folder(tmp_path / "f", train=6, test=3, crops=2, seed=1)
    with pytest.raises(BenchError, match=r"holds a run with other videos.csv"):
        quick(other, tmp_path / "out")
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    shutil.rmtree(tmp_path / "out" / "seeds")
    (tmp_path / "out" / "results.json").unlink()  # a run that ended before its first training
    assert quick(small, tmp_path / "out", steps=4).record.seeds[0].step == 4
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(BenchError, match=r"holds thesis.txt, and no run.json"):
        quick(small, tmp_path / "mine")


def test_damaged_videos_cost_themselves_alone(tmp_path, small) -> None:
    folder = shutil.copytree(small, tmp_path / "f")
    videos = {v.id: v for v in FeatureFolder.open(folder).videos()}
    videos["Abuse000_train"].paths[0].write_bytes(b"no array")
    videos["Normal003_test"].paths[0].unlink()
    found = quick(folder, tmp_path / "out", seeds=2)
    bad = [("Abuse000_train", "train"), ("Normal003_test", "test")]
    assert [(name, part) for name, part, _ in found.left_out] == bad
    assert found.videos == 5 and found.record.plain()["test"]["left_out"] == 1
    rows = list(csv.DictReader((tmp_path / "out" / "left_out.csv").open()))
    assert [r["video"] for r in rows] == ["Abuse000_train", "Normal003_test"] and "no such file" in rows[1]["reason"]
    stamp = (tmp_path / "out" / "seeds" / "seed-0.json").stat().st_mtime_ns
    again = quick(folder, tmp_path / "out", seeds=2)  # also if nothing is trained again
    assert again.left_out == found.left_out
    assert (tmp_path / "out" / "seeds" / "seed-0.json").stat().st_mtime_ns == stamp
    for path in ("Abuse000_train.npy", "Normal003_test.npy"):
        shutil.copy(next(small.rglob(path)), next(folder.rglob("Fire001_train.npy")).with_name(path))
    repaired = quick(folder, tmp_path / "out", seeds=2)
    assert not repaired.left_out and repaired.record == quick(small, tmp_path / "whole", seeds=2).record


def test_no_test_video_can_be_read(tmp_path, small) -> None:
    folder = shutil.copytree(small, tmp_path / "f")
    for video in FeatureFolder.open(folder).videos("test"):
        video.paths[0].write_bytes(b"")
    with pytest.raises(BenchError, match=r"none of 6 test videos can be scored; the first: Abuse000_test: .*npy"):
        quick(folder, tmp_path / "out")


def test_labels_that_do_not_fit_are_said(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = [("a", "train", "Fire", ()), ("b", "train", "normal", ()), ("c", "test", "Fire", ()),
            ("d", "test", "Normal", [("Fire", 0, 16)]), ("e", "test", "Fire", [("Fire", 8, 20)])]  # fmt: skip
    made = [MadeVideo(i, s, rng.random((3, 4)), label, segments) for i, s, label, segments in rows]
    said: list[str] = []
    folder = write_feature_folder(tmp_path / "f", made, classes=["Fire"])
    found = detect_anomalies(folder, AnomalyOptions(**QUICK, out=tmp_path / "out"), said.append)
    text = "\n".join(said)
    assert "1 abnormal test video has no annotated segment" in text and "first is c" in text
    assert "1 normal test video has annotated segments" in text and "first is d" in text
    assert "1 + 1 videos per step instead of 4 + 4" in text
    assert found.anomalous == 16 + 12


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "train", "Fire"), ("c", "test", "Fire")], "none of 1 training video can be used as normal"),
        ([("a", "train", "Normal"), ("c", "test", "Fire")], "can be used as abnormal"),
        ([("a", "train", None), ("c", "test", "Fire")], "has no label"),
        ([("c", "test", "Fire")], "has no training videos (splits: test)"),
        ([("a", "train", "Fire"), ("b", "train", "Normal")], "has no test videos"),
        (
            [("a", "train", "Fire"), ("b", "train", "Normal"), ("c", "test", "Normal")],
            "of 48 frames of 1 test video, 0 are in annotated segments",
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, rows, said) -> None:
    features = np.random.default_rng(0).random((3, 4))
    segments = {("test", "Fire"): [("Fire", 0, 8)]}
    made = [MadeVideo(i, s, features, label, segments.get((s, label), [])) for i, s, label in rows]
    folder = write_feature_folder(tmp_path / "f", made, classes=["Fire"])
    with pytest.raises(BenchError) as refused:
        quick(folder, tmp_path / "out")
    assert said in str(refused.value) and "\n" not in str(refused.value)


class Wide(MIL):
    """A user's own head."""


class NoLoss(Head):
    """A head whose scores have the wrong shape."""

    def forward(self, x: torch.Tensor) -> Bag:
        return Bag(x.mean((1, 2, 3)).sigmoid(), x)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([torch.zeros(1)])


class Broken(MIL):
    """A head whose code fails."""

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        return normal.scores @ abnormal.scores


def test_own_heads(tmp_path, small, monkeypatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    found = quick(small, tmp_path / "own", head="test_detect:Wide")
    plain = quick(small, tmp_path / "mil")
    assert found.record.head == "test_detect:Wide" and found.record.mean == plain.record.mean
    with pytest.raises(BenchError, match=r"its scores are \(8,\) for 8 videos of 10 segments, not \(8, 10\)"):
        quick(small, tmp_path / "no", head="test_detect:NoLoss")
    with pytest.raises(BenchError, match="is no head; give a subclass"):
        quick(small, tmp_path / "no2", head="test_detect:Path")
    with pytest.raises(BenchError, match=r"--head test_detect:Broken: its code fails \(RuntimeError: "):
        quick(small, tmp_path / "no3", head="test_detect:Broken")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"head": "svm"}, "--head svm: no such anomaly head; choose from mil, rtfm, mgfn"),
        ({"set": ("batsh=4",)}, "--set batsh=4: no such setting; did you mean 'batch'?"),
        ({"set": ("dropout=1",)}, "--set dropout=1"),
        ({"set": ("steps=4",)}, "--set steps: is --steps, too"),
        ({"validation": 1.0}, "--validation 1.0"),
        ({"validation": 0.01, "steps": None, "set": (), "scores": Path("x")}, "--validation 0.01: is for training"),
        ({"set": ("lr=10", "segments=10")}, None),
    ],
)
def test_options(tmp_path, small, more, said) -> None:
    if said is None:  # a rate of 10 gives numbers, or is refused in one line
        quick(small, tmp_path / "out", **more)
        return
    with pytest.raises(BenchError) as refused:
        quick(small, tmp_path / "out", **more)
    assert said in str(refused.value)


def test_validation_is_drawn_per_class_and_by_seed(small) -> None:
    bags, _ = read_bags(FeatureFolder.open(small).videos("train"), 10, False)
    first, held = split(bags, 0.34, 0)
    assert sorted(first.ids + held.ids) == sorted(bags.ids)
    # 3 Abuse, 3 Fire, 6 Normal: a third of each
    assert [held.labels.count(label) for label in ("Abuse", "Fire", "Normal")] == [1, 1, 2]
    assert held.ids == split(bags, 0.34, 0)[1].ids
    assert len({tuple(split(bags, 0.34, seed)[1].ids) for seed in range(6)}) > 1
    with pytest.raises(BenchError, match=r"--validation 0.34: normal and abnormal videos are needed"):
        split(bags.part(np.array([0, 11])), 0.34, 0)


def test_every_video_comes_once_per_round() -> None:
    drawn = batches(np.arange(3, 10), 3, 0, "x")
    for _ in range(4):
        both = np.concatenate([next(drawn), next(drawn)])
        assert len(set(both)) == 6 and set(both) <= set(range(3, 10))


class Endless(MIL):
    """A head whose loss is not finite."""

    def loss(self, normal: Bag, abnormal: Bag) -> torch.Tensor:
        return super().loss(normal, abnormal) * math.inf


def test_a_loss_that_is_not_finite_is_refused(small) -> None:
    bags, _ = read_bags(FeatureFolder.open(small).videos("train"), 10, False)
    with pytest.raises(BenchError, match="--head own: the loss of step 1 is inf"):
        train(Endless, MIL.Settings(steps=2), bags, None, 0, name="own", device=torch.device("cpu"))


def test_features_that_are_too_large(tmp_path) -> None:
    folder = planted_folder(tmp_path / "f", train=2, test=1, strength=1e35)
    with pytest.raises(BenchError, match="--head rtfm: its scores are not finite in step 1"):
        quick(folder, tmp_path / "out", head="rtfm")


def test_scores_are_the_mean_over_crops() -> None:
    torch.manual_seed(0)
    head = MIL(4, MIL.Settings()).eval()
    features = np.random.default_rng(0).random((5, 3, 4), np.float32)
    with torch.inference_mode():
        wanted = head(torch.from_numpy(features).transpose(0, 1)[None]).scores[0].numpy()
    assert np.allclose(window_scores(head, features, torch.device("cpu")), wanted, atol=1e-6)


def test_without_scikit_learn_the_extra_is_named(monkeypatch, tmp_path, small) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(BenchError, match=r"scikit-learn is not installed; install it with .*\[downstream\]"):
        quick(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_python_api(tmp_path, small) -> None:
    found = ab.detect_anomalies(FeatureFolder.open(small), tmp_path / "out", **QUICK)
    assert found.record == quick(small, tmp_path / "same").record


def test_old_pictures_are_taken_away(tmp_path, small) -> None:
    quick(small, tmp_path / "out", curves="videos")
    names = {p.name for p in (tmp_path / "out" / "curves").iterdir()}
    assert len(names) == 6 and "Fire001_test.png" in names
    quick(small, tmp_path / "out", curves="none")
    assert not list((tmp_path / "out" / "curves").iterdir())


def test_a_damaged_record_of_a_seed_is_refused(tmp_path, small) -> None:
    quick(small, tmp_path / "out")
    file = tmp_path / "out" / "seeds" / "seed-0.json"
    file.write_text(json.dumps({"step": 3}))
    with pytest.raises(BenchError, match="not a record of a training; delete it"):
        quick(small, tmp_path / "out")
