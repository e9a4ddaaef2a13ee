"""Mask sources from annotations: UCF101-24 in both forms, JHMDB, PNG folders, RLE. Every file is made here."""

import json
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from masks_on_disk import compressed
from PIL import Image
from pycocotools import mask as coco
from scipy.io import loadmat, savemat
from tiny_videos import moving_square, write_video

from benchmark_builder.masks import MaskSource, MaskTrack, mask_source
from benchmark_builder.masks.annotations.matlab import read_array
from benchmark_builder.masks.annotations.ucf101_24 import UCF101_24Boxes
from benchmark_builder.masks.annotations.ucf101_v2 import UCF101V2Boxes
from benchmark_builder.masks.rle import decode_rle
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import Video

H, W = 12, 16
ID = "Fencing/v_Fencing_g01_c01"


def video(video_id: str = ID, dataset: str = "ucf101", path: Path = Path("x.avi")) -> Video:
    return Video(video_id, path, 0, video_id.split("/")[0], "all", dataset)


def some_masks(frames: int = 5, seed: int = 0) -> np.ndarray:
    """bool (T, H, W), none empty, no two alike."""
    return np.random.default_rng(seed).random((frames, H, W)) < 0.4


def all_of(track: MaskTrack) -> dict[int, np.ndarray]:
    return {int(k): track.mask(int(k)) for k in np.flatnonzero(track.covered)}


# --- One contract, every source that keeps whole masks --------------------------------------------------------------


def write_pngs(folder: Path, pictures: np.ndarray, first: int = 0, digits: int = 5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k + first:0{digits}d}.png")


def palette_png(path: Path, indices: np.ndarray, palette: list[int]) -> None:
    image = Image.frombytes("P", (indices.shape[1], indices.shape[0]), indices.astype(np.uint8).tobytes())
    image.putpalette(palette)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.ravel().astype(np.int8)
    ends = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    runs = np.diff(ends).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat[0] else runs}


def as_hat(root: Path, masks: np.ndarray) -> str:
    write_pngs(root / "seg" / ID, masks.astype(np.uint8) * 255, first=1, digits=6)
    return f"folder:{root / 'seg'}"


