"""Any path works, absolute or relative; videos of any size and layout are built and verified."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_builds import QUIET, scuba
from tiny_videos import moving_square, write_video

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.preview import animation, contact_sheet
from benchmark_builder.builders import build_conflfg, build_scufo
from benchmark_builder.layouts.layout import LAYOUTS, Layout, digest, read_any
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.encode import FFV1, H264, open_video

NAMES = [
    "in:1", "2026-11-25_12:00", "-n", "--out", "file:x", "concat:a|b", "50%d%03d%", "a b  c", "it's \"so\"",
    "[x] (y) {z}", "*?", "#&;$x`~", "line\nbreak", "日本語 Ünïcödé ́", "-i:-%d'[", "x" * 200, "ends.mp4", "ends.zip",
    "..dots", "\\back", os.fsdecode(b"caf\xe9"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_files_are_written_and_read_under_any_name(name: str) -> None:
    video, _ = moving_square(3)
    folder = Path(name)  # relative: the tests' folder is the current one
    folder.mkdir()
    for file, codec in ((f"{name}.mkv", FFV1), (f"{name}.mp4", H264)):
        with open_video(folder / file, 48, 32, 10, codec) as encoder:
            for frame in video:
                encoder.write(frame)
        assert (probe(folder / file).frames or 3) == len(list(read_frames(folder / file))) == 3
    assert (np.stack(list(read_frames(folder / f"{name}.mkv"))) == video).all()
    for layout in ("frames", "zip"):
        path = folder / f"{name}{Layout(layout).suffix}"
        with Layout(layout).open(path, 48, 32, 10) as sink:
            for frame in video:
                sink.write(frame)
        assert len(list(read_any(path))) == 3 and digest(path)
    assert sorted(p.name for p in Path().iterdir()) == [name]  # nothing was written elsewhere


def test_gifs_are_not_taken_for_patterns(tmp_path: Path) -> None:
    video, _ = moving_square(3)
    with open_video(tmp_path / "a.mkv", 48, 32, 10, FFV1) as encoder:
        for frame in video:
            encoder.write(frame)
    shutil.copy(tmp_path / "a.mkv", tmp_path / "a%d.gif")  # by its name ffmpeg would look for a1.gif, a2.gif
    assert len(list(read_frames(tmp_path / "a%d.gif"))) == 3


@pytest.mark.parametrize("name", ["in:1", "-n%d [x]", "日本 '\n'", os.fsdecode(b"caf\xe9")])
def test_a_benchmark_is_built_checked_and_shown_under_any_path(folder_of_actions: Callable, name: str) -> None:
    base = Path(name)
    base.mkdir()
    shutil.copytree(folder_of_actions(per_video := 1, frames=4), base / f"r{name}")
    pictures = base / f"b{name}"
    pictures.mkdir()
    for k in range(2):
        data = cv2.imencode(".png", np.full((9, 9, 3), 40 * k, np.uint8))[1]
        (pictures / f"{name}{k}.png").write_bytes(data.tobytes())
    root, out = base / f"r{name}", base / f"o{name}"
    scuba(root, out / "scuba", per_video=per_video, backgrounds=f"images:{pictures}")
    build_scufo(out / "scuba", out=out / "scufo", run=QUIET)
    build_conflfg(out / "scuba", out=out / "conflfg", run=QUIET, layout="lossless")
    export(out / "scuba", out / "zip", Layout("zip"), progress=False)
    for kind in ("scuba", "scufo", "conflfg", "zip"):
        assert verify(out / kind, progress=False) == [] and len(read_benchmark(out / kind).rows) == 2
    for file in ("a.gif", "a.mp4"):
        assert animation(out / "scuba", out / f"{name}{file}").stat().st_size > 1000
    assert contact_sheet(out / "scuba", out / f"{name}.png", 1).stat().st_size > 1000


@pytest.mark.parametrize("layout", [*LAYOUTS])
def test_videos_of_any_size_are_built_in_every_layout(tmp_path: Path, layout: str) -> None:
    sizes = [(1, 1), (1, 9), (9, 1), (2, 3), (33, 47)]
    for k, (height, width) in enumerate(sizes):
        for c, class_name in enumerate(("Archery", "Basketball")):
            video = np.random.default_rng(k + 9 * c).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
            path = tmp_path / "r" / "videos" / class_name / f"v_{class_name}_g0{k + 1}_c01.mkv"
            write_video(path, video)
            stored = tmp_path / "r" / "masks" / class_name / f"{path.stem}.zip"
            write_masks(stored, np.ones((3, height, width), dtype=bool))
    out = scuba(tmp_path / "r", tmp_path / "out", per_video=1, layout=layout)
    made = read_benchmark(out)
    assert {(r.height, r.width) for r in made.rows} == set(sizes) and len(made.rows) == 10
    assert verify(out, progress=False) == []
    build_scufo(out, out=tmp_path / "still", run=QUIET)
    assert verify(tmp_path / "still", progress=False) == [] and len(read_benchmark(tmp_path / "still").rows) == 10
