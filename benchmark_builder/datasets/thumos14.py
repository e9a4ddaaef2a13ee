"""THUMOS14 (Idrees et al., CVIU 2017), temporal localisation: 200 + 213 annotated untrimmed videos of 20 sports.

Annotations ``CLASS_val.txt`` and ``CLASS_test.txt`` have lines "video_validation_0000051  67.5 75.9" in seconds;
``Ambiguous_*`` files are not used. A video is the whole file, ``video_validation_0000051.mp4``. Its label is the class
that lasts longest in it, of several the first in alphabetical order (every CliffDiving is annotated as Diving, too);
classes are in alphabetical order, labels from 0. All segments are in :func:`segments`.
"""

import math
import re
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import told
from benchmark_builder.datasets.flat import flat_listing, folders_below
from benchmark_builder.datasets.segments import Segment
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted, read_lines

WHERE = (
    "Get the validation and test videos of THUMOS14 and their temporal annotations from the dataset's site (CRCV, "
    "University of Central Florida) and store them as ROOT/validation/NAME.mp4, ROOT/test/NAME.mp4 and "
    "ROOT/annotations/CLASS_val.txt, CLASS_test.txt; ROOT is $BENCH_DATA/thumos14 or --root"
)
CLASSES = (
    "BaseballPitch", "BasketballDunk", "Billiards", "CleanAndJerk", "CliffDiving", "CricketBowling", "CricketShot",
    "Diving", "FrisbeeCatch", "GolfSwing", "HammerThrow", "HighJump", "JavelinThrow", "LongJump", "PoleVault",
    "Shotput", "SoccerPenalty", "TennisSwing", "ThrowDiscus", "VolleyballSpiking",
)  # fmt: skip
SPLITS = ("val", "test")
MISLABELLED = ("video_test_0000270", "video_test_0001496")
FIX = "get the annotations from the dataset's site again"
_DEPTH = 3  # levels below ROOT where annotations may be
_NAME = r"video_(?:validation|test)_[0-9]{7}"
_LINE = re.compile(rf"({_NAME})\s+(\S+)\s+(\S+)")


def read(root: Path, split: str, fold: int) -> Listing:
    """List THUMOS14. Ids are file names without suffix; splits ``val``, ``test``, ``all``, ``auto`` (= ``test``).

    Raises:
        BenchError: the split or fold is unknown, or annotations are missing or invalid.
    """
    name = "test" if split == "auto" else split
    if name not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: THUMOS14 has val, on which detectors are trained, test and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: THUMOS14 has only fold 1")
    found, notes = segments(root)
    lasting: dict[str, dict[str, float]] = {}
    for s in found:
        if name in ("all", s.split):
            table = lasting.setdefault(s.video_id, {})
            table[s.class_name] = table.get(s.class_name, 0.0) + s.end - s.start
    if not lasting:
        raise BenchError(f"{root}: contains no annotations of split {name!r}; {FIX}")
    labels = {
        video: CLASSES.index(max(sorted(table), key=lambda c: round(table[c], 6)))
        for video, table in sorted(lasting.items())
    }  # fmt: skip
    several = sum(len(table) > 1 for table in lasting.values())
    if several:
        notes.append(
            f"{root}: {counted(several, 'video shows', 'videos show')} several classes; the label is the "
            f"one that lasts longest"
        )
    wrong = [video for video in MISLABELLED if video in labels]
    if wrong:
        notes.append(f"{root}: the annotations of {' and '.join(wrong)} are known to be wrong")
    folders = [f.relative_to(root).as_posix() for f in folders_below(root, 2) if f != root]
    return flat_listing(root, "thumos14", CLASSES, labels, name, root, folders, notes)


def segments(root: Path) -> tuple[list[Segment], list[str]]:
    """All annotated segments in seconds, and notes on those that cannot be used.

    Raises:
        BenchError: there are no annotations, or a line is not of their format.
    """
    found: list[Segment] = []
    folders = folders_below(root, _DEPTH)
    notes = []
    files = 0
    empty: list[str] = []
    for split in SPLITS:
        lacking = []
        for class_name in CLASSES:
            name = f"{class_name}_{split}.txt"
            path = next((f / name for f in folders if (f / name).is_file()), None)
            if path is None:
                lacking.append(class_name)
                continue
            files += 1
            for number, line in read_lines(path, "annotation of THUMOS14", FIX):
                match = _LINE.fullmatch(line)
                times = _times(match[2], match[3]) if match else None
                if match is None or times is None:
                    said = f"{line[:80]!r} is not 'video_NAME start end' in seconds"
                    raise BenchError(f"{path}, line {number}: {said}; {FIX}")
                if times[0] >= times[1]:
                    empty.append(f"{told(path, root)}, line {number}")
                    continue
                found.append(Segment(match[1], class_name, *times, "seconds", split))
        if lacking and len(lacking) < len(CLASSES):
            raise BenchError(f"{root}: contains no {lacking[0]}_{split}.txt, but annotations of other classes; {FIX}")
    if not files:
        raise BenchError(f"{root}: contains no annotations such as {CLASSES[0]}_test.txt. {WHERE}")
    if empty:
        words = "segment ends before its start", "segments end before their start"
        notes.append(f"{counted(len(empty), *words)}, left out; the first: {empty[0]}")
    return found, notes


def is_video_name(name: str) -> bool:
    """Whether a name, without suffix, is that of a video of the validation or test set."""
    return re.fullmatch(_NAME, name) is not None


def _times(start: str, end: str) -> tuple[float, float] | None:
    try:
        times = float(start), float(end)
    except ValueError:
        return None
    return times if all(math.isfinite(t) and t >= 0 for t in times) else None
