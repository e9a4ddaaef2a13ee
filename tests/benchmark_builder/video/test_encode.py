"""Lossy H.264 in this process: the same bytes whatever its memory was used for, and the frames of ffmpeg's process."""

import ctypes
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from benchmark_builder.layouts.video import to_planes
from benchmark_builder.utils import malloc
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video import encode
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.encode import H264, H264_EXACT, encoder_version, open_video
from benchmark_builder.video.ffmpeg import Process, open_animation

in_process = pytest.mark.skipif(not malloc.can_zero(), reason="no glibc: ffmpeg's process encodes")


def moving(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blocks and noise that move: uint8 (count, height, width, 3)."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (height // 8 + 4, width // 8 + 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    frames = np.stack([rough[k : k + height, 2 * k : 2 * k + width] for k in range(count)])
    return np.clip(frames + rng.integers(-6, 7, frames.shape), 0, 255).astype(np.uint8)


def soil(seed: int) -> list[int]:
    """Free blocks of the sizes of x264's frames, full of random bytes; the small blocks between them stay."""
    libc = malloc._libc()
    noise = np.random.default_rng(seed).bytes(110_000)
    blocks, between = [], []
    for k in range(40):
        size = 70_000 + 1000 * k
        block = libc.memalign(64, size)
        ctypes.memmove(block, noise, size)
        blocks.append(block)
        between.append(libc.memalign(64, 64))
    for block in blocks:
        libc.free(block)
    return between


def files(folder: Path, runs: int, frames: np.ndarray) -> set[bytes]:
    """The files of some runs, each after memory was used in another way."""
    found = set()
    for run in range(runs):
        between = soil(run)
        with open_video(folder / "a.mp4", frames.shape[2], frames.shape[1], 25, H264) as encoder:
            for frame in frames:
                encoder.write(frame)
        for block in between:
            malloc._libc().free(block)
        found.add((folder / "a.mp4").read_bytes())
    return found


@in_process
def test_used_memory_changes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving(8, 48, 64)
    assert len(files(tmp_path, 12, frames)) == 1
    left_over = set()
    for byte in range(0, 250, 50):

        @contextmanager
        def filled(byte: int = byte) -> Iterator[None]:
            malloc._libc().mallopt(malloc._PERTURB, byte + 1)
            yield
            malloc._libc().mallopt(malloc._PERTURB, 0)

        monkeypatch.setattr(encode, "zeroed", filled)
        left_over |= files(tmp_path, 1, frames)
    assert len(left_over) > 1, "x264 reads nothing unwritten for these frames, so this test shows nothing"


@in_process
@pytest.mark.parametrize(
    ("height", "width", "fps", "codec"),
    [(48, 64, 25, H264), (34, 50, 23.976, H264), (21, 33, 8.333333, H264), (48, 71, 29.97, H264_EXACT)],
)
def test_frames_and_times_are_those_of_ffmpegs_process(
    tmp_path: Path, height: int, width: int, fps: float, codec: dict
) -> None:
    frames = moving(9, height, width)
    for pixels in ("rgb24", "yuv420p") if width % 2 == height % 2 == 0 else ("rgb24",):
        own, other = tmp_path / "own.mp4", tmp_path / "other.mp4"
        for path, opened in ((own, open_video), (other, open_animation)):
            with opened(path, width, height, fps, codec, pixels) as encoder:
                assert isinstance(encoder, Process) == (path == other)
                for frame in frames:
                    encoder.write(frame if pixels == "rgb24" else to_planes(frame))
        assert (np.stack(list(read_frames(own))) == np.stack(list(read_frames(other)))).all()
        assert probe(own).fps == probe(other).fps
        assert list(times(own)) == list(times(other))


def times(path: Path) -> Iterator[float]:
    with av.open(str(path)) as container:
        yield from (frame.time for frame in container.decode(video=0))


def test_where_memory_cannot_be_zeroed_ffmpegs_process_encodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (encode, malloc):
        monkeypatch.setattr(module, "can_zero", lambda: False)
    assert "H.264 by ffmpeg " in encoder_version()
    with open_video(tmp_path / "a.mp4", 48, 32, 25, H264) as encoder:
        assert isinstance(encoder, Process)
        encoder.write(np.zeros((32, 48, 3), np.uint8))
    with open_video(tmp_path / "still.mp4", 48, 32, 25, H264_EXACT) as encoder:
        assert not isinstance(encoder, Process), "without rate control nothing unwritten is read"
        encoder.write(np.zeros((32, 48, 3), np.uint8))
    monkeypatch.undo()
    if malloc.can_zero():
        assert encoder_version().endswith(", libx264 in process")


@in_process
def test_memory_is_zero_until_the_last_user_ends() -> None:
    libc = malloc._libc()

    def new() -> bytes:
        block = libc.memalign(64, 50_000)
        content = ctypes.string_at(block, 50_000)
        ctypes.memset(block, 7, 50_000)
        libc.free(block)
        return content

    new()
    with malloc.zeroed():
        with pytest.raises(RuntimeError), malloc.zeroed():
            assert new() == bytes(50_000)
            raise RuntimeError
        assert new() == bytes(50_000)
    new()
    assert new() != bytes(50_000)


@pytest.mark.parametrize("size", [(20_000, 2), (2, 20_000)])
def test_a_size_that_x264_does_not_take(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    with (
        pytest.raises(BenchError, match="could not write a video here"),
        open_video(tmp_path / "a.mp4", *size, 25) as e,
    ):
        e.write(np.zeros((height, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_also_for_the_end_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def seekable(self) -> bool:
            return True

        seek = tell = lambda self, *_: 0

        def close(self) -> None:
            pass

    for codec in (H264, encode.FFV1):
        path = tmp_path / ("a.mkv" if codec is encode.FFV1 else "a.mp4")
        with monkeypatch.context() as patch:
            patch.setattr(encode, "open", lambda *_: Full(), raising=False)
            with pytest.raises(BenchError, match="No space left on device"), open_video(path, 64, 48, 25, codec) as e:
                for frame in moving(20, 48, 64):
                    e.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_where_all_is_encoded_in_process_no_ffmpeg_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_builder.benchmark import manifest
    from benchmark_builder.utils.errors import BenchError

    def none() -> str:
        raise BenchError("no ffmpeg found")

    monkeypatch.delenv("BENCH_FFMPEG", raising=False)
    monkeypatch.setattr(manifest, "ffmpeg_version", none)
    monkeypatch.setattr(manifest, "can_zero", lambda: True)
    assert manifest.versions()["ffmpeg"] == "none"
    for change in (
        lambda: monkeypatch.setattr(manifest, "can_zero", lambda: False),
        lambda: (monkeypatch.setattr(manifest, "can_zero", lambda: True), monkeypatch.setenv("BENCH_FFMPEG", "wrong")),
    ):
        change()
        with pytest.raises(BenchError, match="no ffmpeg found"):
            manifest.versions()