def as_davis(root: Path, masks: np.ndarray) -> str:
    for k, mask in enumerate(masks):
        # Two objects, and a palette that would mislead whoever looks at colours: 0 is white, 2 is black.
        indices = np.where(mask, np.where(np.arange(W) < W // 2, 1, 2), 0)
        palette_png(root / "davis" / Path(ID).name / f"{k:05d}.png", indices, [255, 255, 255, 128, 0, 0, 0, 0, 0])
    return f"folder:{root / 'davis'}"


def as_rle(root: Path, masks: np.ndarray) -> str:
    path = root / "masks.json"
    path.write_text(json.dumps({ID: [compressed(m) for m in masks]}))
    return f"rle:{path}"


def as_youtube_vis(root: Path, masks: np.ndarray) -> str:
    left = np.arange(W) < W // 2
    table = {
        "videos": [{"id": 7, "file_names": [f"{ID}/{k:05d}.jpg" for k in range(len(masks))], "length": len(masks)}],
        "annotations": [
            {"id": 1, "video_id": 7, "segmentations": [compressed(m & left) for m in masks]},
            {"id": 2, "video_id": 7, "segmentations": [uncompressed(m & ~left) for m in masks]},
        ],
    }
    (root / "vis.json").write_text(json.dumps(table))
    return f"rle:{root / 'vis.json'}"


def as_jhmdb(root: Path, masks: np.ndarray) -> str:
    path = root / "puppet_mask" / ID / "puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"part_mask": np.moveaxis(masks, 0, 2).astype(np.uint8)}, do_compression=True)
    return "jhmdb"


def as_stored(root: Path, masks: np.ndarray) -> str:
    write_masks(root / "masks" / f"{ID}.zip", masks)
    return "stored"


FORMS = [as_hat, as_davis, as_rle, as_youtube_vis, as_jhmdb, as_stored]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_masks_come_out_of_every_form(form: Callable, tmp_path: Path) -> None:
    masks = some_masks()
    source = mask_source(form(tmp_path, masks), tmp_path)
    source = pickle.loads(pickle.dumps(source))  # noqa: S301 - as workers get it
    track = source.track(video(), H, W)
    assert track.covered.dtype == bool and track.covered.tolist() == [True] * len(masks)
    for k in reversed(range(len(masks))):  # in any order
        assert track.mask(k).dtype == bool and (track.mask(k) == masks[k]).all()
    described = source.describe()
    assert json.loads(json.dumps(described)) == described and described["kind"]


@pytest.mark.parametrize("form", FORMS)
def test_masks_of_another_size_and_absent_videos_are_named(form: Callable, tmp_path: Path) -> None:
    source = mask_source(form(tmp_path, some_masks()), tmp_path)
    with pytest.raises(BenchError, match=rf"{W}x{H}, the video is {W + 1}x{H}") as error:
        source.track(video(), H, W + 1).mask(0)
    assert "\n" not in str(error.value) and not isinstance(error.value, LeftOut)
    with pytest.raises(LeftOut, match="v_Fencing_g09_c09"):
        source.track(video("Fencing/v_Fencing_g09_c09"), H, W)


def test_a_setting_goes_only_to_a_source_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--actors first: --masks motion has no such setting"):
        mask_source("motion", tmp_path, actors="first")
    with pytest.raises(BenchError, match="--path x: --masks motion has no such setting"):
        mask_source("motion", tmp_path, path="x")
    mask_source("motion", tmp_path, actors=None)
    with pytest.raises(BenchError, match="--numbering 2: choose from auto, 0, 1"):
        mask_source(f"folder:{tmp_path}", tmp_path, numbering="2")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("folder", "give --masks folder:PATH"),
        ("folder:{}/none", "no such folder"),
        ("rle", "give --masks rle:FILE.json"),
        ("rle:{}/none.json", "no file of RLE masks here"),
        ("jhmdb", "puppet_mask: no such folder"),
        ("ucf101-v2", "put UCF101v2-GT.pkl"),
        ("ucf101-24", "put pyannot.pkl"),
    ],
)
def test_a_source_without_its_files_says_what_it_wants(spec: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=says):
        mask_source(spec.format(tmp_path), tmp_path)


# --- UCF101-24, both forms ------------------------------------------------------------------------------------------


def pyannot(path: Path, tubes: list[tuple[int, int, list[list[int]]]], numf: int = 8) -> Path:
    """tubes: (label, first frame, boxes x, y, w, h)."""
    boxes = [{"label": c, "sf": s, "ef": s + len(b), "boxes": np.array(b, np.uint8)} for c, s, b in tubes]
    path.write_bytes(pickle.dumps({ID: {"numf": numf, "label": 6, "annotations": boxes}}, protocol=2))
    return path


def test_first_actor_is_the_first_tube_that_covers_the_frame(tmp_path: Path) -> None:
    a, b = [10, 10, 20, 20], [100, 50, 30, 40]
    path = pyannot(tmp_path / "a.pkl", [(6, 2, [a, a]), (6, 0, [b] * 4)])
    both = all_of(UCF101_24Boxes(path, tmp_path).track(video(), 240, 320))
    first = all_of(mask_source(f"ucf101-24:{path}", tmp_path, actors="first").track(video(), 240, 320))
    assert both.keys() == first.keys() == {0, 1, 2, 3}
    areas = [int(m.sum()) for m in first.values()]
    assert areas == [1200, 1200, 400, 400]
    assert [int(m.sum()) for m in both.values()] == [1200, 1200, 1600, 1600]
    assert first[2][10:30, 10:30].all()
    assert UCF101_24Boxes(path, tmp_path, "first").describe()["actors"] == "first"


def test_a_tube_of_another_class_is_not_shown(tmp_path: Path) -> None:
    path = pyannot(tmp_path / "a.pkl", [(6, 0, [[0, 0, 9, 9]]), (3, 0, [[50, 50, 9, 9]] * 5)])
    track = UCF101_24Boxes(path, tmp_path).track(video(), 240, 320)
    assert track.covered.sum() == 1 and track.mask(0).sum() == 81


