"""Chosen frames equal those of sequential decoding: on the first read, which records, and on later ones, which seek."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from tiny_videos import moving_square

from albar.clips.clips import ShortVideo, pick
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video import frame_index, random_access
from benchmark_builder.video.decode import Frames, probe, read_frames
from benchmark_builder.video.random_access import ChosenFrames, shape

OLD = time.time() - 100


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.setattr("benchmark_builder.utils.digests._database", (-1, None))
    return folder


def coded(path: Path, codec: str, options: dict[str, str], frames: int = 60, rotate: int = 0) -> Path:
    """A video of a moving square on noise, so that every frame differs from its neighbours."""
    video, _ = moving_square(frames=frames)
    noise = generator(0, "noise", codec).integers(0, 60, video.shape, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for picture in video // 2 + noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return settled(path)


def settled(path: Path) -> Path:
    """As if written long ago: nothing is recorded of a file that has just changed."""
    os.utime(path, (OLD, OLD))
    return path


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_builder.utils.digests.SETTLED", -1.0)  # a change time cannot be set


def sequential(path: Path) -> tuple[list[np.ndarray], str]:
    """All frames, and the message of the error after them."""
    found = []
    try:
        for frame in read_frames(path):
            found.append(frame)
    except BenchError as error:
        return found, str(error)
    return found, ""


def same(path: Path, frames: list[np.ndarray], wanted: Sequence[int], message: str = "") -> int:
    """Asserts that the chosen frames are the sequential ones, or the same error is raised. Returns the count."""
    chosen, got = ChosenFrames(Frames(path), wanted), {}
    try:
        for number, picture in chosen:
            got[number] = picture
    except BenchError as error:
        assert str(error) == message and max(wanted) >= len(frames)
    assert sorted(got) == sorted(k for k in set(wanted) if k < len(frames))
    assert all((got[k] == frames[k]).all() for k in got)
    return chosen.count


def recorded(path: Path, last: int) -> None:
    """Read up to a frame twice: the first time, frames are not recorded."""
    for _ in range(2):
        list(ChosenFrames(Frames(path), [last]))


KINDS = {
    "h264": ("v.mp4", "libx264", {"g": "12", "bf": "3", "preset": "veryfast"}),
    "one key frame": ("v.mp4", "libx264", {"g": "250", "bf": "3", "preset": "veryfast"}),
    "open groups": ("v.mp4", "libx264", {"g": "10", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}),
    "intra refresh": ("v.mkv", "libx264", {"g": "10", "x264-params": "intra-refresh=1"}),
    "mpeg4": ("v.avi", "mpeg4", {"g": "12", "bf": "2"}),
    "mpeg4 in mp4": ("v.mp4", "mpeg4", {"g": "60", "bf": "1"}),
    "mpeg2": ("v.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    "ffv1": ("v.mkv", "ffv1", {"g": "1"}),
    "ffv1 groups": ("v.mkv", "ffv1", {"g": "5", "context": "1"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_equal_sequential_decoding(kind: str, tmp_path: Path) -> None:
    name, codec, options = KINDS[kind]
    path = coded(tmp_path / name, codec, options)
    frames, _ = sequential(path)
    draw = generator(1, kind, "first")
    for first in [59, 59, *(int(k) for k in draw.integers(0, 60, 12))]:  # 59, twice: the whole file is recorded
        same(path, frames, range(first, min(60, first + 14), 1 + first % 3))
    assert same(path, frames, [0, 58, 59]) == 60


def test_seeking_decodes_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12", "bf": "2", "b-adapt": "0", "preset": "veryfast"})
    frames, _ = sequential(path)
    recorded(path, 59)
    sums = []
    monkeypatch.setattr(random_access, "Frames", None)  # reading in order would fail
    monkeypatch.setattr(random_access, "checksum", lambda f: sums.append(1) or frame_index.checksum(f))
    same(path, frames, [40, 42, 45])
    assert len(sums) == 3


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12"})
    recorded(path, 50)
    coded(path, "libx264", {"g": "7", "bf": "2", "crf": "40"}, 40)
    frames, _ = sequential(path)
    assert all(same(path, frames, [30, 39]) == 40 for _ in range(3))


def test_frames_that_differ_are_read_in_order(tmp_path: Path) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12"})
    frames, _ = sequential(path)
    recorded(path, 59)
    index = frame_index.load(path)
    assert index is not None and index.knows([30, 41])
    index.sums[41] ^= 1
    frame_index.save(path, index)
    same(path, frames, [30, 41, 50])  # 30 comes from seeking, the others do not
    found = frame_index.load(path)
    assert found is not None and not found.usable
    same(path, frames, [30, 41, 50])


def test_a_part_that_was_read_is_known(tmp_path: Path) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12"})
    frames, _ = sequential(path)
    for last, known in ((50, 0), (20, 21), (10, 21), (33, 34), (59, 60)):
        same(path, frames, [last - 1, last])
        index = frame_index.load(path)
        assert index is not None and len(index) == known
    # shorter than it is said to be
    assert same(path, frames, [58, 61]) == 60
    with pytest.raises(ShortVideo) as caught:
        pick(read_frames(path), np.array([58, 61]))
    assert caught.value.count == 60


def test_an_index_survives_the_cache_and_rejects_nonsense() -> None:
    header = frame_index.Header(3, 240, 320, "h264", "w=iw-1-0:h=ih-0-0:x=1:y=0")
    index = frame_index.FrameIndex([0, 2**40, -5], [0, 2], [1, 2**32 - 1, 7], True, [1], quick=False, header=header)
    assert frame_index.FrameIndex.from_bytes(index.to_bytes()) == index
    twice = frame_index.FrameIndex([4, 4], [0], [1, 2], header=header)
    found = frame_index.FrameIndex.from_bytes(twice.to_bytes())
    assert not found.usable and found.header == header
    for data in (b"", b"0", b"2sabc", b"4", b"4" + bytes(300), index.to_bytes()[:-3], index.to_bytes()[:22]):
        with pytest.raises(ValueError):
            frame_index.FrameIndex.from_bytes(data)


def test_unneeded_b_frames() -> None:
    """Rows of B-frames 1 2 3, 5, 7 8: the first packet after the last chosen one is sent, the others are not."""
    index = frame_index.FrameIndex([10 * k for k in range(9)], [0], [0] * 9, b_frames=[1, 2, 3, 5, 7, 8])
    assert index.unneeded([], 0) == {10: True, 20: False, 30: False, 50: True, 70: True, 80: False}
    assert index.unneeded([1, 5, 8], 0) == {20: True, 30: False}
    assert index.unneeded([7], 4) == {50: True, 80: True}


def test_opened_quickly_where_that_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12"})
    frames, _ = sequential(path)
    recorded(path, 59)
    asked: list[bool] = []
    fails, opened = [False], random_access.opened

    def watched(path: Path, threads: int, quick: bool = False) -> object:
        asked.append(quick)
        if quick and fails[0]:  # as of a file whose stream is only found by decoding
            raise BenchError("no video stream")
        return opened(path, threads, quick=quick)

    monkeypatch.setattr(random_access, "opened", watched)
    for fails[0], ways in ((False, [True]), (True, [True, False]), (False, [False])):
        asked.clear()
        same(path, frames, [30, 33])
        assert asked == ways


def test_a_file_is_opened_once_on_its_first_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = coded(tmp_path / "v.mp4", "libx264", {"g": "12"}, 20), []
    frames, _ = sequential(path)
    monkeypatch.setattr(av, "open", lambda *a, of=av.open, **k: opened.append(1) or of(*a, **k))
    video = Frames(path)
    assert shape(video)[0] == 20
    found = dict(ChosenFrames(video, [0, 7]))
    assert all((found[k] == frames[k]).all() for k in (0, 7)) and len(opened) == 1


def test_ffv1_stays_what_it_is_after_a_read_beyond_its_end(tmp_path: Path) -> None:
    path = coded(tmp_path / "v.mkv", "ffv1", {"g": "1"}, 12)
    frames, _ = sequential(path)
    for _ in range(3):
        assert shape(path)[0] == same(path, frames, [5, 12]) == 12
    same(path, frames, [3, 11])
    index = frame_index.load(path)
    assert index is not None and not len(index) and index.header is not None and index.header.frames == 12


def test_the_shape_is_known_from_the_first_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated = coded(tmp_path / "v.mp4", "libx264", {"g": "12"}, 20)
    silent = coded(tmp_path / "v.mkv", "libx264", {"g": "12"}, 20)  # Matroska states no number of frames
    height, width = sequential(stated)[0][0].shape[:2]
    assert probe(silent).frames == 0
    for path in (stated, silent):
        assert shape(path) == (20, height, width)
        same(path, sequential(path)[0], [5])
    monkeypatch.setattr(random_access, "probe", None)
    assert shape(stated) == shape(silent) == (20, height, width)


def test_without_a_cache(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    path = coded(tmp_path / "v.mp4", "libx264", {"g": "12"}, 20)
    frames, _ = sequential(path)
    for _ in range(2):
        same(path, frames, [3, 15])


def damaged_copies(path: Path, folder: Path) -> list[Path]:
    data, draw, copies = path.read_bytes(), generator(3, path.name, "damage"), []
    for k in range(2):
        changed = bytearray(data)
        if k:
            del changed[int(len(data) * draw.uniform(0.4, 0.9)) :]
        else:
            for place in draw.integers(len(data) // 5, len(data), 4):
                changed[place] ^= 0xFF
        copies.append(folder / f"{k}{path.suffix}")
        copies[-1].write_bytes(changed)
    return [settled(copy) for copy in copies]


def test_real_clips_and_damaged_copies(tmp_path: Path, clips: Path) -> None:
    videos = [p for p in sorted(clips.rglob("*")) if p.suffix in (".avi", ".mp4", ".mov")]
    assert len(videos) >= 8
    for path in videos:
        for copy in (path, *damaged_copies(path, tmp_path)):
            frames, message = sequential(copy)
            if not frames:
                continue
            draw, count = generator(2, path.name, copy.name), len(frames)
            for first in [count - 1, count - 1, *(int(k) for k in draw.integers(0, count, 2))]:
                same(copy, frames, range(first, min(count, first + 24), 2), message)
            same(copy, frames, [count // 2, count + 3], message)
