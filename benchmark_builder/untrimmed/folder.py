"""The user's own long videos, without annotations: every video file in a folder and its subfolders.

The folders ``train``, ``validation`` (or ``val``) and ``test`` directly in ROOT name the split; other videos are of the
split ``test``.
"""

from collections import Counter
from pathlib import Path

from benchmark_builder.untrimmed.record import LongVideo, UntrimmedListing
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_below, files_of
from benchmark_builder.utils.text import composed
from benchmark_builder.video.record import id_problem

WHERE = "Store your videos as ROOT/NAME.mp4, also in subfolders, and give ROOT with --root"
_SPLIT_OF = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


def read(root: Path, split: str, task: str | None) -> UntrimmedListing:
    """List the videos below ``root``. Ids are names without suffix; where two are equal, with the folder and the
    suffix: ``FOLDER_NAME_mp4``.

    Raises:
        BenchError: ``task`` is given, or names stay equal.
    """
    if task is not None:
        raise BenchError(f"--task {task}: dataset folder has no annotations; leave it out")
    paths = files_below(root, VIDEO_SUFFIXES)
    count = Counter(composed(path.stem).casefold() for path in paths)
    videos, notes = [], []
    for path in paths:
        parts = path.relative_to(root).parts
        of = _SPLIT_OF.get(parts[0].lower(), "test") if len(parts) > 1 else "test"
        if split not in ("all", of):
            continue
        name = composed(path.stem)
        if count[name.casefold()] > 1:
            name = composed("_".join((*parts[:-1], path.stem, path.suffix[1:])))
        problem = id_problem(name)
        if problem:
            notes.append(f"{path}: is left out, its name {problem}; rename it")
            continue
        videos.append(LongVideo(name, path, of, None))
    twice = next((n for n, k in Counter(v.id.casefold() for v in videos).items() if k > 1), None)
    if twice is not None:
        same = [str(v.path) for v in videos if v.id.casefold() == twice]
        raise BenchError(f"{same[0]} and {same[1]} have the same name; rename one of them")
    others = [path for path in files_of(root, VIDEO_SUFFIXES)[1]]
    if others:
        notes.append(f"{root}: {len(others)} files are not videos and are not used, such as {others[0].name}")
    return UntrimmedListing(videos, [], "", notes)
