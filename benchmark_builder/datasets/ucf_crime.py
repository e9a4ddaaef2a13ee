"""UCF-Crime (Sultani et al., CVPR 2018): 1,900 untrimmed surveillance videos of 13 kinds of anomalies and normal ones.

Lists ``Anomaly_Detection_splits/Anomaly_{Train,Test}.txt`` with lines "Abuse/Abuse028_x264.mp4" (normal videos:
"Training_Normal_Videos_Anomaly/…", "Testing_Normal_Videos_Anomaly/…"); 1,610 and 290 videos. A video is the whole file.
Its label is the class of its folder, the 13 anomalies and ``Normal`` in alphabetical order, from 0.

Event recognition (``ucf-crime-recognition``) is another task on the same folders: the 13 anomalies and 50 normal videos
of Normal_Videos_event, with the same classes, and four folds ``Action_Recognition_splits/{train,test}_00N.txt`` with
the same kind of lines. The archive in parts calls their folder ``Action_Regnition_splits``.

Of the test videos ``Temporal_Anomaly_Annotation_for_Testing_Videos.txt`` says when the anomaly happens: lines
"Abuse028_x264.mp4  Abuse  165  240  -1  -1", up to two ranges of frames, -1 where there is none.
"""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import Catalogue, first_folder, not_videos, stem_of, told, wanted_split
from benchmark_builder.datasets.flat import folders_below
from benchmark_builder.datasets.segments import Segment
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import VIDEO_SUFFIXES, files_of
from benchmark_builder.utils.text import counted, letters, plain_path, read_lines

WHERE = (
    "Get UCF-Crime from the dataset's site (CRCV, University of Central Florida), unpack it and store the folders of "
    "classes and the folders of splits below ROOT; ROOT is $BENCH_DATA/ucf-crime (or -recognition) or --root"
)
NORMAL = "Normal"
CLASSES = (
    "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", NORMAL, "RoadAccidents", "Robbery",
    "Shooting", "Shoplifting", "Stealing", "Vandalism",
)  # fmt: skip
SPLITS = "Anomaly_Detection_splits"
RECOGNITION = ("Action_Recognition_splits", "Action_Regnition_splits")
FOLDS = 4
TEMPORAL = ("Temporal_Anomaly_Annotation_for_Testing_Videos.txt", "Temporal_Anomaly_Annotation.txt")
FIX = "get the file from the dataset's site again"
_DEPTH = 3  # levels below ROOT where folders of classes may be, such as Anomaly-Videos-Part-1/Abuse
# Folders of normal videos as the archives call them -> as the lists do.
_NORMALS = {
    "trainingnormalvideos": "Training_Normal_Videos_Anomaly", "testingnormalvideos": "Testing_Normal_Videos_Anomaly",
    "normalvideosevent": "Normal_Videos_event", "normalvideosforeventrecognition": "Normal_Videos_event",
    "znormalvideosevent": "Normal_Videos_event",
}  # fmt: skip
_BY_LETTERS = {letters(name): name for name in CLASSES if name != NORMAL}
_FOLDERS = frozenset({*_BY_LETTERS.values(), *_NORMALS.values()})


def read(root: Path, split: str, fold: int) -> Listing:
    """List UCF-Crime. Ids are ``FOLDER/NAME`` as in the lists; splits ``train``, ``test``, ``all``, ``auto``.

    Raises:
        BenchError: the split or fold is unknown, a list is missing or invalid, or there is no folder of a class.
    """
    if fold != 1:
        fix = "ucf-crime-recognition has four folds"
        raise BenchError(f"--fold {fold}: UCF-Crime has only fold 1 of its anomaly detection splits; {fix}")
    return _read(root, split, "ucf-crime", (SPLITS,), lambda s: f"Anomaly_{s.capitalize()}.txt", _FOLDERS)


