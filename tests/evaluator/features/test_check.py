"""`bench features --check`: folders of this command, and of others."""

import json
import shutil

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder

from benchmark_builder.utils.errors import BenchError
from evaluator.features.check import check_features


def published(root, windows, crops=10, flat=False):
    """Features as RTFM (or, ``flat``, UR-DMU) publishes them, with lists and ground truth in another folder."""
    (root / "features").mkdir(parents=True)
    names = []
    for name, count in windows.items():
        array = np.ones((count, crops, 4), np.float32)
        if flat:
            for k in range(crops):
                np.save(root / "features" / f"{name}__{k}.npy", array[:, k])
                names.append(f"/home/author/{name}__{k}.npy")
        else:
            np.save(root / "features" / f"{name}_i3d.npy", array)
            names.append(f"/home/author/{name}_i3d.npy")
    (root / "ucf-test.list").write_text("\n".join(names) + "\n")
    truth = np.zeros(16 * sum(windows.values()))
    truth[:3] = 1
    np.save(root / "gt-ucf.npy", truth)
    return root


@pytest.mark.parametrize("flat", [False, True])
def test_published_features_that_fit(tmp_path, flat):
    root = published(tmp_path / "p", {"Abuse028_x264": 5, "Normal_Videos_003_x264": 3}, flat=flat)
    found = check_features(root)
    assert not found.problems
    assert "gt-ucf.npy: 128 frames, 3 of them anomalous" in found.facts
    found = check_features(root / "features", lists=[root / "ucf-test.list"], truth=root / "gt-ucf.npy")
    assert not found.problems


def test_a_truth_of_other_features_does_not_fit(tmp_path):
    root = published(tmp_path / "p", {"Abuse028_x264": 5, "Normal_Videos_003_x264": 3})
    np.save(root / "features/Abuse028_x264_i3d.npy", np.ones((6, 10, 4), np.float32))
    (problem,) = check_features(root).problems
    assert "has 128 frames, the test list ucf-test.list has 2 videos with 9 windows of 16 frames, 144: 1 " \
           "window more" in problem  # fmt: skip
    np.save(root / "gt-ucf.npy", np.zeros(9 * 32))
    (problem,) = check_features(root).problems
    assert "it fits --stride 32" in problem
    assert not check_features(root, stride=32).problems


def test_what_is_wrong_with_files_and_lists(tmp_path):
    root = published(tmp_path / "p", {"Abuse028_x264": 5, "Normal_Videos_003_x264": 3}, flat=True)
    (root / "features/Abuse028_x264__4.npy").unlink()
    np.save(root / "features/Abuse028_x264__5.npy", np.full((5, 4), np.nan, np.float32))
    np.save(root / "features/Abuse028_x264__6.npy", np.ones((5, 7), np.float32))
    np.save(root / "features/strange.npy", np.array([{}], dtype=object))
    (root / "features/broken.npy").write_bytes(b"\x93NUMPY")
    (root / "train.list").write_text("Normal_Videos_003_x264__0.npy\nAbuse028_x264__0.npy\nAbuse028_x264__0.npy\n")
    problems = "\n".join(check_features(root).problems)
    for told in (
        "strange.npy: not a readable", "broken.npy: not a readable", "values that are not finite: features/Abuse",
        "another shape than most, (4,): features/Abuse028_x264__6.npy", "or too few: features/Abuse028_x264__* (has",
        "1 file is in ucf-test.list, but not in the folder: /home/author/Abuse028_x264__4.npy",
        "1 file is more than once in train.list", "after normal ones in train.list",
    ):  # fmt: skip
        assert told in problems, told


def test_crops_first_is_the_wrong_order(tmp_path):
    (tmp_path / "p").mkdir()
    np.save(tmp_path / "p/a.npy", np.ones((10, 37, 4), np.float32))
    (problem,) = check_features(tmp_path / "p").problems
    assert "looks like (crops, T, D)" in problem


