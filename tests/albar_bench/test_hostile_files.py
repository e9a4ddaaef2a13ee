"""Zips and pictures made to harm: refused in one line, before memory is taken for what they promise."""

import json
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_builder.backgrounds import background_source
from benchmark_builder.layouts import virtual
from benchmark_builder.layouts.layout import read_any
from benchmark_builder.masks import mask_source
from benchmark_builder.masks.stored import StoredTrack, write_masks
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, read_json, zip_member
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import picture, png_size, probe, read_frames


def png(width: int, height: int) -> bytes:
    """A whole grey PNG, but for its pixels, which it only promises."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (png(60000, 60000), "masks are 60000x60000, the video is 48x32"),
        (png(32, 48), "masks are 32x48"),
        (b"\0" * 10_000_000, "000000.png unpacks to more than 77824 bytes"),
        (b"\xff\xd8\xff no PNG, and as long as a header is", "it is not a PNG"),
        (png(48, 32), "mask of frame 0 cannot be read"),
    ],
)
def test_a_mask_is_measured_before_it_is_decoded(data: bytes, says: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.zip", {"length.txt": b"1\n", "000000.png": data})
    with pytest.raises(BenchError, match=says):
        StoredTrack(path, 32, 48).mask(0)


def test_a_length_that_unpacks_to_more_than_a_number(tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.zip", {"length.txt": b" " * 100_000 + b"1"})
    with pytest.raises(BenchError, match=r"length\.txt unpacks to more than 64 bytes"):
        StoredTrack(path, 32, 48)


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "..\\x.jpg", "\\x.jpg"])
def test_zips_that_point_outside_are_refused(name: str, tmp_path: Path) -> None:
    good = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    path = zipped(tmp_path / "v.zip", {"frame000001.jpg": good, name: good})
    with pytest.raises(BenchError, match="points outside"):
        list(read_any(path))
    with pytest.raises(BenchError, match="points outside"):
        StoredTrack(zipped(tmp_path / "m.zip", {"length.txt": b"1", name: b""}), 8, 8)
    with pytest.raises(BenchError, match="points outside"):
        virtual.read(zipped(tmp_path / "v.virtual", {"still.png": good, name: good}), "still")


def gif(width: int, height: int) -> bytes:
    """A moving GIF of two frames of 1x1 pixel on a canvas of any size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\x00"
    return head + frame * 2 + b"\x3b"


def test_a_video_of_vast_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.gif"
    path.write_bytes(gif(64, 48))
    assert probe(path).width == 64 and len(list(read_frames(path))) == 2
    path.write_bytes(gif(16000, 16000))
    for read in (probe, lambda p: list(read_frames(p))):
        with pytest.raises(BenchError, match=r"v\.gif: breaks after frame 0"):
            read(path)


def directory(count: int) -> bytes:
    """A zip of as many empty members: its list of them alone, as the reader looks at nothing else."""
    entry = b"PK\x01\x02" + b"\x14\0" * 2 + b"\0" * 20 + struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 47 * count, 0, 0)
    return entry * count + end


def test_a_zip_of_a_million_members_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.zip"
    path.write_bytes(directory(100))
    assert len(open_zip(path).namelist()) == 100
    path.write_bytes(directory(500_000))
    with pytest.raises(BenchError, match="too many members"):
        list(read_any(path))
    with pytest.raises(BenchError, match="too many members"):
        StoredTrack(path, 8, 8)


@pytest.mark.parametrize(
    "text", ["[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200, "[" * 10**6, "9" * 5000, "-" + "9" * 25, "[", ""]
)
def test_json_that_is_nested_deep_or_counts_without_end(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BenchError, match=r"a\.json: not a readable file of RLE masks") as caught:
        mask_source(f"rle:{tmp_path / 'a.json'}", tmp_path)
    assert "\n" not in str(caught.value)


def test_json_keeps_numbers_that_fit(tmp_path: Path) -> None:
    value = {
        "a": [2**64 - 1, -(2**63), 1e300, {"b": [[[1]]]}],
        "12345678901234567890123": "sha 123456789012345678901234",
    }
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "a.json", "file", "fix it") == value


def test_a_vast_picture_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="vast: not a readable picture"):
        picture(png(20000, 20000), "vast")
    with pytest.raises(BenchError, match="not a readable picture"):
        list(read_any(zipped(tmp_path / "v.zip", {"frame000001.png": png(20000, 20000)})))
    with pytest.raises(BenchError, match="not a readable picture"):
        virtual.read(zipped(tmp_path / "v.virtual", {"still.png": png(20000, 20000)}), "still")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "bad.png").write_bytes(png(20000, 20000))
    cv2.imwrite(str(pictures / "good.png"), np.full((8, 8, 3), 50, np.uint8))
    drawn = [background_source(f"images:{pictures}").image(generator(k, "v", "b"), 8, 8) for k in range(8)]
    assert {name for _, name, _ in drawn} == {"good.png"} and any(skipped for _, _, skipped in drawn)


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    path = zipped(tmp_path / "v.zip", {"a": b"\0" * 1_000_000})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    with pytest.raises(zipfile.BadZipFile):
        zip_member(open_zip(path), "a", 1000)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_zip_gives_masks_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("m") / "m.zip"
    write_masks(path, np.arange(2 * 6 * 7).reshape(2, 6, 7) % 3 == 0)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        track = StoredTrack(path, 6, 7)
        found = [track.mask(int(k)) for k in np.flatnonzero(track.covered)]
    except BenchError as error:
        assert str(path) in str(error)
    else:
        assert all(mask.shape == (6, 7) and mask.dtype == bool for mask in found)


@given(st.binary(max_size=40))
def test_any_bytes_have_a_size_or_are_no_png(data: bytes) -> None:
    try:
        assert min(png_size(data)) >= 0
    except ValueError as error:
        assert "not a PNG" in str(error)


def test_the_fattest_png_of_a_mask_is_read(tmp_path: Path) -> None:
    """The bound on a mask's bytes leaves room for the fattest PNG that a stranger may write of it: 16 bits, RGBA."""
    noise = np.random.default_rng(0).integers(0, 1 << 16, (32, 48, 4), dtype=np.uint16)
    fat = cv2.imencode(".png", noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()
    path = zipped(tmp_path / "m.zip", {"length.txt": b"1", "000000.png": fat})
    assert StoredTrack(path, 32, 48).mask(0).shape == (32, 48)