def test_unknown_choice_of_actors(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--actors second: choose from all, first"):
        UCF101_24Boxes(None, tmp_path, "second")


@pytest.mark.parametrize(
    "tubes", [[(6, -1, [[0, 0, 9, 9]])], [(6, 10**12, [[0, 0, 9, 9]])], [(6, 0, [[1, 2, 3]])], [("x", 0, [["a"] * 4])]]
)
def test_damaged_tubes_are_one_clear_error(tubes: list, tmp_path: Path) -> None:
    boxes = [{"label": c, "sf": s, "boxes": b} for c, s, b in tubes]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({ID: {"numf": 4, "annotations": boxes}}, protocol=2))
    with pytest.raises(BenchError, match=r"a\.pkl: boxes of .* cannot be read"):
        UCF101_24Boxes(tmp_path / "a.pkl", tmp_path).track(video(), 240, 320)


def v2_file(path: Path, tubes: dict[int, list[np.ndarray]], nframes: int = 20, resolution: tuple = (240, 320)) -> Path:
    table = {
        "labels": ["Basketball", "Fencing"],
        "gttubes": {ID: tubes},
        "nframes": {ID: nframes},
        "resolution": {ID: resolution},
        "train_videos": [[]],
        "test_videos": [[ID]],
    }
    path.write_bytes(pickle.dumps(table, protocol=2))
    return path


