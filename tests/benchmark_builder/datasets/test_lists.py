"""Lists and names as people's systems leave them: every reader takes them, and says what it does not take."""

import csv
from pathlib import Path

import numpy as np
import pytest
from inspected import encode, run
from official_lists import HEAD, touch, write
from official_splits import write_splits
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner
from ways_to_save import NFC, NFD, SAVED

from albar_bench.cli.app import app as bench_app
from benchmark_builder.audit.inspect import inspect_dataset
from benchmark_builder.datasets import Listing, NoVideos, read_dataset
from benchmark_builder.utils.errors import BenchError

assert NFC != NFD


def ucf101(root: Path, name: str) -> list[Path]:
    touch(root, f"UCF-101/Archery/v_Archery_{name}_g01_c01.avi", "UCF-101/Biking/v_Biking_g01_c01.avi")
    path = root / "ucfTrainTestlist/testlist01.txt"
    write(path, f"Archery/v_Archery_{NFC}_g01_c01.avi", "Biking/v_Biking_g01_c01.avi")
    return [path]


def hmdb51(root: Path, name: str) -> list[Path]:
    from benchmark_builder.datasets.common import shipped_classes

    touch(root, f"videos/clap/{name}_clap_0.avi", "videos/wave/a b_wave_0.avi")
    lists = {c: root / f"testTrainMulti_7030_splits/{c}_test_split1.txt" for c in shipped_classes("hmdb51")}
    lines = {"clap": f"{NFC}_clap_0.avi 2", "wave": "a b_wave_0.avi 2"}
    for class_name, path in lists.items():
        write(path, lines.get(class_name, ""))
    return [lists["clap"], lists["wave"]]


def jhmdb(root: Path, name: str) -> list[Path]:
    touch(root, f"Rename_Images/clap/{name}_clap_0/00001.png", "Rename_Images/wave/a b_wave_0/00001.png")
    write_splits(root / "splits", {"clap": [f"{NFC}_clap_0.avi 2"], "wave": ["a b_wave_0.avi 2"]})
    return [root / f"splits/{c}_test_split1.txt" for c in ("clap", "wave")]


def kinetics_csv(root: Path, name: str) -> list[Path]:
    touch(root, f"val/{name}_000005_000015.mp4", "val/x_000005_000015.mp4")
    write(root / "annotations/val.csv", HEAD, f"abseiling,{NFC},5,15,val", "zumba,x,5,15,val")
    return [root / "annotations/val.csv"]


def kinetics_list(root: Path, name: str) -> list[Path]:
    touch(root, f"videos_val/using_segway/{name}.mp4", "videos_val/zumba/b.mp4")
    write(root / "kinetics400_val_list_videos.txt", f"using_segway/{NFC}.mp4 375", "zumba/b.mp4 399")
    return [root / "kinetics400_val_list_videos.txt"]


def own(root: Path, name: str) -> list[Path]:
    touch(root, f"{name}/{name} 1.mp4", "walk/a.mp4")
    write(root / "classes.txt", "walk", NFC)
    write(root / "test.txt", f"{NFC}/{NFC} 1.mp4", "walk/a.mp4")
    return [root / "classes.txt", root / "test.txt"]


MAKERS = {
    "ucf101": ucf101, "hmdb51": hmdb51, "jhmdb": jhmdb, "kinetics400": kinetics_csv, "kinetics400 list": kinetics_list,
    "folder": own,
}  # fmt: skip


