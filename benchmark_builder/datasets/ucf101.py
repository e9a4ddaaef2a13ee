"""UCF101 (Soomro et al., 2012): 13,320 videos of 101 classes, 320x240, 25 or 29.97 fps, MPEG-4 AVI.

Labels come from ``classInd.txt`` (part of this toolkit), never from the order of folders, which differs for four
classes. Splits: ``ucfTrainTestlist/{train,test}list0{1,2,3}.txt``. Licence: research use; see the dataset's site.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    class_matcher,
    first_folder,
    folder_with_classes,
    shipped_classes,
    split_label,
    videos_of_classes,
    wanted_split,
)
from benchmark_builder.utils.text import read_lines

WHERE = (
    "Get UCF-101 and ucfTrainTestlist from the dataset's site (CRCV, University of Central Florida) and store them "
    "as ROOT/UCF-101/CLASS/v_NAME.avi and ROOT/ucfTrainTestlist/testlist01.txt; ROOT is $BENCH_DATA/ucf101 or --root"
)


def read(root: Path, split: str, fold: int) -> Listing:
    """List UCF101. Ids are ``Class/v_NAME``; splits ``train``, ``test``, ``all``, ``auto``; folds 1 to 3."""
    classes = shipped_classes("ucf101")
    folder = folder_with_classes(root, classes, ("UCF-101", "videos"))
    videos, notes = videos_of_classes(folder, *class_folders(folder, classes))
    catalogue = Catalogue(root, "ucf101", classes)
    catalogue.add_class_folders(videos)
    lists = first_folder(root / "ucfTrainTestlist", folder / "ucfTrainTestlist", folder.parent / "ucfTrainTestlist")
    split = wanted_split(split, lists, root / "ucfTrainTestlist", "UCF101", "ucfTrainTestlist", notes)
    if split == "all" or lists is None:
        return catalogue.listing("all", None, notes)
    path = lists / f"{split}list{fold:02d}.txt"
    lines = read_lines(path, "split file", "get the split files from the dataset's site")
    names = [split_label(line) for _, line in lines]
    notes = _labels(path, names, classes) + notes
    return catalogue.listing(f"{split}{fold}", [name for name, _ in names], notes, path)


def _labels(path: Path, names: list[tuple[str, int | None]], classes: list[str]) -> list[str]:
    """A note if labels of a split file differ from classInd.txt, which counts from 1.

    The folders decide the classes.
    """
    match = class_matcher(classes)
    known = [(name, label, match(name.partition("/")[0])) for name, label in names if label is not None]
    wrong = [(name, label, true) for name, label, true in known if true is not None and label != true + 1]
    if not wrong:
        return []
    name, label, true = wrong[0]
    said = f"(the first: {name} has {label}, {classes[true]} is {true + 1}); the classes of the folders are used"
    return [f"{path}: {len(wrong)} of {len(known)} labels are not those of classInd.txt {said}"]
