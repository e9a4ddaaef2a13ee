"""Frames stored as pictures: by number, and one series only, in folders, zips, data sets, masks and backgrounds."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from official_splits import write_splits

from benchmark_builder.audit.verify import verify
from benchmark_builder.backgrounds import background_source
from benchmark_builder.benchmark.export import import_published
from benchmark_builder.datasets import read_dataset
from benchmark_builder.layouts.layout import digest, read_any
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import series
from benchmark_builder.video.decode import probe, read_frames

NAME = "v_Archery_g01_c01__0"
HERE = Path("here")


def picture(value: int, suffix: str = ".png") -> bytes:
    """An 8x8 picture that is ``value`` all over."""
    ok, data = cv2.imencode(suffix, np.full((8, 8, 3), value, np.uint8))
    assert ok
    return data.tobytes()


def write(target: Path, pictures: dict[str, int]) -> Path:
    """Pictures (name -> value) in a new folder, or in a new zip if its name ends so."""
    if target.suffix == ".zip":
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w") as archive:
            for name, value in pictures.items():
                archive.writestr(name, picture(value, Path(name).suffix))
        return target
    for name, value in pictures.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(picture(value, Path(name).suffix))
    return target


def values(path: Path, expected: int | None = None) -> list[int]:
    return [round(float(frame.mean())) for frame in read_any(path, expected)]


def unpadded(stem: str, count: int = 12, suffix: str = ".png", start: int = 1) -> dict[str, int]:
    return {f"{stem}{k}{suffix}": 10 * k for k in range(start, start + count)}


def flow(count: int) -> dict[str, int]:
    return {f"flow_{axis}_{k:05d}.jpg": 128 for axis in "xy" for k in range(count)}


@pytest.mark.parametrize("stem", ["frame", "", "a b-", "Bild_", "v_1_c02_"])
@pytest.mark.parametrize("kind", ["clip", "clip.zip"])
def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path, stem: str, kind: str) -> None:
    path = write(tmp_path / kind, unpadded(stem))
    assert values(path) == [10 * k for k in range(1, 13)]


@pytest.mark.parametrize(
    ("names", "expected", "taken"),
    [
        (["img_2.jpg", "img_10.jpg", "img_1.jpg"], None, ["img_1.jpg", "img_2.jpg", "img_10.jpg"]),
        (["10_rgb.png", "9_rgb.png"], None, ["9_rgb.png", "10_rgb.png"]),
        (["2.JPG", "1.jpeg", "3.jpg"], None, ["1.jpeg", "2.JPG", "3.jpg"]),
        (["still.jpg"], None, ["still.jpg"]),
        (["1.jpg", "2.jpg", "x_1.jpg", "y_1.jpg"], None, ["1.jpg", "2.jpg"]),
        (["img_1.jpg", "flow_x_1.jpg", "flow_y_1.jpg"], 1, ["img_1.jpg"]),
        (["img_1.jpg", "img_2.jpg", "flow_1.png", "optical_flow_u_1.jpg"], None, ["img_1.jpg", "img_2.jpg"]),
        (["rgb/1.jpg", "rgb/2.jpg", "flow/x/1.jpg", "flow/y/1.jpg"], None, ["rgb/1.jpg", "rgb/2.jpg"]),
        (["rgb_1.png", "rgb_2.png", "depth_1.png"], 2, ["rgb_1.png", "rgb_2.png"]),
        (["1.jpg", "2.jpg", "1.png"], 2, ["1.jpg", "2.jpg"]),
        (["1.jpg", "2.jpg", "cover.jpg"], 2, ["1.jpg", "2.jpg"]),
        (["v/1.jpg", "v/2.jpg", "__MACOSX/v/._1.jpg", "v/.DS_Store", "v/Thumbs.db"], None, ["v/1.jpg", "v/2.jpg"]),
        (["v\\2.jpg", "v\\10.jpg"], None, ["v\\2.jpg", "v\\10.jpg"]),
        (["1.jpg", "2.jpg", "3.jpg"], 5, ["1.jpg", "2.jpg", "3.jpg"]),  # one series is taken, whatever its length
        (["x_1.jpg", "x_2.jpg"], None, ["x_1.jpg", "x_2.jpg"]),
    ],
)
def test_one_series_is_taken(names: list[str], expected: int | None, taken: list[str]) -> None:
    assert [name for _, name in series(names, HERE, expected)] == taken


@pytest.mark.parametrize(
    ("names", "expected", "says"),
    [
        ([], None, "contains no frames"),
        (["._1.jpg", "notes.txt"], None, "contains no frames"),
        (
            ["a_1.jpg", "b_1.jpg", "b_2.jpg"],
            None,
            r"contains several series of pictures: a_ \(1\), b_ \(2\); keep",
        ),
        (["a_1.jpg", "b_1.jpg"], 1, r"a_ \(1\), b_ \(1\), and not exactly one has the 1 frames of the list"),
        (["img_1.jpg", "img_2.jpg", "flow_x_1.jpg"], 1, r"flow_x_ \(1\), img_ \(2\), and not exactly one"),
        (["x_1.jpg", "y_1.jpg"], 1, "several series"),
        (["1.jpg", "1.png"], None, r"numbers alone \.jpg \(1\), numbers alone \.png \(1\)"),
        (["1_left.jpg", "1_right.jpg"], None, r"…_left \(1\), …_right \(1\)"),
        (["a.jpg", "b.jpg"], None, "several series"),
        (["frame1.jpg", "frame01.jpg"], None, "frame01.jpg and frame1.jpg both have the number 1"),
        (["IMG_1.jpg", "img_1.jpg"], None, "both have the number 1"),
        (["v/1.jpg", "v/1.jpg"], None, "both have the number 1"),
        (["1" * 5000 + ".jpg"], None, "5000 digits"),
    ],
)
def test_what_is_no_single_series_is_refused(names: list[str], expected: int | None, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        series(names, HERE, expected)


@pytest.mark.parametrize(("kind", "nested"), [(NAME, ""), (f"{NAME}.zip", ""), (f"{NAME}.zip", f"{NAME}/")])
def test_a_published_video_with_flow_is_imported_without_it(tmp_path: Path, kind: str, nested: str) -> None:
    pictures = {f"{nested}{n}": v for n, v in (flow(11) | unpadded("img_")).items()}
    write(tmp_path / "p" / kind, pictures)
    (tmp_path / "p" / "list.txt").write_text(f"{NAME} 12 2\n")
    made = import_published(tmp_path / "p", "scuba", "ucf101", progress=False)
    (row,) = made.rows
    assert row.frames == 12 and [round(float(f.mean())) for f in made.frames(row)] == [10 * k for k in range(1, 13)]
    assert (tmp_path / "p" / "failures.csv").read_text().splitlines() == ["id,kind,reason"]
    assert verify(tmp_path / "p", progress=False) == []


def test_a_published_video_of_several_series_that_the_list_does_not_settle_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "p" / NAME, flow(11) | unpadded("img_"))
    (tmp_path / "p" / "list.txt").write_text(f"{NAME} 11 2\n")
    with pytest.raises(BenchError, match=r"flow_x_ \(11\), flow_y_ \(11\), img_ \(12\), and not exactly one has"):
        import_published(tmp_path / "p", "scuba", "ucf101", progress=False)


def test_jhmdbs_clips_are_read_by_number_and_without_flow(tmp_path: Path) -> None:
    write(tmp_path / "Rename_Images" / "wave" / "a", unpadded("", 11) | flow(10))
    write_splits(tmp_path / "splits", {"wave": ["a.avi 2"]})
    (video,) = read_dataset("jhmdb", tmp_path, "test").videos
    assert probe(video.path).frames == 11
    assert [round(float(f.mean())) for f in read_frames(video.path)] == [10 * k for k in range(1, 12)]


def test_a_folders_digest_is_that_of_benchmarks_built_before(tmp_path: Path) -> None:
    write(tmp_path / "f", {"frame000001.png": 1, "frame000002.png": 2})
    # SHA-256 over lines "name sha256-of-file".
    import hashlib

    lines = [f"frame{k:06d}.png {hashlib.sha256(picture(k)).hexdigest()}\n" for k in (1, 2)]
    before = digest(tmp_path / "f")
    assert before == hashlib.sha256("".join(lines).encode()).hexdigest()
    write(tmp_path / "f", {"flow_x_1.png": 3})
    assert digest(tmp_path / "f") != before  # every picture counts


def test_backgrounds_are_listed_by_number_without_hidden_ones(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", unpadded("p", 11) | {"s/._x.png": 0, "__MACOSX/p1.png": 0})
    source = background_source(f"images:{folder}")
    assert source.names == [f"p{k}.png" for k in range(1, 12)]  # type: ignore[attr-defined]
