"""Small made copies of UCF-Crime and THUMOS14 in their official layouts, with the faults that the real ones have.

Each function writes the folder and returns what is true about it. Videos are a few pixels wide. All 20 classes of
THUMOS14 occur, as in the real annotations.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from official_lists import write

from benchmark_builder.datasets.thumos14 import CLASSES
from benchmark_builder.video.encode import open_video

Ranges = dict[str, list[tuple[int, int]]]


@dataclass(frozen=True)
class MadeCrime:
    """A small UCF-Crime.

    Attributes:
        frames: of every video that exists, by name without suffix.
        train, test: names in list order, without repetition, also those without a file.
        classes: name -> class (``Normal`` for normal videos).
        ranges: of anomalous test videos, as the annotation file has them: frames, both ends included.
        missing: listed videos without a file.
        unannotated: anomalous test videos without a row in the annotation file.
    """

    root: Path
    frames: dict[str, int]
    train: list[str]
    test: list[str]
    classes: dict[str, str]
    ranges: Ranges
    missing: list[str]
    unannotated: list[str]


# Where a video is in the official archives; the lists have other names for the folders of normal videos.
_CRIME: dict[str, tuple[str, int]] = {
    # name: (folder, frames)
    "Abuse001_x264": ("Anomaly-Videos-Part-1/Abuse", 33),
    "Arson001_x264": ("Anomaly-Videos-Part-1/Arson", 48),
    "Fighting002_x264": ("Anomaly-Videos-Part-2/Fighting", 17),
    "Normal_Videos001_x264": ("Training-Normal-Videos-Part-1", 32),
    "Normal_Videos002_x264": ("Training-Normal-Videos-Part-2", 1),
    "Abuse028_x264": ("Anomaly-Videos-Part-1/Abuse", 64),
    "Arson011_x264": ("Anomaly-Videos-Part-1/Arson", 31),
    "Explosion033_x264": ("Anomaly-Videos-Part-2/Explosion", 40),
    "RoadAccidents127_x264": ("Anomaly-Videos-Part-3/RoadAccidents", 16),
    "Normal_Videos_003_x264": ("Testing_Normal_Videos_Anomaly", 47),
    "Normal_Videos_360_x264": ("Testing_Normal_Videos_Anomaly", 15),
}
_TRAIN = ("Abuse001_x264", "Arson001_x264", "Fighting002_x264", "Stealing019_x264", "Normal_Videos001_x264",
          "Normal_Videos002_x264")  # fmt: skip
_TEST = ("Abuse028_x264", "Arson011_x264", "Explosion033_x264", "RoadAccidents127_x264", "Shooting008_x264",
         "Normal_Videos_003_x264", "Normal_Videos_360_x264", "Normal_Videos_912_x264")  # fmt: skip


def write_ucf_crime(root: Path) -> MadeCrime:
    """A small UCF-Crime, with these faults.

    - Stealing019 (train), Shooting008 and Normal_Videos_912 (test) are listed, but there is no file.
    - The training list names Abuse001 twice; the test list has an empty line, trailing spaces and Windows line ends.
    - The annotation file has a duplicate row (Abuse028), no row for Explosion033 and for Normal_Videos_360, a row for a
      video that is in no list (Burglary005), and a range of Arson011 that ends after the last frame (31 frames).
    - The archive's folders of normal videos are called ``Training-Normal-Videos-Part-1`` …, in the lists
      ``Training_Normal_Videos_Anomaly``.
    - Frame counts 1, 15, 16, 17, 31, 32 and 33 occur.
    """
    for k, (name, (folder, frames)) in enumerate(_CRIME.items()):
        write_moving_dot(root / folder / f"{name}.mp4", frames, seed=k)
    classes = {name: "Normal" if name.startswith("Normal") else name.rstrip("0123456789_x").rstrip("0123456789")
               for name in (*_TRAIN, *_TEST)}  # fmt: skip

    def listed(name: str, split: str) -> str:
        folder = f"{split}_Normal_Videos_Anomaly" if classes[name] == "Normal" else classes[name]
        return f"{folder}/{name}.mp4"

    lists = root / "UCF_Crimes-Train-Test-Split/Anomaly_Detection_splits"
    train = [listed(name, "Training") for name in _TRAIN]
    write(lists / "Anomaly_Train.txt", *train[:3], train[0], *train[3:])
    test = [listed(name, "Testing") for name in _TEST]
    lists.joinpath("Anomaly_Test.txt").write_bytes("\r\n".join([*test[:2], "", f"{test[2]}  ", *test[3:], ""]).encode())
    ranges: Ranges = {
        "Abuse028_x264": [(16, 40)],
        "Arson011_x264": [(2, 5), (20, 45)],
        "RoadAccidents127_x264": [(4, 15)],
        "Shooting008_x264": [(100, 140)],
    }
    rows = []
    for name in (*_TEST, "Burglary005_x264"):
        if name in ("Explosion033_x264", "Normal_Videos_360_x264"):
            continue
        found = [*ranges.get(name, [(7, 9)] if name.startswith("Burglary") else []), (-1, -1), (-1, -1)][:2]
        cells = [f"{name}.mp4", classes.get(name, "Burglary"), *(str(n) for pair in found for n in pair)]
        rows.append("  ".join(cells) + "  ")
    write(root / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt", rows[0], rows[0], *rows[1:])
    missing = [name for name in (*_TRAIN, *_TEST) if name not in _CRIME]
    frames = {name: count for name, (_, count) in _CRIME.items()}
    return MadeCrime(root, frames, list(_TRAIN), list(_TEST), classes, ranges, missing, ["Explosion033_x264"])


@dataclass(frozen=True)
class MadeThumos:
    """A small THUMOS14.

    Attributes:
        frames: of every video that exists, by id. fps: of all of them.
        validation, test: ids with annotations, in order of id, also those without a file.
        segments: id -> (class, start, end) in seconds as annotated, without ``Ambiguous``, without the duplicate and
            without the segment that ends before it starts; sorted by start, end and class.
        missing: annotated videos without a file. unannotated: videos without annotations.
        wrong: the two videos whose annotations are known to be wrong, and which OpenTAD leaves out.
    """

    root: Path
    frames: dict[str, int]
    fps: float
    validation: list[str]
    test: list[str]
    segments: dict[str, list[tuple[str, float, float]]]
    missing: list[str]
    unannotated: list[str]
    wrong: list[str] = field(default_factory=lambda: ["video_test_0000270", "video_test_0001292"])


_FPS = 10.0
_THUMOS = {
    "video_validation_0000051": 60, "video_validation_0000052": 33, "video_validation_0000053": 32,
    "video_test_0000004": 64, "video_test_0000006": 31, "video_test_0000007": 17, "video_test_0000270": 16,
    "video_test_0001292": 15, "video_test_0001558": 40,
}  # fmt: skip


def write_thumos14(root: Path) -> MadeThumos:
    """A small THUMOS14: videos, official text files, and the json files of ActionFormer and OpenTAD, with these faults.

    - Every CliffDiving is annotated as Diving, too.
    - ``Ambiguous`` segments are in text files and json.
    - One segment twice within 1 ms, in test_0000006; one that ends before it starts, in test_0000007.
    - The duration of test_0000006 is wrong in the json files (twice its length), and a segment of validation_0000052
      ends after the video does.
    - validation_0000060 is annotated, but has no file; test_0001558 has a file and no annotations.
    - test_0000270 and test_0001292, whose annotations are known to be wrong, are there.
    - ActionFormer's json writes the subsets ``Validation`` and ``Test``, OpenTAD's ``training`` and ``validation``.
    """
    for k, (name, frames) in enumerate(_THUMOS.items()):
        folder = "validation" if "validation" in name else "test"
        write_moving_dot(root / folder / f"{name}.mp4", frames, seed=k, fps=_FPS)
    segments: dict[str, list[tuple[str, float, float]]] = {
        "video_validation_0000051": [("CliffDiving", 0.5, 2.0), ("Diving", 0.5, 2.0), ("Diving", 3.0, 4.4)],
        "video_validation_0000052": [("GolfSwing", 0.2, 1.1), ("GolfSwing", 2.0, 3.9)],
        "video_validation_0000053": [(name, 0.1 * k, 0.1 * k + 1.0) for k, name in enumerate(CLASSES)],
        "video_validation_0000060": [("Billiards", 67.5, 75.9)],
        "video_test_0000004": [("CliffDiving", 1.0, 3.0), ("Diving", 1.0, 3.0), ("HighJump", 4.0, 5.5)],
        "video_test_0000006": [("GolfSwing", 0.3, 1.2), ("GolfSwing", 1.5, 2.9)],
        "video_test_0000007": [("Shotput", 0.1, 1.3)],
        "video_test_0000270": [("BasketballDunk", 0.1, 1.0)],
        "video_test_0001292": [("Billiards", 0.2, 0.9)],
    }
    added = {
        "video_validation_0000051": [("Ambiguous", 2.2, 2.8)],
        "video_test_0000004": [("Ambiguous", 0.1, 0.7)],
        "video_test_0000006": [("GolfSwing", 0.3004, 1.2003)],
        "video_test_0000007": [("Shotput", 1.5, 1.2)],
    }
    annotated = {name: [*rows, *added.get(name, [])] for name, rows in segments.items()}
    for split in ("val", "test"):
        for label in (*CLASSES, "Ambiguous"):
            rows = [
                f"{name}  {start} {end}"
                for name, found in annotated.items()
                if (split == "val") == ("validation" in name)
                for given, start, end in found
                if given == label
            ]
            write(root / f"annotations/{label}_{split}.txt", *rows)
    write(root / "annotations/detclasslist.txt", *(f"{7 + k} {name}" for k, name in enumerate(CLASSES)))
    durations = {name: _THUMOS.get(name, 1_000) / _FPS for name in annotated} | {"video_test_0000006": 6.2}
    released: dict[str, Any] = {}
    opentad: dict[str, Any] = {}
    for name, found in annotated.items():
        trains = "validation" in name
        rows = [
            {"segment": [start, end], "segment(frames)": [round(start * _FPS, 1), round(end * _FPS, 1)],
             "label": label, "label_id": CLASSES.index(label) if label in CLASSES else 20}
            for label, start, end in found
        ]  # fmt: skip
        released[name] = {
            "subset": "Validation" if trains else "Test", "duration": durations[name], "fps": _FPS, "annotations": rows,
        }  # fmt: skip
        opentad[name] = {
            "subset": "training" if trains else "validation", "duration": durations[name],
            "frame": _THUMOS.get(name, 1_000),
            "annotations": [{"segment": row["segment"], "label": row["label"]} for row in rows],
        }  # fmt: skip
    write(root / "annotations/thumos14.json", json.dumps({"version": "Thumos14-30fps", "database": released}))
    write(root / "annotations/thumos_14_anno.json", json.dumps({"version": "THUMOS14", "database": opentad}))
    write(root / "annotations/category_idx.txt", *CLASSES)
    kept = {name: sorted(rows, key=lambda row: (row[1], row[2], row[0])) for name, rows in segments.items()}
    missing = [name for name in annotated if name not in _THUMOS]
    return MadeThumos(
        root,
        dict(_THUMOS),
        _FPS,
        sorted(name for name in annotated if "validation" in name),
        sorted(name for name in annotated if "test" in name),
        kept,
        missing,
        ["video_test_0001558"],
    )


def write_moving_dot(path: Path, frames: int, seed: int = 0, fps: float = 30.0, side: int = 16) -> None:
    """An H.264 video of ``frames`` frames, ``side`` pixels square: a bright square that moves over a plain colour."""
    ground = np.random.default_rng(seed).integers(20, 120, 3)
    with open_video(path, side, side, fps) as video:
        for k in range(frames):
            frame = np.full((side, side, 3), ground, np.uint8)
            left = k % (side - 4)
            frame[4:8, left : left + 4] = 250
            video.write(frame)