def published_mask(tubes: list[np.ndarray], frame: int) -> np.ndarray | None:
    """What StillMix's script shows of frame ``frame`` (from 1): the first row that has it, corners as ints."""
    rows = np.concatenate(tubes)
    found = rows[rows[:, 0] == frame]
    if not len(found):
        return None
    _, x1, y1, x2, y2 = (int(v) for v in found[0])
    mask = np.zeros((240, 320), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def tube() -> st.SearchStrategy:
    row = st.tuples(st.integers(1, 12), *(st.floats(0, 330, width=32) for _ in range(4)))
    return st.lists(row, min_size=1, max_size=8).map(lambda rows: np.array(rows, np.float32))


@settings(max_examples=60, deadline=None)
@given(st.lists(tube(), min_size=1, max_size=3))
def test_v2_first_actor_is_the_published_mask(tmp_path_factory: pytest.TempPathFactory, tubes: list) -> None:
    """Whatever the rows: gaps, a frame twice, boxes turned inside out or beyond the picture."""
    path = v2_file(tmp_path_factory.mktemp("v2") / "UCF101v2-GT.pkl", {1: tubes})
    track = UCF101V2Boxes(path, path.parent, "first").track(video(), 240, 320)
    assert len(track.covered) == 20
    for k in range(20):
        expected = published_mask(tubes, k + 1)
        assert track.covered[k] == (expected is not None)
        if expected is not None:
            assert (track.mask(k) == expected).all()


def test_v2_all_actors_are_united_and_scaled(tmp_path: Path) -> None:
    tubes = [np.array([[1, 10.9, 20.2, 30.5, 40.7]], np.float32), np.array([[1, 100, 100, 200, 200]], np.float32)]
    v2_file(tmp_path / "UCF101v2-GT.pkl", {1: tubes, 0: [np.array([[9, 0, 0, 320, 240]])]})
    source = mask_source("ucf101-v2", tmp_path)  # found in ROOT
    expected = np.zeros((480, 640), bool)
    expected[40:80, 20:60] = True
    expected[200:400, 200:400] = True
    track = source.track(video(), 480, 640)
    assert track.covered.sum() == 1, "a tube of another class does not count"
    assert (track.mask(0) == expected).all()
    assert source.describe().keys() == {"kind", "sha256", "actors"}


def test_v2_video_without_a_tube_of_its_class_is_left_out(tmp_path: Path) -> None:
    path = v2_file(tmp_path / "a.pkl", {0: [np.array([[1, 0, 0, 9, 9.0]])]})
    source = UCF101V2Boxes(path, tmp_path)
    with pytest.raises(LeftOut, match="no Fencing box"):
        source.track(video(), 240, 320)
    with pytest.raises(LeftOut, match="no UCF101-24 annotation for Archery"):
        source.track(video("Archery/v_Archery_g01_c01"), 240, 320)


@pytest.mark.parametrize(
    "tubes",
    [
        {1: [np.array([[0, 0, 0, 9, 9.0]])]},
        {1: [np.array([[np.nan, 0, 0, 9, 9]])]},
        {1: [np.array([[1, 0, np.inf, 9, 9]])]},
        {1: [np.array([[1e12, 0, 0, 9, 9]])]},
        {1: [np.zeros((2, 4))]},
        {1: "text"},
        [1],
    ],
)
def test_v2_damaged_rows_are_one_clear_error(tubes: Any, tmp_path: Path) -> None:
    source = UCF101V2Boxes(v2_file(tmp_path / "a.pkl", tubes), tmp_path)
    with pytest.raises(BenchError, match=r"a\.pkl: boxes of .* cannot be read") as error:
        source.track(video(), 240, 320)
    assert "\n" not in str(error.value)


def test_v2_wants_its_own_file_and_runs_no_code(tmp_path: Path) -> None:
    pyannot(tmp_path / "other.pkl", [(6, 0, [[0, 0, 9, 9]])])
    with pytest.raises(BenchError, match=r"is not UCF101v2-GT\.pkl"):
        UCF101V2Boxes(tmp_path / "other.pkl", tmp_path)
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(BenchError, match="refused"):
        UCF101V2Boxes(tmp_path / "evil.pkl", tmp_path)
    assert not Path("ran").exists()


# --- JHMDB ----------------------------------------------------------------------------------------------------------


def puppet(root: Path, value: dict[str, Any], video_id: str = "wave/a") -> Path:
    path = root / "puppet_mask" / video_id / "puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, value)
    return path


@pytest.mark.parametrize("kind", [np.uint8, np.float64, np.bool_])
@pytest.mark.parametrize("frames", [1, 3])
def test_puppet_masks_of_any_number_type(kind: type, frames: int, tmp_path: Path) -> None:
    masks = some_masks(frames)
    value = np.moveaxis(masks, 0, 2).astype(kind)
    puppet(tmp_path, {"part_mask": value if frames > 1 else value[..., 0]})  # MATLAB drops a last axis of length 1
    track = mask_source("jhmdb", tmp_path).track(video("wave/a", "jhmdb"), H, W)
    assert len(track.covered) == frames and all((track.mask(k) == masks[k]).all() for k in range(frames))


def test_puppet_masks_are_refused_on_hmdb51s_longer_clip(tmp_path: Path) -> None:
    puppet(tmp_path, {"part_mask": np.ones((32, 48, 20), np.uint8)})
    source = mask_source("jhmdb", tmp_path)
    trimmed, whole = tmp_path / "trimmed.mkv", tmp_path / "whole.mkv"
    write_video(trimmed, moving_square(22)[0])
    write_video(whole, np.zeros((60, 32, 48, 3), np.uint8))
    assert len(source.track(video("wave/a", "hmdb51", trimmed), 32, 48).covered) == 20
    with pytest.raises(BenchError, match=r"whole\.mkv: is longer than JHMDB's clip .*--dataset jhmdb"):
        source.track(video("wave/a", "hmdb51", whole), 32, 48)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"other": np.ones((H, W, 2))}, "puppet_mask.mat: contains no array part_mask; download the file"),
        ({"part_mask": "text"}, "not an array of real numbers"),
        ({"part_mask": np.ones((H, W, 2, 2))}, "not H x W x T"),
        ({"part_mask": {"a": 1}}, "not an array of real numbers"),
        ({"part_mask": np.ones((H, W, 2)) * 1j}, "not an array of real numbers"),
    ],
)
def test_a_mat_file_of_something_else(value: dict, says: str, tmp_path: Path) -> None:
    puppet(tmp_path, value)
    with pytest.raises(BenchError, match=says):
        mask_source("jhmdb", tmp_path).track(video("wave/a", "jhmdb"), H, W)


