"""Split files and folders of frames of datasets."""

from pathlib import Path

import cv2
import numpy as np
from official_lists import write


def write_frames(folder: Path, video: np.ndarray) -> None:
    """Write frames, uint8 (T, H, W, 3) RGB, as 00001.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(video, 1):
        assert cv2.imwrite(str(folder / f"{k:05d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def write_splits(folder: Path, lines: dict[str, list[str]]) -> None:
    """Split files of all of JHMDB's classes, empty where ``lines`` has none."""
    from benchmark_builder.datasets.jhmdb import CLASSES

    for name in CLASSES:
        write(folder / f"{name}_test_split1.txt", *lines.get(name, []))
