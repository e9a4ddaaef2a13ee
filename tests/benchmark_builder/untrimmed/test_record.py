"""Datasets of untrimmed videos: the record, the registry, the user's own folder."""

import pytest
from official_lists import touch

from benchmark_builder.untrimmed import LongVideo, Segment, UntrimmedListing, read
from benchmark_builder.utils.errors import BenchError


def test_records_refuse_what_cannot_be_a_file_or_a_time():
    with pytest.raises(BenchError, match="not a time span"):
        Segment("Dive", 3.0, 3.0)
    with pytest.raises(BenchError, match="contains a slash"):
        LongVideo("Abuse/Abuse001", None, "train", None)
    with pytest.raises(BenchError, match="split 'val'"):
        LongVideo("a", None, "val", None)
    one = LongVideo("a", None, "train", None)
    with pytest.raises(BenchError, match="listed twice"):
        UntrimmedListing([one, LongVideo("A", None, "test", None)], [], "")


def test_own_folder(tmp_path):
    touch(tmp_path, "b.mp4", "train/a.avi", "train/deep/c.mkv", "test/a.mp4", "notes.txt", "._b.mp4")
    listing = read("folder", tmp_path)
    assert [(v.id, v.split) for v in listing.videos] == [
        ("b", "test"), ("test_a_mp4", "test"), ("train_a_avi", "train"), ("c", "train"),
    ]  # fmt: skip
    assert listing.task == "" and "notes.txt" in listing.notes[0]
    assert [v.id for v in read("folder", tmp_path, "train").videos] == ["train_a_avi", "c"]
    with pytest.raises(BenchError, match="no videos of split 'validation'"):
        read("folder", tmp_path, "validation")
    with pytest.raises(BenchError, match="has no annotations"):
        read("folder", tmp_path, task="anomaly")


def test_files_of_an_own_folder_that_cannot_be_used(tmp_path):
    touch(tmp_path, "good.mp4", "a:b.mp4", "train/x?.avi", "e.mp4", "E.mp4", ".h.mp4", ".deep/i.mp4", "._good.mp4",
          "__MACOSX/.j.mp4")  # fmt: skip
    listing = read("folder", tmp_path)
    assert [v.id for v in listing.videos] == ["good"]
    reasons = {u.file: u.reason for u in listing.unusable}
    assert set(reasons) == {"a:b.mp4", "train/x?.avi", "e.mp4", "E.mp4"}
    assert reasons["e.mp4"] == "E.mp4 has the same name; rename one of them" and "':', which" in reasons["a:b.mp4"]
    assert listing.notes == [f"{tmp_path}: 2 videos with names that begin with a dot: not used, such as .deep/i.mp4"]
    with pytest.raises(BenchError, match=r"no video of split 'train' can be used; the first: train/x\?.avi: its name"):
        read("folder", tmp_path, "train")


def test_unknown_names(tmp_path):
    for options, told in [
        ({"dataset": "ucf"}, "choose from"),
        ({"dataset": "folder", "split": "val"}, "choose from train"),
        ({"dataset": "folder", "task": "counting"}, "choose from anomaly"),
        ({"dataset": "folder:x"}, "takes no text after a colon"),
        ({"dataset": "folder", "root": tmp_path / "none"}, "no such folder"),
    ]:
        with pytest.raises(BenchError, match=told):
            read(**{"root": tmp_path, **options})
