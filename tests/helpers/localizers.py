"""Localization heads that train nothing, and a small folder of features for them."""

from pathlib import Path

import numpy as np
from feature_folders import MadeVideo, write_feature_folder

from evaluator.downstream.localize.base import Found, Head


class Oracle(Head):
    """Finds every segment, and one that is not there."""

    def train(self, videos, seed, device, progress, name):
        self.seed = seed
        return [{"epoch": 1, "loss": 0.5}]

    def predict(self, video, device):
        times = np.concatenate([video.segments, [[0.0, 0.1]]])
        return Found(times, np.append(video.labels, 0), np.append(np.full(len(video.labels), 0.9), 0.1))


class Failing(Oracle):
    """Fails with the second seed, and on one video with the others."""

    def train(self, videos, seed, device, progress, name):
        if seed == 1:
            raise RuntimeError("no memory")
        return super().train(videos, seed, device, progress, name)

    def predict(self, video, device):
        found = super().predict(video, device)
        return found if video.id != "v6" else Found(found.times[:, ::-1], found.labels, found.scores)


class Silent(Oracle):
    """Predicts nothing with the second seed."""

    def predict(self, video, device):
        found = super().predict(video, device)
        return Found(found.times[:0], found.labels[:0], found.scores[:0]) if self.seed == 1 else found


def localization_folder(path: Path) -> Path:
    """Five training and three test videos of 24 windows in which one of two directions shows the class; one test video
    has no features."""
    rng, videos = np.random.default_rng(0), []
    for k in range(8):
        x = rng.normal(size=(24, 2, 8)).astype(np.float32)
        label, first = "xy"[k % 2], 4 + k
        x[first : first + 6, :, k % 2] += 6
        segments = [] if k == 4 else [(label, first * 4, first * 4 + 32)]
        videos.append(MadeVideo(f"v{k}", "train" if k < 5 else "test", x, None, segments))
    videos.append(MadeVideo("gone", "test", None))
    return write_feature_folder(path, videos, task="localization", window=8, stride=4)
