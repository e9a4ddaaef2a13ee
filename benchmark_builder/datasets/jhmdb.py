"""JHMDB (Jhuang et al., ICCV 2013): 928 clips of 21 classes of HMDB51, trimmed to the action, with puppet masks.

x: a folder of up to 40 PNG frames, 320x240, ``Rename_Images/CLASS/STEM/00001.png`` (from 1), 30 fps. The trimmed frames
    are read, never the AVI of the same name, since the masks do not fit its frames. y: the class in HMDB51, 0..50,
    because SCUBA-HMDB51, which is built from JHMDB, is scored by networks trained on HMDB51; 21 of the 51 classes
    occur.

Splits: files ``CLASS_test_split{1,2,3}.txt`` with lines "file.avi tag", tag 1 train, 2 test. If the split files of
    HMDB51 are in ROOT/testTrainMulti_7030_splits, they are used, as published (JHMDB ∩ HMDB51's test list), so that a
    network trained on HMDB51's split has seen none of the test videos. Otherwise JHMDB's split files in ROOT/splits are
    used, and the split is named ``jhmdb_test1``.
Licence: see the dataset's site.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    folder_with_classes,
    not_videos,
    shipped_classes,
    wanted_split,
)
from benchmark_builder.datasets.hmdb51 import SPLITS as HMDB51_SPLITS
from benchmark_builder.datasets.hmdb51 import named_by
from benchmark_builder.utils.folders import files_of, subfolders

WHERE = (
    "Get Rename_Images, puppet_mask and splits from JHMDB's site (MPI for Intelligent Systems) and store them as "
    "ROOT/Rename_Images/CLASS/STEM/00001.png, ROOT/puppet_mask/CLASS/STEM/puppet_mask.mat and "
    "ROOT/splits/CLASS_test_split1.txt; ROOT is $BENCH_DATA/jhmdb or --root"
)
CLASSES = (
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour", "pullup", "push",
    "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand", "swing_baseball", "throw", "walk", "wave",
)  # fmt: skip


def read(root: Path, split: str, fold: int) -> Listing:
    """List JHMDB. Ids are ``class/STEM``; splits ``train``, ``test``, ``all``, ``auto``; folds 1 to 3."""
    classes = shipped_classes("hmdb51")
    folder = folder_with_classes(root, CLASSES, ("Rename_Images",))
    found, strange = class_folders(folder, CLASSES)
    catalogue = Catalogue(root, "jhmdb", classes)
    others: list[Path] = []
    for index, directory in found.items():
        for clip in subfolders(directory):
            catalogue.add(f"{CLASSES[index]}/{clip.name}", clip, classes.index(CLASSES[index]))
        others += files_of(directory, ())[1]
    notes = [f"{d}: is not a class of JHMDB; its content is left out" for d in strange if subfolders(d)]
    notes += not_videos(folder, others, "folders of frames")
    # ROOT may be Rename_Images itself.
    places = [base / name for base in (root, folder.parent) for name in (HMDB51_SPLITS, "splits")]
    lists = next((p for p in places if p.is_dir()), None)
    split = wanted_split(split, lists, root / "splits", "JHMDB", "splits folder", notes)
    if split == "all" or lists is None:
        return catalogue.listing("all", None, notes)
    named = named_by(lists, CLASSES, split, fold)
    if lists.name == HMDB51_SPLITS:  # lists videos of HMDB51, most of which are not in JHMDB
        return catalogue.listing(f"{split}{fold}", [n for n in named if n in catalogue], notes, lists)
    said = (
        "the splits of JHMDB are used: some of these videos may be in HMDB51's training split; for the published "
        f"test set, store HMDB51's split files in {root / HMDB51_SPLITS}"
    )
    return catalogue.listing(f"jhmdb_{split}{fold}", named, [said, *notes], lists)
