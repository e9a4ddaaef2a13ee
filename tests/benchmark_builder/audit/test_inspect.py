"""`bench data inspect`: what it finds is what was broken, and nothing else."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
from inspected import encode, run
from official_lists import touch, write
from official_splits import write_frames, write_splits
from tiny_videos import moving_square, write_video

from benchmark_builder.audit.check_video import COLUMNS, Checked, Checker
from benchmark_builder.audit.inspect import Inspection, inspect_dataset, table
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.binary import ffmpeg_binary
from benchmark_builder.video.record import Video
from benchmark_builder.video.streams import variable_rate


def check(path: Path) -> Checked:
    return Checker(path.parent).make(Video("c/a", path, 3, "c", "all", "folder"))


def kinds(found: Checked) -> set[str]:
    return {kind for kind, _ in found.problems}


def set_header_count(path: Path, count: int) -> None:
    """Overwrite the number of frames in an AVI's stream header (``dwLength`` of the first ``strh``)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"strh") + 8 + 32
    data[place : place + 4] = count.to_bytes(4, "little")
    path.write_bytes(data)


def test_a_sound_file_has_no_problem(tmp_path: Path) -> None:
    encode(tmp_path / "a.avi")
    assert check(tmp_path / "a.avi") == Checked(
        id="c/a", file="a.avi", label=3, class_name="c", frames_decoded=40, frames_header=40, fps=25.0, width=48,
        height=32, rotation=0, variable_rate=False,
    )  # fmt: skip
    assert check(tmp_path / "a.avi").state == "ok"


@pytest.mark.parametrize("count", [41, 39, 44])
def test_a_count_that_is_not_the_headers_is_a_note(tmp_path: Path, count: int) -> None:
    encode(tmp_path / "a.avi")
    set_header_count(tmp_path / "a.avi", count)
    found = check(tmp_path / "a.avi")
    assert (found.frames_decoded, found.frames_header) == (40, count)
    assert found.state == "note" and found.words("count") == f"40 frames, but its header says {count}"


def test_a_file_that_was_cut_is_unreadable(tmp_path: Path) -> None:
    encode(tmp_path / "a.avi", frames=100)
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) // 2])
    found = check(tmp_path / "a.avi")
    assert found.frames_decoded is not None and 0 < found.frames_decoded < 90 and found.frames_header == 100
    assert found.state == "unreadable"
    assert (
        found.words("unreadable") == f"incomplete: {found.frames_decoded} of the header's 100 frames; replace the file"
    )


def test_an_edit_list_that_hides_frames_is_no_cut(tmp_path: Path) -> None:
    # Copied from its 10th frame on (0.4 s), the file must keep the frames from the key frame at 0 and hide them.
    encode(tmp_path / "whole.mp4", codec="libx264")
    command = [ffmpeg_binary(), "-loglevel", "error", "-ss", "0.4", "-i", str(tmp_path / "whole.mp4"), "-c", "copy"]
    subprocess.run([*command, str(tmp_path / "a.mp4")], check=True)
    found = check(tmp_path / "a.mp4")
    assert found.frames_decoded is not None and found.frames_header is not None
    assert found.frames_decoded < 0.9 * found.frames_header and kinds(found) == {"count"}


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a video at all" * 100])
def test_a_file_that_is_no_video_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.avi").write_bytes(content)
    found = check(tmp_path / "a.avi")
    assert found.state == "unreadable" and found.frames_decoded == 0 and found.row()["frames_header"] == ""
    assert str(tmp_path) not in found.row()["problem"] and "replace the file" in found.row()["problem"]


