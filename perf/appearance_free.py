"""What appearance-free videos of synthactions reveal: by a single frame, and by how often pixels change.

Nearest-neighbour probes over other videos; chance is the share of other videos of the same class. Run:

    python perf/appearance_free.py --videos 400
"""

import argparse
import time

import cv2
import numpy as np
from scipy.stats import binomtest

from benchmark_builder.kinds.flow import flow_named
from benchmark_builder.settings import SynthSettings
from benchmark_builder.synthactions.render import render_clip
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.noise import moving_noise


def right(features: np.ndarray, labels: np.ndarray) -> int:
    """How many videos have a nearest neighbour, float (N, F), of their own class."""
    squares = (features**2).sum(1)
    distance = squares[:, None] + squares[None] - 2 * features @ features.T
    np.fill_diagonal(distance, np.inf)
    return int((labels[distance.argmin(1)] == labels).sum())


def blocks(pictures: np.ndarray, how: str) -> np.ndarray:
    """Mean or standard deviation of 8 x 8 parts: float (N, H, W) -> (N, 64); H and W multiples of 8."""
    n, height, width = pictures.shape
    parts = pictures.reshape(n, 8, height // 8, 8, width // 8)
    return np.asarray(getattr(parts, how)((2, 4)).reshape(n, 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--flow", default="dis")
    parser.add_argument("--frames", type=int, default=16)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    settings = SynthSettings(train=0, test=given.videos, frames=given.frames)
    flow, found, sources, labels = flow_named(given.flow), [], [], []
    began = time.perf_counter()
    for k in range(given.videos):
        frames, _, facts = render_clip(settings, "test_unbiased", k)
        draw = generator(0, facts.id, "appearance-free")
        noise = moving_noise(flow.between(frames), *frames.shape[1:3], draw)
        found.append(np.stack([frame[..., 0] for frame in noise]))
        sources.append(np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]))
        labels.append(facts.label)
    videos, classes = np.stack(found), np.array(labels)
    still = videos[:, given.frames // 2] / 255
    edges = np.abs(np.diff(still, axis=2, prepend=0))
    changed = (videos[:, 1:] != videos[:, :-1]).mean(1)
    original = np.stack(sources).astype(float)
    probes = {
        "one frame, pixels": still.reshape(given.videos, -1),
        "one frame, mean of 8 x 8 parts": blocks(still, "mean"),
        "one frame, deviation of 8 x 8 parts": blocks(still, "std"),
        "one frame, edges in 8 x 8 parts": blocks(edges, "mean"),
        "how often pixels change, 8 x 8 parts": blocks(changed, "mean"),
        "source: mean change of pixels, 8 x 8 parts": blocks(np.abs(np.diff(original, axis=1)).mean(1), "mean"),
    }
    counts = np.bincount(classes)
    chance = 100 * float((counts * (counts - 1)).sum()) / given.videos / (given.videos - 1)
    print(f"{given.videos} videos of {given.frames} frames, flow {given.flow}, {time.perf_counter() - began:.0f} s; "
          f"chance {chance:.1f} %")  # fmt: skip
    print("| probe | right, percent | 95 % interval |\n| --- | --: | --- |")
    for name, features in probes.items():
        hits = right(features, classes)
        low, high = binomtest(hits, given.videos).proportion_ci(0.95)
        print(f"| {name} | {100 * hits / given.videos:.1f} | {100 * low:.1f} to {100 * high:.1f} |")


if __name__ == "__main__":
    main()
