"""`bench data transcode`: every frame is there, the result is read as the dataset, damaged videos are listed."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from small_builds import QUIET
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit.inspect import inspect_dataset
from benchmark_builder.builders import Subset
from benchmark_builder.datasets import read_dataset
from benchmark_builder.settings import TranscodeSettings
from benchmark_builder.transcode import RECORD, rows_of, transcode
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.utils.runner import Report
from benchmark_builder.video.binary import ffmpeg_binary
from benchmark_builder.video.decode import probe, read_frames

KEYS = TranscodeSettings(short=0, keys=4, crf=10, preset="ultrafast")
ODD, VARIABLE, TURNED, BROKEN = (
    "Archery/v_Archery_g01_c01", "Archery/v_Archery_g02_c01", "Basketball/v_Basketball_g01_c01",
    "Basketball/v_Basketball_g02_c01",
)  # fmt: skip


def encode(path: Path, codec: str, times: list[int], height: int = 32, width: int = 48) -> None:
    """A video whose frames are shown at ``times``, in tenths of a second, with a sound if the container is AVI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = 90 + 5 * np.arange(len(times))
    video = np.tile(grey[:, None, None, None], (1, height, width, 3))
    video[:, : height // 3, : width // 3] = 220  # a corner by which a turn is seen
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000) if path.suffix == ".avi" else None
        for time, picture in zip(times, video.astype(np.uint8), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        if sound is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            samples.sample_rate = 8000
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """UCF101's layout: an odd size with sound, a variable rate, a rotated video, and one that is no video."""
    root = tmp_path_factory.mktemp("ucf")
    encode(root / f"UCF-101/{ODD}.avi", "mpeg4", list(range(12)), 33, 47)
    encode(root / f"UCF-101/{VARIABLE}.mkv", "libx264", [0, 1, 2, 5, 9, 10, 16])
    encode(root / "flat.mp4", "libx264", list(range(5)))
    turned = root / f"UCF-101/{TURNED}.mov"
    turned.parent.mkdir()
    command = [ffmpeg_binary(), "-loglevel", "error", "-display_rotation:v:0", "90", "-i", str(root / "flat.mp4")]
    subprocess.run([*command, "-c", "copy", str(turned)], check=True)
    (root / "flat.mp4").unlink()
    (root / f"UCF-101/{BROKEN}.avi").write_bytes(b"RIFF but no video" * 99)
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "testlist01.txt").write_bytes(f"{ODD}.avi\r\n{TURNED}.MOV\r\n".encode())
    (lists / "trainlist01.txt").write_text(f"{VARIABLE}.mkv 1\n{BROKEN}.avi 2\n")
    return root


@pytest.fixture(scope="module")
def filled(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Report]]:
    out = tmp_path_factory.mktemp("transcoded") / "out"
    before = {path: sha256_file(path) for path in root.rglob("*") if path.is_file()}
    yield out, transcode("ucf101", root, out=out, settings=KEYS, run=QUIET)
    assert before == {path: sha256_file(path) for path in root.rglob("*") if path.is_file()}


def file(out: Path, video_id: str) -> Path:
    return out / "UCF-101" / f"{video_id}.mp4"


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_a_damaged_video_costs_only_itself(filled: tuple[Path, Report]) -> None:
    out, report = filled
    assert report.made == 3 and [f["id"] for f in report.failed] == [BROKEN]
    assert not file(out, BROKEN).exists() and not list(out.rglob(".*"))


def test_every_frame_is_there_upright_and_even(root: Path, filled: tuple[Path, Report]) -> None:
    out, _ = filled
    rows = {row["id"]: row for row in rows_of(out)}
    assert [(rows[i]["width"], rows[i]["height"], rows[i]["frames"]) for i in (ODD, VARIABLE, TURNED)] == [
        (46, 32, 12), (48, 32, 7), (32, 48, 5),
    ]  # fmt: skip
    for video_id, row in rows.items():
        height, width = row["height"], row["width"]
        old = [frame[:height, :width].astype(int) for frame in read_frames(root / row["source"])]
        new = [frame.astype(int) for frame in read_frames(file(out, video_id))]
        assert len(old) == len(new)
        # Neighbours differ by 5 grey levels, so a frame at another place is farther off.
        assert max(np.abs(a - b).mean() for a, b in zip(old, new, strict=True)) < 2, video_id


