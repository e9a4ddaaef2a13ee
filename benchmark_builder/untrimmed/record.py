"""What a reader of untrimmed videos yields: long videos, each with the segments that are annotated in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.record import id_problem

UNITS = ("frames", "seconds")
SPLITS = ("train", "validation", "test")
TASKS = ("anomaly", "localization", "")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video in which one class occurs.

    Attributes:
        label: its class.
        start, end: in the unit of the video: seconds, or frames from 0, ``end`` being the first frame after it.
    """

    label: str
    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < float("inf"):
            raise BenchError(f"segment of {self.label}: {self.start:g} to {self.end:g} is not a time span; start must "
                             "be at least 0 and before end")  # fmt: skip


@dataclass(frozen=True, slots=True)
class LongVideo:
    """One untrimmed video.

    Attributes:
        id: unique in its dataset, and a plain file name without suffix, such as ``Abuse028_x264``.
        path: its file; None: it is listed, but there is no file.
        split: ``train``, ``validation`` or ``test``, as the dataset calls it (THUMOS14 trains on its validation
            videos).
        label: the class of the whole video; in a dataset of anomalies, the kind of anomaly or ``Normal``. None if the
            dataset gives none.
        segments: what is annotated in it, in the order of their starts.
        unit: unit of the segments: ``frames`` or ``seconds``.
        missing: why ``path`` is None.
    """

    id: str
    path: Path | None
    split: str
    label: str | None
    segments: tuple[Segment, ...] = ()
    unit: Literal["frames", "seconds"] = "seconds"
    missing: str = ""

    def __post_init__(self) -> None:
        problem = id_problem(self.id) or ("contains a slash" if "/" in self.id else "")
        if problem:
            raise BenchError(f"video id {self.id!r} {problem}; ids of untrimmed videos are plain file names")
        if self.unit not in UNITS:
            raise BenchError(f"video {self.id}: unit {self.unit!r} is none of {', '.join(UNITS)}")
        if self.split not in SPLITS:
            raise BenchError(f"video {self.id}: split {self.split!r} is none of {', '.join(SPLITS)}")


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A video of the folder that cannot be listed.

    Attributes:
        file: relative to the dataset's root. reason: why it cannot be used, and how to fix that.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class UntrimmedListing:
    """The videos of a dataset.

    Attributes:
        videos: in the order of the official lists; every id once.
        classes: class names of the segments, or of the videos, in label order.
        task: ``anomaly`` (a video is normal or not; which frames are not is known for test videos only),
            ``localization`` (every segment is annotated), or "" if nothing is annotated.
        notes: what the user should know: files that are not used, wrong annotations.
        also: other tasks for which the same videos are annotated; :func:`~benchmark_builder.untrimmed.read` takes them
            as ``task``.
        unusable: files of the split that cannot be listed, such as those with a name that cannot be an id.
    """

    videos: list[LongVideo]
    classes: list[str]
    task: str
    notes: list[str] = field(default_factory=list[str])
    also: tuple[str, ...] = ()
    unusable: tuple[UnusableFile, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise BenchError(f"task {self.task!r} is none of {', '.join(t for t in TASKS if t)}")
        seen: set[str] = set()
        for video in self.videos:
            if video.id.casefold() in seen:  # file systems that ignore case
                raise BenchError(f"video {video.id}: is listed twice; every video needs an id of its own")
            seen.add(video.id.casefold())
