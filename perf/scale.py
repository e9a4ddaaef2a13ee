"""CPU time per video for different numbers of videos: milliseconds for building, reading and verifying, and ratios.

Each size is a dataset of tiny videos (one file with many names) in 20 classes. One process builds SCUBA, SCUFO and
ConflFG in the virtual layout; then every ConflFG video is read, which composes it from its SCUBA and source videos, and
both benchmarks are verified. If the time is linear in the number of videos, the ratio is 1.

python perf/scale.py --sizes 1000 5000 20000
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.video.encode import FFV1, open_video

FRAMES, SIDE = 4, 32
QUIET = Run(workers=1, progress=False, say=lambda line: None)


def make(root: Path, count: int, classes: int) -> None:
    """A dataset of ``count`` videos, evenly in ``classes`` classes, with masks; all files are links to one video and
    one mask file."""
    video = np.random.default_rng(0).integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((FRAMES, SIDE, SIDE), bool)
    mask[:, 8:24, 10:20] = True
    one, masks = root.parent / "one.mkv", root.parent / "one.zip"
    with open_video(one, SIDE, SIDE, 10, FFV1) as encoder:
        for frame in video:
            encoder.write(frame)
    write_masks(masks, mask)
    for k in range(count):
        for source, target in ((one, root / f"videos/class{k % classes:03d}/v{k:06d}.mkv"),
                               (masks, root / f"masks/class{k % classes:03d}/v{k:06d}.zip")):  # fmt: skip
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)


def cpu() -> float:
    """CPU seconds of this process and of its finished encoders."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def read_all(folder: Path) -> None:
    benchmark = read_benchmark(folder)
    for row in benchmark.rows:
        assert sum(1 for _ in benchmark.frames(row)) == row.frames


def sound(folder: Path) -> None:
    problems = verify(folder, 1, progress=False)
    assert problems == [], problems[:3]


def measure(folder: Path, count: int, classes: int) -> dict[str, float]:
    """CPU milliseconds per video for each step, including encoders."""
    make(folder / "data", count, classes)
    root, made = folder / "data" / "videos", {k: folder / k for k in ("scuba", "scufo", "conflfg")}
    masks = f"stored:{folder / 'data' / 'masks'}"
    steps: dict[str, Callable[[], object]] = {
        "build scuba": lambda: build_scuba("folder", root, "all", masks=masks, per_video=1, layout="virtual",
                                           out=made["scuba"], run=QUIET),
        "build scufo": lambda: build_scufo(made["scuba"], out=made["scufo"], run=QUIET),
        "build conflfg": lambda: build_conflfg(made["scuba"], out=made["conflfg"], run=QUIET),
        "open conflfg": lambda: read_benchmark(made["conflfg"]),
        "read conflfg": lambda: read_all(made["conflfg"]),
        "verify scuba": lambda: sound(made["scuba"]),
        "verify conflfg": lambda: sound(made["conflfg"]),
    }  # fmt: skip
    found = {}
    for name, step in steps.items():
        before = cpu()
        start = time.perf_counter()
        step()
        found[name] = 1000 * (cpu() - before) / count
        print(f"{count:6d} videos  {name:15s} {found[name]:8.3f} ms CPU per video "
              f"({time.perf_counter() - start:.0f} s in all)", flush=True)  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20000], help="numbers of videos")
    parser.add_argument("--classes", type=int, default=20)
    options = parser.parse_args()
    found = {}
    for count in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            os.environ["BENCH_CACHE"] = f"{name}/cache"  # digests are computed, not taken from an earlier run
            found[count] = measure(Path(name), count, options.classes)
    first, last = found[options.sizes[0]], found[options.sizes[-1]]
    print("\n" + "step".ljust(16) + "".join(f"{count:>10d}" for count in options.sizes) + "     ratio")
    for name in first:
        cells = "".join(f"{found[count][name]:10.3f}" for count in options.sizes)
        print(f"{name:16s}{cells}{last[name] / first[name]:10.2f}")


if __name__ == "__main__":
    main()
