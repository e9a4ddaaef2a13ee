"""UCF-Crime (Sultani et al., CVPR 2018) for anomaly detection: 1,610 training and 290 test videos.

The files and lists are those of :mod:`benchmark_builder.datasets.ucf_crime`; ids are names without folder and suffix
(``Abuse028_x264``), in the order of the lists. Of the 1,950 files, the 50 in ``Normal_Videos_event`` are copies of
normal training videos and are in no list of this task.

Of training videos only the class is known. Of test videos ``Temporal_Anomaly_Annotation_for_Testing_Videos.txt`` has
the frames of the anomaly, from 1, both ends included, as the authors' evaluation in MATLAB reads them; here from 0,
without the end. RTFM's ground truth reads the same numbers as from 0, VadCLIP's also without the last frame: segments
differ by one frame.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets import ucf_crime as files
from benchmark_builder.datasets.common import stem_of
from benchmark_builder.untrimmed.record import LongVideo, Segment, UntrimmedListing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted, plain_path, read_lines

WHERE = files.WHERE
SPLITS = ("train", "test")
SHOWN = 3  # ids in a note


def read(root: Path, split: str, task: str | None) -> UntrimmedListing:
    """List UCF-Crime; splits ``train``, ``test``, ``all``.

    Raises:
        BenchError: there is no such split or task, or a list or the file of annotations is missing or invalid.
    """
    if split not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: UCF-Crime has train, test and all")
    if task not in (None, "anomaly"):
        raise BenchError(f"--task {task}: UCF-Crime is annotated for anomaly; leave --task out")
    wanted = SPLITS if split == "all" else (split,)
    notes: list[str] = []
    for name in wanted:
        if _list_of(root, name) is None:
            raise BenchError(f"{root}: contains no {files.SPLITS}/{_list_name(name)}; {files.FIX}. {WHERE}")
    listings = {name: files.read(root, name, 1) for name in wanted}
    segments = _segments(root, notes) if "test" in wanted else {}
    videos, known = [], set[str]()
    for name, found in listings.items():
        notes += [note for note in found.notes if note not in notes]
        for video in _in_order(root, name, found, known, notes):
            own = tuple(segments.pop(video.id, ())) if name == "test" else ()
            videos.append(LongVideo(video.id, video.path, name, video.label, own, "frames", video.missing))
    bare = [v.id for v in videos if v.split == "test" and v.label != files.NORMAL and not v.segments]
    if bare:
        notes.append(f"{root}: {counted(len(bare), 'test video', 'test videos')} of anomalies without annotated "
                     f"frames: all of "
                     f"theirs count as normal: {_some(bare)}")  # fmt: skip
    strange = [name for name, own in segments.items() if own]
    if strange:
        notes.append(
            f"{root}: {counted(len(strange), 'annotated video is', 'annotated videos are')} not in the list of test "
            f"videos: {_some(strange)}"
        )
    return UntrimmedListing(videos, list(files.CLASSES), "anomaly", notes)


def _in_order(root: Path, split: str, found: Listing, known: set[str], notes: list[str]) -> list[LongVideo]:
    """The videos of a list in its order; ``known``: names so far, which is extended."""
    path = _list_of(root, split)
    assert path is not None
    by_id = {video.id: video for video in found.videos}
    reasons = {unusable.id: f"{unusable.file}: {unusable.reason}" for unusable in found.unusable}
    videos, twice = [], []
    for _, line in read_lines(path, "list of UCF-Crime", files.FIX):
        parts = plain_path(line).split("/")
        folder = files.folder_name(parts[-2])
        name = stem_of(parts[-1])
        assert folder is not None  # files.read has refused other lines
        if name.casefold() in known:
            twice.append(name)
            continue
        known.add(name.casefold())
        video = by_id.get(f"{folder}/{name}") or next(
            (v for i, v in by_id.items() if i.casefold() == f"{folder}/{name}".casefold()), None
        )
        missing = "" if video else reasons.get(f"{folder}/{name}", f"no file {folder}/{parts[-1]}")
        label = folder if folder in files.CLASSES else files.NORMAL
        videos.append(LongVideo(name, video.path if video else None, split, label, (), "frames", missing))
    if twice:
        notes.append(f"{path}: {counted(len(twice), 'video is', 'videos are')} listed twice, used once: {_some(twice)}")
    return videos


def _list_name(split: str) -> str:
    return f"Anomaly_{split.capitalize()}.txt"


def _list_of(root: Path, split: str) -> Path | None:
    paths = (folder / files.SPLITS / _list_name(split) for folder in files.folders_below(root, 1))
    return next((path for path in paths if path.is_file()), None)


def _segments(root: Path, notes: list[str]) -> dict[str, list[Segment]]:
    """Name of a test video -> its segments in frames from 0, without repetition, in order."""
    found: dict[str, list[Segment]] = {}
    raw, said = files.segments(root)
    notes += said
    twice = set()
    for one in raw:
        name = one.video_id.rpartition("/")[2]
        segment = Segment(one.class_name, max(one.start, 1) - 1, max(one.end, 1))
        own = found.setdefault(name, [])
        if segment in own:
            twice.add(name)
        else:
            own.append(segment)
    if twice:
        notes.append(
            f"{root}: {counted(len(twice), 'video is', 'videos are')} annotated twice, such as {min(twice)}; used once"
        )
    return {name: sorted(own, key=lambda s: (s.start, s.end)) for name, own in found.items()}


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
