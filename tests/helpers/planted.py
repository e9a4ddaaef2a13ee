"""Made folders of features with anomalies that a head can learn, and with none."""

from pathlib import Path

import numpy as np
from feature_folders import MadeVideo, write_feature_folder

WINDOWS, DIMENSION = 20, 16


def planted_folder(
    path: Path, *, train: int = 12, test: int = 8, crops: int = 1, strength: float = 4.0, seed: int = 0, **more
) -> Path:
    """Noise of unit variance; in abnormal videos, windows 5 to 9 of 20 are shifted by ``strength`` in one direction.

    ``train`` and ``test`` videos of each kind (normal, and of classes Abuse and Fire in turn). With strength 0, the
    features say nothing of the labels.
    """
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(DIMENSION)
    direction *= strength / np.linalg.norm(direction)
    videos = []
    for split, count in (("train", train), ("test", test)):
        for k in range(2 * count):
            features = rng.standard_normal((WINDOWS, crops, DIMENSION))
            label = ("Abuse", "Fire")[k % 2] if k < count else "Normal"
            segments = []
            if label != "Normal":
                features[5:10] += direction
                segments = [(label, 80, 160)] if split == "test" else []
            videos.append(MadeVideo(f"{label}{k:03}_{split}", split, features, label, segments))
    return write_feature_folder(path, videos, classes=["Abuse", "Fire"], **more)
