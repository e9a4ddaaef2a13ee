"""UCF101-24 boxes (Singh et al., ICCV 2017, ``pyannot.pkl``) as masks: True inside any annotated box of the class.

The file is a dict ``Class/v_NAME -> {numf, label, annotations: [{label, sf, ef, boxes}]}``; ``sf`` starts at 0, ``ef``
is exclusive, ``boxes`` are x, y, w, h in pixels of 320x240 frames. Most boxes are stored as uint8, where ``x + w``
overflows, so they are converted before any sum.

The published benchmark (StillMix, ICCV 2023) shows one actor per frame: the first tube in file order that covers the
frame. ``actors="first"`` does the same. By default every tube of the video's class is used.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark_builder.masks.base import ActorBox
from benchmark_builder.settings import ActorSettings
from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import sha256_file
from benchmark_builder.video.record import LONGEST, Video

WIDTH, HEIGHT = 320, 240
NAMES = ("ucf101_24_pyannot.pkl", "pyannot.pkl")


class BoxTrack:
    """Boxes of one video as masks. ``covered``: bool (T,)."""

    def __init__(
        self, length: int, tubes: list[tuple[int, np.ndarray]], height: int, width: int, actors: str = "all"
    ) -> None:
        """Store the boxes of a video whose frames are (height, width).

        Args:
            length: number of frames of the video according to the annotation.
            tubes: (first frame, boxes float (N, 4) as x1, y1, x2, y2 in pixels of the video, x2 and y2 exclusive).
            actors: ``all``, or ``first``: on every frame, only the first tube that covers it.

        Raises:
            ValueError: a frame is below 0 or above :data:`LONGEST`, or a coordinate is not a number.
        """
        self.size, self.actors = (height, width), actors
        length = max([length, *(start + len(boxes) for start, boxes in tubes)])
        if length > LONGEST or any(start < 0 for start, _ in tubes):
            raise ValueError(f"frames must be between 0 and {LONGEST}")
        if not all(np.isfinite(boxes).all() for _, boxes in tubes):
            raise ValueError("a coordinate is not a number")
        limits = [width, height, width, height]
        # Per tube: its first frame, and its boxes as int (N, 4), clipped to the frame.
        self.tubes = [(start, np.clip(np.rint(boxes), 0, limits).astype(np.int64)) for start, boxes in tubes]
        self.covered = np.zeros(length, dtype=bool)
        for start, boxes in tubes:
            self.covered[start : start + len(boxes)] = True

    def actor_boxes(self, index: int) -> list[ActorBox]:
        """The boxes in use on frame ``index``, clipped to the frame; each tube is one actor."""
        found = [(k, b[index - s]) for k, (s, b) in enumerate(self.tubes) if s <= index < s + len(b)]
        if self.actors == "first":
            found = found[:1]
        return [ActorBox(k, *box.tolist()) for k, box in found]

    def boxes(self, index: int) -> np.ndarray:
        """The boxes in use on frame ``index``: int (K, 4) as x1, y1, x2, y2, clipped to the frame."""
        return np.array([box[1:] for box in self.actor_boxes(index)], dtype=np.int64).reshape(-1, 4)

    def mask(self, index: int) -> np.ndarray:
        """Mask of frame ``index``: bool (H, W)."""
        mask = np.zeros(self.size, dtype=bool)
        for _, x1, y1, x2, y2 in self.actor_boxes(index):
            mask[y1:y2, x1:x2] = True
        return mask


class AnnotatedBoxes:
    """What the two files of UCF101-24 share: ``path`` and its ``sha256``, and whose boxes are taken."""

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]  # of the file

    def __init__(self, path: Path | None, dataset_root: Path, actors: str = "all") -> None:
        self.actors = ActorSettings(actors=actors).actors  # type: ignore[arg-type]  # checked there
        self.path = path or find_annotation(dataset_root, self.names, self.kind)

    def load(self, what: str) -> object:
        """The content of the file, which a message calls ``what``."""
        content = safe_pickle.load(self.path, what)
        self.sha256 = sha256_file(self.path)
        return content

    def unreadable(self, video: Video, error: Exception) -> BenchError:
        """The error to raise for a video whose entry is damaged."""
        return BenchError(f"{self.path}: boxes of {video.id} cannot be read ({error!r}); download the file again")

    def reads(self, video: Video) -> list[Path]:
        """No files, except the one whose digest is in :meth:`describe`."""
        return []

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "sha256": self.sha256, "actors": self.actors}


class UCF101_24Boxes(AnnotatedBoxes):
    """``ucf101-24[:PATH]``: PATH is pyannot.pkl. Default: pyannot.pkl in ROOT/annotations, ROOT or alongside ROOT."""

    kind, names = "ucf101-24", NAMES

    def __init__(self, path: Path | None, dataset_root: Path, actors: str = "all") -> None:
        super().__init__(path, dataset_root, actors)
        table = self.load("UCF101-24 annotation (pyannot.pkl)")
        if not isinstance(table, dict) or not all(
            isinstance(v, dict) and {"numf", "annotations"} <= v.keys() for v in table.values()
        ):
            raise BenchError(f"{self.path}: is not UCF101-24's pyannot.pkl; give that file as --masks ucf101-24:FILE")
        self.table: dict[str, Any] = {str(k).lower(): v for k, v in table.items()}

    def track(self, video: Video, height: int, width: int) -> BoxTrack:
        # Folder and file spell HandstandPushups / HandStandPushups differently, so upper and lower case are not
        # distinguished.
        entry = self.table.get(f"{video.class_name}/{Path(video.id).name}".lower())
        if entry is None:
            raise LeftOut(f"no UCF101-24 annotation for {video.id}")
        scale = np.array([width / WIDTH, height / HEIGHT] * 2)
        tubes = []
        try:
            for tube in entry["annotations"]:
                if tube.get("label") != entry["annotations"][0].get("label"):  # the first tube has the video's class
                    continue
                boxes = np.asarray(tube["boxes"]).astype(np.float64).reshape(-1, 4)
                boxes[:, 2:] += boxes[:, :2]
                tubes.append((int(tube["sf"]), boxes * scale))
            if not any(len(boxes) for _, boxes in tubes):
                raise LeftOut(f"UCF101-24 has no box for {video.id}")
            return BoxTrack(int(entry["numf"]), tubes, height, width, self.actors)
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise self.unreadable(video, error) from None


def find_annotation(root: Path, names: tuple[str, ...], kind: str) -> Path:
    """The first of ``names`` found in ROOT/annotations, ROOT or alongside ROOT. Raises BenchError if none is found."""
    for folder in (root / "annotations", root, root.parent / "annotations"):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise BenchError(
        f"{root / 'annotations' / names[-1]}: no such file; put {names[-1]} of the corrected UCF101-24 annotations "
        f"(Singh et al.) there, or give --masks {kind}:FILE or --masks motion"
    )
