"""The Video record: what every dataset reader yields, and nothing else."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.utils.errors import BenchError

_IMPOSSIBLE = re.compile('[\x00-\x1f\\\\:*?"<>|\ud800-\udfff]')
LONGEST = 10_000_000  # frames; a longer video is a damaged number, refused before memory is taken for it


@dataclass(frozen=True, slots=True)
class Video:
    """One source video.

    Attributes:
        id: stable name, unique in its dataset; a relative POSIX path without suffix such as
            ``SoccerJuggling/v_SoccerJuggling_g23_c01``.
        path: file (or folder of frames) on this machine.
        label: 0-based class index, in the dataset's official order.
        class_name: the dataset's own spelling of the class.
        split: ``train``, ``test``, ``val``, … or ``all`` where the dataset's split files were not used.
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
            raise BenchError(f"video {self.id}: label {self.label} is negative; labels count from 0")


_UCF101 = re.compile(r"(.*_g\d+)_c\d+")


def group_of(video: Video) -> str:
    """What a video shares actors and scene with: UCF101's group (v_Class_gNN_cMM: clips of one long video, Soomro et
    al., 2012); elsewhere its own id."""
    match = _UCF101.fullmatch(video.id) if video.dataset == "ucf101" else None
    return match.group(1) if match else video.id


def id_problem(video_id: str) -> str:
    """What keeps a text from being an id, in words that follow "its name"; empty if nothing does.

    Ids become names of files and folders on every system, so what one system cannot have in a name is no id.
    """
    parts = video_id.split("/")
    if video_id.startswith("/") or ".." in parts or not any(part not in ("", ".") for part in parts):
        return "leaves its folder"
    found = _IMPOSSIBLE.search(video_id)
    if found is None:
        return ""
    if found[0] >= "\ud800":  # bytes that Python could not read
        return "is not UTF-8"
    return f"holds {found[0]!r}, which file names of other systems cannot have"


def check_id(video_id: str) -> str:
    """Refuse an id that could leave the folder it is written to (ids become file names)."""
    if id_problem(video_id):
        raise BenchError(f"video id {video_id!r} is not a plain relative name; rename the file it comes from")
    return video_id
