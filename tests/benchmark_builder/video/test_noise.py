"""Noise that moves along a flow: grains move as a whole, none is copied, and every frame is pure noise."""

import numpy as np
import pytest
from scipy.stats import chi2

from benchmark_builder.utils.rng import generator
from benchmark_builder.video.noise import moving_noise

SIZE = (20, 24)


def made(flows: list[np.ndarray], seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.stack(list(moving_noise(flows, *size, generator(seed, "noise", "test"))))


def flow(x: float | np.ndarray, y: float | np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y, np.zeros(size))[:2], axis=-1).astype(np.float32)


def test_without_motion_nothing_changes_and_a_draw_repeats() -> None:
    frames = made([flow(0, 0)] * 3)
    assert frames.shape == (4, *SIZE, 3) and frames.dtype == np.uint8
    assert (frames == frames[0]).all()
    moving = [flow(1.3, -0.7)] * 3
    assert (made(moving) == made(moving)).all() and (made(moving) != made(moving, seed=1)).any()


def test_grains_move_by_whole_cells_and_new_ones_come_at_the_border() -> None:
    before, after = made([flow(2, -1)])
    assert (after[:-1, 2:] == before[1:, :-2]).all()
    fresh = np.ones(SIZE, bool)
    fresh[:-1, 2:] = False
    known = {tuple(v) for v in before.reshape(-1, 3)}
    assert not any(tuple(v) in known for v in after[fresh])


@pytest.mark.parametrize("speed", [0.1, 0.25, 0.5, 0.9, 1.7])
def test_slow_motion_adds_up(speed: float) -> None:
    frames = made([flow(speed, 0)] * 10)
    for t in range(1, 11):
        shifts = [k for k in range(24) if (frames[t][:, k:] == frames[0][:, : 24 - k]).all()]
        # The nearest whole cell; rounding of the flow to float32 may decide a half either way.
        assert any(abs(k - speed * t) <= 0.5 + 1e-5 for k in shifts)


def test_what_moves_is_in_front_and_no_grain_is_copied() -> None:
    motion = np.zeros((*SIZE, 2), np.float32)
    motion[5, 5] = 3, 0  # onto a cell at rest
    before, after = made([motion])
    assert (after[5, 8] == before[5, 5]).all()
    assert not (after[5, 5] == before[5, 5]).all()  # uncovered
    other = np.ones(SIZE, bool)
    other[5, [5, 8]] = False
    assert (after[other] == before[other]).all()
    y, x = np.mgrid[:20, :24] - np.array([10, 12])[:, None, None]
    for zoom in (-0.4, 0.4):  # to the middle, and away from it
        for frame in made([flow(zoom * x, zoom * y)] * 5):
            assert len(np.unique(frame.reshape(-1, 3), axis=0)) == 20 * 24  # equal by chance: once in 100 frames


def test_a_flow_that_is_not_finite_is_no_motion() -> None:
    motion = np.zeros((*SIZE, 2), np.float32)
    motion[3, 3], motion[4, 4] = (np.nan, 0), (np.inf, -np.inf)
    frames = made([motion])
    assert (frames[0] == frames[1]).all()


def test_every_frame_is_uniform_and_independent_whatever_moves() -> None:
    """The distribution of values, and of differences of neighbours, in and out of what moves, after many frames."""
    size, bins = (96, 96), 16
    y, x = np.mgrid[:96, :96]
    inside = (np.hypot(y - 48, x - 48) < 25)[..., None]
    rng = generator(0, "flows", "test")
    flows = [
        np.where(inside, rng.normal(0, 1.5, (*size, 2)) - 0.05 * np.stack([x - 48, y - 48], -1), 0.0) for _ in range(12)
    ]
    last = made([f.astype(np.float32) for f in flows], size=size)[-1].astype(int)
    # 99.99 % points of chi-square with 15 degrees of freedom: six tests fail once in 1,600 draws; this draw is fixed.
    limit = chi2.ppf(0.9999, bins - 1)
    for region in (inside[..., 0], ~inside[..., 0]):
        pair = region[:, 1:] & region[:, :-1]
        right = (last[:, 1:] - last[:, :-1])[pair] % 256  # uniform as well, if neighbours are independent
        down = (last[1:] - last[:-1])[region[1:] & region[:-1]] % 256
        for values in (last[region], right, down):
            counts = np.bincount(values.ravel() * bins // 256, minlength=bins)
            expected = counts.sum() / bins
            assert ((counts - expected) ** 2 / expected).sum() < limit