def told(listing: Listing) -> list[tuple[str, int]]:
    return [(v.id, v.label) for v in listing.videos]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_list_says_the_same_however_it_was_saved(tmp_path: Path, maker: str) -> None:
    dataset = maker.split()[0]
    for on_disk in (NFC, NFD):
        root = tmp_path / f"{len(on_disk)}"
        lists = MAKERS[maker](root, on_disk)
        texts = [path.read_text() for path in lists]
        wanted = told(read_dataset(dataset, root))
        assert len(wanted) == 2 and sum(NFC in video_id for video_id, _ in wanted) == 1, "ids are composed"
        for name, saved in SAVED.items():
            for path, text in zip(lists, texts, strict=True):
                path.write_bytes(saved(text))
            listing = read_dataset(dataset, root)
            assert (
                told(listing) == wanted
                and listing.missing == ()
                and listing.notes == (listing.notes if maker == "jhmdb" else ())
            ), name
            assert all(v.path.exists() for v in listing.videos)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_list_that_is_no_text_is_named(tmp_path: Path, maker: str) -> None:
    lists = MAKERS[maker](tmp_path / "d", NFC)
    lists[0].write_bytes("M\xfcller\n".encode("latin-1"))
    with pytest.raises(BenchError, match=f"{lists[0].name}: cannot be read as UTF-8"):
        read_dataset(maker.split()[0], tmp_path / "d")


