import json

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder
from untrimmed_layouts import write_thumos14

from benchmark_builder.utils.errors import BenchError
from evaluator.downstream.localize.truth import read_classes, read_ids, read_truth, truth_of_features
from evaluator.features.folder import FeatureFolder


@pytest.fixture(scope="module")
def thumos(tmp_path_factory):
    return write_thumos14(tmp_path_factory.mktemp("thumos"))


def rows(truth):
    found = {}
    for video, label, times in zip(truth.spans.videos, truth.spans.labels, truth.spans.times.tolist(), strict=True):
        found.setdefault(video, []).append((label, *times))
    return {video: sorted(own, key=lambda row: (row[1], row[2], row[0])) for video, own in found.items()}


@pytest.mark.parametrize(("file", "subset"), [("thumos14.json", "test"), ("thumos_14_anno.json", "validation")])
def test_official_thumos14(thumos, file, subset):
    """Without Ambiguous, repeated and inverted segments; CliffDiving and the Diving around it are both there."""
    truth = read_truth(thumos.root / "annotations" / file)
    assert truth.subset == subset
    assert set(truth.videos) == set(thumos.test)
    assert rows(truth) == {video: thumos.segments[video] for video in thumos.test}
    assert set(thumos.validation) <= truth.elsewhere
    notes = "\n".join(truth.notes)
    for said in ("called Ambiguous: 1", "within 1 ms: 1", "ending before the start: 1",
                 "CliffDiving + Diving, each scored by itself: 1", "video_test_0000270"):  # fmt: skip
        assert said in notes
    assert len(truth.classes) == 20


def test_numbers_of_classes(thumos):
    truth = read_truth(thumos.root / "annotations/thumos14.json")
    assert truth.numbers == dict(enumerate(truth.classes))
    assert read_truth(thumos.root / "annotations/thumos_14_anno.json").numbers == {}
    classes = read_classes(thumos.root / "annotations/category_idx.txt")
    given = read_truth(thumos.root / "annotations/thumos_14_anno.json", classes=classes)
    assert given.numbers == truth.numbers
    assert read_classes(thumos.root / "annotations/detclasslist.txt") == [f"{7 + k} {n}" for k, n in enumerate(classes)]


def test_training_subset_and_videos_left_out(thumos):
    truth = read_truth(thumos.root / "annotations/thumos14.json", "VALIDATION", without=["video_validation_0000060"])
    assert set(truth.videos) == set(thumos.validation) - {"video_validation_0000060"}
    assert truth.left_out == [("video_validation_0000060", "--leave-out")]


def test_wrong_duration_is_said(tmp_path):
    document = {
        "database": {"a": {"subset": "test", "duration": 2.0, "annotations": [{"segment": [1, 9], "label": "x"}]}}
    }
    (tmp_path / "t.json").write_text(json.dumps(document))
    assert "more than 1 s after their video, and count: 1 (first: a)" in "\n".join(
        read_truth(tmp_path / "t.json").notes
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a json file"),
        ("[]", "no table 'database'"),
        ('{"database": {}}', "no table 'database'"),
        ('{"database": {"a": []}}', "no 'subset'"),
        ('{"database": {"a": {"subset": "test", "annotations": {}}}}', "no 'subset'"),
        ('{"database": {"a": {"subset": "test", "annotations": []}}}', "give one with --subset"),
        ('{"database": {"a": {"subset": "x", "annotations": [1]}, "b": {"subset": "y", "annotations": [1]}}}', "x, y"),
        ('{"database": {"a": {"subset": "test", "annotations": [{"segment": [2, 1], "label": "x"}]}}}', "no segment"),
        ('{"database": {"a": {"subset": "test", "annotations": [{"segment": [1, NaN], "label": "x"}]}}}', "no segment"),
        ('{"database": {"a": {"subset": "test"}, "a": {"subset": "test"}}}', "2 times"),
        (json.dumps({"database": {"a": {"subset": "test", "annotations": [
            {"segment": [0, 1], "label": "x", "label_id": 0}, {"segment": [1, 2], "label": "y", "label_id": 0}]}}}),
         "label_id 0 is"),
        (json.dumps({"database": {"a": {"subset": "test", "annotations": [
            {"segment": [0, 1], "label": "x", "label_id": 0}, {"segment": [1, 2], "label": "x", "label_id": 1}]}}}),
         "several label_id"),
    ],
)  # fmt: skip
def test_wrong_files(tmp_path, text, said):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(BenchError, match=said):
        read_truth(tmp_path / "t.json")


def test_unknown_subset(thumos):
    with pytest.raises(BenchError, match="its subsets are Test, Validation"):
        read_truth(thumos.root / "annotations/thumos14.json", "training")


def test_one_bad_annotation_costs_itself(tmp_path):
    annotations = [{"segment": [0, 1], "label": "x"}, {"segment": [0], "label": "x"}, {"label": "x"}, None]
    (tmp_path / "t.json").write_text(json.dumps({"database": {"a": {"subset": "test", "annotations": annotations}}}))
    truth = read_truth(tmp_path / "t.json")
    assert len(truth.spans) == 1
    assert "left out: 3" in truth.notes[0]


def test_of_features(tmp_path):
    some = np.zeros((10, 4), np.float32)
    videos = [
        MadeVideo("a", "train", some, None, [("x", 0, 20)]),
        MadeVideo("b", "test", some, None, [("y", 30, 60), ("y", 30, 60)]),
        MadeVideo("c", "test", None),
        MadeVideo("d", "test", some),
    ]
    folder = FeatureFolder.open(write_feature_folder(tmp_path / "f", videos, task="localization"), "localization")
    truth = truth_of_features(folder)
    assert rows(truth) == {"b": [("y", 1.0, 2.0)]}
    assert list(truth.videos) == ["b", "d"]
    assert truth.left_out == [("c", "no features (no file)")]
    assert truth.elsewhere == {"a"}
    assert truth.numbers == {0: "x", 1: "y"}


def test_lists(tmp_path):
    (tmp_path / "missing_files.txt").write_text("a\n\nb 3\r\n")
    assert read_ids(tmp_path / "missing_files.txt") == {"a", "b 3"}
    (tmp_path / "classes.txt").write_text("0 High Jump\n1 Diving\n")
    assert read_classes(tmp_path / "classes.txt") == ["High Jump", "Diving"]
    (tmp_path / "twice.txt").write_text("a\na\n")
    with pytest.raises(BenchError, match="twice"):
        read_classes(tmp_path / "twice.txt")


def test_ids_with_blanks_are_left_out_and_unknown_lines_are_said(tmp_path):
    """A line is an id, or else its first word is."""
    rows = [{"segment": [0, 1], "label": "x"}]
    made = {name: {"subset": "test", "annotations": rows} for name in ("v", "v 2", "w", "last")}
    (tmp_path / "t.json").write_text(json.dumps({"database": made}))
    (tmp_path / "ids.txt").write_text("v 2\r\n\r\nw  1 2\nnone of them\n")
    truth = read_truth(tmp_path / "t.json", without=read_ids(tmp_path / "ids.txt"))
    assert sorted(v for v, _ in truth.left_out) == ["v 2", "w"]
    assert set(truth.videos) == {"v", "last"}
    assert [n for n in truth.notes if "--leave-out" in n] == [
        f"--leave-out: 1 line is no video of {tmp_path / 't.json'} (of 3), the first is 'none of them'"
    ]
    assert not any("--leave-out" in n for n in read_truth(tmp_path / "t.json", without=["w"]).notes)
