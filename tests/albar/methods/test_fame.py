"""FAME: its foreground against a plain re-computation, the share β, hue, and what is pasted where."""

import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import albar.methods.fame
from albar.clips.clips import ClipSampling, normalise
from albar.methods import Batch, Companions, make_method
from albar.methods.fame import blurred, colour_bins, colour_shares, foreground, hsv
from benchmark_builder.utils.errors import BenchError

COMPANIONS = Companions(3, ClipSampling())


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_hsv_is_colorsys() -> None:
    colours = torch.rand(200, 3, 1, 1, generator=draw(), dtype=torch.float64)
    corners = [[r, g, b] for r in (0.0, 0.5, 1.0) for g in (0.0, 0.5, 1.0) for b in (0.0, 0.5, 1.0)]  # greys, primaries
    colours = torch.cat([colours, torch.tensor(corners, dtype=torch.float64).view(-1, 3, 1, 1)])
    hue, saturation, value = hsv(colours)
    for k, (r, g, b) in enumerate(colours.view(-1, 3).tolist()):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        assert saturation[k].item() == pytest.approx(s, abs=1e-12) and value[k].item() == v
        if s > 0:
            assert math.cos(hue[k].item() - 2 * math.pi * h) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("colour", "levels"),
    [
        # (S cos H, S sin H, V) stretched to 0..9 and rounded, a half to the even one: 4.5 -> 4.
        ((1.0, 0.0, 0.0), (9, 4, 9)),  # H = 0
        ((0.0, 0.0, 0.0), (4, 4, 0)),
        ((1.0, 1.0, 1.0), (4, 4, 9)),
        ((0.5, 1.0, 0.0), (4.5 * (1 + math.cos(math.pi / 2)), 9, 9)),  # H = 90°
        ((0.0, 1.0, 0.0), (2, 8, 9)),  # H = 120°: 4.5 · 0.5 = 2.25 and 4.5 · 1.866 = 8.4
        ((0.0, 0.0, 0.5), (2, 1, 4)),  # H = 240°: 2.25 and 4.5 · 0.134 = 0.6; V = 4.5 -> 4
    ],
)
def test_colours_have_ten_levels_a_coordinate(colour: tuple[float, ...], levels: tuple[float, ...]) -> None:
    picture = torch.tensor(colour, dtype=torch.float64).view(1, 3, 1, 1)
    a, b, c = (round(v) for v in levels)
    assert colour_bins(picture).item() == a + 10 * b + 100 * c


def test_the_published_hue_is_two_pi_times_as_large() -> None:
    blue = torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64).view(1, 3, 1, 1)
    hue = 2 * math.pi * (4 / 3 * math.pi)  # 240° in radians, once more times 2π
    levels = [round(4.5 * (1 + math.cos(hue))), round(4.5 * (1 + math.sin(hue))), 9]
    assert colour_bins(blue, published_hue=True).item() == levels[0] + 10 * levels[1] + 100 * levels[2]
    assert colour_bins(blue).item() != colour_bins(blue, published_hue=True).item()
    clip = torch.rand(1, 3, 3, 20, 20, generator=draw())
    assert not torch.equal(foreground(clip, 0.3), foreground(clip, 0.3, published_hue=True))
    method = make_method("fame", "finetune", {"hue": "published", "p": 1.0, "beta": 0.3})
    plain = make_method("fame", "finetune", {"p": 1.0, "beta": 0.3})
    batch = Batch(torch.cat([clip, 1 - clip]), torch.tensor([0, 1]))
    for each in (method, plain):
        each.prepare(nn.Identity(), clip, COMPANIONS)
    assert not torch.equal(method.augment(batch, draw(1)).clips, plain.augment(batch, draw(1)).clips)


def published_bin(rgb: tuple[float, float, float]) -> int:
    """FAME's own: round(v · 9 + 1), then one taken off each coordinate's number; Python rounds a half as torch does."""
    h, s, v = colorsys.rgb_to_hsv(*rgb)
    h *= 2 * math.pi
    a, b, c = (round(x * 9 + 1) for x in ((s * math.cos(h) + 1) / 2, (s * math.sin(h) + 1) / 2, v))
    return (a - 1) + 10 * (b - 1) + 100 * (c - 1)


