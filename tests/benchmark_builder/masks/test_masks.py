"""Mask sources: UCF101-24's boxes and their traps, stored masks, hostile pickles."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark_builder.masks import mask_source
from benchmark_builder.masks.annotations.ucf101_24 import UCF101_24Boxes
from benchmark_builder.masks.stored import MaskWriter, StoredMasks, StoredTrack, write_masks
from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import Video


def video(name: str = "Fencing/v_Fencing_g01_c01") -> Video:
    return Video(name, Path("x.avi"), 0, name.split("/")[0], "all", "ucf101")


def annotation(path: Path, tubes: list[tuple[int, list[list[int]]]], numf: int = 10) -> Path:
    boxes = [
        {"label": 0, "sf": np.uint8(sf), "ef": np.uint8(sf + len(b)), "boxes": np.array(b, np.uint8)} for sf, b in tubes
    ]
    table = {"Fencing/v_Fencing_g01_c01": {"numf": np.uint8(numf), "label": 0, "annotations": boxes}}
    path.write_bytes(pickle.dumps(table, protocol=2))
    return path


def test_boxes_beyond_255_do_not_overflow(tmp_path: Path) -> None:
    source = UCF101_24Boxes(annotation(tmp_path / "a.pkl", [(2, [[200, 100, 100, 50]] * 3)]), tmp_path)
    track = source.track(video(), 240, 320)
    assert track.covered.tolist() == [False] * 2 + [True] * 3 + [False] * 5
    expected = np.zeros((240, 320), bool)
    expected[100:150, 200:300] = True
    assert (track.mask(3) == expected).all()


def test_every_tube_counts_and_boxes_are_clipped_and_scaled(tmp_path: Path) -> None:
    source = UCF101_24Boxes(
        annotation(tmp_path / "a.pkl", [(0, [[0, 0, 10, 10]]), (0, [[250, 200, 250, 250]])]), tmp_path
    )
    mask = source.track(video(), 120, 160).mask(0)
    expected = np.zeros((120, 160), bool)
    expected[:5, :5] = True
    expected[100:, 125:] = True
    assert (mask == expected).all()


def test_a_video_without_annotation_is_left_out(tmp_path: Path) -> None:
    source = UCF101_24Boxes(annotation(tmp_path / "a.pkl", [(0, [[0, 0, 9, 9]])]), tmp_path)
    with pytest.raises(LeftOut, match="no UCF101-24 annotation for Archery/v_Archery_g01_c01"):
        source.track(video("Archery/v_Archery_g01_c01"), 240, 320)


def test_real_annotation(clips: Path) -> None:
    source = UCF101_24Boxes(clips / "annotations" / "ucf101_24_pyannot.pkl", clips)
    assert len(source.table) == 3194
    track = source.track(video("SoccerJuggling/v_SoccerJuggling_g23_c01"), 240, 320)
    assert track.covered.sum() == 240
    assert track.boxes(0).tolist() == [[135, 55, 135 + 64, 55 + 124]]


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"numf": Hostile(tmp_path / "ran")}, protocol))
    with pytest.raises(BenchError, match=r"evil\.pkl: refused"):
        mask_source(f"ucf101-24:{tmp_path / 'evil.pkl'}", tmp_path)
    assert not (tmp_path / "ran").exists()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_pickle_give_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("p") / "x.pkl"
    path.write_bytes(data)
    try:
        safe_pickle.load(path, "annotation")
    except BenchError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def test_arrays_of_every_plain_kind_are_admitted(tmp_path: Path) -> None:
    value = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": [np.float32(1.5), "text", (1, 2.0, None)]}
    for protocol in range(6):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(value, protocol))
        loaded = safe_pickle.load(path, "annotation")
        assert (loaded["a"] == value["a"]).all() and loaded["b"] == value["b"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04N.", pickle.dumps({"x": 1})])
def test_an_annotation_file_that_is_not_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(BenchError, match=r"a\.pkl"):
        mask_source(f"ucf101-24:{tmp_path / 'a.pkl'}", tmp_path)


def test_unknown_kind_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"choose from .*ucf101-24.*motion"):
        mask_source("outlines", tmp_path)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20))))
def test_stored_masks_come_back(tmp_path_factory: pytest.TempPathFactory, masks: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("m") / "a.zip"
    write_masks(path, masks)
    track = StoredTrack(path, masks.shape[1], masks.shape[2])
    assert track.covered.all() and len(track.covered) == len(masks)
    assert all((track.mask(k) == masks[k]).all() for k in range(len(masks)))


def test_stored_masks_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((3, 9, 9)) < 0.5
    write_masks(tmp_path / "a.zip", masks)
    write_masks(tmp_path / "b.zip", masks)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_stored_masks_may_cover_a_part_only(tmp_path: Path) -> None:
    with MaskWriter(tmp_path / "a.zip") as writer:
        writer.write(2, np.ones((4, 4), bool))
    assert StoredTrack(tmp_path / "a.zip", 4, 4).covered.tolist() == [False, False, True]


def test_stored_masks_of_another_size_are_named(tmp_path: Path) -> None:
    write_masks(tmp_path / "Fencing" / "v_Fencing_g01_c01.zip", np.ones((2, 8, 8), bool))
    track = StoredMasks(tmp_path, tmp_path).track(video(), 8, 9)
    with pytest.raises(BenchError, match="masks are 8x8, the video is 9x8"):
        track.mask(0)


def test_broken_mask_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK not a zip")
    with pytest.raises(BenchError, match=r"a\.zip: not a mask file"):
        StoredTrack(path, 4, 4)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("length.txt", "1")
        archive.writestr("000005.png", b"")
    with pytest.raises(BenchError, match="after the end of the video"):
        StoredTrack(path, 4, 4)
