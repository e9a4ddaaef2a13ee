"""Windows, frame rates and crops."""

import numpy as np
import pytest
import torch
from long_videos import SAMPLING, noise

from albar.clips.clips import cut_frame, eval_clips
from benchmark_builder.untrimmed import Segment
from benchmark_builder.utils.errors import BenchError
from evaluator.features.annotations import segment_row
from evaluator.features.cropping import Cropper
from evaluator.features.options import FeaturesOptions
from evaluator.features.presets import DEFAULTS, PRESETS
from evaluator.features.windows import FrameRate, clip_offsets, window_count


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 31, 32, 33, 300])
def test_counts_are_those_of_the_published_protocols(frames):
    full = max(1, frames // 16)
    assert window_count(frames, 16, 16, "floor") == full  # RTFM
    assert window_count(frames, 16, 16, "ceil") == -(-frames // 16)  # UR-DMU
    starts = range(0, frames - 15, 4)  # VideoMAEv2's extract_tad_feature.py
    assert window_count(frames, 16, 4, "floor") == max(1, len(starts))


def test_ceil_covers_every_frame_and_starts_no_window_after_the_end():
    for window in range(1, 12):
        for stride in range(1, 14):
            for frames in range(1, 40):
                starts = np.arange(window_count(frames, window, stride, "ceil")) * stride
                covered = {k for s in starts for k in range(s, s + window)}
                wanted = {k for k in range(frames) if k % stride < window or stride <= window}
                assert starts[-1] < frames and wanted <= covered
                if len(starts) > 1:  # not one more than it takes
                    assert starts[-2] + window < frames
                full = np.arange(window_count(frames, window, stride, "floor")) * stride
                assert len(full) == 1 or (full[-1] + window <= frames < full[-1] + stride + window)


def test_which_frames_of_a_window_the_network_sees():
    assert clip_offsets(16, SAMPLING.replaced({"frames": 16, "stride": 1}))[0].tolist() == list(range(16))
    two = SAMPLING.replaced({"frames": 8, "stride": 2})
    assert clip_offsets(16, two)[0].tolist() == list(range(0, 16, 2))
    # The centre of the window, as of a test video of that length.
    assert clip_offsets(20, two)[0].tolist() == list(range(2, 18, 2))
    swin = SAMPLING.replaced({"frames": 32, "stride": 2})
    found, resampled = clip_offsets(16, swin)
    assert resampled and found.tolist() == sorted([*range(16), *range(16)])
    found, resampled = clip_offsets(16, SAMPLING.replaced({"frames": 16, "stride": 4}))
    assert resampled and found.tolist() == list(range(16))  # VideoMAE
    assert clip_offsets(64, swin) == (pytest.approx(np.arange(32) * 2), False)


@pytest.mark.parametrize(("source", "wanted"), [(30.0, 10.0), (25.0, 30.0), (29.97, 30.0), (10.0, 10.0), (7.5, 30.0)])
def test_frame_j_is_the_one_shown_nearest_to_its_time(source, wanted):
    rate, shown = FrameRate(source, wanted), []
    for k in range(50):
        shown += [k] * rate.copies(k)
    for j, k in enumerate(shown):
        assert abs(j / wanted - k / source) <= 0.5 / source + 1e-9
    assert abs(len(shown) - 50 * wanted / source) <= 1 + wanted / source / 2
    assert rate.fps == wanted
    own = FrameRate(source, None)
    assert own.fps == source and [own.copies(k) for k in range(5)] == [1] * 5


def test_three_crops_are_those_of_the_tests_of_the_network():
    frame = noise(1)[0]
    cut = Cropper(SAMPLING, 3, "model").cut(frame)
    wanted = eval_clips([frame], 1, SAMPLING.replaced({"crops": 3, "frames": 1}))
    assert torch.equal(cut, wanted[:, :, 0])


def test_ten_crops_are_torchvisions():
    functional = pytest.importorskip("torchvision.transforms.functional")
    frame = noise(1, 20, 31)[0]  # the short side is `resize`, so nothing is scaled
    cut = Cropper(SAMPLING.replaced({"resize": 20}), 10, "model").cut(frame)
    wanted = functional.ten_crop(torch.from_numpy(frame).permute(2, 0, 1), 16)
    # torchvision rounds the centre of an odd rest up, the network's own tests down.
    for k in (0, 1, 2, 3, 5, 6, 7, 8):
        assert torch.equal(cut[k], wanted[k]), k
    assert torch.equal(cut[4], torch.from_numpy(frame[2:18, 7:23]).permute(2, 0, 1))


def test_ten_crops_of_ur_dmu():
    frame = noise(1, 256, 340)[0]
    cut = Cropper(SAMPLING.replaced({"size": 224, "resize": 256}), 10, "340x256").cut(frame)
    turned = frame[:, ::-1]
    parts = [p for f in (frame, turned) for p in (
        f[:224, :224], f[:224, -224:], f[16:240, 58:282], f[-224:, :224], f[-224:, -224:])]  # fmt: skip
    for k, part in enumerate(parts):
        assert np.array_equal(cut[k].permute(1, 2, 0).numpy(), part), k


def test_squash_shows_the_whole_picture():
    frame = noise(1)[0]
    cut = Cropper(SAMPLING, 1, "squash").cut(frame)
    assert torch.equal(cut[0], cut_frame(frame, (0, 0, 18, 24), 16))


def test_presets_are_defaults_for_what_is_not_given():
    for name, preset in PRESETS.items():
        options = FeaturesOptions(preset=name)
        assert {k: options.value(k) for k in DEFAULTS} == DEFAULTS | preset
    assert FeaturesOptions(preset="rtfm", crops=1, last="ceil").value("crops") == 1
    for wrong, told in [({"crops": 5}, "choose from 1, 3, 10"), ({"preset": "videomaev2", "crops": 3}, "squash"),
                        ({"window": 0}, "window"), ({"fps": 0}, "fps"), ({"preset": "i3d"}, "preset")]:  # fmt: skip
        with pytest.raises(BenchError, match=told):
            FeaturesOptions(**wrong)


def test_segments_in_frames_of_the_features():
    def row(segment, unit, frames=100, fps=30.0, source=30.0):
        made = segment_row("v", "anomaly", segment, unit, frames, fps, source)
        return made and (float(made["start"]), float(made["end"]), made["start_frame"], made["end_frame"])

    assert row(Segment("x", 15, 40), "frames") == (0.5, pytest.approx(4 / 3), 15, 40)
    assert row(Segment("x", 30, 60), "frames", fps=15.0) == (1.0, 2.0, 15, 30)
    assert row(Segment("x", 1.0, 2.0), "seconds", fps=10.0) == (1.0, 2.0, 10, 20)
    assert row(Segment("x", 9, 12), "seconds", fps=10.0) == (9.0, 12.0, 90, 100)  # after the end: seconds stay
    assert row(Segment("x", 1.0, 1.001), "seconds", fps=10.0) == (1.0, 1.001, 10, 11)  # at least one frame
    assert row(Segment("x", 10.0, 11.0), "seconds", fps=10.0) is None