def test_the_published_rounding_puts_greys_into_the_next_bin() -> None:
    greys = [(k / 18,) * 3 for k in range(19)]  # values half-way between two levels, and on them
    colours = [*greys, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.9, 0.4), (0.7, 0.1, 0.65)]
    picture = torch.tensor(colours, dtype=torch.float64).T.reshape(1, 3, 1, -1)
    found = colour_bins(picture, published_rounding=True).flatten().tolist()
    assert found == [published_bin(colour) for colour in colours]
    plain = colour_bins(picture).flatten().tolist()
    # Both hue coordinates of a grey are 4.5: 5 there, 4 here.
    assert all(f % 100 == 55 and p % 100 == 44 for f, p in zip(found[:19], plain[:19], strict=True))
    assert make_method("fame", "finetune", {}).settings.rounding == "published"  # type: ignore[attr-defined]
    assert make_method("fame", "scratch", {}).settings.rounding == "plain"  # type: ignore[attr-defined]


def test_colour_shares_by_hand() -> None:
    seen = torch.tensor([[7, 7, 999], [0, 1, 2]])
    plain, smoothed = colour_shares(seen, unseen=0), colour_shares(seen, unseen=1)
    assert plain.shape == (2, 1000)
    assert plain[0, [7, 999, 0]].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert smoothed[0, [7, 999, 0]].tolist() == pytest.approx([3 / 1003, 2 / 1003, 1 / 1003])
    assert smoothed[1, [0, 1, 2, 3]].tolist() == pytest.approx([2 / 1003] * 3 + [1 / 1003])


