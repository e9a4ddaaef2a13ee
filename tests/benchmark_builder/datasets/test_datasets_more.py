"""JHMDB, a user's own folder, and videos that are folders of frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from official_lists import touch, write
from official_splits import write_frames, write_splits
from tiny_videos import moving_square

from benchmark_builder.datasets import read_dataset, scored_as
from benchmark_builder.layouts.layout import digest, read_any
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import FOLDER_FPS, probe, read_frames

HMDB51_SPLITS = "testTrainMulti_7030_splits"


@pytest.fixture
def jhmdb(tmp_path: Path) -> Path:
    root = tmp_path / "jhmdb"
    touch(
        root,
        "Rename_Images/wave/21_wave_u_nm_np1_fr_goo_5/00001.png",
        "Rename_Images/wave/50_[x]!_wave_u_cm_np1_fr_med_12/00001.png",
        "Rename_Images/catch/ball_#1_(a)_catch_f_cm_np1_le_med_0/00001.png",
        "Rename_Images/catch/.DS_Store",
        "Rename_Images/.AppleDouble/x/00001.png",
    )
    lines = {
        "wave": ["21_wave_u_nm_np1_fr_goo_5.avi 2", "50_[x]!_wave_u_cm_np1_fr_med_12.avi 1"],
        "catch": ["ball_#1_(a)_catch_f_cm_np1_le_med_0.avi 2 ", "gone.avi 2"],
    }
    write_splits(root / "splits", lines)
    return root


def test_jhmdb_has_hmdb51s_labels(jhmdb: Path) -> None:
    listing = read_dataset("jhmdb", jhmdb)
    hmdb51 = read_dataset_classes(jhmdb.parent)
    assert listing.classes == hmdb51 and len(hmdb51) == 51 and scored_as("jhmdb") == "hmdb51"
    assert {v.class_name: v.label for v in listing.videos} == {n: hmdb51.index(n) for n in ("catch", "wave")}
    assert [v.id for v in listing.videos] == [
        "catch/ball_#1_(a)_catch_f_cm_np1_le_med_0",
        "wave/21_wave_u_nm_np1_fr_goo_5",
    ]
    assert all(v.path.is_dir() and v.dataset == "jhmdb" for v in listing.videos)
    assert listing.missing == ("catch/gone",)
    assert [v.id for v in read_dataset("jhmdb", jhmdb, "train").videos] == ["wave/50_[x]!_wave_u_cm_np1_fr_med_12"]
    assert len(read_dataset("jhmdb", jhmdb, "all").videos) == 3


def read_dataset_classes(folder: Path) -> list[str]:
    """HMDB51's classes, as its own reader gives them."""
    touch(folder, "h/videos/clap/a.avi")
    return read_dataset("hmdb51", folder / "h", "all").classes


def test_jhmdbs_21_classes_are_among_hmdb51s() -> None:
    from benchmark_builder.datasets.common import shipped_classes
    from benchmark_builder.datasets.jhmdb import CLASSES

    assert len(set(CLASSES)) == 21 and set(CLASSES) < set(shipped_classes("hmdb51"))


def test_jhmdb_takes_hmdb51s_split_files_where_they_are(jhmdb: Path) -> None:
    own = read_dataset("jhmdb", jhmdb)
    assert own.split == "jhmdb_test1" and HMDB51_SPLITS in own.notes[0]
    # HMDB51's lists name videos that JHMDB does not have, which are not missing, and may tag others differently.
    lines = {
        "wave": ["50_[x]!_wave_u_cm_np1_fr_med_12.avi 2", "only_in_hmdb51.avi 2", "21_wave_u_nm_np1_fr_goo_5.avi 0"]
    }
    write_splits(jhmdb / HMDB51_SPLITS, lines)
    for root in (jhmdb, jhmdb / "Rename_Images"):
        listing = read_dataset("jhmdb", root)
        assert [v.id for v in listing.videos] == ["wave/50_[x]!_wave_u_cm_np1_fr_med_12"]
        assert listing.split == "test1" and listing.missing == () and listing.notes == ()


def test_jhmdb_without_splits(jhmdb: Path) -> None:
    (jhmdb / "splits").rename(jhmdb / "elsewhere")
    listing = read_dataset("jhmdb", jhmdb)
    assert listing.split == "all" and len(listing.videos) == 3 and "using every video" in listing.notes[0]
    with pytest.raises(BenchError, match="--split all"):
        read_dataset("jhmdb", jhmdb, "test")
    with pytest.raises(BenchError, match="--split val"):
        read_dataset("jhmdb", jhmdb, "val")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    touch(
        root,
        "tennis serve/a b.mp4",
        "tennis serve/c.mov",
        "tennis serve/readme.txt",
        "Archery/a b.mkv",
        "masks/nothing.png",
        ".cache/x.mp4",
    )
    return root


