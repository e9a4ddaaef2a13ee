"""Makes tiny videos of two actions that only motion tells apart."""

from pathlib import Path

import numpy as np

from benchmark_builder.utils.rng import generator
from benchmark_builder.video.encode import open_video
from benchmark_builder.video.record import Video


def moving_bars(folder: Path, count: int = 24) -> list[Video]:
    """Videos of 10 frames, 16x16: a bright bar moves right (label 0) or down (label 1) over its own noise."""
    made = []
    for k in range(count):
        label, draw = k % 2, generator(0, str(k), "noise")
        scene, start = draw.integers(0, 120, (16, 16, 3), dtype=np.uint8), int(draw.integers(16))
        path = folder / f"v{k:02d}.mp4"
        with open_video(path, 16, 16, 12.0) as encoder:
            for t in range(10):
                frame = scene.copy()
                at = (start + 2 * t) % 16
                if label == 0:
                    frame[:, at : at + 3] = 255
                else:
                    frame[at : at + 3] = 255
                encoder.write(frame)
        made.append(Video(path.stem, path, label, ("right", "down")[label], "train", "synthactions"))
    return made
