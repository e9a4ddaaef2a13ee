"""The annotations of a render, as UCF-Crime and as THUMOS14 are annotated.

UCF-Crime: ``Anomaly_Train.txt`` and ``Anomaly_Test.txt``, a video per line with its folder, and
``Temporal_Anomaly_Annotation_for_Testing_Videos.txt``, "NAME.mp4  CLASS  start  end  start  end" with up to two
anomalies of a test video, -1 where there is none; frames are counted from 1, and both ends belong to the anomaly.

THUMOS14: ``annotations.json`` in the form of ActionFormer's ``thumos14.json``; it also has the number of frames, as
OpenTAD needs it. The training videos have the subset ``validation``, as there.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthlong.timeline import NORMAL, LongFacts
from benchmark_builder.utils.files import write_csv, write_json, write_text

RECORD = "synthlong.json"  # written last, so the dataset is complete if it exists
LISTS = {"train": "Anomaly_Train.txt", "test": "Anomaly_Test.txt"}
TEMPORAL = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"
ACTIONS = "annotations.json"
SUBSETS = {"train": "validation", "test": "test"}
_NORMAL_FOLDERS = {"train": "Training_Normal_Videos_Anomaly", "test": "Testing_Normal_Videos_Anomaly"}


def listed_name(facts: LongFacts) -> str:
    """The video in lists: FOLDER/NAME.mp4."""
    return f"{_NORMAL_FOLDERS[facts.split] if facts.label == NORMAL else facts.label}/{facts.id}.mp4"


def video_file(facts: LongFacts) -> str:
    """The video's file, relative to the dataset's folder."""
    return f"videos/{listed_name(facts)}"


def write_annotations(root: Path, videos: Sequence[LongFacts], fps: float) -> None:
    """Write both kinds of annotations, ``facts.csv`` and ``timeline.csv``.

    Args:
        root: the dataset's folder.
        videos: all videos, training videos first.
        fps: frames per second.
    """
    # As in UCF-Crime, anomalies come before normal videos; much code takes the label from this order.
    listed = sorted(videos, key=lambda v: (v.label == NORMAL, v.id))
    for split, name in LISTS.items():
        write_text(root / name, "".join(f"{listed_name(v)}\n" for v in listed if v.split == split))
    write_text(root / TEMPORAL, "".join(_temporal(v) for v in listed if v.split == "test"))
    write_json(root / ACTIONS, {"version": "synthlong", "database": {v.id: _actions(v, fps) for v in listed}})
    columns = ["id", "split", "label", "main", "scenery", "clothing", "frames"]
    write_csv(root / "facts.csv", columns, ({name: getattr(v, name) for name in columns} for v in listed))
    columns = ["id", "split", "kind", "class", "start_frame", "end_frame"]
    write_csv(root / "timeline.csv", columns, _timeline(listed))


def _temporal(video: LongFacts) -> str:
    ranges = [(s.start + 1, s.end) for s in video.anomalies]
    numbers = [n for pair in [*ranges, (-1, -1), (-1, -1)][:2] for n in pair]
    return "  ".join([f"{video.id}.mp4", video.label, *map(str, numbers)]) + "\n"


def _actions(video: LongFacts, fps: float) -> dict[str, object]:
    return {
        "subset": SUBSETS[video.split],
        "duration": video.frames / fps,
        "fps": fps,
        "frame": video.frames,
        "annotations": [
            {
                "segment": [s.start / fps, s.end / fps],
                "segment(frames)": [s.start, s.end],
                "label": s.label,
                "label_id": CLASSES.index(s.label),
            }
            for s in video.actions
        ],
    }


def _timeline(videos: Iterable[LongFacts]) -> Iterable[dict[str, object]]:
    for video in videos:
        for s in video.stretches:
            yield {
                "id": video.id, "split": video.split, "kind": s.kind, "class": s.label, "start_frame": s.start,
                "end_frame": s.end,
            }  # fmt: skip
