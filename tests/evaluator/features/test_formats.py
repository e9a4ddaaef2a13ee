"""Every format, read back by a small reader written after the loader of the project whose format it is."""

import json
from itertools import pairwise

import numpy as np
import pytest
import yaml
from long_videos import scored
from untrimmed_layouts import write_thumos14, write_ucf_crime

from albar.clips.clips import ClipSampling
from evaluator.features.extract import extract_features
from evaluator.features.folder import FeatureFolder
from evaluator.features.options import FeaturesOptions

SAMPLING = ClipSampling(frames=4, stride=4, size=16, resize=20, crop="centre", flip=0.0)


def run(dataset, root, out, split="all", **options):
    found = extract_features(
        scored(SAMPLING), dataset, root, split, out, FeaturesOptions(progress=False, batch=40, **options)
    )
    return FeatureFolder.open(out), found


@pytest.fixture(scope="module")
def crime(tmp_path_factory):
    return write_ucf_crime(tmp_path_factory.mktemp("crime"))


@pytest.fixture(scope="module")
def thumos(tmp_path_factory):
    return write_thumos14(tmp_path_factory.mktemp("thumos"))


@pytest.fixture(scope="module")
def rtfm(crime, tmp_path_factory):
    return run("ucf-crime", crime.root, tmp_path_factory.mktemp("features") / "rtfm", preset="rtfm")


@pytest.fixture(scope="module")
def urdmu(crime, tmp_path_factory):
    return run("ucf-crime", crime.root, tmp_path_factory.mktemp("features") / "urdmu", preset="urdmu", crop="model")


def segments_of(features, count):
    """``process_feat`` of RTFM, MGFN and UR-DMU: the mean of equal parts, or a single vector where one is empty."""
    edges = np.linspace(0, len(features), count + 1, dtype=int)
    means = [features[a:b].mean(0) if a != b else features[a] for a, b in pairwise(edges)]
    return np.stack(means)


def lines(path):
    return path.read_text().splitlines()


def test_rtfm_and_mgfn_read_their_format(crime, rtfm):
    """``Dataset`` of RTFM and MGFN, which take the label from the place in the list, and their test, which repeats the
    score of every window 16 times."""
    folder, _ = rtfm
    counts = json.loads((folder.path / "lists.json").read_text())
    listed = lines(folder.path / "train.list")
    abnormal, normal = listed[: counts["train"]["anomalous"]], listed[counts["train"]["anomalous"] :]
    assert [name.rpartition("/")[2] for name in abnormal] == [
        f"{n}.npy" for n in crime.train if crime.classes[n] != "Normal" and n not in crime.missing
    ]
    assert all("Normal" in name for name in normal) and len(normal) == counts["train"]["normal"] == 2
    for name in listed:
        features = np.array(np.load(name.strip("\n"), allow_pickle=True), dtype=np.float32)
        divided = np.array([segments_of(crop, 32) for crop in features.transpose(1, 0, 2)], dtype=np.float32)
        assert divided.shape == (10, 32, 96)
    scores = []
    for name in lines(folder.path / "test.list"):
        features = np.array(np.load(name), dtype=np.float32)[None].transpose(0, 2, 1, 3)  # permute(0, 2, 1, 3)
        batch, crops, windows, units = features.shape
        assert (batch, crops, units) == (1, 10, 96)
        scores += [0.5] * windows
    truth = np.load(folder.path / "gt.npy")
    assert truth.ndim == 1 and len(np.repeat(scores, 16)) == len(truth) == counts["test"]["frames"]