def database(**videos):
    return json.dumps({"database": videos})


def test_features_against_segments(tmp_path):
    root = tmp_path / "p"
    (root / "features").mkdir(parents=True)
    for name, count in (("video_test_0000004", 22), ("video_test_0000006", 9)):
        np.save(root / f"features/{name}.npy", np.ones((count, 6), np.float32))
    act = {"segment": [1.0, 2.0], "label": "Diving", "label_id": 0}
    ten = {"subset": "Test", "duration": 10.0, "fps": 10.0, "annotations": [act]}
    (root / "annotations.json").write_text(database(video_test_0000004=ten))
    assert not check_features(root, window=16, stride=4).problems
    late = ten | {"annotations": [act | {"segment": [9.0, 11.0], "label_id": 7}]}
    (root / "annotations.json").write_text(
        database(video_test_0000004=ten, video_test_0000006=late, video_test_0000009=ten)
    )
    problems = "\n".join(check_features(root, window=16, stride=4).problems)
    assert "video_test_0000009" in problems and "skip them in silence" in problems
    assert "video_test_0000006 has 9 instead of about 22" in problems
    assert "video_test_0000006 Diving ends at 11 of 10 s" in problems
    assert "the classes (1) have the numbers 0, 7; ActionFormer needs 0 to 0" in problems


def test_own_folder(tmp_path):
    draw = np.random.default_rng(0)
    some = [MadeVideo("Abuse001_x264", "train", draw.normal(size=(4, 6)), "Abuse"),
            MadeVideo("Abuse002_x264", "test", draw.normal(size=(3, 6)), "Abuse", [("Abuse", 3, 9)])]  # fmt: skip
    path = write_feature_folder(tmp_path / "f", some)
    np.save(path / "gt.npy", np.isin(np.arange(48), range(3, 9)).astype(float))
    (path / "test.list").write_text("features/Abuse002_x264.npy\n")
    assert not check_features(path).problems
    np.save(path / "gt.npy", np.zeros(48))
    assert "6 frames differ from the segments" in check_features(path).problems[0]
    shutil.copy(path / "features/Abuse001_x264.npy", path / "features/Abuse002_x264.npy")
    assert any("has shape (4, 1, 6), tables say (3, 1, 6)" in p for p in check_features(path).problems)
    np.save(path / "features/Abuse001_x264.npy", np.zeros((4, 6), np.float32))
    assert any("changed since it was written" in p for p in check_features(path).problems)


def test_what_cannot_be_checked(tmp_path):
    with pytest.raises(BenchError, match="no such folder"):
        check_features(tmp_path / "none")
    assert "contains no .npy files" in check_features(tmp_path).problems[0]
    root = published(tmp_path / "p", {"Abuse028_x264": 5})
    with pytest.raises(BenchError, match="no such list of features"):
        check_features(root, lists=[root / "none.list"])
    (root / "gt-ucf.npy").write_text("1,0,0")
    with pytest.raises(BenchError, match="not a readable"):
        check_features(root)
    np.save(root / "gt-ucf.npy", np.full((2, 40), 3))
    assert "must be one flat list" in check_features(root).problems[0]
    (root / "a.json").write_text("[1]")
    with pytest.raises(BenchError, match="has no table 'database'"):
        check_features(root, annotations=root / "a.json")


def test_crops_in_files_of_their_own_are_those_of_the_annotated_video(tmp_path):
    for k in range(2):
        np.save(tmp_path / f"video_test_0000006__{k}.npy", np.ones((22, 4), np.float32))
    row = {"segment": [1.0, 2.0], "label": "Diving", "label_id": 0}
    video = {"subset": "Test", "duration": 10.0, "fps": 10.0, "annotations": [row]}
    (tmp_path / "annotations.json").write_text(json.dumps({"database": {"video_test_0000006": video}}))
    checked = check_features(tmp_path, window=16, stride=4)
    assert "annotations.json: 1 video, 1 with features" in checked.facts and not checked.problems