def test_a_folder_of_class_folders(own: Path) -> None:
    listing = read_dataset("folder", own)
    assert listing.classes == ["Archery", "tennis serve"] and listing.split == "all"
    assert [(v.id, v.label) for v in listing.videos] == [
        ("Archery/a b", 0),
        ("tennis serve/a b", 1),
        ("tennis serve/c", 1),
    ]
    assert any("masks" in note for note in listing.notes) and any("test.txt" in note for note in listing.notes)


def test_a_folder_may_hold_its_classes_in_videos(own: Path) -> None:
    wanted = read_dataset("folder", own)
    for name in ("tennis serve", "Archery"):
        (own / "videos").mkdir(exist_ok=True)
        (own / name).rename(own / "videos" / name)
    moved = read_dataset("folder", own)
    assert [(v.id, v.label) for v in moved.videos] == [(v.id, v.label) for v in wanted.videos]
    assert moved.videos[0].path == own / "videos" / "Archery" / "a b.mkv"


def test_classes_txt_decides_the_labels(own: Path) -> None:
    write(own / "classes.txt", "tennis serve", "diving", "Archery")
    listing = read_dataset("folder", own)
    assert listing.classes == ["tennis serve", "diving", "Archery"]
    assert {v.class_name: v.label for v in listing.videos} == {"tennis serve": 0, "Archery": 2}
    write(own / "classes.txt", "Archery")
    listing = read_dataset("folder", own)
    assert {v.class_name for v in listing.videos} == {"Archery"} and "tennis serve is left out" in listing.notes[0]
    write(own / "classes.txt", "Archery", "tennis serve", "Archery")
    with pytest.raises(BenchError, match="'Archery' is listed twice"):
        read_dataset("folder", own)


def test_a_folders_lists_are_its_splits(own: Path) -> None:
    write(own / "test.txt", "tennis serve/c.mov", "tennis serve/gone.mp4", "tennis serve/c.mov")
    write(own / "train.txt", "Archery/a b.mkv")
    listing = read_dataset("folder", own)
    assert [v.id for v in listing.videos] == ["tennis serve/c"] and listing.missing == ("tennis serve/gone",)
    assert listing.split == "test" and listing.videos[0].label == 1  # classes are the folder's, not the split's
    assert [v.id for v in read_dataset("folder", own, "train").videos] == ["Archery/a b"]
    with pytest.raises(BenchError, match=r"val\.txt: no such list"):
        read_dataset("folder", own, "val")
    with pytest.raises(BenchError, match="--fold 2"):
        read_dataset("folder", own, "test", 2)


def test_without_a_list_for_training_the_videos_of_no_other_list_are_for_training(own: Path) -> None:
    listing = read_dataset("folder", own, "train")
    assert [v.id for v in listing.videos] == ["Archery/a b", "tennis serve/a b", "tennis serve/c"] and listing.by_class
    assert any("there is no test part" in note for note in listing.notes) and not listing.validation
    write(own / "test.txt", "tennis serve/c.mov")
    listing = read_dataset("folder", own, "train")
    assert [(v.id, v.split) for v in listing.videos] == [("Archery/a b", "train"), ("tennis serve/a b", "train")]
    assert any("that test.txt do not name" in note for note in listing.notes)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """The same file names in every part, as cameras number them; a class of train alone, and an empty one."""
    for part in ("train", "Valid", "test"):
        touch(tmp_path, f"{part}/run/1.mp4", f"{part}/jump/1.mp4")
    touch(tmp_path, "train/fall/1.mp4", "train/empty/readme.txt", "notes/x.txt")
    return tmp_path


def test_parts_with_class_folders_are_splits_with_the_same_labels(parts: Path) -> None:
    found = {split: read_dataset("folder", parts, split) for split in ("train", "val", "test", "auto", "all")}
    assert all(listing.classes == ["fall", "jump", "run"] for listing in found.values())
    assert [(v.id, v.label) for v in found["test"].videos] == [("test/jump/1", 1), ("test/run/1", 2)]
    assert found["auto"].videos == found["test"].videos and found["train"].validation == "val"
    assert [v.id for v in found["val"].videos] == ["Valid/jump/1", "Valid/run/1"]
    ids = [v.id for v in found["all"].videos]
    assert len(ids) == len(set(ids)) == 7 and all(not listing.unusable for listing in found.values())
    assert any("empty" in note for note in found["train"].notes)


def test_a_part_that_is_not_there_is_named_with_those_that_are(parts: Path) -> None:
    (parts / "test").rename(parts / "exam")
    with pytest.raises(BenchError, match=r"no part 'test', only Valid, train; add the folder .*test"):
        read_dataset("folder", parts, "test")
    assert read_dataset("folder", parts).split == "val"
    (parts / "Valid").rename(parts / "validation")
    (parts / "exam").rename(parts / "val")
    with pytest.raises(BenchError, match="both val and validation are the part 'val'"):
        read_dataset("folder", parts)


