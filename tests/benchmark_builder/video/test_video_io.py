"""Decoding and encoding: exactness, rotation, broken files, whole-or-absent."""

from pathlib import Path

import numpy as np
import pytest
from tiny_videos import moving_square, write_video

from benchmark_builder.layouts.video import _Planes, to_planes
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, whole_file
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.encode import FFV1, H264, open_video


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (64, 2)])
def test_ffv1_gives_back_every_pixel(tmp_path: Path, height: int, width: int) -> None:
    video = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mkv", video)
    assert (np.stack(list(read_frames(tmp_path / "a.mkv"))) == video).all()


@pytest.mark.parametrize(("height", "width"), [(240, 320), (97, 131)])
def test_h264_is_near_lossless_on_natural_pictures(tmp_path: Path, height: int, width: int) -> None:
    y, x = np.mgrid[:height, :width]
    video = np.stack(
        [np.stack([128 + 90 * np.sin((x + 3 * k) / 19 + c) * np.cos(y / 23) for c in range(3)], -1) for k in range(6)]
    ).astype(np.uint8)
    with open_video(tmp_path / "a.mp4", width, height, 25, H264) as encoder:
        for frame in video:
            encoder.write(frame)
    back = np.stack(list(read_frames(tmp_path / "a.mp4"))).astype(float)
    assert back.shape == video.shape
    psnr = 10 * np.log10(255**2 / ((back - video) ** 2).mean())
    assert psnr > 40  # 8-bit YUV alone costs smooth pictures about 50 dB; 40 dB is commonly held indistinguishable


def test_planes_are_the_bt601_formula_with_chroma_averaged_over_two_by_two() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    planes = to_planes(image)
    r, g, b = image.transpose(2, 0, 1) / 255.0
    luma = 16 + 219 * (0.299 * r + 0.587 * g + 0.114 * b)
    assert planes.shape == (9, 10) and planes.dtype == np.uint8
    assert np.abs(planes[:6] - luma).max() <= 0.6  # one rounding, and coefficients of finite length
    r, g, b = (c.reshape(3, 2, 5, 2).mean((1, 3)) for c in (r, g, b))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = np.stack([128 + 224 * (b - y) / 1.772, 128 + 224 * (r - y) / 1.402])
    # Three roundings: of the mean (its coefficients' absolute values sum to 0.88), of full-range chroma, of the result.
    assert np.abs(planes[6:].reshape(2, 3, 5) - chroma).max() <= 0.5 * 0.88 + 0.5 * 0.88 + 0.5


class Kept:
    """A sink that keeps the last planes."""

    def write(self, planes: np.ndarray) -> None:
        self.planes = planes


@pytest.mark.parametrize("width", [40, 42])
def test_planes_that_are_kept_from_the_frame_before_are_those_of_the_frame(width: int) -> None:
    rng, kept = np.random.default_rng(0), Kept()
    sink, frame = _Planes(kept), rng.integers(0, 256, (30, width, 3), dtype=np.uint8)
    boxes = [(0, 0, 0, 0), (3, 4, 7, 8), (29, 30, 0, width), (0, 30, width - 1, width), (5, 18, 11, 25), (0, 1, 0, 1)]
    for top, bottom, left, right in [*boxes, (0, 30, 0, width), *boxes]:
        frame[top:bottom, left:right] ^= rng.integers(1, 256, dtype=np.uint8)  # in the caller's memory, as builders do
        sink.write(frame)
        assert (kept.planes == to_planes(frame)).all()


def test_same_frames_same_bytes(tmp_path: Path) -> None:
    video, _ = moving_square()
    for name in ("a.mp4", "b.mp4"):
        with open_video(tmp_path / name, 48, 32, 25, H264) as encoder:
            for frame in video:
                encoder.write(frame)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="could not write a video"), open_video(tmp_path / "a.nonsense", 8, 8, 25) as e:
        for _ in range(1000):
            e.write(np.zeros((8, 8, 3), np.uint8))
    assert list(tmp_path.glob("*.nonsense")) == [] and list(tmp_path.glob(".tmp-*")) == []


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_video(tmp_path / "a.mkv", 8, 8, 25, FFV1) as encoder:
        encoder.write(np.zeros((8, 8, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.glob("*.mkv")) == [] and list(tmp_path.glob(".tmp-*")) == []


def test_a_frame_of_another_shape_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"), open_video(tmp_path / "a.mkv", 8, 8, 25, FFV1) as encoder:
        encoder.write(np.zeros((9, 8, 3), np.uint8))


def test_whole_file_keeps_the_old_one_on_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.glob("*.txt")] == ["a.txt"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b"])
def test_inside_refuses_the_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match="outside"):
        inside(tmp_path, name)


def test_inside_refuses_links_that_leave(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path)
    with pytest.raises(BenchError, match="outside"):
        inside(tmp_path / "folder", "link/x")


def test_rotated_clip_stands_upright_as_opencv_shows_it(clips: Path) -> None:
    import cv2

    path = clips / "edge" / "rotated_90.mov"
    info = probe(path)
    ours = next(read_frames(path))
    shown = cv2.cvtColor(cv2.VideoCapture(str(path)).read()[1], cv2.COLOR_BGR2RGB)
    assert ours.shape == (info.height, info.width, 3) == shown.shape
    # Both turn the same decoded picture; converters may differ by rounding.
    assert np.abs(ours.astype(int) - shown).mean() < 2


def test_corrupted_clip_breaks_with_its_name_and_frame(clips: Path) -> None:
    with pytest.raises(BenchError, match=r"corrupted\.mp4: breaks after frame \d+"):
        list(read_frames(clips / "edge" / "corrupted.mp4"))


def test_titles_in_no_valid_encoding_do_not_stop_us(clips: Path) -> None:
    folder = clips / "hmdb51" / "videos" / "cartwheel"
    assert sum(1 for _ in read_frames(next(folder.iterdir()))) > 0


@pytest.mark.parametrize("content", [b"", b"text", b"RIFF\x00\x00\x00\x00AVI "])
def test_files_that_are_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.avi").write_bytes(content)
    with pytest.raises(BenchError, match=r"a\.avi"):
        probe(tmp_path / "a.avi")