def test_damaged_frames_are_counted(tmp_path: Path) -> None:
    encode(tmp_path / "a.avi", frames=100)
    data = bytearray((tmp_path / "a.avi").read_bytes())
    for place in np.random.default_rng(0).integers(len(data) // 2, len(data) * 3 // 4, 20):
        data[place] ^= 255
    (tmp_path / "a.avi").write_bytes(data)
    found = check(tmp_path / "a.avi")
    assert "damaged" in kinds(found) and int(found.words("damaged").split()[0]) > 0
    assert found.variable_rate is None  # lost frames are no sign of a variable rate


def test_a_rotated_file_is_a_note(tmp_path: Path) -> None:
    encode(tmp_path / "flat.mp4")
    command = [ffmpeg_binary(), "-loglevel", "error", "-display_rotation:v:0", "90", "-i", str(tmp_path / "flat.mp4")]
    subprocess.run([*command, "-c", "copy", str(tmp_path / "a.mp4")], check=True)
    found = check(tmp_path / "a.mp4")
    assert kinds(found) == {"rotated"} and found.state == "note" and (found.width, found.height) == (32, 48)
    assert found.rotation in (90, -90)


def test_an_odd_size_is_a_note(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", np.zeros((4, 33, 47, 3), np.uint8))
    found = check(tmp_path / "a.mkv")
    assert kinds(found) == {"odd size"} and found.state == "note" and found.frames_header is None


def test_frame_times_that_jump_are_a_variable_rate(tmp_path: Path) -> None:
    encode(tmp_path / "even.mkv", steps=lambda k: 40)
    encode(tmp_path / "uneven.mkv", steps=lambda k: 20 if k % 3 else 80)
    even, uneven = check(tmp_path / "even.mkv"), check(tmp_path / "uneven.mkv")
    assert (even.variable_rate, even.state) == (False, "ok")
    assert (uneven.variable_rate, kinds(uneven)) == (True, {"variable rate"}) and uneven.row()[
        "variable_rate"
    ] == "true"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (range(0, 3000, 30), False),
        ([round(k * 1000 / 29.97) for k in range(300)], False),  # a clock of milliseconds: steps of 33 and 34
        ([0, 3, 2, 1, 6, 5, 4, 7, 8, 9], False),  # B-frames of an AVI
        ([0, *range(2, 80)], False),  # one lost frame
        ([k + k // 10 for k in range(200)], True),  # every tenth lost
        ([0, 1, 3, 4, 6, 7, 9, 10], True),  # a clock no finer than the frames does not round
        ([int(40 * k + 15 * np.sin(k)) for k in range(100)], True),
        ([0, 1], None),
        ([None, 1, 2, 3], None),
        ([5] * 10, None),
        ([], None),
    ],
)
def test_variable_rate(times: list[int | None], expected: bool | None) -> None:
    assert variable_rate(list(times)) is expected


def test_gaps_between_frames_in_a_folder(tmp_path: Path) -> None:
    video, _ = moving_square(8)
    write_frames(tmp_path / "a", video)
    assert check(tmp_path / "a").state == "ok"
    (tmp_path / "a" / "00003.png").unlink()
    (tmp_path / "a" / "00004.png").unlink()
    found = check(tmp_path / "a")
    assert kinds(found) == {"gap"} and "2 frames" in found.words("gap") and found.frames_decoded == 6
    (tmp_path / "a" / "00006.png").write_bytes(b"")
    found = check(tmp_path / "a")
    assert (
        found.state == "unreadable"
        and found.words("unreadable").startswith("00006.png: ")
        and found.frames_decoded == 3
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a user's dataset with a sound video, a broken one, and one that is not there."""
    root = tmp_path / "copy"
    encode(root / "jump high" / "ok.mp4", codec="libx264")
    touch(root, "sit/broken.mp4")
    encode(root / "sit" / "ok.avi")
    write(root / "train.txt", "jump high/ok.mp4", "sit/gone.mp4")
    write(root / "test.txt", "sit/ok.avi", "sit/broken.mp4")
    return root


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("quick_workers")
def test_a_whole_copy_is_inspected(copy: Path, tmp_path: Path, workers: int) -> None:
    found = inspect_dataset("folder", copy, workers=workers, progress=False)
    assert [(v.id, v.state) for v in found.videos] == [
        ("jump high/ok", "ok"),
        ("sit/broken", "unreadable"),
        ("sit/gone", "missing"),
        ("sit/ok", "ok"),
    ]
    assert not found.fine and [v.id for v in found.found] == ["jump high/ok", "sit/broken", "sit/ok"]
    assert found.classes == ["jump high", "sit"] and found.empty_classes == []
    assert [(name, count) for name, count, _ in table(found)[:4]] == [
        ("classes with videos", 2), ("found", 3), ("missing", 1), ("unreadable, or incomplete", 1),
    ]  # fmt: skip
    found.write(tmp_path / "out" / "found.csv")
    with open(tmp_path / "out" / "found.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == COLUMNS and len(rows) == 4
    assert (rows[0]["frames_decoded"], rows[0]["variable_rate"], rows[0]["problem"]) == ("40", "false", "")
    assert (rows[2]["file"], rows[2]["label"], rows[2]["class"], rows[2]["frames_decoded"]) == ("", "1", "sit", "")
    assert rows[2]["problem"].startswith("missing")


def test_one_split_is_inspected_alone(copy: Path) -> None:
    assert [v.id for v in inspect_dataset("folder", copy, "train", workers=1, progress=False).videos] == [
        "jump high/ok",
        "sit/gone",
    ]


def test_a_split_of_which_nothing_is_there_is_a_note(copy: Path) -> None:
    (copy / "test.txt").unlink()
    (copy / "sit" / "broken.mp4").unlink()
    write(copy / "train.txt", "sit/gone.mp4")
    found = inspect_dataset("folder", copy, workers=1, progress=False)
    assert found.fine and any("train not checked for missing videos" in note for note in found.notes)
    assert all("--split all" not in note for note in found.notes if "not checked" in note)


def test_what_only_one_split_names_is_found_missing(tmp_path: Path) -> None:
    root = tmp_path / "jhmdb"
    video, _ = moving_square(4)
    write_frames(root / "Rename_Images" / "wave" / "a", video)
    write_frames(root / "Rename_Images" / "wave" / "b", video)
    write_splits(root / "splits", {"wave": ["a.avi 2", "b.avi 1", "c.avi 1"], "sit": ["d.avi 2"]})
    found = inspect_dataset("jhmdb", root, workers=1, progress=False)
    assert [v.id for v in found.of("missing")] == ["sit/d", "wave/c"]
    assert [v.frames_decoded for v in found.found] == [4, 4]
    assert [v.label for v in found.of("missing")] == [found.classes.index("sit"), found.classes.index("wave")]


def test_a_folder_without_videos_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="contains no folder with videos"):
        inspect_dataset("folder", tmp_path, workers=1, progress=False)


def test_the_command_says_it_and_its_exit_status_too(copy: Path, tmp_path: Path) -> None:
    arguments = ("--dataset", "folder", "--root", copy, "--workers", 1)
    error, output = run(*arguments, "--csv", tmp_path / "found.csv")
    assert "1 video missing, 1 unreadable" in str(error) and "\n" not in str(error)
    assert "sit/broken.mp4: " in output and (tmp_path / "found.csv").is_file()
    (copy / "sit" / "broken.mp4").unlink()
    (copy / "test.txt").unlink()
    (copy / "train.txt").unlink()
    set_header_count(copy / "sit" / "ok.avi", 41)
    error, output = run(*arguments)
    assert error is None and "its header says 41" in output


def test_real_clips(clips: Path, tmp_path: Path) -> None:
    root = tmp_path / "own"
    root.mkdir()
    (root / "edge").symlink_to(clips / "edge")
    found = {v.id: v for v in inspect_dataset("folder", root, workers=1, progress=False).videos}
    assert {k: (v.state, kinds(v)) for k, v in found.items()} == {
        "edge/corrupted": ("unreadable", {"unreadable"}),
        "edge/no_actor_cleaning_pool": ("ok", set()),
        "edge/rotated_90": ("note", {"rotated"}),
    }
    assert (found["edge/corrupted"].frames_decoded, found["edge/corrupted"].frames_header) == (28, 50)
    ucf = inspect_dataset("ucf101", clips / "ucf101" / "videos", workers=1, progress=False)
    assert [v.state for v in ucf.videos] == ["ok", "ok"]
    hmdb = inspect_dataset("hmdb51", clips / "hmdb51", workers=1, progress=False)
    assert isinstance(hmdb, Inspection) and hmdb.fine
    # Real HMDB51 AVIs count one frame more than they hold, which is no finding.
    assert all(v.state == "ok" and v.frames_decoded == (v.frames_header or 0) - 1 for v in hmdb.videos)
