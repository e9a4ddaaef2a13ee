"""ARAS, Mimetics, Diving48, Something-Something V2, UCF-Crime, THUMOS14: small copies of the official layouts."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import bench
from official_lists import touch, write
from small_scores import refused

from benchmark_builder.datasets import NoVideos, read_dataset
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.datasets.segments import read_segments
from evaluator.evaluate import EvalOptions, _dataset
from evaluator.testsets import iid_set

K400 = shipped_classes("kinetics400")


def labels(name: str, root: Path, split: str = "auto") -> dict[str, str]:
    return {v.id: v.class_name for v in read_dataset(name, root, split).videos}


def aras(root: Path, *lines: str) -> Path:
    touch(
        root, "aras_clips/abseiling/0AZDNVgMKzs_0.mp4", "aras_clips/air drumming/-x_y_1.mp4", "aras_clips/zumba/z.mp4"
    )
    write(root / "annotations/aras_test_balance.txt", *lines)
    return root


def test_aras(tmp_path: Path) -> None:
    root = aras(tmp_path, "aras_clips/abseiling/0AZDNVgMKzs_0.mp4 0", "aras_clips/air drumming/-x_y_1.mp4 1",
                "aras_clips/zumba/gone_3.mp4 399")  # fmt: skip
    listing = read_dataset("aras", root)
    assert {v.id: v.label for v in listing.videos} == {"abseiling/0AZDNVgMKzs_0": 0, "air drumming/-x_y_1": 1}
    assert (listing.classes, listing.split, listing.missing) == (K400, "test", ("zumba/gone_3",))
    assert set(labels("aras", root, "all")) == {"abseiling/0AZDNVgMKzs_0", "air drumming/-x_y_1", "zumba/z"}
    assert "ARAS has test and all" in refused(lambda: read_dataset("aras", root, "train"))


def test_labels_of_aras_that_are_not_those_of_kinetics(tmp_path: Path) -> None:
    root = aras(tmp_path, "aras_clips/abseiling/0AZDNVgMKzs_0.mp4 1", "aras_clips/air drumming/-x_y_1.mp4 2")
    message = refused(lambda: read_dataset("aras", root))
    assert "line 1: label of abseiling/0AZDNVgMKzs_0.mp4 is 1" in message and "count from 1" in message
    aras(tmp_path, "aras_clips/no class/a.mp4 1")
    assert "line 1" in refused(lambda: read_dataset("aras", root))
    (root / "annotations/aras_test_balance.txt").unlink()
    assert "aras_test_balance.txt: no such list" in refused(lambda: read_dataset("aras", root))


def test_a_network_of_kinetics_can_be_scored_on_aras() -> None:
    class Model:
        source, dataset = "m.ckpt", "kinetics400"

    model: Any = Model()
    assert _dataset(model, EvalOptions(dataset="aras"), []) == "aras"
    assert "was trained on kinetics400" in refused(lambda: _dataset(model, EvalOptions(dataset="ucf101"), []))


def test_mimetics(tmp_path: Path) -> None:
    touch(tmp_path, "archery/-abc_d-efgh_000003_000013.mp4", "zumba/bbbbbbbbbbb_4_14.mp4", "bowling/notes.txt",
          "bowling/ccccccccccc_1_2.mp4", "videos/ddddddddddd_000001_000002.mp4")  # fmt: skip
    write(tmp_path / "mimetics_v1.0.csv", "label,youtube_id,time_start,time_end,split", "archery,-abc_d-efgh,3,13,test",
          "zumba,bbbbbbbbbbb,4,14,test", "archery,ddddddddddd,1,2,test", "archery,eeeeeeeeeee,5,6,test")  # fmt: skip
    listing = read_dataset("mimetics", tmp_path)
    assert {v.id: v.class_name for v in listing.videos} == {
        "-abc_d-efgh_000003_000013": "archery", "bbbbbbbbbbb_000004_000014": "zumba",
        "ddddddddddd_000001_000002": "archery",
    }  # fmt: skip
    assert [v.label for v in listing.videos] == [K400.index(v.class_name) for v in listing.videos]
    assert listing.missing == ("eeeeeeeeeee_000005_000006",)
    assert any("1 video is not in mimetics_v1.0.csv" in note for note in listing.notes)
    assert iid_set("mimetics", tmp_path).classes == K400
    write(tmp_path / "mimetics_v1.0.csv", "label,youtube_id,time_start,time_end", "no class,a,1,2")
    assert "mimetics_v1.0.csv, line 2" in refused(lambda: read_dataset("mimetics", tmp_path))
    write(tmp_path / "mimetics_v1.0.csv", "label,youtube_id", "archery,a")
    assert "no column 'time_start'" in refused(lambda: read_dataset("mimetics", tmp_path))


def diving(root: Path, *videos: tuple[str, int], vocab: object = (("Back", "15som"), ("Fwd", "15som"))) -> Path:
    touch(root, "rgb/_8Vy_00000.mp4", "rgb/b_00001.mp4", "rgb/c_00002.mp4")
    (root / "Diving48_vocab.json").write_text(json.dumps(vocab))
    entries = [{"vid_name": n, "label": k, "start_frame": 0, "end_frame": 9} for n, k in videos]
    (root / "Diving48_V2_test.json").write_text(json.dumps(entries))
    (root / "Diving48_V2_train.json").write_text(json.dumps([{"vid_name": "c_00002", "label": 0}]))
    return root


def test_diving48(tmp_path: Path) -> None:
    root = diving(tmp_path, ("_8Vy_00000", 1), ("b_00001", 0), ("gone", 1))
    listing = read_dataset("diving48", root)
    assert {v.id: (v.label, v.class_name) for v in listing.videos} == {
        "_8Vy_00000": (1, "Fwd_15som"), "b_00001": (0, "Back_15som"),
    }  # fmt: skip
    assert listing.missing == ("gone",) and any("1 video is not in the lists" in n for n in listing.notes)
    assert labels("diving48", root, "train") == {"c_00002": "Back_15som"}
    assert len(labels("diving48", root, "all")) == 3
    assert "labels seem to count from 1" in refused(lambda: labels("diving48", diving(root, ("b_00001", 2))))
    (root / "Diving48_V2_test.json").write_text('[{"vid_name": 3, "label": 1}]')
    assert "entry 0 has no vid_name" in refused(lambda: labels("diving48", root))
    (root / "Diving48_V2_test.json").write_text('{"a": 1}')
    assert "is not a list of Diving48" in refused(lambda: labels("diving48", root))
    assert "Diving48_vocab.json: is not a list" in refused(lambda: labels("diving48", diving(root, vocab=["a"])))


def something(root: Path, prefix: str = "something-something-v2-", folder: str = "") -> Path:
    at = root / folder
    at.mkdir(parents=True, exist_ok=True)
    touch(root, "20bn-something-something-v2/78687.webm", "20bn-something-something-v2/2.webm",
          "20bn-something-something-v2/33.webm")  # fmt: skip
    classes = {"Holding something next to something": "1", "Approaching something with your camera": "0"}
    (at / f"{prefix}labels.json").write_text(json.dumps(classes))
    entry = {"label": "holding potato next to bottle", "placeholders": ["potato", "bottle"]}
    val = [{"id": "78687", "template": "Holding [something] next to [something]", **entry},
           {"id": "5", "template": "Approaching [something] with your camera", **entry}]  # fmt: skip
    (at / f"{prefix}validation.json").write_text(json.dumps(val))
    train = [{"id": "2", "template": "Approaching [something] with your camera", **entry}]
    (at / f"{prefix}train.json").write_text(json.dumps(train))
    return root


@pytest.mark.parametrize("form", [("something-something-v2-", ""), ("", "labels")])
def test_ssv2(tmp_path: Path, form: tuple[str, str]) -> None:
    root = something(tmp_path, *form)
    listing = read_dataset("ssv2", root)
    assert [(v.id, v.label, v.class_name) for v in listing.videos] == [
        ("78687", 1, "Holding something next to something")
    ]
    assert (listing.split, listing.missing) == ("val", ("5",))
    assert labels("ssv2", root, "train") == {"2": "Approaching something with your camera"}
    assert set(labels("ssv2", root, "all")) == {"2", "78687"}
    assert "test-answers.csv" in refused(lambda: labels("ssv2", root, "test"))
    write(root / "labels/test-answers.csv", "33;Holding something next to something")
    assert labels("ssv2", root, "test") == {"33": "Holding something next to something"}
    write(root / "labels/test-answers.csv", "33;Doing nothing at all")
    assert "which is not in the labels" in refused(lambda: labels("ssv2", root, "test"))
    name = f"{form[0]}labels.json"
    (root / form[1] / name).write_text('{"a": "1", "b": "2"}')
    assert "its labels are not 0 to 1" in refused(lambda: labels("ssv2", root))


def crime(root: Path) -> Path:
    touch(root, "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4", "Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4",
          "Anomaly-Videos-Part-4/RoadAccidents/RoadAccidents001_x264.mp4",
          "Training-Normal-Videos-Part-1/Normal_Videos003_x264.mp4",
          "Testing_Normal_Videos_Anomaly/Normal_Videos_015_x264.mp4")  # fmt: skip
    lists = root / "Anomaly_Detection_splits"
    write(lists / "Anomaly_Train.txt", "Abuse/Abuse001_x264.mp4",
          "Training_Normal_Videos_Anomaly/Normal_Videos003_x264.mp4")  # fmt: skip
    write(lists / "Anomaly_Test.txt", "Abuse/Abuse028_x264.mp4", "RoadAccidents/RoadAccidents001_x264.mp4",
          "Arson/Arson022_x264.mp4", "Testing_Normal_Videos_Anomaly/Normal_Videos_015_x264.mp4")  # fmt: skip
    write(root / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt", "Abuse028_x264.mp4  Abuse  165  240  -1  -1  ",
          "Arson022_x264.mp4  Arson  10  20  30  40", "Normal_Videos_015_x264.mp4  Normal  -1  -1  -1  -1",
          "RoadAccidents001_x264.mp4  RoadAccidents  -1  -1  -1  -1")  # fmt: skip
    return root


def test_ucf_crime(tmp_path: Path) -> None:
    root = crime(tmp_path)
    listing = read_dataset("ucf-crime", root)
    assert {v.id: (v.label, v.class_name) for v in listing.videos} == {
        "Abuse/Abuse028_x264": (0, "Abuse"), "RoadAccidents/RoadAccidents001_x264": (8, "RoadAccidents"),
        "Testing_Normal_Videos_Anomaly/Normal_Videos_015_x264": (7, "Normal"),
    }  # fmt: skip
    assert listing.missing == ("Arson/Arson022_x264",) and len(listing.classes) == 14
    # The archives of normal videos are called otherwise than in the lists.
    assert labels("ucf-crime", root, "train") == {
        "Abuse/Abuse001_x264": "Abuse", "Training_Normal_Videos_Anomaly/Normal_Videos003_x264": "Normal",
    }  # fmt: skip
    assert len(labels("ucf-crime", root, "all")) == 5
    write(root / "Anomaly_Detection_splits/Anomaly_Test.txt", "Smiling/a.mp4")
    assert "Anomaly_Test.txt, line 1" in refused(lambda: labels("ucf-crime", root))
    (tmp_path / "empty").mkdir()
    assert "contains no folder of a class" in refused(lambda: labels("ucf-crime", tmp_path / "empty"))


@pytest.mark.parametrize("folder", ["Action_Recognition_splits", "UCF_Crimes-Train-Test-Split/Action_Regnition_splits"])
def test_ucf_crime_recognition(folder: str, tmp_path: Path) -> None:
    root = crime(tmp_path)
    touch(root, "Normal_Videos_for_Event_Recognition/Normal_Videos_317_x264.mp4",
          "Videos/z_Normal_Videos_event/Normal_Videos_010_x264.mp4")  # fmt: skip
    for fold in range(1, 5):
        write(root / folder / f"train_{fold:03d}.txt", "Abuse/Abuse001_x264.mp4 ",
              "Normal_Videos_event/Normal_Videos_317_x264.mp4")  # fmt: skip
        write(root / folder / f"test_{fold:03d}.txt", "Abuse/Abuse028_x264.mp4 ", "",
              *["RoadAccidents/RoadAccidents001_x264.mp4"] * (fold == 4))  # fmt: skip
    write(root / folder / "ClassIDs.txt", "Abuse 1", "Normal_Videos_event 8")
    assert labels("ucf-crime-recognition", root) == {"Abuse/Abuse028_x264": "Abuse"}
    assert labels("ucf-crime-recognition", root, "train") == {
        "Abuse/Abuse001_x264": "Abuse", "Normal_Videos_event/Normal_Videos_317_x264": "Normal",
    }  # fmt: skip
    listing = read_dataset("ucf-crime-recognition", root, "test", 4)
    assert [(v.id, v.label, v.dataset) for v in listing.videos] == [
        ("Abuse/Abuse028_x264", 0, "ucf-crime-recognition"),
        ("RoadAccidents/RoadAccidents001_x264", 8, "ucf-crime-recognition"),
    ]
    # Of the normal videos only those of this task.
    assert set(labels("ucf-crime-recognition", root, "all")) == {
        "Abuse/Abuse001_x264", "Abuse/Abuse028_x264", "RoadAccidents/RoadAccidents001_x264",
        "Normal_Videos_event/Normal_Videos_010_x264", "Normal_Videos_event/Normal_Videos_317_x264",
    }  # fmt: skip
    assert len(labels("ucf-crime", root, "train")) == 2
    for fold in (0, 5):
        assert "folds 1 to 4" in refused(lambda fold=fold: read_dataset("ucf-crime-recognition", root, "test", fold))
    write(root / folder / "test_002.txt", "Abuse028_x264.mp4")
    assert "test_002.txt, line 1" in refused(lambda: read_dataset("ucf-crime-recognition", root, "test", 2))
    (root / folder / "test_003.txt").unlink()
    assert "test_003.txt" in refused(lambda: read_dataset("ucf-crime-recognition", root, "test", 3))


def test_segments_of_ucf_crime(tmp_path: Path) -> None:
    root = crime(tmp_path)
    found, notes = read_segments("ucf-crime", root)
    assert [(s.video_id, s.class_name, s.start, s.end, s.unit) for s in found] == [
        ("Abuse/Abuse028_x264", "Abuse", 165, 240, "frames"), ("Arson/Arson022_x264", "Arson", 10, 20, "frames"),
        ("Arson/Arson022_x264", "Arson", 30, 40, "frames"),
    ]  # fmt: skip
    assert "1 video of anomalies has no range" in notes[0]
    done = bench("data", "segments", "--dataset", "ucf-crime", "--root", root)
    assert done.stdout.splitlines()[:2] == ["id,class_name,start,end,unit,split",
                                            "Abuse/Abuse028_x264,Abuse,165,240,frames,test"]  # fmt: skip
    write(root / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt", "Abuse028_x264.mp4  Abuse  240  165  -1  -1")
    assert "line 1" in refused(lambda: read_segments("ucf-crime", root))
    assert "has no segments; choose from ucf-crime, thumos14" in refused(lambda: read_segments("ucf101", root))


def thumos(root: Path) -> Path:
    from benchmark_builder.datasets.thumos14 import CLASSES

    for name in CLASSES:
        write(root / f"annotations/{name}_val.txt")
        write(root / f"annotations/{name}_test.txt")
    write(root / "annotations/Ambiguous_test.txt", "video_test_0000004  1.0 99.0")
    write(root / "annotations/Diving_test.txt", "video_test_0000004  10.0 12.0", "video_test_0000005  0.2 1.1")
    write(root / "annotations/CliffDiving_test.txt", "video_test_0000004  10.0 12.0")
    write(root / "annotations/GolfSwing_test.txt", "video_test_0000005  5.0 6.5 ", "video_test_0000006  9.0 8.0",
          "video_test_0000270  1.0 2.0")  # fmt: skip
    write(root / "annotations/Billiards_val.txt", "video_validation_0000051  67.5 75.9")
    touch(root, "test/video_test_0000004.mp4", "test/video_test_0000005.mp4", "test/video_test_0000999.mp4",
          "validation/video_validation_0000051.mp4")  # fmt: skip
    return root


def test_thumos14(tmp_path: Path) -> None:
    root = thumos(tmp_path)
    listing = read_dataset("thumos14", root)
    # 4: CliffDiving and Diving are equally long; 5: GolfSwing lasts longer; Ambiguous is not used.
    assert {v.id: (v.label, v.class_name) for v in listing.videos} == {
        "video_test_0000004": (4, "CliffDiving"), "video_test_0000005": (9, "GolfSwing"),
    }  # fmt: skip
    assert (len(listing.classes), listing.missing) == (20, ("video_test_0000270",))
    notes = " ".join(listing.notes)
    assert "2 videos show several classes" in notes and "1 segment ends before its start" in notes
    assert "video_test_0000270 are known to be wrong" in notes and "the first: video_test_0000999" in notes
    assert labels("thumos14", root, "val") == {"video_validation_0000051": "Billiards"}
    assert len(labels("thumos14", root, "all")) == 3
    assert "THUMOS14 has val" in refused(lambda: labels("thumos14", root, "train"))
    found, _ = read_segments("thumos14", root)
    assert [(s.class_name, s.start, s.end) for s in found if s.video_id == "video_test_0000005"] == [
        ("Diving", 0.2, 1.1), ("GolfSwing", 5.0, 6.5),
    ]  # fmt: skip
    write(root / "annotations/Diving_test.txt", "video_test_4 ten 12")
    assert "Diving_test.txt, line 1" in refused(lambda: labels("thumos14", root))
    (root / "annotations/Diving_test.txt").unlink()
    assert "contains no Diving_test.txt" in refused(lambda: labels("thumos14", root))


ALL = ("aras", "mimetics", "diving48", "ssv2", "ucf-crime", "thumos14")


@pytest.mark.parametrize("name", ALL)
def test_another_fold_and_a_missing_folder(tmp_path: Path, name: str) -> None:
    assert "Get " in refused(lambda: read_dataset(name, tmp_path / "none"))
    assert "--fold 2" in refused(lambda: read_dataset(name, tmp_path, "auto", 2))
    assert "--split nonsense" in refused(lambda: read_dataset(name, tmp_path, "nonsense"))


def test_lists_without_their_videos(tmp_path: Path) -> None:
    root = diving(tmp_path, ("gone", 1))
    with pytest.raises(NoVideos) as caught:
        read_dataset("diving48", root)
    assert "the list has 1, such as 'gone'" in str(caught.value)