@pytest.mark.parametrize("maker", MAKERS)
def test_what_systems_leave_in_folders_is_no_video(tmp_path: Path, maker: str) -> None:
    root, dataset = tmp_path / "d", maker.split()[0]
    MAKERS[maker](root, NFC)
    before = {split: read_dataset(dataset, root, split) for split in ("auto", "all")}
    folders = [root, *(d for d in root.rglob("*") if d.is_dir())]
    for folder in folders:
        for file in list(folder.iterdir()):
            if file.is_file():
                touch(folder, f"._{file.name}")
        touch(folder, ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/a.mp4", "@eaDir/b.avi", ".cache/c.mp4")
    for split, listing in before.items():
        assert read_dataset(dataset, root, split) == listing


SPELLINGS = {  # a class folder as the data set's site, other tools, and other people spell it
    "ucf101": ("UCF-101", "HandstandPushups", ["HandStandPushups", "handstandpushups", "Handstand Pushups"]),
    "hmdb51": ("videos", "draw_sword", ["Draw_Sword", "draw sword", "DrawSword", "draw-sword"]),
    "jhmdb": ("Rename_Images", "brush_hair", ["Brush_Hair", "brush hair", "brushhair"]),
    "kinetics400": (
        "val", "massaging person's head",
        ["massaging_persons_head", "massaging_person's_head", "Massaging person’s head", "massaging-persons-head"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("dataset", SPELLINGS)
def test_class_folders_match_whatever_their_case_and_punctuation(tmp_path: Path, dataset: str) -> None:
    top, class_name, spellings = SPELLINGS[dataset]
    for k, spelling in enumerate([class_name, *spellings]):
        root = tmp_path / f"{k}"
        touch(root, f"{top}/{spelling}/a{'/00001.png' if dataset == 'jhmdb' else '.mp4'}")
        (video,) = read_dataset(dataset, root, "all").videos
        assert video.class_name == class_name and video.id in (f"{class_name}/a", "a"), spelling
    # Two folders of one class are not guessed at, unless one of them is empty.
    (tmp_path / "0" / top / spellings[0]).mkdir()
    assert len(read_dataset(dataset, tmp_path / "0", "all").videos) == 1
    touch(tmp_path / "0" / top, f"{spellings[0]}/b{'/00001.png' if dataset == 'jhmdb' else '.mp4'}")
    with pytest.raises(BenchError, match="are both class") as caught:
        read_dataset(dataset, tmp_path / "0", "all")
    assert repr(spellings[0]) in str(caught.value)


def test_kinetics_signs_that_torchvision_drops(tmp_path: Path) -> None:
    """The ten classes with signs, in folders as torchvision.datasets.Kinetics names them."""
    from benchmark_builder.datasets.common import shipped_classes

    signs = [c for c in shipped_classes("kinetics400") if set("'()") & set(c)]
    assert len(signs) == 10
    for k, name in enumerate(signs):
        plain = "".join(c for c in name.replace(" ", "_") if c not in "'()")
        touch(tmp_path, f"val/{plain}/{k}.mp4")
    listing = read_dataset("kinetics400", tmp_path)
    assert sorted(v.class_name for v in listing.videos) == sorted(signs) and listing.notes == ()


def test_a_users_classes_match_the_folders_however_they_are_spelt(tmp_path: Path) -> None:
    touch(tmp_path, "Tennis_Serve/a.mp4", "c++/b.mp4", "c/c.mp4")
    write(tmp_path / "classes.txt", "c", "c++", "tennis serve")
    write(tmp_path / "test.txt", "tennis-serve/a.mp4", "c++/b.mp4", "c/c.mp4")
    assert told(read_dataset("folder", tmp_path)) == [("c++/b", 1), ("c/c", 0), ("tennis serve/a", 2)]
    touch(tmp_path, "tennis serve/d.mp4")
    with pytest.raises(BenchError, match="'Tennis_Serve' and 'tennis serve' are both class"):
        read_dataset("folder", tmp_path)
    (tmp_path / "classes.txt").unlink()  # without it each folder is a class of its own
    assert any("differ only in upper and lower case" in n for n in _notes(tmp_path, "Walk/a.mp4", "walk/a.mp4"))


def _notes(folder: Path, *files: str) -> tuple[str, ...]:
    touch(folder / "more", *files)
    return read_dataset("folder", folder / "more").notes


SUFFIXES = [
    ".gif",
    ".wmv",
    ".flv",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".ogv",
    ".asf",
    ".divx",
    ".MP4",
    ".Avi",
    ".mpg",
    ".vob",
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_of_a_video_is_found(tmp_path: Path, suffix: str) -> None:
    touch(
        tmp_path, f"folder/act/a{suffix}", f"ucf101/UCF-101/Archery/a{suffix}", f"hmdb51/videos/clap/a{suffix}",
        f"kinetics400/val/zumba/a{suffix}",
    )  # fmt: skip
    for dataset in ("folder", "ucf101", "hmdb51", "kinetics400"):
        assert len(read_dataset(dataset, tmp_path / dataset, "all").videos) == 1, dataset
    touch(tmp_path, f"flat/val/x_000005_000015{suffix}")
    write(tmp_path / "flat/annotations/val.csv", HEAD, "zumba,x,5,15,val")
    assert len(read_dataset("kinetics400", tmp_path / "flat").videos) == 1


def test_what_is_not_taken_is_counted_and_named(tmp_path: Path) -> None:
    touch(
        tmp_path, "f/act/a.mp4", "f/act/b.xyz", "f/act/c.abc", "f/act/noext", "f/act/deep/d.mp4", "f/loose.mp4",
        "f/masks/x.png",
    )  # fmt: skip
    notes = "\n".join(read_dataset("folder", tmp_path / "f").notes)
    assert "3 files are not videos by their suffix (.abc, .xyz, none)" in notes and "act/b.xyz" in notes
    assert "1 folder inside class folders with videos, which are not used; the first: act/deep" in notes
    assert "1 video is not in a class folder and not used; the first: loose.mp4" in notes
    assert "masks contains no video (1 file: .png)" in notes
    for dataset, place in (("ucf101", "UCF-101/Archery"), ("hmdb51", "videos/clap"), ("kinetics400", "val/zumba")):
        touch(tmp_path / dataset, f"{place}/a.mp4", f"{place}/b.xyz")
        assert "1 file is not videos by their suffix (.xyz)" in "".join(
            read_dataset(dataset, tmp_path / dataset, "all").notes
        )
    touch(tmp_path, "flat/val/x_000005_000015.mp4", "flat/val/y.part")
    write(tmp_path / "flat/annotations/val.csv", HEAD, "zumba,x,5,15,val")
    assert "(.part)" in "".join(read_dataset("kinetics400", tmp_path / "flat").notes)
    touch(tmp_path, "j/Rename_Images/wave/a/00001.png", "j/Rename_Images/wave/a.avi")
    assert "1 file is not folders of frames (.avi)" in "".join(read_dataset("jhmdb", tmp_path / "j", "all").notes)
    touch(tmp_path, "only/act/a.xyz")
    with pytest.raises(BenchError, match=r"1 file is not videos by their suffix \(\.xyz\)"):
        read_dataset("folder", tmp_path / "only")


def test_a_reencoded_copy_stands_for_the_file_that_the_list_names(tmp_path: Path) -> None:
    touch(tmp_path, "u/UCF-101/Archery/v_Archery_g01_c01.mp4", "u/UCF-101/Biking/v_Biking_g01_c01.avi")
    write(
        tmp_path / "u/ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi", "Biking/v_Biking_g01_c01.avi"
    )
    listing = read_dataset("ucf101", tmp_path / "u")
    assert len(listing.videos) == 2 and listing.missing == ()
    assert "1 video has a different suffix than in the list" in listing.notes[0]
    assert "v_Archery_g01_c01.mp4 for v_Archery_g01_c01.avi" in listing.notes[0]
    touch(tmp_path, "f/walk/a.mkv", "f/walk/v1.5 take.mp4")
    write(tmp_path / "f/test.txt", "walk/a.avi", "walk/v1.5 take.mp4")
    listing = read_dataset("folder", tmp_path / "f")
    assert [v.id for v in listing.videos] == ["walk/a", "walk/v1.5 take"] and "a.mkv for a.avi" in listing.notes[0]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_list_of_other_videos_is_told_with_examples(tmp_path: Path, maker: str) -> None:
    lists = MAKERS[maker](tmp_path / "d", NFC)
    for path in lists:
        if path.name != "classes.txt":
            text = path.read_text().replace(NFC, "other").replace("_g01_c01", "_g09_c09").replace("a b_", "c d_")
            path.write_text(
                text.replace("zumba,x", "zumba,z").replace("/b.mp4", "/z.mp4").replace("k/a.mp4", "k/z.mp4")
            )
    if maker == "folder":
        write(tmp_path / "d/test.txt", "walk/z.mp4", "walk/y.mp4")
    with pytest.raises(NoVideos) as caught:
        read_dataset(maker.split()[0], tmp_path / "d")
    message = str(caught.value)
    assert "the list has 2, such as" in message and "0 of them can be used" in message
    assert "the folder contains 2 videos, such as" in message
    assert "\n" not in message


COLON = "2023-01-01 12:00:00"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with two good videos, two of one name, and one whose name cannot be an id."""
    root = tmp_path / "odd"
    for name in ("walk/a.mp4", "walk/a.mkv", "walk/b.mp4", f"run/{COLON}.mp4", "run/c.mp4"):
        encode(root / name, frames=8, codec="libx264")
    return root


def test_inspect_lists_every_unusable_name_and_goes_on(odd: Path, tmp_path: Path) -> None:
    found = inspect_dataset("folder", odd, workers=1, progress=False)
    assert [(v.file, v.state) for v in found.videos] == [
        (f"run/{COLON}.mp4", "unusable"), ("run/c.mp4", "ok"), ("walk/a.mkv", "unusable"), ("walk/a.mp4", "unusable"),
        ("walk/b.mp4", "ok"),
    ]  # fmt: skip
    error, output = run("--dataset", "folder", "--root", odd, "--workers", 1, "--csv", tmp_path / "found.csv")
    assert "0 videos missing, 0 unreadable, 3 with a name that cannot be used" in str(error) and COLON in output
    with open(tmp_path / "found.csv", newline="") as handle:
        rows = {row["file"]: row for row in csv.DictReader(handle)}
    assert len(rows) == 5 and "':'" in rows[f"run/{COLON}.mp4"]["problem"]
    assert "walk/a.mkv has the same name" in rows["walk/a.mp4"]["problem"]
    # A list that names one of two files settles it; the other is still listed.
    write(odd / "test.txt", "walk/a.mp4", "walk/b.mp4")
    states = {v.file: v.state for v in inspect_dataset("folder", odd, workers=1, progress=False).videos}
    assert states["walk/a.mp4"] == "ok" and states["walk/a.mkv"] == "unusable"


def test_inspect_of_nothing_but_unusable_names_still_lists_them(tmp_path: Path) -> None:
    touch(tmp_path, "d/walk/a.mp4", "d/walk/a.mkv")
    found = inspect_dataset("folder", tmp_path / "d", workers=1, progress=False)
    assert [v.state for v in found.videos] == ["unusable", "unusable"] and not found.fine


def test_a_build_takes_the_rest_and_lists_what_it_cannot_take(tmp_path: Path) -> None:
    from benchmark_builder.builders import Run, build_scuba
    from benchmark_builder.masks.stored import write_masks

    root = tmp_path / "odd"
    video, masks = moving_square(4)
    for name in ("walk/a.mkv", "walk/b.mkv", "run/c.mkv"):
        write_video(root / name, video)
        write_masks(root / "masks" / f"{name[:-4]}.zip", masks)
    touch(root, "walk/a.mp4", f"run/{COLON}.mp4")
    report = build_scuba(
        "folder", root, out=tmp_path / "out", masks="stored", per_video=1, layout="lossless",
        run=Run(workers=1, progress=False, say=lambda _: None),
    )  # fmt: skip
    assert report.benchmark is not None and [r.id for r in report.benchmark.rows] == ["run/c__0", "walk/b__0"]
    assert {f["id"] for f in report.left_out} == {"walk/a.mp4", "walk/a.mkv", f"run/{COLON}.mp4"}
    with open(tmp_path / "out" / "failures.csv", newline="") as handle:
        assert {row["id"] for row in csv.DictReader(handle)} == {"walk/a.mp4", "walk/a.mkv", f"run/{COLON}.mp4"}
    assert np.stack(list(report.benchmark.frames(report.benchmark.rows[0]))).shape == (4, 32, 48, 3)


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51", "kinetics400", "jhmdb"])
def test_every_reader_goes_on_after_an_unusable_name(tmp_path: Path, dataset: str) -> None:
    top, class_name, _ = SPELLINGS[dataset]
    if dataset == "jhmdb":
        touch(tmp_path, f"{top}/{class_name}/a/1.png", f"{top}/{class_name}/b:c/1.png")
        touch(tmp_path, f"{top}/{class_name}/{NFC}/1.png", f"{top}/{class_name}/{NFD}/1.png")
    else:
        touch(tmp_path, f"{top}/{class_name}/a.avi", f"{top}/{class_name}/b:c.avi")
        touch(tmp_path, f"{top}/{class_name}/{NFC}.avi", f"{top}/{class_name}/{NFD}.avi")
    listing = read_dataset(dataset, tmp_path, "all")
    assert [v.id.rpartition("/")[2] for v in listing.videos] == ["a"] and len(listing.unusable) == 3
    assert len(listing.summary()) == 1 and listing.summary()[0].startswith("3 videos cannot be used: ")


@pytest.mark.parametrize("base", [1, 2])
def test_a_kinetics_list_of_other_labels_is_refused(tmp_path: Path, base: int) -> None:
    touch(tmp_path, "videos_val/abseiling/a.mp4", "videos_val/zumba/b.mp4")
    path = tmp_path / "kinetics400_val_list_videos.txt"
    write(path, f"abseiling/a.mp4 {base}", f"zumba/b.mp4 {399 + base}", f"zumba/gone.mp4 {399 + base}")
    with pytest.raises(BenchError, match=r"label of a is not that of its folder .*3 of 3 lines") as caught:
        read_dataset("kinetics400", tmp_path)
    assert ("count from 1" in str(caught.value)) == (base == 1)


def test_masks_are_found_whatever_composition_their_names_have(tmp_path: Path) -> None:
    import json

    from benchmark_builder.masks import mask_source
    from benchmark_builder.masks.stored import write_masks
    from benchmark_builder.video.record import Video

    video = Video(f"walk/{NFC}", tmp_path / "a.mkv", 0, "walk", "all", "folder")
    mask = np.zeros((32, 48), dtype=bool)
    mask[2:9, 3:7] = True
    write_masks(tmp_path / f"stored/walk/{NFD}.zip", [mask])
    write_frame(tmp_path / f"pictures/walk/{NFD}/00000.png", mask)
    touch(tmp_path, f"pictures/walk/{NFD}/._00000.png", f"pictures/walk/{NFD}/Thumbs.db")
    runs = {"size": [32, 48], "counts": [3 * 32 + 2, 7, 25, 7, 25, 7, 25, 7, 32 * 48 - 3 * 32 - 2 - 3 * 32 - 7]}
    (tmp_path / "rle.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({f"walk/{NFD}": [runs]}).encode())
    for spec in ("stored:stored", "folder:pictures", "rle:rle.json"):
        kind, _, place = spec.partition(":")
        track = mask_source(f"{kind}:{tmp_path / place}", tmp_path).track(video, 32, 48)
        assert (track.mask(0) == mask).all(), kind


def write_frame(path: Path, mask: np.ndarray) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    assert ok
    path.write_bytes(data.tobytes())


def test_segment_eval_and_the_list_name_what_cannot_be_used(tmp_path: Path) -> None:
    from benchmark_builder.builders import Run
    from benchmark_builder.segment import segment
    from evaluator.testsets import iid_set

    root = tmp_path / "odd"
    for k, name in enumerate(("walk/a.mkv", "run/c.mkv")):
        write_video(root / name, moving_square(8, seed=k)[0])
    touch(root, "walk/a.mp4", f"run/{COLON}.mp4")
    unusable = {"walk/a.mp4", "walk/a.mkv", f"run/{COLON}.mp4"}
    report = segment(
        "folder", root, masks="motion", out=tmp_path / "masks", run=Run(workers=1, progress=False, say=lambda _: None)
    )
    assert {f["id"] for f in report.failures if f["kind"] == "left out"} >= unusable and report.made + report.kept <= 1
    assert set(iid_set("folder", root, "all").absent) == unusable
    output = CliRunner().invoke(bench_app, ["data", "list", "--dataset", "folder", "--root", str(root)]).output
    assert "3 videos cannot be used: run/2023-01-01 12:00:00.mp4 (its name contains ':'" in output and "run/c" in output


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    """Bytes of another encoding, line ends and signs that turn text: nothing of them reaches a screen or table."""
    import os

    root = tmp_path / "d"
    touch(root, "walk/a.mp4", "walk/deep/a.mp4")
    for name in (b"M\xfcller.mp4", b"two\nlines.mp4", b"esc\x1b[2J.mp4", b"x\xff.xyz"):
        (root / "walk" / os.fsdecode(name)).touch()
    (root / os.fsdecode(b"em\xfcty")).mkdir()
    (root / os.fsdecode(b"cl\xe4ss")).mkdir()
    (root / os.fsdecode(b"cl\xe4ss") / "b.mp4").touch()
    listing = read_dataset("folder", root)
    assert [v.id for v in listing.videos] == ["walk/a"]
    assert sorted(u.file for u in listing.unusable) == [
        "cl\\udce4ss/b.mp4", "walk/M\\udcfcller.mp4", "walk/esc\\x1b[2J.mp4", "walk/two\\nlines.mp4",
    ]  # fmt: skip
    assert len(listing.summary()) == 1 and "is not UTF-8" in listing.summary()[0]
    for line in (*listing.notes, *listing.summary()):
        assert line.isprintable() and line.encode()
    found = inspect_dataset("folder", root, workers=1, progress=False)
    found.write(tmp_path / "found.csv")
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 6
    result = CliRunner().invoke(bench_app, ["data", "inspect", "--dataset", "folder", "--root", str(root)])
    assert isinstance(result.exception, BenchError) and "4 with a name that cannot be used" in str(result.exception)


def test_labels_of_ucf101s_lists_that_are_not_class_ind_are_noted(tmp_path: Path) -> None:
    touch(tmp_path, "UCF-101/Archery/v_Archery_g01_c01.avi", "UCF-101/HammerThrow/v_HammerThrow_g01_c01.avi")
    path = tmp_path / "ucfTrainTestlist/trainlist01.txt"
    for archery, throw, count in ((3, 36, 0), (2, 35, 2), (3, 35, 1)):
        write(path, f"Archery/v_Archery_g01_c01.avi {archery}", f"HammerThrow/v_HammerThrow_g01_c01.avi {throw}")
        listing = read_dataset("ucf101", tmp_path, "train")
        assert [v.class_name for v in listing.videos] == ["Archery", "HammerThrow"]
        assert any(f"{count} of 2 labels are not those of classInd" in n for n in listing.notes) == bool(count)