def test_rate_key_frames_and_sound(filled: tuple[Path, Report]) -> None:
    out, _ = filled
    with av.open(str(file(out, ODD))) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        keys = [k for k, p in enumerate(p for p in container.demux(video=0) if p.size) if p.is_keyframe]
    assert keys[0] == 0 and max(b - a for a, b in pairwise([*keys, 12])) <= 4
    assert probe(file(out, ODD)).fps == 10
    assert times(file(out, VARIABLE)) == pytest.approx([0, 0.1, 0.2, 0.5, 0.9, 1.0, 1.6])


def test_the_result_is_read_as_the_dataset(root: Path, filled: tuple[Path, Report]) -> None:
    out, _ = filled
    for split, ids in (("test", [ODD, TURNED]), ("train", [VARIABLE])):
        old, new = (read_dataset("ucf101", folder, split) for folder in (root, out))
        assert [v.id for v in new.videos] == ids and not any("suffix" in note for note in new.notes)
        assert [v.label for v in new.videos] == [v.label for v in old.videos if v.id in ids]
    assert (out / "ucfTrainTestlist/testlist01.txt").read_bytes() == f"{ODD}.mp4\r\n{TURNED}.mp4\r\n".encode()
    assert inspect_dataset("ucf101", out, "test", workers=1, progress=False).fine