def recognition(root: Path, split: str, fold: int) -> Listing:
    """List UCF-Crime's event recognition task. Ids, labels and splits as :func:`read`, folds 1 to 4.

    Raises:
        BenchError: as :func:`read`.
    """
    if not 1 <= fold <= FOLDS:
        raise BenchError(f"--fold {fold}: UCF-Crime's event recognition has folds 1 to {FOLDS}")
    kept = (*_BY_LETTERS.values(), "Normal_Videos_event")
    return _read(root, split, "ucf-crime-recognition", RECOGNITION, lambda s: f"{s}_{fold:03d}.txt", kept)


def _read(
    root: Path, split: str, dataset: str, folders: Sequence[str], file: Callable[[str], str], kept: Collection[str]
) -> Listing:
    """List the videos of one task.

    Args:
        dataset: its name.
        folders: possible names of its folder of lists.
        file: the list's name for a split.
        kept: folders whose videos belong to it.
    """
    notes: list[str] = []
    lists = first_folder(*(folder / name for folder in folders_below(root, 1) for name in folders))
    split = wanted_split(split, lists, root / folders[0], "UCF-Crime", folders[0], notes)
    catalogue = Catalogue(root, dataset, CLASSES)
    found = 0
    for folder in folders_below(root, _DEPTH):
        name = folder_name(folder.name) if folder != root else None
        if name not in kept or name is None:
            continue
        found += 1
        files, others = files_of(folder, VIDEO_SUFFIXES)
        notes += not_videos(folder, others)
        for path in files:
            catalogue.add(f"{name}/{path.stem}", path, _label(name))
    if not found:
        raise BenchError(f"{root}: contains no folder of a class of UCF-Crime. {WHERE}")
    if split == "all" or lists is None:
        return catalogue.listing("all", None, notes)
    path = lists / file(split)
    names = []
    for number, line in read_lines(path, "list of UCF-Crime", FIX):
        parts = plain_path(line).split("/")
        name = folder_name(parts[-2]) if len(parts) > 1 else None
        if name is None:
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'CLASS/NAME.mp4' with a known class; {FIX}")
        names.append(f"{name}/{parts[-1]}")
    return catalogue.listing(split, names, notes, path)


def folder_name(name: str) -> str | None:
    """A folder's name as the lists write it; None if it is neither a class nor one of normal videos."""
    plain = letters(name)
    normal = next((known for start, known in _NORMALS.items() if plain.startswith(start)), None)
    return normal or _BY_LETTERS.get(plain)


def _label(folder: str) -> int:
    return CLASSES.index(folder if folder in CLASSES else NORMAL)


def segments(root: Path) -> tuple[list[Segment], list[str]]:
    """When anomalies happen in the test videos, in frames as the file numbers them; and notes.

    Raises:
        BenchError: the file is missing, or a line is not of its format.
    """
    path = next((f / name for f in folders_below(root, 2) for name in TEMPORAL if (f / name).is_file()), None)
    if path is None:
        raise BenchError(f"{root}: contains no {TEMPORAL[0]}; {FIX}")
    found: list[Segment] = []
    empty = 0
    for number, line in read_lines(path, "file of segments", FIX):
        match = re.fullmatch(r"(\S+)\s+(\S+)((?:\s+-?[0-9]+){4})", line)
        class_name = match[2] if match else ""
        numbers = [int(text) for text in match[3].split()] if match else []
        pairs = [(numbers[k], numbers[k + 1]) for k in (0, 2)] if numbers else []
        known = _BY_LETTERS.get(letters(class_name)) or (NORMAL if letters(class_name) == letters(NORMAL) else None)
        wrong = [p for p in pairs if p != (-1, -1) and not 0 <= p[0] <= p[1]]
        if not match or known is None or wrong:
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'NAME.mp4 CLASS start end start end'; {FIX}")
        folder = "Testing_Normal_Videos_Anomaly" if known == NORMAL else known
        video_id = f"{folder}/{stem_of(match[1].rpartition('/')[2])}"
        given = [Segment(video_id, known, start, end, "frames", "test") for start, end in pairs if start >= 0]
        empty += known != NORMAL and not given
        found += given
    notes = (
        [
            f"{told(path, root)}: {counted(empty, 'video of anomalies has', 'videos of anomalies have')} no range "
            f"of frames"
        ]
        if empty
        else []
    )
    return found, notes
