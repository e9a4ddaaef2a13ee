"""The readers, on folders laid out as the datasets lay theirs out (empty files do: a reader opens no video)."""

from pathlib import Path

import pytest
from official_lists import HEAD, touch, write

from benchmark_builder.datasets import DATASETS, read_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import Video


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    root = tmp_path / "ucf101"
    touch(
        root,
        "UCF-101/Hammering/v_Hammering_g01_c01.avi",
        "UCF-101/HammerThrow/v_HammerThrow_g01_c01.avi",
        "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "UCF-101/HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "UCF-101/HandstandPushups/notes.txt",
    )
    write(
        root / "ucfTrainTestlist/testlist01.txt",
        "Hammering/v_Hammering_g01_c01.avi",
        "HammerThrow/v_HammerThrow_g01_c01.avi",
        "HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "Archery/v_Archery_g01_c01.avi",
    )
    write(root / "ucfTrainTestlist/trainlist01.txt", "HandstandPushups/v_HandStandPushups_g08_c01.avi 37")
    return root


def test_ucf101_labels_are_class_ind_not_folder_order(ucf101: Path) -> None:
    listing = read_dataset("ucf101", ucf101)
    found = {v.class_name: v.label for v in listing.videos}
    assert listing.split == "test1" and len(listing.classes) == 101
    # In ASCII order HammerThrow comes before Hammering; in classInd.txt (1-based) they are 36 and 35.
    assert found["Hammering"] == 34 and found["HammerThrow"] == 35
    assert listing.missing == ("Archery/v_Archery_g01_c01",)


def test_ucf101_handstand_spellings_meet(ucf101: Path) -> None:
    found = [v for v in read_dataset("ucf101", ucf101, "all").videos if "push" in v.id.lower()]
    assert len(found) == 2 and {v.label for v in found} == {36}
    assert [v.id for v in read_dataset("ucf101", ucf101, "train").videos] == [found[1].id]


def test_two_files_of_one_name_are_not_told_apart_silently(ucf101: Path) -> None:
    touch(ucf101, "UCF-101/Hammering/v_Hammering_g01_c01.mp4")
    listing = read_dataset("ucf101", ucf101, "all")
    assert "Hammering/v_Hammering_g01_c01" not in {v.id for v in listing.videos} and len(listing.videos) == 3
    assert [u.file for u in listing.unusable] == [
        "UCF-101/Hammering/v_Hammering_g01_c01.avi",
        "UCF-101/Hammering/v_Hammering_g01_c01.mp4",
    ]
    assert all("has the same name" in u.reason for u in listing.unusable)
    # A list that names one of them settles it, and says so.
    listing = read_dataset("ucf101", ucf101, "test")
    assert {v.path.name for v in listing.videos if "Hammering" in v.id} == {"v_Hammering_g01_c01.avi"}
    assert listing.unusable == () and any("c01.mp4 is not used" in note for note in listing.notes)


def test_no_split_files(ucf101: Path) -> None:
    for path in (ucf101 / "ucfTrainTestlist").iterdir():
        path.unlink()
    (ucf101 / "ucfTrainTestlist").rmdir()
    listing = read_dataset("ucf101", ucf101)
    assert listing.split == "all" and len(listing.videos) == 4 and "using every video" in listing.notes[0]
    with pytest.raises(BenchError, match="--split all"):
        read_dataset("ucf101", ucf101, "test")


def test_hmdb51_odd_names_and_tags(tmp_path: Path) -> None:
    root = tmp_path / "hmdb51"
    names = [
        "#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi",
        "Brushing_(my)_Hair![1]_clap_u_cm_np1_ba_goo_1.avi",
        "a&b_clap_u_cm_np1_ba_goo_2.avi",
    ]
    touch(root, *(f"videos/clap/{n}" for n in names), "videos/draw_sword/x_draw_sword_f_nm_np1_ri_med_0.avi")
    splits = root / "testTrainMulti_7030_splits"
    for name in (r for r in read_dataset("hmdb51", root, "all").classes):
        write(splits / f"{name}_test_split1.txt", "gone.avi 2" if name == "wave" else "")
    write(splits / "clap_test_split1.txt", *(f"{n} {tag} " for n, tag in zip(names, (2, 1, 0), strict=True)))
    write(splits / "draw_sword_test_split1.txt", "x_draw_sword_f_nm_np1_ri_med_0.avi 2")
    listing = read_dataset("hmdb51", root)
    assert [v.id for v in listing.videos] == ["clap/" + names[0][:-4], "draw_sword/x_draw_sword_f_nm_np1_ri_med_0"]
    assert [v.label for v in listing.videos] == [listing.classes.index("clap"), listing.classes.index("draw_sword")]
    assert listing.missing == ("wave/gone",)
    assert len(read_dataset("hmdb51", root, "train").videos) == 1
    assert len(read_dataset("hmdb51", root, "all").videos) == 4


