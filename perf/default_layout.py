"""Compares the default layout with the H.264 encoder alone, which gets the same raw frames by a pipe; CPU seconds.

    python perf/default_layout.py

The encoder alone is ffmpeg with the options of :mod:`benchmark_builder.video.encode`, one process per video; this
script writes the frames to its standard input. Any builder of these files needs at least this time. Writing the frames
counts on both sides. The build's additional time is Python's start-up, decoding, masks, compositing and digests.
"""

import argparse
import tempfile
from pathlib import Path

from sources import build_command, cost, dataset

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.video.encode import H264, open_video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=17, help="source videos of 240 frames")
    parser.add_argument("--per-video", type=int, default=5, help="backgrounds each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = dataset(folder, options.videos)
        shared = ("--per-video", options.per_video, "--workers", 1)
        ours, _ = cost(build_command(root, folder / "ours", *shared))
        # The exact composed frames, from a lossless copy of the benchmark; one video is in memory at a time.
        cost(build_command(root, folder / "twin", *shared, "--layout", "virtual"))
        bare, frames = 0.0, 0
        twin = read_benchmark(folder / "twin")
        for row in twin.rows:
            raw = folder / "raw"
            with open(raw, "wb") as handle:
                for frame in twin.frames(row):
                    handle.write(frame.data)
                    frames += 1
            bare += encode(raw, folder / "bare.mp4", row.width, row.height, row.fps)
        print(f"{frames} composed frames; bench build: {ours:.1f} CPU s; bare encoder: {bare:.1f} CPU s; "
              f"ratio {ours / bare:.2f}")  # fmt: skip


def encode(raw: Path, out: Path, width: int, height: int, fps: float) -> float:
    """CPU seconds for encoding a raw file sent by a pipe, including the sending."""
    import resource
    import time

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    start, size = used(), width * height * 3
    import numpy as np

    with open_video(out, width, height, fps, H264) as encoder, open(raw, "rb") as handle:
        while chunk := handle.read(size):
            encoder.write(np.frombuffer(chunk, np.uint8).reshape(height, width, 3))
    return used() - start


if __name__ == "__main__":
    main()