def test_a_mat_file_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    path = puppet(tmp_path, {"part_mask": np.ones((H, W, 2), np.uint8)})
    data = path.read_bytes()
    dims = struct.pack("<iii", H, W, 2)
    assert data.count(dims) == 1
    path.write_bytes(data.replace(dims, struct.pack("<iii", H, W, 2**31 - 1)))
    with pytest.raises(BenchError, match="has 384 values for"):
        mask_source("jhmdb", tmp_path).track(video("wave/a", "jhmdb"), H, W)
    bomb = zlib.compress(bytes(2**24))
    path.write_bytes(data[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(ValueError, match="unpacks to more than 65536 bytes"):
        read_array(path, "part_mask", limit=2**16)
    with pytest.raises(ValueError, match="is larger than 1000 bytes"):
        read_array(path, "part_mask", limit=1000)


@settings(max_examples=80, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint64, np.float32, np.float64]).map(np.dtype),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=5),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_matlab_arrays_are_read_as_scipy_reads_them(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, pack: bool
) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    others = {"before": "text", "cell": np.array([1, "x"], dtype=object), "struct": {"part_mask": [1.0, 2.0]}}
    savemat(path, others | {"part_mask": array}, do_compression=pack)
    found = read_array(path, "part_mask", limit=2**20)
    expected = loadmat(path)["part_mask"]
    assert found.shape == expected.shape and (found == expected).all()


@pytest.mark.parametrize(("order", "mark"), [("<", b"IM"), (">", b"MI")])
def test_matlab_files_of_either_byte_order(order: str, mark: bytes, tmp_path: Path) -> None:
    def element(kind: int, body: bytes) -> bytes:
        return struct.pack(f"{order}II", kind, len(body)) + body + bytes(-len(body) % 8)

    array = np.arange(24, dtype=f"{order}i2").reshape(2, 3, 4)
    parts = [(6, struct.pack(f"{order}II", 6, 0)), (5, struct.pack(f"{order}3i", 2, 3, 4)), (1, b"part_mask")]
    body = b"".join(element(kind, part) for kind, part in [*parts, (3, array.tobytes("F"))])
    header = b"MATLAB 5.0".ljust(124) + struct.pack(f"{order}H", 0x0100) + mark
    (tmp_path / "a.mat").write_bytes(header + element(14, body))
    assert (read_array(tmp_path / "a.mat", "part_mask", limit=2**20) == array).all()
    assert (loadmat(tmp_path / "a.mat")["part_mask"] == array).all()


