"""AUC and AP of frames: by hand, against scikit-learn, and their bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.anomaly import metrics
from evaluator.downstream.anomaly.metrics import FIGURES, ScoredVideo, by_class, limits, pooled, replicates


def video(name, scores, truth, label="A"):
    return ScoredVideo(name, label, label == "Normal", np.array(scores, float), np.array(truth, np.uint8))


def drawn(count: int, seed: int, levels: int = 10) -> list[ScoredVideo]:
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        frames = int(rng.integers(5, 40))
        truth = (rng.random(frames) < 0.4).astype(np.uint8) * (k % 2)
        scores = np.round(rng.random(frames) * levels + 2 * truth) / levels  # many equal ones
        made.append(video(f"v{k}", scores, truth, "A" if k % 2 else "Normal"))
    return made


def test_by_hand() -> None:
    # Pairs of an anomalous (0.9, 0.4) and a normal frame (0.6, 0.4, 0.1): 0.9 wins 3; 0.4 loses to 0.6, ties with 0.4
    # (one half), wins over 0.1: 4.5 of 6. Pooled: one curve over both videos.
    found = pooled([video("a", [0.9, 0.6], [1, 0]), video("b", [0.4, 0.4, 0.1], [1, 0, 0])])
    assert found["auc"] == pytest.approx(4.5 / 6)
    # Thresholds 0.9, 0.6, 0.4: recall 1/2, 1/2, 1; precision 1, 1/2, 2/4. AP = 1/2 * 1 + 1/2 * 1/2.
    assert found["ap"] == pytest.approx(0.75)
    # Trapezoids from (0, 1): 1/2 * 1, then 1/2 * (1/2 + 1/2) / 2
    assert found["pr_auc"] == pytest.approx(0.5 + 0.25)


def test_pooled_is_not_a_mean_over_videos() -> None:
    # Each video alone is perfect; pooled, the second's anomaly is below the first's normal frames.
    videos = [video("a", [0.9, 0.8], [1, 0]), video("b", [0.2, 0.1], [1, 0])]
    assert pooled(videos)["auc"] == pytest.approx(3 / 4)


def test_against_scikit_learn() -> None:
    videos = drawn(9, 1)
    truth, scores = (np.concatenate([getattr(v, name) for v in videos]) for name in ("truth", "scores"))
    precision, recall, _ = precision_recall_curve(truth, scores)
    wanted = roc_auc_score(truth, scores), average_precision_score(truth, scores), auc(recall, precision)
    assert tuple(pooled(videos).values()) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_of_a_draw_are_those_of_its_videos(monkeypatch, seed) -> None:
    videos = drawn(8, seed)
    found: list[np.ndarray] = []
    figures = metrics._Sums.figures
    monkeypatch.setattr(metrics._Sums, "figures", lambda sums, w: (found.append(w), figures(sums, w))[1])
    values = replicates(videos, seed, 20)
    weights = np.concatenate(found)
    for k, row in enumerate(weights.astype(int)):
        again = pooled([v for v, times in zip(videos, row, strict=True) for _ in range(times)])
        assert {f: values[f][k] for f in FIGURES} == pytest.approx(again, abs=1e-12)
    anomalous = np.array([v.truth.any() for v in videos])
    assert (weights[:, anomalous].sum(1) == anomalous.sum()).all()
    assert (weights[:, ~anomalous].sum(1) == (~anomalous).sum()).all()


def test_draws_do_not_depend_on_the_scores() -> None:
    videos = drawn(8, 3)
    moved = [ScoredVideo(v.id, v.label, v.normal, v.scores / 2 + 0.1, v.truth) for v in videos]
    first, second = replicates(videos, 0, 50), replicates(moved, 0, 50)
    assert all(np.array_equal(first[f], second[f]) for f in FIGURES)  # the order of the scores is the same
    low, high = limits(first["auc"])
    assert low < pooled(videos)["auc"] < high


def test_frames_of_one_kind_are_refused() -> None:
    with pytest.raises(BenchError, match=r"all frames \(2\) of 1 test video are normal"):
        pooled([video("a", [0.1, 0.2], [0, 0])])
    with pytest.raises(BenchError, match="are in annotated segments"):
        pooled([video("a", [0.1, 0.2], [1, 1])])


def test_classes_are_compared_with_all_normal_videos() -> None:
    normal = [video("n", [0.3, 0.5], [0, 0], "Normal")]
    a, b = video("a", [0.9, 0.1], [1, 0], "A"), video("b", [0.4, 0.2], [1, 0], "B")
    bare = video("c", [0.9, 0.9], [0, 0], "C")
    found = by_class([*normal, a, b, bare])
    assert set(found) == {"A", "B"}  # C has no annotated frame
    assert found["A"]["auc"] == 1 and found["B"]["auc"] == pytest.approx(2 / 3)  # 0.4 above 0.3 and 0.2, below 0.5
    assert found["B"] == pooled([b, *normal])
