"""Compares the wall seconds of a build with two workers and with one, including start-up.

python perf/workers.py
"""

import argparse
import os
import tempfile
from pathlib import Path

from sources import build_command, cost, dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=17, help="source videos of 240 frames, five backgrounds each")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = dataset(folder, options.videos)
        walls = {}
        for workers in (1, options.workers):
            out = folder / f"out{workers}"
            used, walls[workers] = cost(build_command(root, out, "--layout", "frames", "--workers", workers))
            print(f"{workers} workers: {walls[workers]:.1f} s wall, {used:.1f} CPU s")
        print(f"speed: {walls[1] / walls[options.workers]:.2f} times")


if __name__ == "__main__":
    main()
