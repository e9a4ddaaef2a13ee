"""Published features get tables, so that they are read as those of `bench features`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.utils.errors import BenchError
from evaluator.features.check import check_features
from evaluator.features.folder import FeatureFolder
from evaluator.features.published import import_features

COUNTS = {"Abuse001_x264": 3, "Normal_Videos001_x264": 2, "Abuse028_x264": 4, "Normal_Videos_003_x264": 1}
DRAW = np.random.default_rng(3)


def published(root, flat):
    """UCF-Crime as RTFM (or, ``flat``, UR-DMU) publishes it: the first two videos train."""
    root.mkdir()
    arrays = {name: DRAW.normal(size=(count, 10, 5)).astype(np.float32) for name, count in COUNTS.items()}
    lines = {}
    for name, array in arrays.items():
        if flat:
            lines[name] = [f"/home/x/{name}__{k}.npy" for k in range(10)]
            for k in range(10):
                np.save(root / f"{name}__{k}.npy", array[:, k])
        else:
            lines[name] = [f"/home/x/{name}_i3d.npy"]
            np.save(root / f"{name}_i3d.npy", array)
    for file, names in (("train.list", list(COUNTS)[:2]), ("ucf-test.list", list(COUNTS)[2:])):
        (root / file).write_text("".join(f"{line}\n" for name in names for line in lines[name]))
    truth = np.zeros(16 * 5)
    truth[[*range(10, 30), *range(40, 64)]] = 1
    np.save(root / "gt-ucf.npy", truth)
    return arrays


@pytest.mark.parametrize("flat", [False, True])
def test_features_of_anomalies(tmp_path, flat):
    root = tmp_path / "p"
    arrays = published(root, flat)
    words = ["features", "--import", root, "--lists", root / "train.list", "--lists", root / "ucf-test.list", "--gt",
             root / "gt-ucf.npy", "--method", "I3D"]  # fmt: skip
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    folder = FeatureFolder.open(root, "anomaly")
    assert [(v.id, v.split, v.label, v.windows) for v in folder.videos()] == [
        ("Abuse001_x264", "train", "Abuse", 3), ("Normal_Videos001_x264", "train", "Normal", 2),
        ("Abuse028_x264", "test", "Abuse", 4), ("Normal_Videos_003_x264", "test", "Normal", 1),
    ]  # fmt: skip
    for video in folder.videos():
        np.testing.assert_array_equal(video.features(), arrays[video.id])
    truth = np.concatenate([video.frame_truth() for video in folder.videos("test")])
    np.testing.assert_array_equal(truth, np.load(root / "gt-ucf.npy"))
    assert not check_features(root).problems


def test_labels_of_a_csv(tmp_path):
    root = tmp_path / "p"
    published(root, False)
    (root / "t.csv").write_text("path,label\na/Abuse001_x264_i3d.npy,Normal\nNormal_Videos001_x264_i3d.npy,Fighting\n")
    folder = import_features(root, [root / "t.csv"])
    assert [v.label for v in folder.videos()] == ["Normal", "Fighting"]


def test_features_of_actions(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    for name in ("video_validation_0000051", "video_test_0000004"):
        np.save(root / f"{name}.npy", DRAW.normal(size=(22, 6)).astype(np.float32))
    act = {"segment": [1.0, 2.5], "label": "Diving", "label_id": 0}
    rows = [act, act | {"label": "Ambiguous"}]
    video = {"duration": 10.0, "fps": 10.0, "annotations": rows}
    names = {"video_validation_0000051": "Validation", "video_test_0000004": "Test", "video_test_0000009": "Test"}
    (root / "t.json").write_text(json.dumps({"database": {n: video | {"subset": s} for n, s in names.items()}}))
    said: list[str] = []
    folder = import_features(root, annotations=root / "t.json", stride=4, say=said.append)
    assert {v.id: v.split for v in folder.videos()} == {
        "video_validation_0000051": "validation", "video_test_0000004": "test",
    }  # fmt: skip
    (video,) = folder.videos("test")
    assert (video.frames, video.fps, video.duration) == (100, 10.0, 10.0)
    assert [(s.label, s.start, s.end) for s in video.segments] == [("Diving", 1.0, 2.5)]
    assert any("1 video without features is left out" in line for line in said)


def test_what_does_not_fit_is_refused(tmp_path):
    root = tmp_path / "p"
    published(root, False)
    lists = [root / "train.list", root / "ucf-test.list"]
    for options, told in [
        ({}, "one of the two"),
        ({"lists": lists}, "needs --gt FILE"),
        ({"lists": lists, "truth": root / "gt-ucf.npy", "stride": 8}, "need 40 values"),
        ({"lists": [root / "none.list"]}, "no such list"),
        ({"annotations": root / "none.json"}, "no file of annotations here"),
    ]:
        with pytest.raises(BenchError, match=told):
            import_features(root, **options)
        assert not (root / "features.json").exists() and not (root / "videos.csv").exists()
    (root / "Abuse028_x264_i3d.npy").unlink()
    with pytest.raises(BenchError, match=r"1 file is in ucf-test\.list, but not in the folder"):
        import_features(root, lists, root / "gt-ucf.npy")