def test_a_second_run_writes_only_what_has_changed(root: Path, filled: tuple[Path, Report], tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(root, source)
    shutil.copytree(filled[0], out)
    record = json.loads((out / RECORD).read_text())
    encode(source / f"UCF-101/{ODD}.avi", "mpeg4", list(range(6)))
    report = transcode("ucf101", source, out=out, settings=KEYS, run=QUIET)
    assert (report.made, report.kept, list(report.changed), len(report.failed)) == (1, 2, [ODD], 1)
    rows = {row["id"]: row for row in rows_of(out)}
    assert rows[ODD]["frames"] == 6 and rows[TURNED] == record["videos"][-1]


def test_another_rate_is_checked_against_the_duration(root: Path, tmp_path: Path) -> None:
    settings = KEYS.model_copy(update={"fps": 25.0, "short": 16})
    only = Subset(only=("Archery",))
    transcode("ucf101", root, out=tmp_path / "out", settings=settings, subset=only, run=QUIET)
    rows = rows_of(tmp_path / "out")
    # 1.2 s; 1.6 s and the last frame, whose duration is a guess of up to one mean step (16/60 s)
    assert rows[0]["frames"] == 30 and 40 <= rows[1]["frames"] <= 40 + 25 * 16 / 60 + 1
    assert {(row["height"], row["fps"]) for row in rows} == {(16, 25.0)}


def test_folders_that_are_not_its_own_are_refused(root: Path, filled: tuple[Path, Report], tmp_path: Path) -> None:
    for out, said in ((root / "small", "overlaps"), (root.parent, "overlaps"), (root, "overlaps")):
        with pytest.raises(BenchError, match=said):
            transcode("ucf101", root, out=out, settings=KEYS, run=QUIET)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BenchError, match=r"not empty .*thesis\.txt"):
        transcode("ucf101", root, out=tmp_path, settings=KEYS, run=QUIET)
    with pytest.raises(BenchError, match=r"another run \(keys 4, now 8\)"):
        transcode("ucf101", root, out=filled[0], settings=KEYS.model_copy(update={"keys": 8}), run=QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"] and len(rows_of(filled[0])) == 3


def _no_rows(record: dict) -> None:
    record["videos"] = 7


def _outside(record: dict) -> None:
    record["videos"][0]["file"] = "../../outside.mp4"


def _text_for_a_number(record: dict) -> None:
    record["videos"][0]["bytes"] = "12"


@pytest.mark.parametrize("damage", [_no_rows, _outside, _text_for_a_number])
def test_a_damaged_record_is_refused_and_kept(
    root: Path, filled: tuple[Path, Report], tmp_path: Path, damage: Callable[[dict], None]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(filled[0], out)
    record = json.loads((out / RECORD).read_text())
    damage(record)
    (out / RECORD).write_text(json.dumps(record))
    with pytest.raises(BenchError, match=r"transcode\.json|outside"):
        transcode("ucf101", root, out=out, settings=KEYS, run=QUIET)
    assert json.loads((out / RECORD).read_text()) == record and file(out, ODD).is_file()


def test_nothing_is_left_if_no_video_could_be_written(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = transcode("ucf101", root, out=out, subset=Subset(only=(BROKEN,)), settings=KEYS, run=QUIET)
    assert report.made == 0 and [path.name for path in out.iterdir()] == ["failures.csv"]


def test_a_rate_that_moves_annotations_is_refused(tmp_path: Path) -> None:
    encode(tmp_path / "root/Abuse/Abuse001_x264.mkv", "libx264", [0, 1])
    settings = KEYS.model_copy(update={"fps": 5.0})
    with pytest.raises(BenchError, match=r"--fps 5\.0: would move the annotations"):
        transcode("ucf-crime", tmp_path / "root", out=tmp_path / "out", settings=settings, run=QUIET)


def test_folders_of_frames_are_refused(tmp_path: Path) -> None:
    from benchmark_builder.layouts.base import jpeg

    clip = tmp_path / "root/Rename_Images/catch/a"
    clip.mkdir(parents=True)
    (clip / "00001.jpg").write_bytes(jpeg(np.zeros((16, 16, 3), np.uint8), 90))
    with pytest.raises(BenchError, match="folders of frames"):
        transcode("jhmdb", tmp_path / "root", "all", out=tmp_path / "out", run=QUIET)


def test_a_folder_of_an_earlier_version_goes_on_without_a_tune(
    root: Path, filled: tuple[Path, Report], tmp_path: Path
) -> None:
    out = shutil.copytree(filled[0], tmp_path / "out")
    record = json.loads((out / "transcode.json").read_text())
    assert record["settings"].pop("tune") == "fastdecode"
    (out / "transcode.json").write_text(json.dumps(record))
    with pytest.raises(BenchError, match=r"another run \(tune none, now fastdecode"):
        transcode("ucf101", root, out=out, settings=KEYS, run=QUIET)
    report = transcode("ucf101", root, out=out, settings=KEYS.replaced({"tune": "none"}), run=QUIET)
    assert report.made == 0 and report.kept == 3


def test_classes_of_a_folder_keep_their_labels(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"root/{name}").mkdir(parents=True)
    write_video(tmp_path / "root/b/x.mkv", moving_square(3)[0])
    (tmp_path / "root/a/broken.mp4").write_bytes(b"nothing")
    out = tmp_path / "out"
    report = transcode("folder", tmp_path / "root", out=out, settings=KEYS, run=QUIET)
    assert [(v.id, v.label) for v in read_dataset("folder", out, "all").videos] == [("b/x", 1)]
    assert len(report.failed) == 1


def test_the_command_reports_and_exits_with_1(root: Path, filled: tuple[Path, Report]) -> None:
    words = ["data", "transcode", "--dataset", "ucf101", "--root", str(root), "--out", str(filled[0]), "--workers", "1"]
    words += ["--short", "0", "--keys", "4", "--crf", "10", "--preset", "ultrafast", "--sample"]
    done = CliRunner().invoke(app, [*words, "1"])
    said = done.output
    assert done.exit_code == 1 and "3 videos (0 new, 3 kept), 0 left out, 1 failed" in said
    assert "MB before" in said and "clips per CPU second before" in said
    assert CliRunner().invoke(app, [*words, "0", "--keep-going"]).exit_code == 0
