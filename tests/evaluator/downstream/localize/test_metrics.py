import contextlib
import io
import json

import numpy as np
import pytest

from evaluator.downstream.localize import metrics
from evaluator.downstream.localize.metrics import FIGURES, Spans, mean_average_precision


def spans(rows, scored=True):
    """Rows of (video, label, start, end[, score])."""
    return Spans(
        [r[0] for r in rows],
        [r[1] for r in rows],
        np.array([r[2:4] for r in rows], dtype=np.float64).reshape(-1, 2),
        np.array([r[4] for r in rows], dtype=np.float64) if scored else None,
    )


def truth(*rows):
    return spans(rows, scored=False)


def said(*rows):
    return spans(rows)


ONE = truth(("a", "x", 0, 10))


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ([("a", "x", 0, 10, 0.5)], 1.0),
        ([("a", "x", 0, 5, 0.5)], 3 / 5),  # tIoU 0.5 counts at 0.3, 0.4 and 0.5
        ([("a", "x", 0, 10, 0.9), ("a", "x", 0, 10, 0.5)], 1.0),  # the second is wrong, after the recall is 1
        ([("a", "x", 20, 30, 0.9), ("a", "x", 0, 10, 0.5)], 1 / 2),
        ([("b", "x", 0, 10, 0.9), ("a", "x", 0, 10, 0.5)], 1 / 2),  # a video without annotations: wrong
        ([("a", "y", 0, 10, 0.9), ("a", "x", 0, 10, 0.5)], 1.0),  # a class without annotations: does not count
        ([("a", "x", 5, 5, 0.9), ("a", "x", 0, 10, 0.5)], 1 / 2),  # no length: wrong
        ([("b", "y", 0, 10, 0.9)], 0.0),
    ],
)
def test_one_annotated_segment(predictions, expected):
    assert mean_average_precision(ONE, said(*predictions))["map"] == pytest.approx(expected, abs=1e-12)


def test_best_remaining_segment_is_taken():
    """The second prediction overlaps the taken segment most, and takes the other, whose tIoU is 0.4 (8 of 20)."""
    two = truth(("a", "x", 0, 10), ("a", "x", 6, 20))
    found = mean_average_precision(two, said(("a", "x", 0, 10, 0.9), ("a", "x", 0, 14, 0.8)))
    assert found["map@0.4"] == 1.0
    assert found["map@0.5"] == 0.5


def test_interpolated():
    """Right, wrong, right of two segments: precision 1 up to recall 1/2, then 2/3."""
    two = truth(("a", "x", 0, 10), ("b", "x", 0, 10))
    found = mean_average_precision(two, said(("a", "x", 0, 10, 0.9), ("a", "x", 50, 60, 0.8), ("b", "x", 0, 10, 0.7)))
    assert found["map"] == pytest.approx(0.5 + 0.5 * 2 / 3, abs=1e-12)


def test_mean_over_annotated_classes():
    two = truth(("a", "x", 0, 10), ("a", "y", 0, 10), ("b", "z", 0, 1))
    assert mean_average_precision(two, said(("a", "x", 0, 10, 0.5)))["map"] == pytest.approx(1 / 3, abs=1e-12)


def random_case(seed):
    """Annotations and predictions near them, with ties of scores and of tIoU, several classes and empty videos."""
    rng = np.random.default_rng(seed)
    classes, videos = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    whole = bool(rng.integers(2))  # whole seconds: equal tIoU, and tIoU that are thresholds
    rows, guesses = [], []
    for video in range(videos):
        for _ in range(int(rng.integers(0, 4)) if rows else 1):
            start, length = rng.uniform(0, 60), rng.uniform(1, 20)
            times = np.array([start, start + length])
            label = int(rng.integers(classes))
            rows.append((f"v{video}", label, *(times.round() + np.array([0, 1]) if whole else times)))
            for _ in range(int(rng.integers(0, 4))):
                near = times + rng.normal(0, length / 4, 2)
                near = np.sort(near.round() if whole else near)
                other = label if rng.random() < 0.8 else int(rng.integers(classes))
                guesses.append((f"v{video}", other, *near, rng.random()))
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0, 60)
        guesses.append((f"v{rng.integers(videos + 2)}", int(rng.integers(classes)), start, start + 5, rng.random()))
    if rng.integers(2):  # ties, as in files with rounded scores
        guesses = [(*g[:4], round(g[4], 1)) for g in guesses]
    known = {r[1] for r in rows}
    # ANETdetection takes the number of a class that is not annotated for the position of one that is: left out here.
    guesses = [g for g in guesses if g[1] in known]
    return rows, guesses or [("v0", rows[0][1], 0.0, 1.0, 0.5)]


