"""Backgrounds that move (``--backgrounds video:FOLDER``)."""

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from small_builds import QUIET, frames_of, scuba
from tiny_videos import make_actions, write_video

from benchmark_builder.audit.verify import verify
from benchmark_builder.backgrounds import background_source, draw, moving
from benchmark_builder.backgrounds.moving import Clip, VideoFolder, order
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_conflfg, build_scufo
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames

HEIGHT, WIDTH, SHOWN = 32, 48, 8


def scenery(folder: Path, lengths: tuple[int, ...] = (3, 12)) -> Path:
    """Videos of the actions' size whose frame k has the colour (40·video, k, 100): the frame can be read off."""
    for number, length in enumerate(lengths):
        video = np.zeros((length, HEIGHT, WIDTH, 3), np.uint8)
        video[:] = [40 * number, 0, 100]
        video[..., 1] = np.arange(length)[:, None, None]
        write_video(folder / f"v{number}.mkv", video)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of a data set, and of scenery."""
    folder = tmp_path_factory.mktemp("moving")
    return make_actions(folder / "ucf", per_class=1, frames=SHOWN, height=HEIGHT, width=WIDTH), scenery(folder / "sea")


@pytest.fixture(scope="module")
def virtual(world: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, sea = world
    out = tmp_path_factory.mktemp("virtual") / "scuba"
    return scuba(root, out, backgrounds=f"video:{sea}", layout="virtual")


def by_definition(start: int, length: int) -> Iterator[int]:
    """The triangle wave of period 2·(length - 1)."""
    period = 2 * (length - 1)
    k = start
    while True:
        yield min(k % period, period - k % period)
        k += 1


@pytest.mark.parametrize("held", [1, 3 * 8 * 8 * 3, 2**20])  # blocks of 1, 3 and all frames
@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_clip_goes_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, held: int) -> None:
    monkeypatch.setattr(moving, "HELD_BYTES", held)
    source = VideoFolder(scenery(tmp_path, (length,)))
    sha256 = source.clip(np.random.default_rng(0))[0].sha256
    for start in range(length):
        clip = Clip(tmp_path, "v0.mkv", sha256, start, length, "cover")
        seen = [int(frame[0, 0, 1]) for frame in islice(clip.frames(8, 8), 4 * length)]
        assert seen == list(islice(by_definition(start, length), 4 * length))
        assert seen == list(islice(order(start, length), 4 * length))


def test_every_frame_has_the_background_that_was_drawn(world: tuple[Path, Path], virtual: Path) -> None:
    _, sea = world
    benchmark = read_benchmark(virtual)
    assert benchmark.background_set == "sea" and len(benchmark.rows) == 4
    for row in benchmark.rows:
        drawn = draw(VideoFolder(sea), generator(row.seed, row.source_id, f"background/{row.variant}"), HEIGHT, WIDTH)
        assert row.background == drawn.name
        file, start = row.background.split("@")
        length = {"v0.mkv": 3, "v1.mkv": 12}[file]
        frames, track = frames_of(virtual, row.id), benchmark.masks(row)
        source = list(islice(read_frames(benchmark.source(row)), SHOWN))
        for k, index in enumerate(islice(by_definition(int(start), length), SHOWN)):
            mask = track.mask(k)
            assert mask.any() and (frames[k][mask] == source[k][mask]).all()
            assert (frames[k][~mask] == [40 * int(file[1]), index, 100]).all()


def test_all_layouts_show_the_same(world: tuple[Path, Path], virtual: Path, tmp_path: Path) -> None:
    root, sea = world
    lossless = scuba(root, tmp_path / "lossless", backgrounds=f"video:{sea}", layout="lossless")
    copied = tmp_path / "copied"
    export(virtual, copied, Layout("lossless"), progress=False)
    for row in read_benchmark(virtual).rows:
        expected = frames_of(virtual, row.id)
        assert (frames_of(lossless, row.id) == expected).all() and (frames_of(copied, row.id) == expected).all()
    for folder in (virtual, lossless, copied):
        assert verify(folder, progress=False) == []
    # Nothing is built a second time.
    before = {p: p.stat().st_mtime_ns for p in (lossless / "videos").iterdir()}
    scuba(root, lossless, backgrounds=f"video:{sea}", layout="lossless")
    assert {p: p.stat().st_mtime_ns for p in (lossless / "videos").iterdir()} == before


def test_scufo_stops_the_background_and_conflfg_does_not(virtual: Path, tmp_path: Path) -> None:
    build_scufo(virtual, out=tmp_path / "scufo", run=QUIET, layout="virtual")
    build_conflfg(virtual, out=tmp_path / "conflfg", run=QUIET, layout="virtual", max_covered=1.0, min_visible=0.0)
    scufo, conflfg = read_benchmark(tmp_path / "scufo"), read_benchmark(tmp_path / "conflfg")
    assert len(scufo.rows) == 4 and conflfg.rows
    for row in scufo.rows:
        frames = frames_of(scufo.folder, row.id)
        assert (frames == frames_of(virtual, row.id)[int(row.still_frame)]).all()
    for row in conflfg.rows:
        base, frames = frames_of(virtual, row.id), frames_of(conflfg.folder, row.id)
        corner = (slice(None), HEIGHT - 1, WIDTH - 1)
        assert len({tuple(pixel) for pixel in base[corner]}) > 1
        assert (frames == base).all(-1).mean() > 0.5 and (frames != base).any()
    assert verify(scufo.folder, progress=False, scuba=virtual) == []
    assert verify(conflfg.folder, progress=False, scuba=virtual) == []


def test_broken_videos_are_listed_and_others_drawn(folder_of_actions: Callable, tmp_path: Path) -> None:
    sea = scenery(tmp_path / "sea", (40, 1))
    damaged = bytearray((sea / "v0.mkv").read_bytes())
    middle = slice(2461, 2661)  # a third of the file, over several frames
    assert len(damaged) > 7000
    damaged[middle] = bytes(b ^ 0x5A for b in damaged[middle])
    (sea / "damaged.mkv").write_bytes(damaged)
    (sea / "text.mp4").write_text("not a video")
    out = scuba(folder_of_actions(), tmp_path / "out", backgrounds=f"video:{sea}", per_video=6)
    rows = read_benchmark(out).rows
    assert len(rows) == 24 and {row.background.split("@")[0] for row in rows} == {"v0.mkv"}
    listed = (out / "failures.csv").read_text()
    for name in ("damaged.mkv", "text.mp4", "v1.mkv"):
        assert name in listed
    assert "not a video that can be decoded completely" in listed


def test_a_folder_without_a_usable_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(BenchError, match="100 videos were drawn"):
        background_source(f"video:{tmp_path}").image(np.random.default_rng(0), 8, 8)
    (tmp_path / "empty").mkdir()
    for spec, said in (
        ("video", "the folder is missing"), (f"video:{tmp_path / 'none'}", "no such folder"),
        (f"video:{tmp_path / 'empty'}", "contains no video"),
    ):  # fmt: skip
        with pytest.raises(BenchError, match=said):
            background_source(spec)


def test_changed_and_missing_videos(folder_of_actions: Callable, tmp_path: Path) -> None:
    root, sea = folder_of_actions(per_class=1), scenery(tmp_path / "sea", (5,))
    out = scuba(root, tmp_path / "out", backgrounds=f"video:{sea}", layout="virtual")
    row = read_benchmark(out).rows[0]
    expected = frames_of(out, row.id)
    # The benchmark, the data set and the scenery move together.
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("ucf", "sea", "out"):
        shutil.move(tmp_path / name, moved / name)
    assert (frames_of(moved / "out", row.id) == expected).all()
    scenery(moved / "sea", (6,))
    with pytest.raises(ChangedFile, match=r"v0\.mkv: changed"):
        frames_of(moved / "out", row.id)
    assert any("v0.mkv" in line for line in verify(moved / "out", progress=False))
    with pytest.raises(BenchError, match=r"other settings \(backgrounds"):
        scuba(moved / "ucf", moved / "out", backgrounds=f"video:{moved / 'sea'}", layout="virtual")
    shutil.rmtree(moved / "sea")
    with pytest.raises(BenchError, match="folder of its background videos"):
        frames_of(moved / "out", row.id)


def test_a_stored_clip_from_others_cannot_leave_its_folder(tmp_path: Path) -> None:
    told = {"file": "../x.mkv", "sha256": "0", "start": 0, "length": 3, "fit": "cover"}
    with pytest.raises(BenchError, match=r"x\.mkv"):
        next(Clip.read(json.dumps(told), tmp_path, tmp_path / "v.virtual").frames(8, 8))
    for wrong in ({"start": 3}, {"length": 10**9}, {"length": "many"}, {"file": None, "start": -1}):
        with pytest.raises(BenchError, match="background cannot be read"):
            Clip.read(json.dumps(told | wrong), tmp_path, tmp_path / "v.virtual")
