"""What a large build costs: CPU milliseconds per frame of each step, bytes per video, hours on 1, 8, 64 machines.

    python perf/cluster_model.py --sources motion maskrcnn vit_b

One thread, on a real clip of 320x240 (see sources.py), so that the steps add up to the time of a worker. Networks have
random weights, since the speed does not depend on them; --network-frames of the clip go through them.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from mask_speed import runner
from sources import box, clip

from benchmark_builder.layouts.layout import Layout
from benchmark_builder.utils.digests import sha256_file
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.compositing import paste
from benchmark_builder.video.decode import read_frames

VIDEOS, FRAMES = 240_000, 300  # Kinetics-400's training videos: 10 s, mostly of 30 frames per second
CORES = 32  # per machine
LAYOUTS = ("video", "lossless", "frames", "zip")


def cpu() -> float:
    """User and system seconds of this process and of the encoders that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def milliseconds(work: Callable[[], object], frames: int) -> float:
    before = cpu()
    work()
    return 1000 * (cpu() - before) / frames


class _Said(dict[str, float]):
    """Prints a line of the table for each step that is measured."""

    def __setitem__(self, step: str, cost: float) -> None:
        print(f"| {step} | {cost:.3g} |", flush=True)
        super().__setitem__(step, cost)


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.iterdir())


def write(layout: str, path: Path, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    with Layout(layout).open(path, width, height, 30) as sink:
        for frame in frames:
            sink.write(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="*", default=["motion", "maskrcnn"])
    parser.add_argument("--network-frames", type=int, default=2)
    parser.add_argument("--items-per-second", type=float, help="the driver's limit, from cluster_cost.py journal")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    steps: dict[str, float] = _Said()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = clip(folder)
        frames = list(read_frames(path))
        count, (height, width) = len(frames), frames[0].shape[:2]
        steps["digest of the source"] = milliseconds(lambda: sha256_file(path), count)
        steps["decode"] = milliseconds(lambda: sum(1 for _ in read_frames(path)), count)
        masks = np.zeros((count, height, width), bool)
        for k, (x, y, w, h) in enumerate(map(box, range(count))):
            masks[k, y : y + h, x : x + w] = True
        background = generator(0, "cost", "0").integers(0, 256, (height // 8, width // 8, 3), np.uint8)
        background = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
        made = list[np.ndarray]()
        steps["compositing"] = milliseconds(
            lambda: made.extend(paste(f, m, background) for f, m in zip(frames, masks, strict=True)), count
        )
        for source in given.sources:
            used = frames if source == "motion" else list(islice(frames, given.network_frames))
            run = runner(source, torch.device("cpu"), 1, False)
            steps[f"masks: {source}"] = milliseconds(lambda run=run, used=used: run(used), len(used))  # type: ignore[misc]
        sizes = dict[str, int]()
        for layout in LAYOUTS:
            target = folder / f"out{Layout(layout).suffix_of()}" / f"v{Layout(layout).suffix_of()}"
            steps[f"encoding: {layout}"] = milliseconds(lambda w=layout, t=target: write(w, t, made), count)  # type: ignore[misc]
            sizes[layout] = size(target) * FRAMES // count
    print(f"{count} frames of {width}x{height}")
    for layout, each in sizes.items():
        print(f"| {layout} | {each / 1e6:.2f} MB | {VIDEOS * each / 1e12:.2f} TB |")
    base = steps["digest of the source"] + steps["decode"] + steps["compositing"] + steps["encoding: video"]
    for source in ["stored", *given.sources]:
        each = (base + steps.get(f"masks: {source}", 0.0)) * FRAMES / 1000
        hours = [VIDEOS * each / 3600 / CORES / machines for machines in (1, 8, 64)]
        said = " | ".join(f"{h:.1f}" for h in hours)
        print(f"| {source} | {each:.1f} | {said} | {64 * CORES / each:.0f} |")


if __name__ == "__main__":
    main()