def test_ground_truth_of_the_test_list(crime, rtfm, urdmu):
    """floor: 16 · floor(frames / 16) of every video, at least one window; ceil: the last frame is repeated."""
    for (folder, _), full in ((rtfm, True), (urdmu, False)):
        wanted = []
        for name in (n for n in crime.test if n not in crime.missing):
            frames = crime.frames[name]
            truth = np.zeros(frames)
            for start, end in crime.ranges.get(name, []):
                truth[start - 1 : end] = 1
            length = 16 * (max(1, frames // 16) if full else -(-frames // 16))
            wanted += [truth[:length], np.full(max(0, length - frames), truth[-1])]
        np.testing.assert_array_equal(np.load(folder.path / "gt.npy"), np.concatenate(wanted))


def test_urdmu_reads_its_format(crime, urdmu):
    """``UCF_crime`` of UR-DMU: a line per crop, the label from the name; ten lines of the test list are one video."""
    folder, _ = urdmu
    counts = json.loads((folder.path / "lists.json").read_text())
    listed = [line.split() for line in lines(folder.path / "train.list")]
    half = 10 * counts["train"]["anomalous"]
    for part, label in ((listed[:half], 1), (listed[half:], 0)):
        assert part and len(part) % 10 == 0
        for (name,) in part:
            assert (0 if "Normal" in name.split("/")[-1] else 1) == label
            assert segments_of(np.load(name).astype(np.float32), 200).shape == (200, 96)
    tested = lines(folder.path / "test.list")
    windows = 0
    for k in range(0, len(tested), 10):
        ten = tested[k : k + 10]
        stem = ten[0].removesuffix("__0.npy")
        assert ten == [f"{stem}__{c}.npy" for c in range(10)]
        shapes = {np.load(name).shape for name in ten}
        assert len(shapes) == 1
        windows += shapes.pop()[0]
    assert 16 * windows == len(np.load(folder.path / "gt.npy"))


def test_vadclip_reads_its_lists(crime, urdmu):
    """``path,label``: all crops in training, crop 5 in the test; the label is the class."""
    folder, _ = urdmu
    head, *train = lines(folder.path / "train.csv")
    assert head == "path,label" and len(train) == 10 * len(folder.videos("train"))
    tested = [line.rsplit(",", 1) for line in lines(folder.path / "test.csv")[1:]]
    assert all(path.endswith("__5.npy") for path, _ in tested)
    assert [label for _, label in tested] == [crime.classes[n] for n in crime.test if n not in crime.missing]


def test_vadclip_reads_its_segments(crime, urdmu):
    """``getDetectionMAP`` of VadCLIP: segments[i][j] are two frames of video i, labels[i][j] the class; a normal video
    is one segment of no class. The frames are those of gt.npy."""
    folder, _ = urdmu
    segments = np.load(folder.path / "gt_segment.npy", allow_pickle=True)
    labels = np.load(folder.path / "gt_label.npy", allow_pickle=True)
    names = [n for n in crime.test if n not in crime.missing]
    assert len(segments) == len(labels) == len(names)
    truth, start = np.load(folder.path / "gt.npy"), 0
    for name, own, said in zip(names, segments, labels, strict=True):
        length = 16 * -(-crime.frames[name] // 16)
        found = np.zeros(length)
        for (first, end), label in zip(own, said, strict=True):
            if crime.classes[name] == "Normal":
                assert (first, end, label) == (0, length, "A")
            else:
                assert label == crime.classes[name]
                found[int(first) : int(end)] = 1
        np.testing.assert_array_equal(found, truth[start : start + length])
        assert len(said) == (1 if crime.classes[name] == "Normal" else len(crime.ranges.get(name, [])))
        start += length


def test_what_is_annotated_after_the_end_is_said(rtfm):
    (said,) = [f for f in rtfm[1].report.failures if f["kind"] == "annotation"]
    assert said["id"] == "Arson011_x264"
    assert said["reason"].endswith(" (from 0), the video ends with frame 30: 14 frames cut off"), said


def test_both_formats_have_the_same_features(rtfm, urdmu):
    for a, b in zip(rtfm[0].videos(), urdmu[0].videos(), strict=True):
        assert a.crops == b.crops == 10 and b.windows >= a.windows
        full = a.frames // 16
        np.testing.assert_allclose(a.features()[:full], b.features()[:full], rtol=2e-5, atol=2e-6)


def test_missing_and_unusable_videos_are_listed(crime, rtfm):
    folder, found = rtfm
    assert sorted(v.id for v in folder.left_out) == sorted(crime.missing) and found.missing == len(crime.missing)
    kinds = {f["kind"] for f in found.report.failures if f["id"] in crime.missing}
    assert kinds == {"missing"}


def actionformer_items(path, split):
    """``THUMOS14Dataset._load_json_db`` of ActionFormer: videos without a file are skipped in silence."""
    settings = yaml.safe_load((path / "actionformer.yaml").read_text())["dataset"]
    database = json.load(open(settings["json_file"]))["database"]
    labels = {act["label"]: act["label_id"] for video in database.values() for act in video["annotations"]}
    assert len(labels) == settings["num_classes"] and sorted(labels.values()) == list(range(len(labels)))
    for key, value in database.items():
        if value["subset"].lower() not in split:
            continue
        features = np.load(f"{settings['feat_folder']}/{key}{settings['file_ext']}").astype(np.float32)
        acts = [act for act in value["annotations"] if act["label_id"] != 4]
        seconds = np.asarray([act["segment"] for act in acts], dtype=np.float32)
        grid = (seconds * value["fps"] - 0.5 * settings["num_frames"]) / settings["feat_stride"]
        yield key, value, features, acts, grid, settings


@pytest.fixture(scope="module")
def actionformer(thumos, tmp_path_factory):
    return run("thumos14", thumos.root, tmp_path_factory.mktemp("features") / "af", preset="videomaev2")


def test_actionformer_reads_its_format(thumos, actionformer):
    folder, _ = actionformer
    seen = []
    for key, value, features, acts, grid, settings in actionformer_items(folder.path, ["validation", "test"]):
        seen.append(key)
        frames = thumos.frames[key]
        assert features.shape == (max(0, frames - 16) // 4 + 1, settings["input_dim"])
        assert value["fps"] == thumos.fps and value["duration"] == pytest.approx(frames / thumos.fps)
        wanted = [s for s in thumos.segments[key] if s[0] != "CliffDiving"]
        assert [(a["label"], *a["segment"]) for a in acts] == wanted
        # Vector i is the middle of frames 4 i … 4 i + 15; a segment's grid position is where that time is.
        middle = np.array([(4 * i + 8) / thumos.fps for i in range(len(features))])
        video = next(v for v in folder.videos() if v.id == key)
        np.testing.assert_allclose(video.centres(), middle)
        for (_, start, _), (at, _) in zip(wanted, grid, strict=True):
            assert (4 * at + 8) / thumos.fps == pytest.approx(start, abs=1e-5)
    assert seen == sorted(n for n in (*thumos.validation, *thumos.test) if n not in thumos.missing)
    assert lines(folder.path / "features/missing_files.txt") == thumos.missing
    assert len(lines(folder.path / "category_idx.txt")) == 20


def test_opentad_reads_its_format(thumos, tmp_path):
    """``ThumosPaddingDataset`` of OpenTAD: blocked videos are skipped, frames come from duration and frame count."""
    folder, _ = run("thumos14", thumos.root, tmp_path / "f", preset="opentad")
    config: dict = {}
    exec((folder.path / "opentad.py").read_text(), config)
    blocked = {line.strip() for line in open(config["block_list"])}
    names = [line.strip() for line in open(config["class_map"])]
    assert blocked == {*thumos.missing, *thumos.wrong}
    used = {"training": [], "validation": []}
    for key, video in json.load(open(config["annotation_path"]))["database"].items():
        if key in blocked:
            continue
        used[video["subset"]].append(key)
        features = np.load(f"{config['data_path']}{key}.npy")
        assert video["frame"] == thumos.frames[key]
        assert features.shape == ((max(0, video["frame"] - 16)) // config["feature_stride"] + 1, config["in_channels"])
        for act in video["annotations"]:
            start = int(act["segment"][0] / video["duration"] * video["frame"])
            assert act["label"] in names and abs(start - act["segment"][0] * thumos.fps) <= 1
            assert ((start - config["offset_frames"]) / config["feature_stride"]) < len(features)
    assert used["training"] == [n for n in thumos.validation if n not in thumos.missing]
    assert used["validation"] == [n for n in thumos.test if n not in thumos.wrong]


def test_several_crops_are_averaged_where_the_format_has_one(thumos, tmp_path):
    one, _ = run("thumos14", thumos.root, tmp_path / "a", "validation", format="npy", crops=3, stride=8, last="floor")
    two, _ = run(
        "thumos14", thumos.root, tmp_path / "b", "validation", format="actionformer", crops=3, stride=8, last="floor"
    )
    assert (one.crops, two.crops, two.record["merged"]) == (3, 1, 3)
    for a, b in zip(one.videos(), two.videos(), strict=True):
        np.testing.assert_allclose(a.features().mean(1), b.features()[:, 0], rtol=1e-6, atol=1e-7)


def test_a_second_split_is_added(crime, tmp_path):
    folder, _ = run("ucf-crime", crime.root, tmp_path / "f", "test", prefix="")
    before = (folder.path / "gt.npy").read_bytes()
    assert not folder.videos("train") and not (folder.path / "train.list").exists()
    folder, found = run("ucf-crime", crime.root, tmp_path / "f", "train", prefix="")
    whole, _ = run("ucf-crime", crime.root, tmp_path / "whole", "all", prefix="")
    assert found.report.made == len(folder.videos("train"))
    assert (folder.path / "gt.npy").read_bytes() == before
    for name in ("videos.csv", "segments.csv", "train.list", "test.list", "lists.json"):
        assert (folder.path / name).read_text() == (whole.path / name).read_text()
