"""`bench features`: windows, resuming, damaged videos."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from crashing import EndingFile
from long_videos import SAMPLING, long_videos, network, noise, scored
from tiny_models import huggingface_folder, zero_shot_folder
from tiny_videos import write_video
from untrimmed_layouts import write_ucf_crime

from albar.clips.clips import eval_clip
from albar.models.heads import logits_and_features
from albar.models.small3d import with_change
from benchmark_builder.utils.errors import BenchError
from evaluator.features import extract, groups, stream
from evaluator.features.extract import extract_features
from evaluator.features.folder import FeatureFolder
from evaluator.features.groups import GroupMaker
from evaluator.features.options import FeaturesOptions
from evaluator.models import load_model
from evaluator.models.factory import from_object

COUNTS = (1, 15, 16, 17, 31, 32, 33)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    return root, long_videos(root, COUNTS)


def run(root, out, model=None, **options):
    found = extract_features(
        model or scored(), "folder", root, out=out, options=FeaturesOptions(progress=False, prefix="", **options)
    )
    return FeatureFolder.open(found.path), found


def starts_by_hand(frames, window, stride, last):
    """Windows by the words of the documentation: full ones; ceil adds one if frames at the end are in none, or in a gap
    between two windows."""
    starts = [s for s in range(0, frames, stride) if s + window <= frames]
    if last == "ceil":
        following = starts[-1] + stride if starts else 0
        covered = starts[-1] + window if starts else 0
        if following < frames and (covered < frames or following == 0):
            starts.append(following)
    return starts or [0]


def by_hand(frames, start, window, sampling=SAMPLING):
    """The model's own features of a window that was cut out of the frames as a video of its own."""
    clip = [frames[min(k, len(frames) - 1)] for k in range(start, start + window)]
    with torch.inference_mode():
        return logits_and_features(network(sampling), eval_clip(clip, window, sampling)[None])[1][0].numpy()


@pytest.mark.parametrize(
    ("window", "stride", "last"),
    [(16, 16, "ceil"), (16, 16, "floor"), (16, 4, "ceil"), (16, 4, "floor"), (8, 12, "ceil"), (8, 20, "floor")],
)
def test_features_of_a_window_are_those_of_the_clip_cut_by_hand(videos, tmp_path, window, stride, last):
    root, frames = videos
    folder, found = run(root, tmp_path / "f", window=window, stride=stride, last=last, batch=5)
    assert [v.id for v in folder.videos()] == [f"v{n:03d}" for n in COUNTS] and not found.report.failed
    for video in folder.videos():
        own = frames[video.id]
        assert video.frames == len(own) and video.fps == 10
        assert video.starts().tolist() == starts_by_hand(len(own), window, stride, last)
        wanted = np.stack([by_hand(own, int(start), window) for start in video.starts()])
        # A batch of another size changes the order of sums: a few units in the last place of values around 1.
        np.testing.assert_allclose(video.features()[:, 0], wanted, rtol=2e-5, atol=2e-6)


def test_a_clip_longer_than_the_window_is_spread_over_it(videos, tmp_path):
    root, frames = videos
    folder, _ = run(root, tmp_path / "f", window=6, stride=6, last="floor")
    assert folder.record["resampled"] is True and folder.record["offsets"] == [0, 2, 3, 5]
    video = next(v for v in folder.videos() if v.id == "v017")
    even = SAMPLING.replaced({"even": True})
    wanted = np.stack([by_hand(frames["v017"], int(start), 6, even) for start in video.starts()])
    np.testing.assert_allclose(video.features()[:, 0], wanted, rtol=2e-5, atol=2e-6)


def test_the_record_says_what_the_features_are(videos, tmp_path):
    root, _ = videos
    model = scored()
    folder, _ = run(root, tmp_path / "f", model)
    record = folder.record
    assert record["model"]["digest"] == model.digest and record["sampling"]["frames"] == 4
    assert (record["dimension"], record["layout"], record["precision"]) == (96, "npy", "float32")
    assert (record["splits"], record["tasks"], record["resampled"]) == (["test"], {}, False)
    rows = (folder.path / "videos.csv").read_text().splitlines()
    assert len(rows) == 1 + len(COUNTS)


