"""Clip sampling: indices, boxes and pixels against values worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from albar.clips import clips
from albar.clips.clips import SAMPLINGS, ClipSampling
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator


def plain(**changes: object) -> ClipSampling:
    """Small clips without resizing, on which pixels can be compared."""
    base = ClipSampling(frames=4, stride=2, size=8, resize=8, crop="centre", flip=0.0)
    return base.replaced(changes)


def coded(frames: int, height: int = 8, width: int = 8) -> np.ndarray:
    """Frame k is filled with k."""
    return np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, height, width, 3))


@pytest.mark.parametrize(
    ("n", "changes", "wanted"),
    [
        (11, {}, [2, 4, 6, 8]),  # spans 7 of 11: 4 to spare, 2 on each side
        (11, {"test_start": "first"}, [0, 2, 4, 6]),
        (7, {}, [0, 2, 4, 6]),
        (5, {"short": "wrap"}, [0, 2, 4, 1]),
        (5, {"short": "clamp"}, [0, 2, 4, 4]),
        (7, {"shrink_stride": True}, [1, 2, 3, 4]),  # 4 · 2 > 7, so stride 1 spans 4: 3 to spare, 1 before
        (8, {"shrink_stride": True}, [0, 2, 4, 6]),  # 4 · 2 = 8 fits
        (2, {"shrink_stride": True}, [0, 1, 1, 1]),
        (1, {"short": "wrap"}, [0, 0, 0, 0]),
        (16, {"even": True}, [2, 6, 10, 14]),  # four shares of four: the third frame of each starts in its middle
        (16, {"even": True, "test_start": "first"}, [0, 4, 8, 12]),
        (10, {"even": True}, [1, 3, 6, 8]),  # middles at 1.25, 3.75, 6.25, 8.75
        (3, {"even": True, "stride": 100}, [0, 1, 1, 2]),  # .375, 1.125, 1.875, 2.625
    ],
)
def test_indices_by_hand(n: int, changes: dict, wanted: list[int]) -> None:
    assert clips.eval_indices(n, plain(**changes)).tolist() == wanted


@given(
    n=st.integers(1, 200),
    frames=st.integers(1, 40),
    stride=st.integers(1, 5),
    short=st.sampled_from(["clamp", "wrap"]),
    shrink=st.booleans(),
    seed=st.integers(0, 5),
)
def test_indices_stay_in_the_video(n: int, frames: int, stride: int, short: str, shrink: bool, seed: int) -> None:
    s = plain(frames=frames, stride=stride, short=short, shrink_stride=shrink)
    for indices in (clips.eval_indices(n, s), clips.train_indices(n, s, generator(seed, "v", "epoch/0"))):
        assert indices.shape == (frames,)
        assert indices.min() >= 0 and indices.max() < n
        if (frames - 1) * stride < n and not shrink:  # it fits, so it is evenly spaced
            assert set(np.diff(indices)) <= {stride}


@given(n=st.integers(1, 200), frames=st.integers(1, 40), views=st.integers(1, 4), seed=st.integers(0, 5))
def test_even_indices_take_one_frame_from_each_share(n: int, frames: int, views: int, seed: int) -> None:
    s = plain(frames=frames, even=True)
    drawn = clips.train_indices(n, s, generator(seed, "v", "epoch/0"))
    shares = np.arange(frames) * n / frames
    for indices in (drawn, *(clips.eval_indices(n, s, view, views) for view in range(views))):
        assert indices.shape == (frames,) and indices.dtype == np.int64
        assert (indices >= np.floor(shares)).all() and (indices < np.ceil(shares + n / frames)).all()
    assert "even" not in plain().to_dict() and s.from_dict(s.to_dict()) == s


def test_several_views_of_even_frames_differ() -> None:
    s = plain(frames=2, even=True)
    assert [clips.eval_indices(24, s, k, 3).tolist() for k in range(3)] == [[2, 14], [6, 18], [10, 22]]


def test_a_training_start_reaches_both_ends_and_only_them() -> None:
    s = plain()  # spans 7
    starts = {int(clips.train_indices(9, s, generator(0, "v", f"epoch/{k}"))[0]) for k in range(60)}
    assert starts == {0, 1, 2}  # 60 draws miss one of three with chance 3 · (2/3)^60 < 1e-9; the draws are fixed anyway


def test_the_centre_box_by_hand() -> None:
    # 320x240 scaled to short side 256 is by 256/240; 224 of that is 210 source pixels, centred.
    assert clips.eval_box(240, 320, SAMPLINGS["32x2-224"]) == (15, 55, 210, 210)
    assert clips.eval_box(48, 48, SAMPLINGS["8x2-48"]) == (0, 0, 48, 48)


@pytest.mark.parametrize("crop", ["random_resized", "random", "centre"])
def test_training_boxes_lie_inside_and_follow_their_settings(crop: str) -> None:
    s = ClipSampling(crop=crop, area=(0.25, 0.5), aspect=(0.75, 4 / 3))
    for k in range(100):
        top, left, h, w = clips.train_box(240, 320, s, generator(0, f"v{k}", "epoch/0"))
        assert top >= 0 and left >= 0 and top + h <= 240 and left + w <= 320
        if crop == "random_resized":
            # Sides are rounded by up to half a pixel, so the area by up to (h + w) / 2 + 1/4 pixels.
            slack = ((h + w) / 2 + 0.25) / (240 * 320)
            assert 0.25 - slack <= h * w / (240 * 320) <= 0.5 + slack
            assert (w - 0.5) / (h + 0.5) <= 4 / 3 and (w + 0.5) / (h - 0.5) >= 0.75
        else:
            assert (h, w) == (210, 210)


def test_a_draw_depends_on_seed_video_and_epoch_alone() -> None:
    s = ClipSampling()

    def cut(seed: int, video: str, epoch: int) -> tuple:
        made = clips.train_cut(300, 240, 320, s, generator(seed, video, f"epoch/{epoch}"))
        return (*made.indices.tolist(), *made.box, made.flip)

    assert cut(0, "a", 0) == cut(0, "a", 0)
    assert len({cut(0, "a", 0), cut(1, "a", 0), cut(0, "b", 0), cut(0, "a", 1)}) == 4


def test_clip_pixels_order_and_normalisation() -> None:
    s = plain(mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    clip = clips.eval_clip(iter(coded(11)), 11, s)
    assert clip.shape == (3, 4, 8, 8) and clip.dtype == torch.float32
    for t, k in enumerate((2, 4, 6, 8)):
        wanted = [(k / 255 - 0.5) / 0.5, (k / 255 - 0.25) / 1.0, (k / 255) / 2.0]
        # Three float32 roundings of values below 1.
        np.testing.assert_allclose(clip[:, t, 0, 0].numpy(), wanted, atol=4 * 2**-24)
        assert (clip[:, t] == clip[:, t, :1, :1]).all()


def test_the_crop_is_the_middle_of_the_picture_and_not_flipped() -> None:
    frame = np.zeros((8, 20, 3), np.uint8)
    frame[:, :, 0] = np.arange(20)  # red tells the column
    clip = clips.eval_clip([frame], 1, plain(frames=1, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    assert (clip[0, 0, 0] * 255).round().tolist() == list(range(6, 14))


def test_a_flip_mirrors_the_columns_of_every_frame() -> None:
    video = generator(0, "v", "pixels").integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    indices = np.arange(4)
    box = (0, 0, 8, 8)
    found = dict(enumerate(video))
    straight = clips.assemble(found, clips.Cut(indices, box, False), 8)
    flipped = clips.assemble(found, clips.Cut(indices, box, True), 8)
    assert torch.equal(flipped, straight.flip(-1)) and not torch.equal(flipped, straight)
    np.testing.assert_array_equal(straight.permute(1, 2, 3, 0).numpy(), video[:4])


def test_scaling_keeps_a_constant_and_averages_when_it_shrinks() -> None:
    assert (clips.cut_frame(np.full((50, 50, 3), 77, np.uint8), (0, 0, 50, 50), 8) == 77).all()
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255  # without anti-aliasing this would alias to 0 or 255
    made = clips.cut_frame(np.repeat(checks[..., None], 3, 2).astype(np.uint8), (0, 0, 64, 64), 8)
    assert (made[:, 1:-1, 1:-1].int() - 127).abs().max() <= 2


def test_a_still_clip_equals_the_clip_of_its_repeats_without_copying() -> None:
    frame = generator(0, "v", "pixels").integers(0, 256, (30, 40, 3), dtype=np.uint8)
    s = plain()
    still = clips.still_clip(frame, s)
    assert torch.equal(still, clips.eval_clip([frame] * 16, 16, s))
    assert still.stride(1) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 16, "resize": 20},  # scaled up as well as down
        {"views": 3, "crops": 3},
        {"frames": 24, "short": "wrap", "views": 2},  # the end and the beginning in one clip
        {"frames": 24, "short": "clamp", "crops": 3},
    ],
)
def test_frames_cut_together_are_those_cut_alone(changes: dict) -> None:
    video = generator(0, "v", "pixels").integers(0, 256, (23, 30, 40, 3), dtype=np.uint8)
    s = plain(frames=9, stride=1, size=8, resize=12).replaced(changes)  # nine: more than are scaled at once
    made = clips.eval_clips(iter(video), len(video), s)
    assert made.shape == (s.views * s.crops, 3, s.frames, s.size, s.size) and made.is_contiguous()
    alone = [
        torch.stack([clips.cut_frame(video[k], box, s.size) for k in clips.eval_indices(len(video), s, v, s.views)], 1)
        for v in range(s.views)
        for box in clips.eval_boxes(30, 40, s)
    ]
    assert torch.equal(made, torch.stack(alone))


def test_normalising_batch_after_batch_gives_the_same_in_the_same_memory() -> None:
    s = plain(mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    prepare, places = clips.Normaliser(s), set()
    for count in (3, 2, 3):
        batch = torch.from_numpy(generator(count, "v", "pixels").integers(0, 256, (count, 3, 4, 8, 8), dtype=np.uint8))
        made = prepare(batch)
        assert torch.equal(made, clips.normalise(batch, s))
        places.add(made.data_ptr())
    assert len(places) == 1


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (2, 3, 1, 8, 8), (2, 2, 3, 2, 4, 4), (0, 3, 2, 4, 4)])
def test_every_value_is_normalised_as_the_formula_says(shape: tuple[int, ...]) -> None:
    s = plain(mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989))
    batch = torch.from_numpy(generator(0, "v", "pixels").integers(0, 256, shape, dtype=np.uint8))
    mean, std = (torch.tensor(three).view(3, 1, 1, 1) * 255 for three in (s.mean, s.std))
    assert torch.equal(clips.normalise(batch, s), (batch.float() - mean) / std)
    assert torch.equal(clips.normalise(batch.transpose(-1, -2), s), (batch.float().transpose(-1, -2) - mean) / std)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_training_clip_is_its_frames_cut_one_by_one(flip: bool, channels: int) -> None:
    video = generator(0, "v", "pixels").integers(0, 256, (12, 30, 40, channels), dtype=np.uint8)
    for indices in (np.arange(11), np.arange(11) % 9, np.minimum(np.arange(4, 15), 11), np.array([7, 3])):
        cut = clips.Cut(indices, (3, 5, 20, 26), flip)
        alone = torch.stack([clips.cut_frame(video[k], cut.box, 16) for k in indices], 1)
        made = clips.assemble({int(k): video[k] for k in indices}, cut, 16)
        assert torch.equal(made, alone.flip(-1) if flip else alone) and made.is_contiguous()
        assert torch.equal(clips.assemble(clips.picked(video, indices), cut, 16), made)


def test_no_frame_beyond_the_last_wanted_is_read() -> None:
    read = []

    def frames():
        for k, frame in enumerate(coded(100)):
            read.append(k)
            yield frame

    clips.eval_clip(frames(), 11, plain())
    assert read[-1] == 8


def test_a_video_shorter_than_stated_is_told() -> None:
    with pytest.raises(clips.ShortVideo, match="has 5 frames") as caught:
        clips.eval_clip(iter(coded(5)), 11, plain())
    assert caught.value.count == 5


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"frames": 0}, "frames"),
        ({"size": 300}, "resize"),
        ({"flip": 1.5}, "flip"),
        ({"short": "loop"}, "clamp, wrap"),
        ({"area": [0.5]}, "area"),
        ({"std": [0, 1, 1]}, "std"),
        ({"colour": 1}, "--clip colour=1: no such setting"),
        ({"frames": "many"}, "frames"),
        ({"frames": 2.5}, "frames"),
        ({"shrink_stride": 1}, "shrink_stride"),
    ],
)
def test_bad_settings_are_refused_by_name(changes: dict, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        ClipSampling().replaced(changes)


def test_an_unknown_preset_lists_the_choices() -> None:
    with pytest.raises(BenchError, match="8x2-48"):
        clips.sampling("9x9")


@pytest.mark.parametrize("name", SAMPLINGS)
def test_settings_survive_the_round_trip(name: str) -> None:
    assert ClipSampling.from_dict(SAMPLINGS[name].to_dict()) == SAMPLINGS[name]


def test_clips_told_apart_by_direction_are_not_flipped_by_default() -> None:
    assert SAMPLINGS["8x2-48"].flip == 0


@pytest.mark.parametrize("name", ["box", "boxes", "clip", "clips", "indices"])
def test_old_names_that_pytest_took_for_tests_are_found_with_a_warning(name: str) -> None:
    with pytest.warns(FutureWarning, match=f"test_{name} is now .*eval_{name}"):
        found = getattr(clips, f"test_{name}")
    assert found is getattr(clips, f"eval_{name}") and not hasattr(clips, "test_nothing")