@pytest.mark.parametrize("content", [b"", b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM\x89HDF", b"\x89PNG" * 99])
def test_a_file_that_is_no_mat(content: bytes, tmp_path: Path) -> None:
    path = puppet(tmp_path, {"part_mask": np.ones((H, W, 2))})
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"puppet_mask\.mat: is not a MATLAB 5 file"):
        mask_source("jhmdb", tmp_path).track(video("wave/a", "jhmdb"), H, W)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_mat_file_gives_masks_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("mat")
    path = root / "puppet_mask" / ID / "puppet_mask.mat"
    as_jhmdb(root, some_masks()) if data.draw(st.booleans()) else puppet(root, {"part_mask": some_masks()}, ID)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    check_masks_or_error(mask_source("jhmdb", root), H, W)


def check_masks_or_error(source: MaskSource, height: int, width: int) -> None:
    """Either masks of the right shape, or a BenchError in one line; nothing else may come out."""
    try:
        track = source.track(video(), height, width)
        assert all(m.shape == (height, width) and m.dtype == bool for m in all_of(track).values())
    except BenchError as error:
        assert "\n" not in str(error)


# --- Folders of PNG -------------------------------------------------------------------------------------------------


def test_frame_numbers_of_a_folder(tmp_path: Path) -> None:
    masks = some_masks(3)

    def covered(names: list[str], **options: str) -> list[int]:
        folder = tmp_path / "f" / ID
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, mask in zip(names, masks, strict=True):
            Image.fromarray(mask).save(folder / name)
        (folder / "._00000.png").write_bytes(b"left by macOS")
        (folder / "notes.txt").write_text("mine")
        track = mask_source(f"folder:{tmp_path / 'f'}", tmp_path, **options).track(video(), H, W)
        found = all_of(track)
        assert len(track.covered) == max(found) + 1
        for k, mask in zip(sorted(found), masks, strict=True):
            assert (found[k] == mask).all()
        return sorted(found)

    assert covered(["00000.png", "00005.png", "00010.png"]) == [0, 5, 10]
    assert covered(["000001.png", "000002.png", "000003.png"]) == [0, 1, 2]
    assert covered(["00020.png", "00025.PNG", "00030.png"]) == [20, 25, 30]
    assert covered(["frame_9.png", "frame_10.png", "frame_11.png"]) == [9, 10, 11]  # by number, not by name
    assert covered(["1.png", "2.png", "3.png"], numbering="0") == [1, 2, 3]
    assert covered(["5.png", "6.png", "7.png"], numbering="1") == [4, 5, 6]
    with pytest.raises(BenchError, match="frame 0, but frame numbers must be between 1 and"):
        covered(["0.png", "1.png", "2.png"], numbering="1")
    assert covered(["8_mask.png", "9_mask.png", "10_mask.png"]) == [8, 9, 10]
    with pytest.raises(BenchError, match=r"01\.png and 1\.png both have the number 1"):
        covered(["01.png", "1.png", "2.png"])
    with pytest.raises(BenchError, match=r"several series of pictures: numbers alone \(2\), overlay \(1\)"):
        covered(["0.png", "1.png", "overlay.png"])
    with pytest.raises(BenchError, match="but frame numbers must be between"):
        covered(["0.png", "1.png", "99999999999999.png"])


def test_a_single_mask_without_a_number_is_of_no_frame(tmp_path: Path) -> None:
    (tmp_path / "f" / ID).mkdir(parents=True)
    Image.fromarray(some_masks(1)[0]).save(tmp_path / "f" / ID / "mask.png")
    with pytest.raises(BenchError, match=r"mask\.png: its name has no frame number"):
        mask_source(f"folder:{tmp_path / 'f'}", tmp_path).track(video(), H, W)


def only_picture(root: Path, picture: Image.Image | list[Image.Image]) -> dict[int, np.ndarray]:
    folder = root / "one" / ID
    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(picture if isinstance(picture, list) else [picture]):
        image.save(folder / f"{k}.png")
    return all_of(mask_source(f"folder:{root / 'one'}", root).track(video(), H, W))


def test_what_a_pixel_means(tmp_path: Path) -> None:
    ramp = np.arange(H * W, dtype=np.uint8).reshape(H, W)  # 0..191
    assert (only_picture(tmp_path / "hat", Image.fromarray(ramp))[0] == (ramp > 128)).all()
    assert (only_picture(tmp_path / "rgb", Image.fromarray(np.stack([ramp] * 3, 2)))[0] == (ramp > 128)).all()
    labels = ramp % 3
    assert (only_picture(tmp_path / "labels", Image.fromarray(labels))[0] == (labels > 0)).all()
    wide = ramp.astype(np.uint16) * 300
    assert (only_picture(tmp_path / "16bit", Image.fromarray(wide))[0] == (ramp > 0)).all()
    drawn = np.zeros((H, W, 3), np.uint8)
    drawn[2:4, :, 0], drawn[6:8, :, 2] = 128, 64
    expected = np.zeros((H, W), bool)
    expected[[2, 3, 6, 7]] = True
    assert (only_picture(tmp_path / "colours", Image.fromarray(drawn))[0] == expected).all()
    opaque = np.dstack([drawn, np.full((H, W), 255, np.uint8)])
    assert (only_picture(tmp_path / "rgba", Image.fromarray(opaque))[0] == expected).all()


def test_one_rule_for_all_pictures_of_a_video(tmp_path: Path) -> None:
    """A soft mask that fades out must not become a label map on its last frame."""
    bright, faint = np.full((H, W), 200, np.uint8), np.full((H, W), 100, np.uint8)
    found = only_picture(tmp_path, [Image.fromarray(p) for p in (faint, bright, faint)])
    assert [bool(m.all()) for m in found.values()] == [False, True, False]
    assert [bool(m.any()) for m in found.values()] == [False, True, False]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(bits: int, tmp_path: Path) -> None:
    indices = np.arange(H * W).reshape(H, W) % 2**bits
    rows = b"".join(
        b"\0" + np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).ravel()).tobytes()
        for row in indices
    )
    header = struct.pack(">IIBBBBB", W, H, bits, 3, 0, 0, 0)
    folder = tmp_path / "p" / ID
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(png(header, zlib.compress(rows), palette=bytes(3 * 2**bits)))  # all black
    track = mask_source(f"folder:{tmp_path / 'p'}", tmp_path).track(video(), H, W)
    assert (track.mask(0) == (indices > 0)).all()


