"""UCF101-24 boxes (Singh et al., ICCV 2017, ``pyannot.pkl``) as masks: True inside any annotated box of the class.

The file is a dict ``Class/v_NAME -> {numf, label, annotations: [{label, sf, ef, boxes}]}``; ``sf`` counts from 0,
``ef`` is exclusive, ``boxes`` are x, y, w, h in pixels of 320x240 frames. Most boxes are stored as uint8, in which
``x + w`` overflows: they are widened before any sum.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder import safe_pickle
from benchmark_builder.errors import BenchError, LeftOut
from benchmark_builder.files import sha256_file
from benchmark_builder.video import Video

WIDTH, HEIGHT = 320, 240
NAMES = ("ucf101_24_pyannot.pkl", "pyannot.pkl")


class BoxTrack:
    """Boxes of one video as masks. ``covered``: bool (T,)."""

    def __init__(self, length: int, tubes: list[tuple[int, np.ndarray]], height: int, width: int) -> None:
        """tubes: (first frame, boxes float (N, 4) as x1, y1, x2, y2 in pixels of the video, x2 and y2 exclusive)."""
        self.tubes, self.size = tubes, (height, width)
        self.covered = np.zeros(length, dtype=bool)
        for start, boxes in tubes:
            self.covered[start : start + len(boxes)] = True

    def boxes(self, index: int) -> np.ndarray:
        """Every box on frame ``index``: int (K, 4) as x1, y1, x2, y2, clipped to the frame."""
        found = [b[index - s] for s, b in self.tubes if s <= index < s + len(b)]
        height, width = self.size
        clipped = np.clip(np.rint(np.array(found).reshape(-1, 4)), 0, [width, height, width, height])
        return clipped.astype(np.int64)

    def mask(self, index: int) -> np.ndarray:
        """Mask of frame ``index``: bool (H, W)."""
        mask = np.zeros(self.size, dtype=bool)
        for x1, y1, x2, y2 in self.boxes(index):
            mask[y1:y2, x1:x2] = True
        return mask


class UCF101_24Boxes:
    """``ucf101-24[:PATH]``: PATH is pyannot.pkl; without it, ROOT/annotations/pyannot.pkl and the like are tried."""

    def __init__(self, path: Path | None, dataset_root: Path) -> None:
        self.path = path or _find(dataset_root)
        table = safe_pickle.load(self.path, "UCF101-24 annotation (pyannot.pkl)")
        if not isinstance(table, dict) or not all(
            isinstance(v, dict) and {"numf", "annotations"} <= v.keys() for v in table.values()
        ):
            raise BenchError(f"{self.path}: is not UCF101-24's pyannot.pkl; give that file as --masks ucf101-24:FILE")
        self.table: dict[str, Any] = {str(k).lower(): v for k, v in table.items()}
        self.sha256 = sha256_file(self.path)

    def track(self, video: Video, height: int, width: int) -> BoxTrack:
        # Folder and file spell HandstandPushups / HandStandPushups differently: compare in one case.
        entry = self.table.get(f"{video.class_name}/{Path(video.id).name}".lower())
        if entry is None:
            raise LeftOut(f"no UCF101-24 annotation for {video.id}")
        scale = np.array([width / WIDTH, height / HEIGHT] * 2)
        tubes = []
        try:
            for tube in entry["annotations"]:
                boxes = np.asarray(tube["boxes"]).astype(np.float64).reshape(-1, 4)
                boxes[:, 2:] += boxes[:, :2]
                tubes.append((int(tube["sf"]), boxes * scale))
            length = max([int(entry["numf"]), *(start + len(boxes) for start, boxes in tubes)])
        except (KeyError, TypeError, ValueError) as error:
            raise BenchError(f"{self.path}: boxes of {video.id} cannot be read ({error!r})") from None
        if not tubes or any(start < 0 for start, _ in tubes):
            raise LeftOut(f"UCF101-24 holds no box for {video.id}")
        return BoxTrack(length, tubes, height, width)

    def describe(self) -> dict[str, Any]:
        return {"kind": "ucf101-24", "sha256": self.sha256, "actors": "all"}


def _find(root: Path) -> Path:
    for folder in (root / "annotations", root, root.parent / "annotations"):
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
    raise BenchError(
        f"{root / 'annotations' / NAMES[1]}: no UCF101-24 boxes here; put pyannot.pkl of the corrected UCF101-24 "
        "annotations (Singh et al.) there, or give --masks ucf101-24:FILE or --masks motion"
    )
