"""What a model says of a video and of its versions, as data."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A class and its probability, percent (0..100)."""

    class_name: str
    percent: float


@dataclass(frozen=True)
class OfVersion:
    """What the model says of one version of a video.

    Attributes:
        name, title: see :class:`~evaluator.predict.variants.Version`.
        top: the classes of the highest probabilities, highest first.
        first_answer: the class that is the answer for the plain video, and its probability here.
        difference: the largest change of a probability against the plain video, percent points, 0..100.
    """

    name: str
    title: str
    top: list[Answer]
    first_answer: Answer
    difference: float

    @property
    def answer(self) -> Answer:
        """The class of the highest probability."""
        return self.top[0]

    @property
    def same(self) -> bool:
        """Whether it is the answer for the plain video."""
        return self.answer.class_name == self.first_answer.class_name


@dataclass
class Prediction:
    """What the model says of one video.

    Attributes:
        path: the video. label: its true class, if the dataset says it; else empty.
        versions: the plain one first; empty if the video could not be read.
        verdict: what changed the answer, and what did not, in words.
        notes: versions that could not be made. reason: why something failed; empty if nothing did.
        classes: number of classes. picture: the file, if it was drawn.
    """

    path: Path
    label: str = ""
    versions: list[OfVersion] = field(default_factory=list)
    verdict: str = ""
    notes: list[str] = field(default_factory=list)
    reason: str = ""
    classes: int = 0
    picture: Path | None = None

    def plain(self) -> dict[str, Any]:
        """Plain JSON values."""
        versions = [
            {"clips": v.name, "title": v.title, "top": [asdict(a) for a in v.top],
             "first_answer": asdict(v.first_answer), "same": v.same,
             "largest_change": v.difference} for v in self.versions
        ]  # fmt: skip
        return {
            "video": str(self.path), "class_name": self.label or None, "classes": self.classes, "versions": versions,
            "verdict": self.verdict, "notes": self.notes, "reason": self.reason,
            "picture": None if self.picture is None else str(self.picture),
        }  # fmt: skip


@dataclass(frozen=True)
class Predicted:
    """What `bench predict` found.

    Attributes:
        videos: one per video, in the order given. written: the files.
    """

    videos: list[Prediction]
    written: list[Path]

    @property
    def failed(self) -> list[Prediction]:
        """Those of which something failed."""
        return [one for one in self.videos if one.reason]