def png(header: bytes, data: bytes, palette: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    chunks = [chunk(b"IHDR", header), chunk(b"PLTE", palette) if palette else b"", chunk(b"IDAT", data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "p" / ID
    folder.mkdir(parents=True)
    for side in (12_000, 2_000_000_000):  # Pillow warns about the first and refuses the second by itself
        (folder / "0.png").write_bytes(png(struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b""))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(BenchError, match=r"0\.png: "):
                mask_source(f"folder:{tmp_path / 'p'}", tmp_path).track(video(), H, W).mask(0)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_png_gives_a_mask_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("png")
    as_hat(root, some_masks(1))
    path = root / "seg" / ID / "000001.png"
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    check_masks_or_error(mask_source(f"folder:{root / 'seg'}", root), H, W)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    write_pngs(tmp_path / "secret" / ID, some_masks(2).astype(np.uint8) * 255)
    inside = tmp_path / "masks" / "Fencing"
    inside.mkdir(parents=True)
    (inside / Path(ID).name).symlink_to(tmp_path / "secret" / ID)
    source = mask_source(f"folder:{tmp_path / 'masks'}", tmp_path)
    with pytest.raises(BenchError, match="points outside"):
        source.track(video(), H, W)
    (inside / Path(ID).name).unlink()
    (inside / Path(ID).name).mkdir()
    (inside / Path(ID).name / "0.png").symlink_to(tmp_path / "secret" / ID / "00000.png")
    with pytest.raises(BenchError, match="points outside"):
        source.track(video(), H, W)


def test_a_folder_without_pictures_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "m" / ID).mkdir(parents=True)
    with pytest.raises(LeftOut, match="no PNG mask"):
        mask_source(f"folder:{tmp_path / 'm'}", tmp_path).track(video(), H, W)


# --- RLE ------------------------------------------------------------------------------------------------------------

MASK = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda size: hnp.arrays(np.bool_, size))


@settings(max_examples=300, deadline=None)
@given(MASK)
def test_rle_round_trip_in_both_forms(mask: np.ndarray) -> None:
    for rle in (compressed(mask), uncompressed(mask)):
        assert (decode_rle(rle, *mask.shape) == mask).all()


def test_rle_of_long_runs_equals_pycocotools() -> None:
    """Runs of four chunks, growing and shrinking, as 1080p has them."""
    mask = np.zeros((1080, 1920), bool)
    mask[:, 300:900], mask[500:, 1000:1002], mask[3, 1700] = True, True, True
    rle = compressed(mask)
    assert (decode_rle(rle, 1080, 1920) == coco.decode(rle).astype(bool)).all()
    assert (decode_rle(rle, 1080, 1920) == mask).all()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=20))
def test_any_text_as_counts_is_a_mask_or_an_error(counts: str) -> None:
    try:
        mask = decode_rle({"size": [5, 6], "counts": counts}, 5, 6)
    except ValueError:
        return
    assert mask.shape == (5, 6)
    assert (mask == coco.decode({"size": [5, 6], "counts": counts.encode()}).astype(bool)).all()


