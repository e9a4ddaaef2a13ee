"""HMDB51 (Kuehne et al., ICCV 2011): 6,766 videos of 51 classes, 240 px high, 30 fps, MPEG-4 AVI.

Splits: 153 files ``testTrainMulti_7030_splits/CLASS_test_split{1,2,3}.txt`` with lines "file.avi tag", tag 1 train,
2 test, 0 unused. File names contain ``# [ ] ( ) ! &``, so they are never used in glob patterns or a shell. The class is
the name of the folder, not part of the file name (``draw_sword`` and ``sword``). Licence: CC BY 4.0.
"""

from collections.abc import Iterable
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    first_folder,
    folder_with_classes,
    shipped_classes,
    split_label,
    videos_of_classes,
    wanted_split,
)
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_lines

WHERE = (
    "Get HMDB51 and its test_train_splits from the dataset's site (Serre Lab, Brown University), unpack the archives "
    "and store them as ROOT/videos/CLASS/NAME.avi and ROOT/testTrainMulti_7030_splits/CLASS_test_split1.txt; ROOT is "
    "$BENCH_DATA/hmdb51 or --root"
)
SPLITS = "testTrainMulti_7030_splits"
TAGS = {"train": 1, "test": 2}  # 0: in neither split


def read(root: Path, split: str, fold: int) -> Listing:
    """List HMDB51. Ids are ``class/NAME``; splits ``train``, ``test``, ``all``, ``auto``; folds 1 to 3."""
    classes = shipped_classes("hmdb51")
    folder = folder_with_classes(root, classes, ("videos", "hmdb51_org"))
    videos, notes = videos_of_classes(folder, *class_folders(folder, classes))
    catalogue = Catalogue(root, "hmdb51", classes)
    catalogue.add_class_folders(videos)
    lists = first_folder(root / SPLITS, folder / SPLITS, folder.parent / SPLITS, root / "splits")
    split = wanted_split(split, lists, root / SPLITS, "HMDB51", SPLITS, notes)
    if split == "all" or lists is None:
        return catalogue.listing("all", None, notes)
    return catalogue.listing(f"{split}{fold}", named_by(lists, classes, split, fold), notes, lists)


def named_by(lists: Path, classes: Iterable[str], split: str, fold: int) -> list[str]:
    """The names ``class/NAME.avi`` that the split files of ``classes`` in ``lists`` tag as ``train`` or ``test``.

    Raises:
        BenchError: a split file is missing, or a line is not "file.avi tag" with a tag of 0, 1 or 2.
    """
    names = []
    for class_name in classes:
        path = lists / f"{class_name}_test_split{fold}.txt"
        for number, line in read_lines(path, "split file", "get the split files from the dataset's site"):
            file, tag = split_label(line)
            if tag not in (0, 1, 2):
                raise BenchError(f"{path}, line {number}: {line!r} is not 'file.avi tag' with tag 0, 1 or 2; get the "
                                 "split files again")  # fmt: skip
            if tag == TAGS[split]:
                names.append(f"{class_name}/{file.rpartition('/')[2]}")
    return names
