"""Segments of training videos, and scores of frames."""

import itertools

import numpy as np
import pytest

from evaluator.downstream.anomaly.frames import frame_scores, segments


def published(features: np.ndarray, count: int) -> np.ndarray:
    """As the public code of RTFM and MGFN reduces one crop, (T, D) -> (S, D)."""
    edges = np.linspace(0, len(features), count + 1, dtype=int)
    return np.stack([
        features[a:b].mean(0) if a != b else features[a] for a, b in itertools.pairwise(edges)
    ])  # fmt: skip


@pytest.mark.parametrize("windows", [1, 2, 31, 32, 33, 64, 100])
def test_segments_are_the_published_ones(windows) -> None:
    features = np.random.default_rng(windows).standard_normal((windows, 2, 3)).astype(np.float32)
    found = segments(features, 32)
    assert found.shape == (2, 32, 3) and found.dtype == np.float32
    for crop in range(2):
        # 1e-6: float32 means of up to 4 values of size 1
        assert np.allclose(found[crop], published(features[:, crop], 32), atol=1e-6)


def test_segments_by_hand() -> None:
    features = np.arange(5, dtype=np.float32)[:, None, None]
    # linspace(0, 5, 3) = 0, 2.5, 5: windows 0, 1 and 2, 3, 4
    assert segments(features, 2)[0, :, 0].tolist() == [0.5, 3]
    # linspace(0, 2, 5) = 0, 0.5, 1, 1.5, 2: windows 0 (none between), 0, 1 (none between), 1
    assert segments(features[:2], 4)[0, :, 0].tolist() == [0, 0, 1, 1]


def test_without_overlap_each_score_is_repeated() -> None:
    scores = np.random.default_rng(0).random(7)
    assert np.array_equal(frame_scores(scores, np.arange(7) * 16, 16, 112), np.repeat(scores, 16))
    # Frames at the end in no window take the last score; frames that a padded window lacks are cut.
    longer = np.append(np.repeat(scores, 16), [scores[6]] * 8)
    assert np.array_equal(frame_scores(scores, np.arange(7) * 16, 16, 120), longer)
    assert np.array_equal(frame_scores(scores, np.arange(7) * 16, 16, 100), np.repeat(scores, 16)[:100])


def test_overlap_takes_the_mean() -> None:
    # Windows of 4 frames at 0 and 2: frames 0, 1 | 2, 3 (both) | 4, 5
    assert frame_scores(np.array([1.0, 3.0]), np.array([0, 2]), 4, 6).tolist() == [1, 1, 2, 2, 3, 3]


def test_gaps_take_the_nearest_window() -> None:
    # Windows of 2 frames at 0, 6 and 11. Frames 2 to 5: 2, 3 are nearer to the first, 4, 5 to the second.
    # Frames 8 to 10: 8 after the second, 10 before the third, 9 equally near to both: the earlier.
    found = frame_scores(np.array([1.0, 2.0, 3.0]), np.array([0, 6, 11]), 2, 15)
    assert found.tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]


def test_frames_before_the_first_window() -> None:
    assert frame_scores(np.array([1.0, 2.0]), np.array([3, 5]), 2, 7).tolist() == [1, 1, 1, 1, 1, 2, 2]