@pytest.mark.parametrize(
    ("rle", "says"),
    [
        ({"size": [H, W], "counts": ""}, "the sum of its runs is not"),
        ({"size": [H, W], "counts": [H * W - 1]}, "the sum of its runs is not"),
        ({"size": [H, W], "counts": [H * W, H * W]}, "the sum of its runs is not"),
        ({"size": [H, W], "counts": [-1, H * W + 1]}, "neither a string nor a list"),
        ({"size": [H, W], "counts": [True] * (H * W)}, "neither a string nor a list"),
        ({"size": [H, W], "counts": [2**63]}, "neither a string nor a list"),
        ({"size": [H, W], "counts": "oooooooooooo0"}, "longer than any picture"),
        ({"size": [H, W], "counts": "é"}, "not compressed run lengths"),
        ({"size": [H, W], "counts": "\ud800"}, "not compressed run lengths"),
        ({"size": [H, W], "counts": "P1 "}, "not compressed run lengths"),
        ({"size": [H, W], "counts": None}, "neither a string nor a list"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "its size is 1000000000x1000000000, the video is 16x12"),
        ({"size": "12x16", "counts": [1]}, "its size is '12x16'"),
        ([1, 2], "not an RLE"),
        ({"counts": [1]}, "not an RLE"),
    ],
)
def test_a_wrong_rle_is_named_with_file_video_and_frame(rle: Any, says: str, tmp_path: Path) -> None:
    good = compressed(some_masks(1)[0])
    (tmp_path / "m.json").write_text(json.dumps({ID: [good, rle]}))
    track = mask_source(f"rle:{tmp_path / 'm.json'}", tmp_path).track(video(), H, W)
    assert (track.mask(0) == some_masks(1)[0]).all()
    with pytest.raises(BenchError, match=says) as error:
        track.mask(1)
    assert f"m.json: {ID}, frame 1: " in str(error.value) and "\n" not in str(error.value)


def test_null_is_a_frame_that_nothing_is_said_about(tmp_path: Path) -> None:
    a, b = some_masks(2)
    nothing = uncompressed(np.zeros((H, W), bool))
    (tmp_path / "m.json").write_text(json.dumps({Path(ID).name: [None, compressed(a), None, nothing]}))
    track = mask_source(f"rle:{tmp_path / 'm.json'}", tmp_path).track(video(), H, W)
    assert track.covered.tolist() == [False, True, False, True]
    assert (track.mask(1) == a).all() and not track.mask(3).any()
    table = {
        "videos": [{"id": 1, "file_names": ["other/0.jpg"]}, {"id": ID}, {"id": 3, "file_names": []}],
        "annotations": [
            {"video_id": ID, "segmentations": [None, compressed(a), compressed(a)]},
            {"video_id": ID, "segmentations": [None, None, compressed(b), compressed(b)]},
        ],
    }
    (tmp_path / "v.json").write_text(json.dumps(table))
    source = mask_source(f"rle:{tmp_path / 'v.json'}", tmp_path)
    found = all_of(source.track(video(), H, W))
    assert found.keys() == {1, 2, 3}
    assert (found[1] == a).all() and (found[2] == (a | b)).all() and (found[3] == b).all()
    with pytest.raises(LeftOut, match="no frame of other has a mask"):
        source.track(video("other"), H, W)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": 1}',
        "[" * 100_000,
        '{"videos": [{}], "annotations": []}',
        '{"videos": [1], "annotations": []}',
        '{"videos": [{"id": [1]}], "annotations": []}',
        '{"videos": [{"id": 1}], "annotations": [{"video_id": 2, "segmentations": []}]}',
        '{"videos": [{"id": 1}], "annotations": [{"video_id": 1, "segmentations": 5}]}',
        '{"videos": [{"id": 1, "file_names": 3}], "annotations": []}',
    ],
)
def test_a_json_that_is_no_file_of_masks(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(BenchError, match=r"m\.json: ") as error:
        mask_source(f"rle:{tmp_path / 'm.json'}", tmp_path)
    assert "\n" not in str(error.value)
