"""synthactions: 8 motions of an articulated actor, rendered by this toolkit.

x: a square RGB video of a few dozen frames. y: the motion, 0..7. Splits: ``train``; ``test``, where scenery and
    clothing are correlated with the class as strongly as in training; ``test_unbiased``, where both are independent of
    the class.
Exact masks of the actor: ROOT/masks (mask source ``truth``). Scenery and clothing of every video: ROOT/facts.csv.
Licence: the licence of this software. Layout: :func:`benchmark_builder.synthactions.render.render_dataset`.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import split_label
from benchmark_builder.synthactions.render import RECORD, read_record
from benchmark_builder.synthactions.settings import SPLITS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside
from benchmark_builder.utils.text import read_lines
from benchmark_builder.video.record import Video

WHERE = "Render it with `bench data render --out ROOT`"


def read(root: Path, split: str = "auto", fold: int = 1) -> Listing:
    """List the videos of a finished render.

    Args:
        root: the folder of the render.
        split: ``train``, ``test``, ``test_unbiased``, ``all``, or ``auto`` (= test). Every video has the name of its
            split, also for ``all``.
        fold: 1, the only fold.

    Raises:
        BenchError: the split or fold is unknown, the render is not finished, or a list file is invalid.
    """
    wanted = "test" if split == "auto" else split
    if wanted not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: synthactions has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: synthactions has only fold 1")
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder. {WHERE}")
    classes = [str(name) for name in read_record(root)["classes"]]
    videos: list[Video] = []
    missing: list[str] = []
    for name in SPLITS if wanted == "all" else (wanted,):
        for video in _listed(root, name, classes):
            if video.path.is_file():
                videos.append(video)
            else:
                missing.append(video.id)
    videos.sort(key=lambda v: v.id)
    there = tuple(v.id for v in videos)
    split_name = "all" if wanted == "all" else f"{wanted}{fold}"
    return Listing(videos, classes, split_name, missing=tuple(sorted(missing)), there=there)


def _listed(root: Path, split: str, classes: list[str]) -> list[Video]:
    """The names in a split's list file."""
    path = root / "splits" / SPLITS[split]
    fix = f"delete {RECORD} and the splits folder, then render again with the same settings"
    videos = []
    for number, line in read_lines(path, "list of videos", fix):
        name = split_label(line)[0]
        class_name = name.split("/")[0]
        if not name.endswith(".mp4") or class_name not in classes:
            raise BenchError(f"{path}:{number}: {line!r} is not a video of a known class; {fix}")
        label = classes.index(class_name)
        videos.append(
            Video(name.removesuffix(".mp4"), inside(root / "videos", name), label, class_name, split, "synthactions")
        )
    return videos