def test_every_frame_is_decoded_once(videos, tmp_path, monkeypatch):
    root, frames = videos
    read, seen = stream.read_frames, []

    class Counted:
        def __init__(self, source):
            self.source = source

        def __iter__(self):
            return self

        def __next__(self):
            frame = next(self.source)
            seen.append(frame.tobytes())
            return frame

    monkeypatch.setattr(stream, "read_frames", lambda path, **more: Counted(read(path, **more)))
    run(root, tmp_path / "f", window=16, stride=2)
    assert len(seen) == sum(len(f) for f in frames.values()) == len(set(seen))


def test_a_stopped_run_continues_to_the_same_bytes(videos, tmp_path, monkeypatch):
    root, _ = videos
    monkeypatch.setattr(groups, "GROUP_VIDEOS", 3)
    whole, _ = run(root, tmp_path / "whole", stride=8, batch=4)
    make, count = GroupMaker.make, 0

    def stop(*given):
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return make(*given)

    monkeypatch.setattr(GroupMaker, "make", stop)
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path / "f", stride=8, batch=4)
    monkeypatch.setattr(GroupMaker, "make", make)
    assert len(list((tmp_path / "f/features").iterdir())) == 3 and not (tmp_path / "f/videos.csv").exists()
    with pytest.raises(BenchError, match="it continues"):
        FeatureFolder.open(tmp_path / "f")
    _, found = run(root, tmp_path / "f", stride=8, batch=4)
    assert found.report.made == len(COUNTS) - 3
    files = {p.relative_to(whole.path): p.read_bytes() for p in whole.path.rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path / "f"): p.read_bytes() for p in (tmp_path / "f").rglob("*") if p.is_file()}


@pytest.mark.usefixtures("quick_workers")
def test_processes_change_nothing_and_a_decoder_that_ends_one_costs_its_video(tmp_path, monkeypatch):
    root = tmp_path / "videos"
    long_videos(root, (20, 33, 40))
    monkeypatch.setattr(groups, "GROUP_VIDEOS", 2)
    here, _ = run(root, tmp_path / "here", stride=8, workers=0)
    read = extract.read

    def ending(*given):
        listing = read(*given)
        found = [replace(v, path=EndingFile(v.path)) if v.id == "v033" else v for v in listing.videos]
        return replace(listing, videos=found)

    monkeypatch.setattr(extract, "read", ending)
    folder, found = run(root, tmp_path / "f", stride=8, workers=2)
    (failed,) = found.report.failed
    assert failed["id"] == "v033" and "ended with status 7, twice, the second time alone" in failed["reason"]
    for video, other in zip(folder.videos(), [v for v in here.videos() if v.id != "v033"], strict=True):
        if video.id == "v020":  # its batches were shared with v033
            np.testing.assert_allclose(video.features(), other.features(), rtol=2e-5, atol=2e-6)
        else:
            np.testing.assert_array_equal(video.features(), other.features())
    monkeypatch.setattr(extract, "read", read)
    again, found = run(root, tmp_path / "f", stride=8, workers=0)
    assert found.report.made == 1 and len(again.videos()) == 3


