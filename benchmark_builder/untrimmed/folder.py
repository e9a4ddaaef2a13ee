"""The user's own long videos, without annotations: every video file in a folder and its subfolders.

The folders ``train``, ``validation`` (or ``val``) and ``test`` directly in ROOT name the split; other videos are of the
split ``test``.
"""

from collections import Counter
from pathlib import Path

from benchmark_builder.datasets.common import told
from benchmark_builder.untrimmed.record import LongVideo, UntrimmedListing, UnusableFile
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_below, files_of, hidden_below
from benchmark_builder.utils.text import composed, counted
from benchmark_builder.video.record import id_problem

WHERE = "Store your videos as ROOT/NAME.mp4, also in subfolders, and give ROOT with --root"
_SPLIT_OF = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


def read(root: Path, split: str, task: str | None) -> UntrimmedListing:
    """List the videos below ``root``. Ids are names without suffix; where two are equal, with the folder and the
    suffix: ``FOLDER_NAME_mp4``. Files whose names cannot be ids, or stay equal, are unusable; those whose names begin
    with a dot are counted in a note.

    Raises:
        BenchError: ``task`` is given.
    """
    if task is not None:
        raise BenchError(f"--task {task}: dataset folder has no annotations; leave it out")
    paths = files_below(root, VIDEO_SUFFIXES)
    count = Counter(composed(path.stem).casefold() for path in paths)
    listed, unusable, notes = dict[str, list[tuple[str, Path, str]]](), list[UnusableFile](), list[str]()
    for path in paths:
        parts = path.relative_to(root).parts
        of = _SPLIT_OF.get(parts[0].lower(), "test") if len(parts) > 1 else "test"
        if split not in ("all", of):
            continue
        name = composed(path.stem)
        if count[name.casefold()] > 1:
            name = composed("_".join((*parts[:-1], path.stem, path.suffix[1:])))
        if problem := id_problem(name):
            unusable.append(UnusableFile(told(path, root), f"its name {problem}; rename it"))
        else:
            listed.setdefault(name.casefold(), []).append((name, path, of))
    videos = []
    for same in listed.values():
        if len(same) == 1:
            name, path, of = same[0]
            videos.append(LongVideo(name, path, of, None))
        for _, path, _ in same if len(same) > 1 else ():
            other = next(p for _, p, _ in same if p != path)
            unusable.append(
                UnusableFile(told(path, root), f"{told(other, root)} has the same name; rename one of them")
            )
    if hidden := hidden_below(root, VIDEO_SUFFIXES):
        words = "video with a name that begins", "videos with names that begin"
        notes.append(f"{root}: {counted(len(hidden), *words)} with a dot: not used, such as {hidden[0]}")
    others = [path for path in files_of(root, VIDEO_SUFFIXES)[1]]
    if others:
        words = "file is no video and is", "files are no videos and are"
        notes.append(f"{root}: {counted(len(others), *words)} not used, such as {others[0].name}")
    return UntrimmedListing(videos, [], "", notes, (), tuple(unusable))
