"""Scores made elsewhere."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder
from planted import WINDOWS, planted_folder

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.anomaly.detect import detect_anomalies
from evaluator.downstream.anomaly.options import AnomalyOptions
from evaluator.downstream.anomaly.scores import read_scores
from evaluator.features.folder import FeatureFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("scores") / "f", train=1, test=2)


@pytest.fixture(scope="module")
def scores(folder: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {v.id: rng.random(WINDOWS) for v in FeatureFolder.open(folder).videos("test")}


def write(path: Path, how: str, scores: dict[str, np.ndarray]) -> Path:
    """The same scores as a folder of npy, csv or txt, as an npz, or as one npy; per window or per frame."""
    kind, per_frame = how.partition("/")[::2]
    scores = {k: np.repeat(v, 16) if per_frame else v for k, v in scores.items()}
    if kind == "npz":
        np.savez(path.with_suffix(".npz"), **scores)
        return path.with_suffix(".npz")
    if kind == "one":
        np.save(path.with_suffix(".npy"), np.concatenate(list(scores.values())))
        return path.with_suffix(".npy")
    path.mkdir()
    for name, values in scores.items():
        if kind == "npy":
            np.save(path / f"{name}.npy", values[:, None])
        else:
            (path / f"{name}.{kind}").write_text("".join(f"{v!r}\n" for v in values.tolist()))
    return path


HOW = [f"{kind}{per}" for kind in ("npy", "csv", "txt", "npz", "one") for per in ("", "/frame")]


@pytest.mark.parametrize("how", HOW)
def test_every_form_gives_the_same_frames(tmp_path, folder, scores, how) -> None:
    found, unknown = read_scores(write(tmp_path / "s", how, scores), FeatureFolder.open(folder).videos("test"))
    assert not unknown and list(found) == list(scores)
    assert all(np.array_equal(found[k], np.repeat(v, 16)) for k, v in scores.items())


@pytest.mark.parametrize(("frames", "wanted"), [(35, [1] * 16 + [2] * 19), (30, [1] * 16 + [2] * 14)])
@pytest.mark.parametrize("one", [True, False])
def test_repeated_scores_are_cut_or_continued(tmp_path, frames, wanted, one) -> None:
    made = [MadeVideo(name, "test", np.zeros((2, 3)), "Normal", frames=frames) for name in "ab"]
    videos = FeatureFolder.open(write_feature_folder(tmp_path / "f", made, classes=["Fire"])).videos()
    repeated = np.repeat([1.0, 2.0], 16)
    path = tmp_path / ("s.npy" if one else "s.npz")
    np.save(path, np.tile(repeated, 2)) if one else np.savez(path, a=repeated, b=repeated)
    found, _ = read_scores(path, videos)
    assert [found[name].tolist() for name in "ab"] == [wanted, wanted]


def test_they_are_scored_without_training(tmp_path, folder, scores) -> None:
    some = {k: v for k, v in scores.items() if k != "Normal003_test"} | {"other": np.zeros(3)}
    path, said = write(tmp_path / "s", "npz", some), []
    out = tmp_path / "out"
    options = AnomalyOptions(scores=path, out=out, progress=False)
    found = detect_anomalies(folder, options, said.append)
    assert found.record.head == "scores" and found.videos == 3 and [s.step for s in found.record.seeds] == [None]
    assert [row[0] for row in found.left_out] == ["Normal003_test"] and "no scores in" in found.left_out[0][2]
    assert any("1 name is no test video, the first is other" in line for line in said)
    from sklearn.metrics import roc_auc_score

    videos = [v for v in FeatureFolder.open(folder).videos("test") if v.id in some]
    truth = np.concatenate([v.frame_truth() for v in videos])
    wanted = roc_auc_score(truth, np.concatenate([np.repeat(some[v.id], 16) for v in videos]))
    assert found.record.mean["auc"] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(7), "has 7 scores, but 20 windows and 320 frames"),
        (np.full(20, np.nan), "has scores that are not finite"),
        (np.zeros((20, 2)), r"holds (20, 2), not a list of scores"),
        (np.array(["a"] * 20), "not a list of scores"),
        (np.zeros(0), "is empty"),
        (np.array([{}] * 20, object), "not a readable .npy array"),
    ],
)
def test_wrong_arrays(tmp_path, folder, scores, values, said) -> None:
    path = write(tmp_path / "s", "npy", scores)
    np.save(path / "Abuse000_test.npy", values, allow_pickle=True)
    with pytest.raises(BenchError) as refused:
        read_scores(path, FeatureFolder.open(folder).videos("test"))
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_wrong_files(tmp_path, folder, scores) -> None:
    videos = FeatureFolder.open(folder).videos("test")
    one = write(tmp_path / "one", "one", scores)
    np.save(one, np.zeros(79))
    with pytest.raises(BenchError, match="has 79 scores, but the 4 test videos have 80 windows and 1280 frames"):
        read_scores(one, videos)
    with pytest.raises(BenchError, match=r"no such folder, .npz or .npy"):
        read_scores(tmp_path / "missing", videos)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        BenchError, match=r"no name in it is that of a test video \(0 names\); the first is Abuse000_test.npy"
    ):
        read_scores(tmp_path / "empty", videos)
    (tmp_path / "bad.npz").write_bytes(b"PK no zip")
    with pytest.raises(BenchError, match=r"not a readable .npz"):
        read_scores(tmp_path / "bad.npz", videos)
    text = write(tmp_path / "text", "txt", scores)
    (text / "Abuse000_test.txt").write_text("score\n0.5\n")
    with pytest.raises(BenchError, match=r"Abuse000_test.txt, line 1: 'score' is no number"):
        read_scores(text, videos)
    np.save(text / "Fire001_test.npy", np.zeros(20))
    with pytest.raises(BenchError, match=r"Fire001_test.(npy|txt) and Fire001_test.(npy|txt); keep one"):
        read_scores(text, videos)


def test_an_array_twice_in_one_file(tmp_path, folder, scores) -> None:
    """Zip files may have a name twice; which of the two is meant, nobody knows."""
    path = write(tmp_path / "s", "npz", scores)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("Abuse000_test.npy", b"")
    with pytest.raises(BenchError, match="has Abuse000_test twice"):
        read_scores(path, FeatureFolder.open(folder).videos("test"))