@pytest.mark.parametrize(("size", "kernel"), [(224, 23), (112, 11), (48, 5), (16, 1)])
def test_the_blur_is_a_gaussian_of_a_tenth_of_the_picture(size: int, kernel: int) -> None:
    impulse = torch.zeros(1, size, size, dtype=torch.float64)
    impulse[0, size // 2, size // 2] = 1
    row = blurred(impulse)[0, size // 2]
    weights = np.exp(-0.5 * ((np.arange(kernel) - kernel // 2) / (kernel / 3)) ** 2)
    weights /= weights.sum()
    start = size // 2 - kernel // 2
    # The kernel may be made in float32: relative error 1e-6.
    assert np.allclose(row[start : start + kernel], weights * weights[kernel // 2], rtol=1e-5)
    assert row.count_nonzero() == kernel


@settings(max_examples=25, deadline=None)
@given(
    share=st.floats(0, 1),
    size=st.integers(10, 30),
    constant=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_the_mask_has_exactly_the_share_beta(share: float, size: int, constant: bool, seed: int) -> None:
    rgb = torch.rand(2, 3, 3, size, size + 3, generator=draw(seed))
    if constant:  # nothing moves, one colour: all pixels tie
        rgb = rgb[..., :1, :1].mean(dim=2, keepdim=True).expand(-1, -1, 3, size, size + 3)
    mask = foreground(rgb, share)
    assert mask.dtype == torch.bool and mask.flatten(1).sum(dim=1).tolist() == [int(share * size * (size + 3))] * 2


def plain_foreground_score(rgb: np.ndarray) -> np.ndarray:
    """The blurred q of one clip (3, T, H, W), by loops, colorsys and padding; the first and last steps as published."""
    _, frames, height, width = rgb.shape
    k = int(0.1 * min(height, width)) // 2 * 2 + 1
    weights = np.exp(-0.5 * ((np.arange(k) - k // 2) / (k / 3)) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2

    def blur(picture: np.ndarray) -> np.ndarray:
        padded = np.pad(picture, k // 2, mode="reflect")
        return np.array([[(padded[y : y + k, x : x + k] * kernel).sum() for x in range(width)] for y in range(height)])

    motion = blur(sum(np.abs(rgb[:, t] - rgb[:, t + 1]).sum(axis=0) for t in range(frames - 1)) / (frames - 1))
    bins = np.zeros((height, width), dtype=int)
    for y in range(height):
        for x in range(width):
            h, s, v = colorsys.rgb_to_hsv(*rgb[:, :, y, x].mean(axis=1))
            a, b = s * math.cos(2 * math.pi * h), s * math.sin(2 * math.pi * h)
            bins[y, x] = round((a + 1) / 2 * 9) + 10 * round((b + 1) / 2 * 9) + 100 * round(v * 9)
    order = np.argsort(motion.ravel())
    n = height * width
    moving = np.bincount(bins.ravel()[order[-(n // 2) :]], minlength=1000).astype(float)
    resting = np.bincount(bins.ravel()[order[: n // 10]], minlength=1000) + 1.0
    moving, resting = moving / moving.sum(), resting / resting.sum()
    return blur((moving / (moving + resting))[bins])


def test_the_foreground_is_what_a_plain_computation_says() -> None:
    generator = np.random.default_rng(0)
    # Few colours, so that counts matter; 30 pixels give a kernel of 3.
    palette = generator.random((12, 3))
    ground = palette[generator.integers(6, size=(30, 30))]
    clip = np.stack([ground] * 4)  # (T, H, W, 3)
    for t in range(4):
        clip[t, 8:20, 3 + 4 * t : 13 + 4 * t] = palette[6 + generator.integers(6, size=(12, 10))]
    clip = 0.98 * clip + 0.02 * generator.random(clip.shape)  # no two pixels tie in motion
    rgb = np.ascontiguousarray(clip.transpose(3, 0, 1, 2))
    score = plain_foreground_score(rgb)
    mask = foreground(torch.from_numpy(rgb)[None], 0.3)[0].numpy()
    assert mask.sum() == int(0.3 * 900)
    # Shares are kept in float32 (6e-8 of values below 1), so only pixels that tie to 1e-6 may change places.
    assert score[mask].min() >= score[~mask].max() - 1e-6


def test_a_moving_thing_of_its_own_colour_is_the_foreground() -> None:
    clip = torch.zeros(1, 3, 4, 20, 20)
    clip[:, 2] = 0.8
    for t in range(4):
        clip[:, 0, t, 6:14, 5 + t : 13 + t] = 0.9
    mask = foreground(clip, 0.5)
    assert mask[0, 6:14, 8:13].all()  # where it is in every frame


def test_the_foreground_stays_and_the_rest_is_the_partners(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def left_half(rgb: torch.Tensor, beta: float, *published: bool) -> torch.Tensor:
        seen.append(rgb)
        mask = torch.zeros(len(rgb), 8, 8, dtype=torch.bool)
        mask[:, :, :4] = True
        return mask

    monkeypatch.setattr(albar.methods.fame, "foreground", left_half)
    monkeypatch.setattr(albar.methods.fame, "permutation", lambda *_: torch.tensor([2, 0, 1]))
    values = torch.randint(256, (3, 3, 2, 8, 8), generator=draw(), dtype=torch.uint8)
    clips = normalise(values, COMPANIONS.sampling)
    method = make_method("fame", "finetune", {"p": 1.0})
    method.prepare(nn.Identity(), clips[:1], COMPANIONS)
    mixed = method.augment(Batch(clips, torch.tensor([0, 1, 2])), draw())
    assert torch.equal(mixed.clips[..., :4], clips[..., :4])
    assert torch.equal(mixed.clips[..., 4:], clips[[2, 0, 1]][..., 4:])
    assert mixed.labels.tolist() == [0, 1, 2]
    assert torch.allclose(seen[0], values / 255, atol=1e-6)  # it looks at colours in 0..1: two float32 roundings


def test_only_chosen_clips_change() -> None:
    clips = torch.randn(40, 3, 2, 16, 16, generator=draw())
    method = make_method("fame", "finetune", {"p": 0.5})
    method.prepare(nn.Identity(), clips[:1], COMPANIONS)
    changed = (method.augment(Batch(clips, torch.zeros(40)), draw()).clips != clips).flatten(1).any(dim=1)
    assert 4 < changed.sum() < 36  # 20 are expected; five standard deviations of 3.2


def test_a_clip_of_one_frame_is_refused() -> None:
    with pytest.raises(BenchError, match="frames"):
        make_method("fame", "finetune", {}).prepare(nn.Identity(), torch.zeros(1, 3, 1, 16, 16), COMPANIONS)
