"""The reader of folders of features."""

import json

import numpy as np
import pytest
from feature_folders import MadeVideo, write_feature_folder

from benchmark_builder.utils.errors import BenchError
from evaluator.features.folder import FeatureFolder
from evaluator.features.formats import FORMATS

DRAW = np.random.default_rng(5)


def made(path, layout="npy", crops=3, **options):
    some = [
        MadeVideo("Abuse001_x264", "train", DRAW.normal(size=(4, crops, 6)), "Abuse"),
        MadeVideo("Normal_Videos001_x264", "train", DRAW.normal(size=(2, crops, 6)), "Normal"),
        MadeVideo("Abuse002_x264", "test", DRAW.normal(size=(3, crops, 6)), "Abuse", [("Abuse", 10, 30)], frames=50),
        MadeVideo("Abuse003_x264", "test", None, "Abuse"),
    ]
    return some, write_feature_folder(path, some, layout=layout, **options)


@pytest.mark.parametrize("layout", FORMATS)
def test_what_was_written_is_read(tmp_path, layout):
    some, path = made(tmp_path / "f", layout)
    folder = FeatureFolder.open(path)
    assert (folder.window, folder.stride, folder.dimension, folder.task) == (16, 16, 6, "anomaly")
    assert [v.id for v in folder.videos("train")] == ["Abuse001_x264", "Normal_Videos001_x264"]
    assert [(v.id, v.split, v.reason) for v in folder.left_out] == [("Abuse003_x264", "test", "no file")]
    for video, original in zip(folder.videos(), some, strict=False):
        wanted = original.features.astype(np.float32)
        if FORMATS[layout].merges:
            wanted = wanted.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        found = video.features()
        assert found.dtype == np.float32 and found.shape == (video.windows, folder.crops, 6)
        np.testing.assert_array_equal(found, wanted)


def test_times_and_truth(tmp_path):
    _, path = made(tmp_path / "f", window=16, stride=8, fps=25.0)
    folder = FeatureFolder.open(path)
    video = folder.videos("test")[0]
    assert video.starts().tolist() == [0, 8, 16] and video.starts().dtype == np.int64
    assert video.centres().tolist() == [8 / 25, 16 / 25, 24 / 25]
    assert video.frame_truth().dtype == np.uint8 and video.frame_truth().shape == (50,)
    assert np.flatnonzero(video.frame_truth()).tolist() == list(range(10, 30))
    (segment,) = video.segments
    assert (segment.start, segment.end, segment.start_frame, segment.end_frame) == (0.4, 1.2, 10, 30)


def test_a_task_that_is_not_annotated_is_refused(tmp_path):
    _, path = made(tmp_path / "f")
    with pytest.raises(BenchError, match="has annotations for anomaly, not for localization"):
        FeatureFolder.open(path, "localization")


def test_files_from_others_run_no_code_and_leave_no_folder(tmp_path):
    _, path = made(tmp_path / "f", crops=1)
    video = FeatureFolder.open(path).videos()[0]
    np.save(path / "features" / "Abuse001_x264.npy", np.array([{}], dtype=object))
    with pytest.raises(BenchError, match="not a readable"):
        video.features()
    np.save(path / "features" / "Abuse001_x264.npy", np.zeros((5, 6), np.float32))
    with pytest.raises(BenchError, match=r"has shape \(5, 1, 6\), tables say \(4, 1, 6\)"):
        video.features()
    np.save(path / "features" / "Abuse001_x264.npy", np.full((4, 6), np.nan, np.float32))
    with pytest.raises(BenchError, match="not finite"):
        video.features()
    table = path / "videos.csv"
    table.write_text(table.read_text().replace("Abuse001_x264,", "../Abuse001_x264,"))
    with pytest.raises(BenchError, match="not the id of a video"):
        FeatureFolder.open(path)


def test_folders_that_are_not_finished_or_wrong(tmp_path):
    _, path = made(tmp_path / "f")
    with pytest.raises(BenchError, match="no such folder"):
        FeatureFolder.open(tmp_path / "g")
    record = json.loads((path / "features.json").read_text())
    (path / "features.json").write_text(json.dumps(record | {"window": 0}))
    with pytest.raises(BenchError, match="window is 0, not a whole number from 1"):
        FeatureFolder.open(path)
    (path / "features.json").write_text(json.dumps(record))
    (path / "videos.csv").unlink()
    with pytest.raises(BenchError, match="it continues"):
        FeatureFolder.open(path)


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("videos.csv", ",test,Abuse,50,", ",test,Abuse,-3,", "frames"),
        ("videos.csv", ",Abuse,50,", ",Abuse,99999999999,", "more than"),
        ("videos.csv", ",Abuse,50,30.0,", ",Abuse,50,nan,", "fps is 'nan'"),
        ("videos.csv", "Normal_Videos001_x264,", "Abuse001_x264,", "listed twice"),
        ("videos.csv", ",train,", ",dev,", "split 'dev'"),
        ("videos.csv", "features/Abuse001_x264.npy", "../../etc/passwd", "points outside"),
        ("segments.csv", "Abuse002_x264,", "Abuse009_x264,", "is not in videos.csv"),
        ("segments.csv", ",10,30", ",10,51", "has 50 frames, but a segment"),
        ("segments.csv", ",10,30", ",30,10", "a segment from frame 30 to 10"),
        ("segments.csv", ",Abuse,", ",Theft,", "is not a class"),
        ("features.json", '"window": 16', '"window": "16"', "window is '16', not a whole number"),
        ("features.json", '"layout": "npy"', '"layout": "pickle"', "layout is 'pickle'"),
        ("features.json", '"format": 1', '"format": 2', "update albar-bench"),
    ],
)
def test_damaged_tables_are_one_line(tmp_path, file, before, after, told):
    _, path = made(tmp_path / "f")
    text = (path / file).read_text()
    assert before in text
    (path / file).write_text(text.replace(before, after))
    with pytest.raises(BenchError, match=told) as found:
        FeatureFolder.open(path)
    assert "\n" not in str(found.value)
