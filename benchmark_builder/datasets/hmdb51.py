"""HMDB51 (Kuehne et al., ICCV 2011): 6,766 videos of 51 classes, 240 px high, 30 fps, MPEG-4 AVI.

Splits: 153 files ``testTrainMulti_7030_splits/CLASS_test_split{1,2,3}.txt`` of lines "file.avi tag", tag 1 train,
2 test, 0 unused. File names hold ``# [ ] ( ) ! &``: they are never globbed nor given to a shell. The class is the
folder's, not a guess from the name (``draw_sword`` and ``sword``). Licence: CC BY 4.0.
"""

from collections.abc import Iterable
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    first_folder,
    folder_with_classes,
    read_lines,
    shipped_classes,
    strange_folders,
    videos_in_class_folders,
)
from benchmark_builder.errors import BenchError
from benchmark_builder.video import Video

WHERE = (
    "Get HMDB51 and its test_train_splits from the dataset's site (Serre Lab, Brown University), unpack the archives "
    "and lay them as ROOT/videos/CLASS/NAME.avi and ROOT/testTrainMulti_7030_splits/CLASS_test_split1.txt, ROOT being "
    "$BENCH_DATA/hmdb51 or --root"
)
SPLITS = "testTrainMulti_7030_splits"
TAGS = {"train": "1", "test": "2"}


def read(root: Path, split: str, fold: int) -> Listing:
    """List HMDB51. Ids are ``class/NAME``; splits ``train``, ``test``, ``all``, ``auto``; folds 1 to 3."""
    classes = shipped_classes("hmdb51")
    folder = folder_with_classes(root, classes, ("videos", "hmdb51_org"))
    found = videos_in_class_folders(folder, classes)
    lists = first_folder(root / SPLITS, folder / SPLITS, folder.parent / SPLITS, root / "splits")

    notes = strange_folders(folder, classes)
    if split == "auto" and lists is None:
        split = "all"
        notes.append(f"no {SPLITS} in {root}: taking every video (as --split all)")
    if split == "auto":
        split = "test"
    missing: list[str] = []
    if split == "all":
        wanted, name = sorted(found), "all"
    elif split in TAGS:
        if lists is None:
            raise BenchError(f"{root / SPLITS}: no split files; get them, or give --split all")
        name, named = f"{split}{fold}", named_by(lists, classes, split, fold)
        wanted = [key for key in named if key in found]
        missing = [key for key in named if key not in found]
    else:
        raise BenchError(f"--split {split}: HMDB51 has train, test and all")
    videos = [Video(k, found[k][0], found[k][1], classes[found[k][1]], name, "hmdb51") for k in sorted(wanted)]
    return Listing(videos, classes, name, tuple(notes), tuple(missing))


def named_by(lists: Path, classes: Iterable[str], split: str, fold: int) -> list[str]:
    """The ids ``class/NAME`` that the split files of ``classes`` in folder ``lists`` tag as ``train`` or ``test``."""
    ids = []
    for class_name in classes:
        for line in read_lines(lists / f"{class_name}_test_split{fold}.txt"):
            file, _, tag = line.rpartition(" ")
            if tag == TAGS[split]:
                ids.append(f"{class_name}/{file.strip().removesuffix('.avi')}")
    return ids
