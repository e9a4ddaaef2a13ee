"""The Video record, the only thing that dataset readers yield."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.errors import BenchError

_IMPOSSIBLE = re.compile('[\x00-\x1f\\\\:*?"<>|\ud800-\udfff]')
LONGEST = 10_000_000  # frames; a larger number is a sign of damage, and is refused before memory is allocated


@dataclass(frozen=True, slots=True)
class Video:
    """One source video.

    Attributes:
        id: permanent name, unique in its dataset; a relative POSIX path without suffix such as
            ``SoccerJuggling/v_SoccerJuggling_g23_c01``.
        path: file (or folder of frames) on this machine.
        label: 0-based class index, in the dataset's official order.
        class_name: the name of the class as written in the dataset.
        split: ``train``, ``test``, ``val``, … or ``all`` if the dataset's split files were not used.
        dataset: registry name, e.g. ``ucf101``.
    """

    id: str
    path: Path
    label: int
    class_name: str
    split: str
    dataset: str

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.label < 0:
            raise BenchError(f"video {self.id}: label {self.label} is negative; labels start at 0")


_UCF101 = re.compile(r"(.*_g\d+)_c\d+")


def group_of(video: Video) -> str:
    """Videos with the same value share actors and scene: in UCF101 the group (v_Class_gNN_cMM: clips of one long video,
    Soomro et al., 2012); in other datasets the video's id."""
    match = _UCF101.fullmatch(video.id) if video.dataset == "ucf101" else None
    return match.group(1) if match else video.id


def id_problem(video_id: str) -> str:
    """The reason why a text cannot be an id, in words that follow "its name"; empty if it can.

    Ids become names of files and folders on every system, so characters that one system does not allow are refused.
    """
    parts = video_id.split("/")
    if video_id.startswith("/") or ".." in parts or not any(part not in ("", ".") for part in parts):
        return "leaves its folder"
    found = _IMPOSSIBLE.search(video_id)
    if found is None:
        return ""
    if found[0] >= "\ud800":  # bytes that Python could not decode
        return "is not UTF-8"
    return f"contains {found[0]!r}, which is not allowed in file names on other systems"


def check_id(video_id: str) -> str:
    """Raise BenchError for an id that could leave its folder (ids become file names)."""
    if id_problem(video_id):
        raise BenchError(f"video id {video_id!r} is not a plain relative name; rename the file it comes from")
    return video_id