def test_kinetics_flat_with_csv(tmp_path: Path) -> None:
    root = tmp_path / "k"
    touch(root, "val/-Ab_c-d_000010_000020.mp4", "val/trimmedAlone.mp4", "val/no_row_here.mp4")
    write(
        root / "annotations/val.csv",
        "label,youtube_id,time_start,time_end,split,is_cc",
        '"using segway",-Ab_c-d,10,20,val,0',
        "abseiling,trimmedAlone,3,13,val,0",
        "zumba,absentVideo,0,10,val,0",
    )
    listing = read_dataset("kinetics400", root)
    assert [(v.id, v.class_name) for v in listing.videos] == [
        ("-Ab_c-d_000010_000020", "using segway"),
        ("trimmedAlone", "abseiling"),
    ]
    assert [v.label for v in listing.videos] == [listing.classes.index("using segway"), 0]
    assert listing.missing == ("absentVideo_000000_000010",)
    (root / "annotations/val.csv").unlink()
    with pytest.raises(BenchError, match=r"val\.csv"):
        read_dataset("kinetics400", root)


def test_kinetics_class_folders_and_list(tmp_path: Path) -> None:
    root = tmp_path / "k"
    touch(root, "videos_val/using_segway/a_000000_000010.mp4", "videos_val/abseiling/b_000000_000010.mp4")
    listing = read_dataset("kinetics400", root, "val")
    segway = listing.classes.index("using segway")
    assert {v.id: v.label for v in listing.videos} == {"a_000000_000010": segway, "b_000000_000010": 0}
    names = root / "kinetics400_val_list_videos.txt"
    write(names, f"using_segway/a_000000_000010.mp4 {segway}", "abseiling/c_000000_000010.mp4 0")
    listing = read_dataset("kinetics400", root, "val")
    assert [v.id for v in listing.videos] == ["a_000000_000010"] and listing.missing == ("c_000000_000010",)
    write(names, "using_segway/a_000000_000010.mp4 7")
    with pytest.raises(BenchError, match="label of a_000000_000010"):
        read_dataset("kinetics400", root, "val")


def test_videos_that_no_class_or_list_has_are_told(tmp_path: Path, ucf101: Path) -> None:
    (note,) = read_dataset("ucf101", ucf101).notes
    assert "1 file is not videos by their suffix (.txt)" in note and "notes.txt" in note
    (ucf101 / "UCF-101/HandstandPushups/notes.txt").unlink()
    assert read_dataset("ucf101", ucf101).notes == ()
    touch(ucf101, "UCF-101/Hamering/v_Hammering_g02_c01.avi", "UCF-101/annotations/x.mat")
    (note,) = read_dataset("ucf101", ucf101).notes
    assert "Hamering: is not a class of this dataset; its videos (1) are left out" in note
    touch(tmp_path, "h/videos/clap/a.avi", "h/videos/clapp/b.avi")
    assert any("clapp: is not a class" in n for n in read_dataset("hmdb51", tmp_path / "h", "all").notes)
    touch(tmp_path, "flat/val/a_000000_000010.mp4", "flat/val/b.mp4", "flat/val/c.mp4")
    write(tmp_path / "flat/annotations/val.csv", HEAD, "zumba,a,0,10,val")
    (note,) = read_dataset("kinetics400", tmp_path / "flat").notes
    assert "2 videos are not in the csv of split val and left out; the first: b" in note
    touch(tmp_path, "mm/val/zumba/a.mp4", "mm/val/zumba/b.mp4", "mm/val/zumbaa/c.mp4")
    write(tmp_path / "mm/kinetics400_val_list_videos.txt", "zumba/a.mp4 399")
    notes = read_dataset("kinetics400", tmp_path / "mm").notes
    assert len(notes) == 2 and "zumbaa: is not a class" in notes[0] and "the first: b" in notes[1]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        (HEAD, "abseiling,x,5,15,val"),
        (HEAD + ",is_cc", '"abseiling","x",5,15,"val",0'),
        ("\ufeff" + HEAD, "abseiling,x,5.0,15.0,validate"),  # as a spreadsheet writes it
        ("youtube_id,label,time_end,time_start", "x,abseiling,15,5\r"),
    ],
)
def test_kinetics_csv_in_its_forms(tmp_path: Path, head: str, row: str) -> None:
    touch(tmp_path, "k/val/x_000005_000015.mp4")
    write(tmp_path / "k/annotations/val.csv", head, row)
    assert [(v.id, v.label) for v in read_dataset("kinetics400", tmp_path / "k").videos] == [("x_000005_000015", 0)]


@pytest.mark.parametrize("content", [f"{HEAD}\nabseiling,x,soon,15,val\n", f"{HEAD}\nno such class,x,5,15,val\n",
                                     f"{HEAD}\nabseiling\n", "a,b\n1,2\n", f"{HEAD}\nabseiling,x,inf,15,val\n",
                                     f"{HEAD}\n\xff\xfe"])  # fmt: skip