def test_a_class_that_is_called_train_is_a_class(own: Path) -> None:
    touch(own, "train/1.mp4", "train/steam/2.mp4")
    listing = read_dataset("folder", own, "train")
    assert listing.classes == ["Archery", "tennis serve", "train"] and "train/1" in [v.id for v in listing.videos]
    assert any("not used" in note and "train/steam" in note for note in listing.notes)


def test_parts_use_the_users_list_of_classes(parts: Path) -> None:
    write(parts / "classes.txt", "run", "jump")
    listing = read_dataset("folder", parts, "train")
    assert {v.class_name: v.label for v in listing.videos} == {"run": 0, "jump": 1}
    assert any("fall is left out" in note for note in listing.notes)


@pytest.mark.parametrize("line", ["Archery/a b.mkv 0", "Archery", "../x/a.mp4", "unknown/a.mp4", "Archery/../../a.mp4"])
def test_a_line_that_is_no_video_is_named(own: Path, line: str) -> None:
    write(own / "test.txt", "tennis serve/c.mov", line)
    with pytest.raises(BenchError, match=r"test\.txt, line 2"):
        read_dataset("folder", own)


def test_of_two_videos_of_one_name_neither_is_taken_unless_the_list_says_which(own: Path) -> None:
    touch(own, "Archery/a b.mp4")
    listing = read_dataset("folder", own)
    assert [v.id for v in listing.videos] == ["tennis serve/a b", "tennis serve/c"]
    assert [u.file for u in listing.unusable] == ["Archery/a b.mkv", "Archery/a b.mp4"]
    write(own / "test.txt", "Archery/a b.mp4")
    (video,) = read_dataset("folder", own).videos
    assert video.path.name == "a b.mp4"
    write(own / "test.txt", "Archery/a b.avi", "tennis serve/c.mov")
    listing = read_dataset("folder", own)
    assert [v.id for v in listing.videos] == ["tennis serve/c"] and len(listing.unusable) == 2 and not listing.missing


def test_frames_in_a_folder_are_a_video(tmp_path: Path) -> None:
    video, _ = moving_square(12)
    write_frames(tmp_path / "clip", video)
    touch(tmp_path, "clip/.DS_Store", "clip/._00001.png", "clip/notes.txt")
    info = probe(tmp_path / "clip")
    assert (info.width, info.height, info.frames, info.fps, info.rotation) == (48, 32, 12, FOLDER_FPS, 0)
    for reader in (read_frames, read_any):
        assert (np.stack(list(reader(tmp_path / "clip"))) == video).all()


def test_a_folders_digest_is_that_of_its_frames(tmp_path: Path) -> None:
    video, _ = moving_square(3)
    write_frames(tmp_path / "clip", video)
    before = digest(tmp_path / "clip")
    touch(tmp_path, "clip/.DS_Store")
    assert digest(tmp_path / "clip") == before
    write_frames(tmp_path / "clip", video[::-1])
    assert digest(tmp_path / "clip") != before


def test_bad_frames_are_named(tmp_path: Path) -> None:
    video, _ = moving_square(3)
    write_frames(tmp_path / "clip", video)
    cv2.imwrite(str(tmp_path / "clip" / "00003.png"), video[2, :16])
    with pytest.raises(BenchError, match="48x32 to 48x16 after frame 2"):
        list(read_frames(tmp_path / "clip"))
    (tmp_path / "clip" / "00002.png").write_bytes(b"no picture")
    with pytest.raises(BenchError, match=r"00002\.png: not a readable picture"):
        list(read_frames(tmp_path / "clip"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="contains no frames"):
        probe(tmp_path / "empty")


def test_scuba_is_built_from_jhmdbs_frames(tmp_path: Path) -> None:
    from scipy.io import savemat

    from benchmark_builder.benchmark.manifest import read_benchmark
    from benchmark_builder.builders import Run, build_scuba

    root, out = tmp_path / "jhmdb", tmp_path / "out"
    video, masks = moving_square(6)
    clip = root / "Rename_Images" / "wave" / "a_wave_0"
    write_frames(clip, video)
    mat = root / "puppet_mask" / "wave" / "a_wave_0" / "puppet_mask.mat"
    mat.parent.mkdir(parents=True)
    savemat(mat, {"part_mask": np.moveaxis(masks, 0, 2).astype(np.uint8)})
    report = build_scuba(
        "jhmdb", root, out=out, per_video=2, layout="lossless", run=Run(workers=1, progress=False, say=lambda _: None)
    )
    assert not report.failures
    benchmark = read_benchmark(out)
    assert [r.id for r in benchmark.rows] == ["wave/a_wave_0__0", "wave/a_wave_0__1"]
    for row in benchmark.rows:
        frames = np.stack(list(benchmark.frames(row)))
        assert (frames[masks] == video[masks]).all() and (frames[~masks] != video[~masks]).any()
        assert row.source_sha256 == digest(clip) and row.fps == FOLDER_FPS and row.label == 50