def test_damaged_videos_cost_only_themselves(tmp_path):
    root = tmp_path / "videos"
    long_videos(root, (20, 33, 40))
    data = (root / "v033.mkv").read_bytes()
    (root / "v033.mkv").write_bytes(data[: len(data) // 2])
    (root / "v999.mp4").write_bytes(b"no video")
    folder, found = run(root, tmp_path / "f")
    assert {v.id for v in folder.videos()} >= {"v020", "v040"}
    told = {v.id: v.reason for v in folder.left_out}
    assert "v999" in told and "v999.mp4" in told["v999"]
    assert {f["id"] for f in found.report.failed} == set(told)
    (root / "v999.mp4").unlink()
    write_video(root / "v999.mkv", noise(18))
    folder, found = run(root, tmp_path / "f")
    assert "v999" in {v.id for v in folder.videos()} and found.report.made == 1


def test_a_changed_video_is_extracted_again(tmp_path):
    root = tmp_path / "videos"
    long_videos(root, (20, 33))
    before, _ = run(root, tmp_path / "f")
    kept = before.videos()[1].features()
    write_video(root / "v020.mkv", noise(40, seed=1), 10.0)
    folder, found = run(root, tmp_path / "f")
    assert list(found.report.changed) == ["v020"] and folder.videos()[0].frames == 40
    np.testing.assert_array_equal(folder.videos()[1].features(), kept)


def test_other_settings_in_the_same_folder_are_refused(videos, tmp_path):
    root, _ = videos
    run(root, tmp_path / "f", limit=2)
    for options, told in [({"window": 8}, "window: 16, now 8"), ({"model": scored(seed=1)}, "model: ")]:
        with pytest.raises(BenchError, match=told):
            run(root, tmp_path / "f", **options)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").write_text("x")
    with pytest.raises(BenchError, match="is not empty and holds no features"):
        run(root, tmp_path / "other")
    assert (tmp_path / "other/mine.txt").read_text() == "x"


def test_features_that_are_not_finite_are_no_features(videos, tmp_path):
    root, _ = videos
    made = network()
    torch.nn.init.constant_(made.blocks[0].conv1.weight, float("nan"))
    made.sampling = SAMPLING
    found = extract_features(
        from_object(made, "a.Broken"), "folder", root, out=tmp_path / "f", options=FeaturesOptions(progress=False)
    )
    assert not found.videos and len(found.report.failed) == len(COUNTS)
    assert "not finite" in found.report.failed[0]["reason"]


def test_models_without_features_are_refused(videos, tmp_path):
    root, _ = videos
    with pytest.raises(BenchError, match="gives logits only"):
        run(root, tmp_path / "f", from_object(_Logits(), "a.Logits"))
    assert not (tmp_path / "f").exists()


class _Logits:
    sampling = SAMPLING

    def __call__(self, clips):
        return clips.mean((2, 3, 4))


def test_another_frame_rate(tmp_path):
    root = tmp_path / "videos"
    frames = long_videos(root, (40,), fps=20.0)["v040"]
    folder, _ = run(root, tmp_path / "f", fps=10.0)
    (video,) = folder.videos()
    assert (video.frames, video.fps, video.windows) == (20, 10.0, 2)
    wanted = np.stack([by_hand(frames[::2], start, 16) for start in (0, 16)])
    np.testing.assert_allclose(video.features()[:, 0], wanted, rtol=2e-5, atol=2e-6)


def test_a_layer_by_its_name(videos, tmp_path):
    root, frames = videos
    folder, _ = run(root, tmp_path / "f", layer="blocks.1", last="floor")
    assert (folder.dimension, folder.record["layer"]) == (48, "blocks.1")
    video = next(v for v in folder.videos() if v.id == "v016")
    model = network()
    with torch.inference_mode():
        x = eval_clip(list(frames["v016"]), 16, SAMPLING)[None]
        wanted = model.blocks[1](model.blocks[0](model.stem(with_change(x)))).mean((2, 3, 4))
    np.testing.assert_allclose(video.features()[:, 0], wanted.numpy(), rtol=2e-5, atol=2e-6)
    with pytest.raises(BenchError, match=r"--layer blocks.7: no such module; it has stem, stem.0"):
        run(root, tmp_path / "g", layer="blocks.7")


def test_bf16_is_near_float32(videos, tmp_path):
    root, _ = videos
    a, _ = run(root, tmp_path / "a", limit=3)
    b, _ = run(root, tmp_path / "b", limit=3, precision="bf16")
    assert b.record["precision"] == "bf16"
    for one, other in zip(a.videos(), b.videos(), strict=True):
        x, y = one.features(), other.features()
        assert not np.array_equal(x, y)
        assert np.abs(x - y).max() < 0.05 * np.abs(x).max()  # bf16 has 8 bits: 0.4 % per operation


def test_an_unexpected_error_costs_its_video_alone(videos, tmp_path, monkeypatch):
    root, _ = videos
    read = stream.read_frames

    def sometimes(path, **more):
        if path.stem == "v017":
            raise ZeroDivisionError("a bug")
        return read(path, **more)

    monkeypatch.setattr(stream, "read_frames", sometimes)
    folder, found = run(root, tmp_path / "f")
    assert [v.id for v in folder.left_out] == ["v017"] and len(folder.videos()) == len(COUNTS) - 1
    assert "unexpected ZeroDivisionError: a bug" in found.report.failed[0]["reason"]
    assert "ZeroDivisionError" in (folder.path / "errors.log").read_text()


def test_features_of_videos_that_are_gone_stay(videos, tmp_path):
    root = tmp_path / "videos"
    long_videos(root, (20, 33))
    run(root, tmp_path / "f")
    before = {p: p.read_bytes() for p in (tmp_path / "f").rglob("*") if p.is_file()}
    (root / "v020.mkv").unlink()
    with pytest.raises(BenchError, match="holds features of 1 video that is not listed now, such as v020"):
        run(root, tmp_path / "f")
    with pytest.raises(BenchError, match="not listed now"):
        run(videos[0], tmp_path / "f")
    assert {p: p.read_bytes() for p in (tmp_path / "f").rglob("*") if p.is_file()} == before


def test_features_of_a_listed_video_stay_when_its_file_is_deleted(tmp_path):
    made = write_ucf_crime(tmp_path / "crime")
    options = FeaturesOptions(progress=False, prefix="")
    extract_features(scored(), "ucf-crime", made.root, "test", tmp_path / "f", options)
    before = (tmp_path / "f/videos.csv").read_bytes()
    next(made.root.rglob("Abuse028_x264.mp4")).unlink()
    found = extract_features(scored(), "ucf-crime", made.root, "test", tmp_path / "f", options)
    assert (tmp_path / "f/videos.csv").read_bytes() == before and found.report.made == 0


@pytest.mark.parametrize("kind", ["videomae", "clip"])
def test_networks_of_hugging_face(videos, tmp_path, kind):
    root, frames = videos
    place = tmp_path / "network"
    if kind == "clip":
        zero_shot_folder(place, "clip")
    else:
        huggingface_folder(place, kind, 3)
    options = FeaturesOptions(progress=False, last="floor")
    said: list[str] = []
    spec = f"hf:{place}"
    found = extract_features(spec, "folder", root, out=tmp_path / "f", options=options, say=said.append)
    video = next(v for v in FeatureFolder.open(found.path).videos() if v.id == "v032")
    model = load_model(spec)
    sampling = model.clips.replaced({"views": 1, "crops": 1})
    if model.zero_shot is not None:
        model = model.with_classes(["x", "y"], "")
    own = model.network(torch.device("cpu"))
    for start, row in zip(video.starts(), video.features()[:, 0], strict=True):
        part = list(frames["v032"][start : start + 16])
        # The clip spans at most the window, or its frames are spread evenly over it.
        even = (sampling.frames - 1) * sampling.stride + 1 > 16
        clip = eval_clip(part, 16, sampling.replaced({"even": True}) if even else sampling)
        with torch.inference_mode():
            wanted = logits_and_features(own, clip[None])[1][0].numpy()
        np.testing.assert_allclose(row, wanted, rtol=1e-4, atol=1e-5)
    assert any("sees frames" in line or "spread evenly" in line for line in said)


def test_real_clips(clips, tmp_path):
    folder, found = run(clips / "edge", tmp_path / "f", stride=64, last="floor")
    assert {v.id for v in folder.videos()} == {"no_actor_cleaning_pool", "rotated_90"}
    assert [v.id for v in folder.left_out] == ["corrupted"] and "breaks after frame" in folder.left_out[0].reason
    (note,) = [f["reason"] for f in found.report.failures if f["kind"] == "note"]
    assert note.startswith("rotated_90.mov is shorter than a window")
    again, found = run(clips / "edge", tmp_path / "f", stride=64, last="floor", batch=3)
    assert found.report.made == 0 and len(again.videos()) == 2