def test_a_kinetics_csv_that_is_none(tmp_path: Path, content: str) -> None:
    touch(tmp_path, "k/val/x_000005_000015.mp4", "k/annotations/val.csv")
    (tmp_path / "k/annotations/val.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(BenchError, match=r"val\.csv"):
        read_dataset("kinetics400", tmp_path / "k")


def test_all_of_kinetics_is_the_splits_that_are_there(tmp_path: Path) -> None:
    root = tmp_path / "cvdf"
    touch(root, "train/a_000000_000010.mp4", "val/b_000000_000010.mp4")
    for split, video, gone in (("train", "a", "c"), ("val", "b", "d")):
        write(root / f"annotations/{split}.csv", HEAD, *(f"zumba,{v},0,10,{split}" for v in (video, gone)))
    listing = read_dataset("kinetics400", root, "all")
    assert [(v.id, v.path.parent.name) for v in listing.videos] == [
        ("a_000000_000010", "train"),
        ("b_000000_000010", "val"),
    ]
    assert listing.missing == ("c_000000_000010", "d_000000_000010") and listing.split == "all"
    touch(tmp_path / "mm", "videos_train/zumba/a.mp4", "videos_val/abseiling/b.mp4")
    assert [v.label for v in read_dataset("kinetics400", tmp_path / "mm", "all").videos] == [399, 0]
    touch(tmp_path / "mm", "videos_val/zumba/a.mp4")
    listing = read_dataset("kinetics400", tmp_path / "mm", "all")
    assert [v.id for v in listing.videos] == ["b"] and [u.id for u in listing.unusable] == ["a", "a"]
    assert {u.file for u in listing.unusable} == {"videos_train/zumba/a.mp4", "videos_val/zumba/a.mp4"}


def test_kinetics_replaced_files_stand_for_the_broken_ones(tmp_path: Path) -> None:
    root, folder = tmp_path / "k", "replacement/replacement_for_corrupted_k400"
    touch(root, "val/a_000000_000010.mp4", f"{folder}/a_000000_000010.mp4", f"{folder}/of_train_000000_000010.mp4")
    write(root / "annotations/val.csv", HEAD, "zumba,a,0,10,val")
    for _ in range(2):  # the second time without the broken file
        assert [v.path for v in read_dataset("kinetics400", root).videos] == [root / folder / "a_000000_000010.mp4"]
        (root / "val/a_000000_000010.mp4").unlink(missing_ok=True)


def test_kinetics_refuses_what_it_would_have_to_drop(tmp_path: Path) -> None:
    touch(tmp_path, "k/val/zumba/a.mp4", "k/val/zumba/a.mkv")
    with pytest.raises(BenchError, match=r"2 files cannot be used, such as 'val/zumba/a\.mkv': val/zumba/a\.mp4 has"):
        read_dataset("kinetics400", tmp_path / "k")
    (tmp_path / "k/val/zumba/a.mkv").unlink()
    write(tmp_path / "k/kinetics400_val_list_videos.txt", "zumba/a.mp4")
    with pytest.raises(BenchError, match=r"line 1: 'zumba/a\.mp4' is not"):
        read_dataset("kinetics400", tmp_path / "k")
    with pytest.raises(BenchError, match="--fold 2"):
        read_dataset("kinetics400", tmp_path / "k", "val", 2)


@pytest.mark.parametrize("name", [*DATASETS])
def test_a_missing_dataset_says_where_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no such folder\. .*(Get|Render|Store)") as caught:
        read_dataset(name, tmp_path / "nowhere")
    assert "nowhere" in str(caught.value) and "\n" not in str(caught.value)


def test_an_empty_folder_is_no_dataset(tmp_path: Path) -> None:
    for name in DATASETS:
        (tmp_path / name).mkdir()
        with pytest.raises(BenchError):
            read_dataset(name, tmp_path / name, "all")


@pytest.mark.parametrize("bad", ["../x", "/etc/x", "", "a/../../b", "a\nb", "a\x00b"])
def test_ids_that_could_leave_their_folder_are_refused(bad: str) -> None:
    with pytest.raises(BenchError):
        Video(bad, Path("x"), 0, "c", "all", "ucf101")


def test_real_clips_are_listed(clips: Path) -> None:
    ucf = read_dataset("ucf101", clips / "ucf101" / "videos", "all")
    assert [(v.id, v.label) for v in ucf.videos] == [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01", 0),
        ("SoccerJuggling/v_SoccerJuggling_g23_c01", 83),
    ]
    hmdb = read_dataset("hmdb51", clips / "hmdb51")
    assert sorted(v.class_name for v in hmdb.videos) == ["cartwheel", "wave", "wave"]
