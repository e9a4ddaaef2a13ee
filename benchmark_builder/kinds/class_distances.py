"""How far apart the scenes of two classes are, from colours alone.

A video's scene is the histogram of the colours outside the actor's mask, in CIE Lab: 4 bins of lightness, 8 of a and 8
of b (each 10 levels of OpenCV's 8-bit Lab wide, around 128), over up to 4 evenly spaced frames. A class is the mean of
up to 8 of its videos, evenly spaced in the order of ids. The distance of two classes is the Hellinger distance of their
histograms, 0 (the same) to 1 (no common colour).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.runner import work
from benchmark_builder.video.selection import indices, source_frames

VIDEOS, FRAMES = 8, 4
_LIGHT, _COLOURS, _WIDE = 4, 8, 10


def class_distances(scuba: Benchmark, workers: int = 1, progress: bool = False) -> dict[str, str]:
    """Class name -> its distances to all classes that have videos, in label order, four decimals, as text.

    Raises:
        BenchError: a source or its masks cannot be read.
    """
    chosen: list[Row] = []
    by_label = scuba.sources_by_label
    for rows in by_label.values():
        chosen += [rows[int(k)] for k in np.linspace(0, len(rows) - 1, min(VIDEOS, len(rows))).round()]
    done = work(_Scene(scuba), chosen, lambda row: row.id, workers, title="class distances", progress=progress)
    if done.failed:
        row, error = done.failed[0]
        raise BenchError(f"{row.id}: the distance between classes cannot be measured: {error}")
    scenes = {row.id: scene for row, scene in done.made}
    means = np.stack([np.mean([scenes[row.id] for row in chosen if row.label == k], axis=0) for k in by_label])
    roots = np.sqrt(means)
    distances = np.sqrt(np.clip(1 - roots @ roots.T, 0, 1))
    names = [scuba.classes[k] for k in by_label]
    return {name: " ".join(f"{d:.4f}" for d in row) for name, row in zip(names, distances, strict=True)}


def far_and_close(
    distances: dict[str, str], classes: Sequence[str], label: int, others: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The third of the other classes that is farthest, and the closest third, at least one each; in label order.

    Args:
        distances: as :func:`class_distances` returns them.
        classes: class names in label order.
        label: the class.
        others: labels of all other classes that have videos.

    Raises:
        BenchError: a distance is missing.
    """
    measured = sorted([label, *others])
    try:
        row = [float(text) for text in distances[classes[label]].split()]
        found = dict(zip(measured, row, strict=True))
    except (KeyError, ValueError):
        raise BenchError(
            f"the distances of class {classes[label]!r} in protocol.json are incomplete; build the benchmark again"
        ) from None
    ranked = sorted(others, key=lambda k: (found[k], k))
    count = max(1, round(len(ranked) / 3))
    return sorted(ranked[-count:]), sorted(ranked[:count])


@dataclass(frozen=True)
class _Scene:
    scuba: Benchmark

    def make(self, row: Row) -> np.ndarray:
        """The histogram of a video's scene, float64 (256,), sum 1; uniform if the actor covers everything."""
        shown = indices(row.source_frames)
        picked = [shown[int(k)] for k in np.linspace(0, len(shown) - 1, min(FRAMES, len(shown)))]
        track = self.scuba.masks(row)
        total: Any = np.zeros(_LIGHT * _COLOURS * _COLOURS)
        frames = source_frames(self.scuba.source(row), picked, row.height, row.width, self.scuba.version)
        for index, frame in frames:
            lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)[~track.mask(index)].astype(int)
            light = lab[:, 0] * _LIGHT // 256
            a, b = np.clip((lab[:, 1:] - 128) // _WIDE + _COLOURS // 2, 0, _COLOURS - 1).T
            total += np.bincount((light * _COLOURS + a) * _COLOURS + b, minlength=len(total))
        return total / total.sum() if total.sum() else np.full(len(total), 1 / len(total))
