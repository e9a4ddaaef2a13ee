import csv
import json
from pathlib import Path

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder
from localizers import localization_folder

pytest.importorskip("torch")

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.localize.localize import localize_actions
from evaluator.downstream.localize.options import LocalizeOptions
from evaluator.downstream.results import read_results

TINY = ("dimension=8", "levels=2", "warmup=1", "most=20")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return localization_folder(tmp_path_factory.mktemp("features"))


def run(features, out, **options):
    options = {"pictures": 1, "progress": False, "device": "cpu", **options}
    return localize_actions(features, LocalizeOptions(out=out, **options))


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_own_head(tmp_path, features):
    found = run(features, tmp_path / "o", head="localizers:Oracle", seeds=2)
    record = read_results(tmp_path / "o")
    assert record.task == "localization"
    assert [s.seed for s in record.seeds] == [0, 1]
    assert record.mean["map"] == 1.0
    assert record.sd["map"] == 0.0
    assert found.videos == 3
    assert [(r["video"], r["reason"]) for r in rows(tmp_path / "o/left_out.csv")] == [("gone", "no features (no file)")]
    assert [r["annotated"] for r in rows(tmp_path / "o/classes.csv")] == ["1", "2"]
    assert len(rows(tmp_path / "o/training.csv")) == 2
    pictures = list((tmp_path / "o/pictures").iterdir())
    assert [p.name for p in pictures] == ["v5.png"]


def test_one_seed_and_one_video_that_fail_cost_themselves(tmp_path, features):
    with pytest.raises(BenchError, match=r"1 of 3 trainings failed.*seed 1.*no memory"):
        run(features, tmp_path / "o", head="localizers:Failing", seeds=3)
    record = read_results(tmp_path / "o")
    assert [s.seed for s in record.seeds] == [0, 2]
    assert {r["seed"] for r in rows(tmp_path / "o/left_out.csv") if r["video"] == "v6"} == {"0", "2"}


def test_a_run_that_trained_nothing_does_not_block_its_folder(tmp_path, features):
    with pytest.raises(BenchError, match=r"no training succeeded \(1 failed\); seed 1: .*no memory"):
        run(features, tmp_path / "o", head="localizers:Failing", seeds=1, first_seed=1)
    assert run(features, tmp_path / "o", head="localizers:Oracle", seeds=1).record.mean["map"] == 1.0


def test_a_seed_that_predicts_nothing_scores_0(tmp_path, features):
    found = run(features, tmp_path / "o", head="localizers:Silent", seeds=2)
    record = read_results(tmp_path / "o")
    assert [s.figures["map"] for s in record.seeds] == [1.0, 0.0] and record.mean["map"] == 0.5
    assert any("seed-1-predictions.json: predicts no segment at all, which scores 0" in note for note in found.notes)
    assert len(found.missing[1]) == 3
    alone = run(features, tmp_path / "one", head="localizers:Silent", seeds=1, first_seed=1)
    assert alone.record.mean["map"] == alone.record.interval["map"].high == 0.0


def test_actionformer(tmp_path, features):
    """Trained, written in OpenTAD's form, and read back to the same figures; equal seeds are equal, others are not."""
    pytest.importorskip("actionformer", reason="the extra downstream is not installed")
    import torch

    state = torch.random.get_rng_state()
    run(features, tmp_path / "o", epochs=1, set=TINY, seeds=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    record = read_results(tmp_path / "o")
    files = [tmp_path / f"o/seeds/seed-{k}-predictions.json" for k in (0, 1)]
    texts = [f.read_text() for f in files]
    assert texts[0] != texts[1]
    results = json.loads(texts[0])["results"]
    assert set(results) == {"v5", "v6", "v7"}
    for entry in results["v5"]:
        assert 0 <= entry["segment"][0] < entry["segment"][1] <= (23 * 4 + 8) / 30 + 1e-6
        assert entry["label"] in ("x", "y")
    again = run(features, tmp_path / "given", predictions=tuple(map(Path, files)), head="ActionFormer")
    assert again.record.mean == record.mean
    assert again.record.head == "ActionFormer"

    # Continues: one seed was lost, one more is wanted.
    for file in (tmp_path / "o/seeds").glob("seed-1*"):
        file.unlink()
    said: list[str] = []
    options = LocalizeOptions(out=tmp_path / "o", epochs=1, set=TINY, seeds=2, pictures=0, progress=False, device="cpu")
    localize_actions(features, options, said.append)
    assert "seed 0: was finished" in said
    assert [f.read_text() for f in files] == texts

    with pytest.raises(BenchError, match="holds a run with other epochs; choose another --out"):
        localize_actions(features, options.replaced(epochs=2))


def test_wrong_folders(tmp_path, features):
    with pytest.raises(BenchError, match="FEATURES is missing"):
        run(None, tmp_path / "o")
    some = np.zeros((4, 4), np.float32)
    only = write_feature_folder(
        tmp_path / "only", [MadeVideo("a", "test", some, None, [("x", 0, 20)])], task="localization"
    )
    with pytest.raises(BenchError, match="no annotated training or validation videos"):
        run(only, tmp_path / "o")
    anomaly = write_feature_folder(tmp_path / "anomaly", [MadeVideo("a", "test", some, "Abuse", [("x", 0, 20)])])
    with pytest.raises(BenchError, match="not for localization"):
        run(anomaly, tmp_path / "o")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("")
    with pytest.raises(BenchError, match=r"holds mine.txt"):
        run(features, tmp_path / "full", head="localizers:Oracle")
    with pytest.raises(BenchError, match="no such localization head; choose from actionformer"):
        run(features, tmp_path / "o", head="tridet")
    with pytest.raises(BenchError, match="--truth"):
        run(None, tmp_path / "o", predictions=(tmp_path / "p.json",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"truth": Path("t.json")}, "--truth t.json: is for --predictions FILE"),
        ({"predictions": (Path("p.json"),), "epochs": 3}, "--epochs 3: is for training"),
    ],
)
def test_options_that_exclude_each_other(given, said):
    with pytest.raises(BenchError, match=said):
        LocalizeOptions(**given)


def test_damaged_features_cost_their_video(tmp_path):
    path = localization_folder(tmp_path / "f")
    (path / "v0.npy").unlink(missing_ok=True)
    for name in path.rglob("v0*"):
        name.write_bytes(b"damaged")
    run(path, tmp_path / "o", head="localizers:Oracle", seeds=1)
    first = rows(tmp_path / "o/left_out.csv")[0]
    assert (first["video"], first["split"]) == ("v0", "train")
