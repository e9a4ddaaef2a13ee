"""UCF101 (Soomro et al., 2012): 13,320 videos of 101 classes, 320x240, 25 or 29.97 fps, MPEG-4 AVI.

Labels come from ``classInd.txt`` (shipped), never from the order of folders, which differs for four classes.
Splits: ``ucfTrainTestlist/{train,test}list0{1,2,3}.txt``. Licence: research use; see the dataset's site.
"""

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
    "Get UCF-101 and ucfTrainTestlist from the dataset's site (CRCV, University of Central Florida) and lay them as "
    "ROOT/UCF-101/CLASS/v_NAME.avi and ROOT/ucfTrainTestlist/testlist01.txt, ROOT being $BENCH_DATA/ucf101 or --root"
)


def read(root: Path, split: str, fold: int) -> Listing:
    """List UCF101. Ids are ``Class/v_NAME``; splits ``train``, ``test``, ``all``, ``auto``; folds 1 to 3."""
    classes = shipped_classes("ucf101")
    folder = folder_with_classes(root, classes, ("UCF-101", "videos"))
    found = videos_in_class_folders(folder, classes)
    by_name = {key.lower(): key for key in found}
    lists = first_folder(root / "ucfTrainTestlist", folder / "ucfTrainTestlist", folder.parent / "ucfTrainTestlist")

    notes = strange_folders(folder, classes)
    if split == "auto" and lists is None:
        split = "all"
        notes.append(f"no ucfTrainTestlist in {root}: taking every video (as --split all)")
    if split == "auto":
        split = "test"
    if split == "all":
        wanted, name, missing = sorted(found), "all", []
    elif split in ("train", "test"):
        if lists is None:
            raise BenchError(f"{root / 'ucfTrainTestlist'}: no split files; get them, or give --split all")
        listed = [line.split()[0].removesuffix(".avi") for line in read_lines(lists / f"{split}list{fold:02d}.txt")]
        wanted = [by_name[k.lower()] for k in listed if k.lower() in by_name]
        missing = [k for k in listed if k.lower() not in by_name]
        name = f"{split}{fold}"
    else:
        raise BenchError(f"--split {split}: UCF101 has train, test and all")
    videos = [Video(k, found[k][0], found[k][1], classes[found[k][1]], name, "ucf101") for k in sorted(wanted)]
    return Listing(videos, classes, name, tuple(notes), tuple(missing))
