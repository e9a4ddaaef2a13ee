"""UCF-Crime and THUMOS14 in small copies of their official layouts, with the faults of the real ones."""

import shutil

import pytest
from untrimmed_layouts import write_thumos14, write_ucf_crime

from benchmark_builder.untrimmed import read
from benchmark_builder.utils.errors import BenchError


@pytest.fixture(scope="module")
def crime(tmp_path_factory):
    return write_ucf_crime(tmp_path_factory.mktemp("crime"))


@pytest.fixture(scope="module")
def thumos(tmp_path_factory):
    return write_thumos14(tmp_path_factory.mktemp("thumos"))


def test_ucf_crime_in_the_order_of_its_lists(crime):
    listing = read("ucf-crime", crime.root)
    assert [v.id for v in listing.videos] == [*crime.train, *crime.test]
    assert [v.split for v in listing.videos] == ["train"] * len(crime.train) + ["test"] * len(crime.test)
    assert {v.id: v.label for v in listing.videos} == crime.classes
    assert [v.id for v in listing.videos if v.path is None] == crime.missing
    assert all(v.missing for v in listing.videos if v.path is None) and listing.task == "anomaly"
    assert [v.id for v in read("ucf-crime", crime.root, "test").videos] == crime.test


def test_ucf_crime_has_frames_from_0_without_the_end(crime):
    videos = {v.id: v for v in read("ucf-crime", crime.root).videos}
    for name, ranges in crime.ranges.items():
        wanted = [(crime.classes[name], start - 1, end) for start, end in ranges]
        assert [(s.label, s.start, s.end) for s in videos[name].segments] == wanted
    assert not any(v.segments for v in videos.values() if v.id not in crime.ranges)
    assert {v.unit for v in videos.values()} == {"frames"}


def test_ucf_crime_tells_of_its_faults(crime):
    notes = " | ".join(read("ucf-crime", crime.root).notes)
    assert "1 video is listed twice, used once: Abuse001_x264" in notes
    assert f"1 test video of anomalies without annotated frames: all of theirs count as normal: " \
           f"{crime.unannotated[0]}" in notes  # fmt: skip
    assert "1 video is annotated twice, such as Abuse028_x264" in notes
    assert "1 annotated video is not in the list of test videos: Burglary005_x264" in notes


def test_ucf_crime_without_its_annotations_is_refused(crime, tmp_path):
    shutil.copytree(crime.root, tmp_path / "copy")
    (tmp_path / "copy/Temporal_Anomaly_Annotation_for_Testing_Videos.txt").unlink()
    with pytest.raises(BenchError, match="contains no Temporal_Anomaly_Annotation_for_Testing"):
        read("ucf-crime", tmp_path / "copy")
    assert read("ucf-crime", tmp_path / "copy", "train").videos
    next((tmp_path / "copy").rglob("Anomaly_Train.txt")).unlink()
    with pytest.raises(BenchError, match=r"contains no Anomaly_Detection_splits/Anomaly_Train.txt; get the file"):
        read("ucf-crime", tmp_path / "copy", "train")
    for options, told in [({"split": "validation"}, "has train, test and all"), ({"task": "localization"}, "anomaly")]:
        with pytest.raises(BenchError, match=told):
            read("ucf-crime", crime.root, **options)


@pytest.mark.parametrize("source", ["text", "thumos14.json", "thumos_14_anno.json"])
def test_thumos14_from_text_and_json(thumos, tmp_path, source):
    root = thumos.root
    if source != "text":
        root = tmp_path / "copy"
        shutil.copytree(thumos.root, root)
        for path in (root / "annotations").iterdir():
            if path.name != source:
                path.unlink()
    listing = read("thumos14", root)
    assert [v.id for v in listing.videos] == [*thumos.validation, *thumos.test]
    assert [v.split for v in listing.videos] == ["validation"] * len(thumos.validation) + ["test"] * len(thumos.test)
    for video in listing.videos:
        assert [(s.label, s.start, s.end) for s in video.segments] == thumos.segments[video.id]
    assert [v.id for v in listing.videos if v.path is None] == thumos.missing
    notes = " | ".join(listing.notes)
    assert "1 segment is annotated twice" in notes and "1 segment ends before its start" in notes
    assert f"1 video has no annotations, left out; the first: {thumos.unannotated[0]}" in notes
    assert "video_test_0000270 and video_test_0001292 are known to be wrong" in notes
    assert len(listing.classes) == 20 and listing.task == "localization"


def test_thumos14_refuses_what_is_not_its_json(thumos, tmp_path):
    for content, told in [
        ("[]", "has no table 'database'"),
        ('{"database": {"../x": {"annotations": []}}}', "is not the name of a video"),
        ('{"database": {"video_test_0000004": {}}}', "has no list 'annotations'"),
        ('{"database": {"video_test_0000004": {"annotations": [{"label": "Diving", "segment": [1]}]}}}', "two times"),
        (
            '{"database": {"video_test_0000004": {"annotations": [{"label": "Cook", "segment": [1, 2]}]}}}',
            "not a class",
        ),
        ('{"database": {"video_test_0000004": {"annotations": [{"label": "Diving", "segment": [true, 2]}]}}}', "two"),
    ]:
        (tmp_path / "thumos14.json").write_text(content)
        with pytest.raises(BenchError, match=told):
            read("thumos14", tmp_path)


def test_two_files_of_one_video_are_no_choice(thumos, tmp_path):
    shutil.copytree(thumos.root, tmp_path / "copy")
    shutil.copy(tmp_path / "copy/test/video_test_0000004.mp4", tmp_path / "copy/video_test_0000004.mp4")
    video = next(v for v in read("thumos14", tmp_path / "copy").videos if v.id == "video_test_0000004")
    assert video.path is None and "have the same name; keep one of them" in video.missing
