"""The default layout against the bare H.264 encoder fed the same raw frames through a pipe, CPU seconds.

    python perf/default_layout.py

The bare side is ffmpeg with the very options of :mod:`benchmark_builder.video.encode`, one process a video, its frames
written to its standard input by this script: the least that any builder of these files can cost. Feeding them counts
for both sides. What is on top of it here is Python's start-up, decoding, masks, compositing and digests.
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
        # The composed frames, exactly: a lossless twin of the benchmark, one video in memory at a time.
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
    """CPU seconds of encoding a raw file fed through a pipe, the feeding included."""
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