def test_equal_to_the_actionformer_package_on_200_random_cases(tmp_path, monkeypatch):
    peer = pytest.importorskip("actionformer.utils.metrics", reason="the extra downstream is not installed")
    worst = 0.0
    # Its recall is not compared, and takes most of the time.
    monkeypatch.setattr(peer.ANETdetection, "wrapper_compute_topkx_recall", lambda self, preds: np.zeros((5, 2, 1)))
    for seed in range(200):
        rows, guesses = random_case(seed)
        database = {}
        for video, label, start, end in rows:
            entry = database.setdefault(video, {"subset": "Test", "annotations": []})
            entry["annotations"].append({"segment": [start, end], "label": str(label), "label_id": label})
        (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator = peer.ANETdetection(
                str(tmp_path / "truth.json"), "test", tiou_thresholds=np.linspace(0.3, 0.7, 5), num_workers=1
            )
            columns = dict(
                zip(("video-id", "label", "t-start", "t-end", "score"), zip(*guesses, strict=True), strict=True)
            )
            given = {k: list(v) if k == "video-id" else np.array(v) for k, v in columns.items()}
            each, mean, *_ = evaluator.evaluate(given, verbose=False)
        found = mean_average_precision(truth(*once(rows)), said(*guesses))
        worst = max(worst, *np.abs(np.array([found[f] for f in FIGURES]) - [mean, *each]))
    print(f"largest difference: {worst:.3g}")
    assert worst < 1e-12  # sums of at most a few hundred terms


def once(rows):
    """Without repeated annotations, which random whole seconds may contain."""
    return list(dict.fromkeys(rows))


def test_replicates_draw_videos():
    """Two videos, one found and one not: mAP is the share of draws of the first, 0, 1/2 or 1."""
    ids = ["a", "b"]
    matches = metrics.match(truth(("a", "x", 0, 10), ("b", "x", 0, 10)), said(("a", "x", 0, 10, 0.5)), videos=ids)
    values = metrics.replicates(matches, ids)["map"]
    assert set(values) == {0.0, 0.5, 1.0}
    assert values.mean() == pytest.approx(0.5, abs=5 * 0.36 / np.sqrt(len(values)))  # 5 standard errors


def test_replicates_equal_figures_if_every_video_is_alike():
    ids = ["a", "b", "c"]
    rows = [(v, "x", 0, 10) for v in ids]
    matches = metrics.match(truth(*rows), said(*((*r, 0.5 - k / 10) for k, r in enumerate(rows))), videos=ids)
    assert np.allclose(metrics.replicates(matches, ids)["map"], 1.0, rtol=0, atol=1e-12)


def test_a_draw_without_annotated_videos_has_no_figures():
    """One of three videos is annotated: (2/3)^3 = 8 of 27 draws have no segment, and do not count."""
    ids = ["a", "b", "c"]
    matches = metrics.match(ONE, said(("a", "x", 0, 10, 0.9), ("b", "x", 0, 10, 0.5)), videos=ids)
    values = metrics.replicates(matches, ids)["map"]
    assert np.isnan(values).mean() == pytest.approx(8 / 27, abs=5 * np.sqrt(8 * 19 / 27**2 / len(values)))
    assert np.allclose(values[~np.isnan(values)], 1.0)
    assert metrics.table(matches, np.array([0, 2, 1]))[1].shape == (0, 5)
