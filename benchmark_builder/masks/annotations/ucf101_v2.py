"""UCF101-24 boxes in the format from which the published benchmark was built (``UCF101v2-GT.pkl``).

The file (act-detector's format, Kalogeiton et al., ICCV 2017) is a dict of ``labels`` (class names), ``nframes`` and
``resolution`` (video -> height, width), and ``gttubes``: ``Class/v_NAME -> {label: [float (N, 5), …]}``, rows frame
(from 1), x1, y1, x2, y2.

As in StillMix's synthesis script, corners are truncated to integer pixels, and x2 and y2 are exclusive.
"""

from pathlib import Path

import numpy as np

from benchmark_builder.masks.annotations.ucf101_24 import HEIGHT, WIDTH, AnnotatedBoxes, BoxTrack
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.video.record import LONGEST, Video

NAMES = ("UCF101v2-GT.pkl",)


class UCF101V2Boxes(AnnotatedBoxes):
    """``ucf101-v2[:PATH]``: PATH is UCF101v2-GT.pkl. Default: in ROOT/annotations, ROOT or alongside ROOT."""

    kind, names = "ucf101-v2", NAMES

    def __init__(self, path: Path | None, dataset_root: Path, actors: str = "all") -> None:
        super().__init__(path, dataset_root, actors)
        table = self.load("UCF101-24 annotation (UCF101v2-GT.pkl)")
        if (
            not isinstance(table, dict)
            or not isinstance(table.get("labels"), list)
            or not isinstance(table.get("gttubes"), dict)
            or not all(isinstance(table.get(k, {}), dict) for k in ("nframes", "resolution"))
        ):
            raise BenchError(f"{self.path}: is not UCF101v2-GT.pkl; give that file as --masks ucf101-v2:FILE")
        self.labels = [str(name).lower() for name in table["labels"]]
        self.tubes = {str(k).lower(): v for k, v in table["gttubes"].items()}
        self.frames = {str(k).lower(): v for k, v in table.get("nframes", {}).items()}
        self.resolution = {str(k).lower(): v for k, v in table.get("resolution", {}).items()}

    def track(self, video: Video, height: int, width: int) -> BoxTrack:
        """The tubes of the video's class; see :class:`~benchmark_builder.masks.annotations.ucf101_24.BoxTrack`."""
        key = f"{video.class_name}/{Path(video.id).name}".lower()
        name = video.class_name.lower()
        if key not in self.tubes or name not in self.labels:
            raise LeftOut(f"no UCF101-24 annotation for {video.id}")
        try:
            found = self.tubes[key].get(self.labels.index(name), [])
            rows = [np.asarray(tube).astype(np.float64).reshape(-1, 5) for tube in found]
            if not any(len(r) for r in rows):
                raise LeftOut(f"UCF101-24 has no {video.class_name} box for {video.id}")
            tall, wide = (int(side) for side in self.resolution.get(key, (HEIGHT, WIDTH)))
            if tall < 1 or wide < 1:
                raise ValueError(f"the resolution is {wide}x{tall}")
            scale = np.array([width / wide, height / tall] * 2)
            tubes = [run for r in rows for run in _runs(r, scale)]
            return BoxTrack(int(self.frames.get(key, 0)), tubes, height, width, self.actors)
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            raise self.unreadable(video, error) from None


def _runs(rows: np.ndarray, scale: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Split rows float (N, 5) at gaps between frames, into (first frame from 0, boxes float (n, 4)) each."""
    if not len(rows):
        return []
    numbers = rows[:, 0]
    if not ((numbers >= 1) & (numbers <= LONGEST)).all():  # also false for NaN
        raise ValueError(f"a frame number is not between 1 and {LONGEST}")
    frames = numbers.astype(np.int64) - 1
    boxes = np.trunc(rows[:, 1:]) * scale
    cuts = np.flatnonzero(np.diff(frames) != 1) + 1
    starts = frames[np.concatenate([[0], cuts])]
    return list(zip(starts.tolist(), np.split(boxes, cuts), strict=True))
