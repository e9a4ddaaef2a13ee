"""Compares the default layout with x264 alone, which gets the same frames as planes that are ready; CPU seconds.

    BENCH_CLIPS=CLIPS python perf/default_layout.py

x264 alone is libx264 in this process (PyAV), one thread, with the options of :mod:`benchmark_builder.video.encode`. The
composed frames are converted to the planes that it takes before the measurement. Any builder of these files needs at
least this time. The build's additional time is Python's start-up, decoding, masks, compositing, conversion and digests.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
from measure import Row, Turns, run, show, timed
from sources import CLIPS, build_command, dataset, real_clip

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.video.encode import H264

GOAL = 1.5


def planes(twin: Path, folder: Path) -> list[tuple[Path, float]]:
    """The composed frames of a benchmark as yuv420p planes: (file, frames per second) per video."""
    benchmark, found = read_benchmark(twin), []
    folder.mkdir()
    for k, row in enumerate(benchmark.rows):
        frames = (av.VideoFrame.from_ndarray(np.ascontiguousarray(f), "rgb24") for f in benchmark.frames(row))
        np.save(folder / f"{k}.npy", np.stack([f.reformat(format="yuv420p").to_ndarray() for f in frames]))
        found.append((folder / f"{k}.npy", row.fps))
    return found


def encode(frames: np.ndarray, fps: float, out: Path) -> None:
    """x264 alone: planes, uint8 (T, H·3/2, W), to a file."""
    options = {name: str(value) for name, value in H264.items() if name != "vcodec"}
    with av.open(str(out), "w") as container:
        rate = Fraction(f"{fps:.6f}").limit_denominator(1_001_000)
        stream = container.add_stream(H264["vcodec"], rate=rate, options=options)
        stream.height, stream.width = frames.shape[1] * 2 // 3, frames.shape[2]
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "yuv420p")))
        container.mux(stream.encode(None))


def rows(clips: Path | None, rounds: int = 3, videos: int = 4, per_video: int = 4) -> Iterator[Row]:
    """One row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, out = dataset(folder, videos, real_clip(clips)), folder / "ours"
        shared = ("--per-video", per_video, "--workers", 1)
        # The exact composed frames: a virtual benchmark composes them again.
        run(build_command(root, folder / "twin", *shared, "--layout", "virtual"))
        ready = planes(folder / "twin", folder / "planes")
        found, frames = Turns({"ours": [], "x264": []}), 0
        for _ in range(rounds):
            found.seconds["ours"].append(timed(lambda: run(build_command(root, out, *shared))))
            shutil.rmtree(out)
            spent, frames = 0.0, 0
            for path, fps in ready:
                video = np.load(path)
                frames += len(video)
                spent += timed(lambda v=video, f=fps: encode(v, f, folder / "bare.mp4"))
            found.seconds["x264"].append(spent)
    mine, other = (1000 * median(found.seconds[side]) / frames for side in ("ours", "x264"))
    note = f"{other:.2f} and {mine:.2f} ms per frame"
    title, values = f"SCUBA as video, {frames:,} frames", found.ratios("ours", "x264")
    yield Row(title, "x264 in process, planes ready", values, GOAL, at_most=True, note=note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=4, help="source videos of 240 frames")
    parser.add_argument("--per-video", type=int, default=4, help="backgrounds each")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    show(rows(CLIPS, given.rounds, given.videos, given.per_video))


if __name__ == "__main__":
    main()
