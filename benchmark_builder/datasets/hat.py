"""HAT's published copies of Kinetics-400 and UCF101 (Chung et al., NeurIPS 2022), as folders of frames.

x: a folder of JPEG frames, ``ROOT/ori/CLASS/ID/000001.jpg`` (from 1). y: the class of Kinetics-400 or UCF101. The masks
    are ``ROOT/seg/CLASS/ID/000001.png`` (``--masks folder:ROOT/seg``; above 128 is the actor), the inpainted frames
    ``ROOT/inp/CLASS/ID/000001.jpg`` (``--inpainted ROOT/inp``).

Splits: a list as of mmaction2's frames, ``ROOT/*_SPLIT_*rawframes.txt``, lines "CLASS/ID frames label" (blanks in names
    are allowed), if there is one; ``all``: every folder.
Licence: see HAT and the datasets' sites.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import Catalogue, class_folders, not_videos, shipped_classes
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import files_of, subfolders
from benchmark_builder.utils.text import plain_path, read_lines

WHERE = (
    "Get HAT's data (github.com/princetonvisualai/HAT) and store it as ROOT/ori/CLASS/ID/000001.jpg, ROOT/seg and "
    "ROOT/inp; give ROOT with --root"
)
SPLITS = ("train", "test", "val")


def kinetics400(root: Path, split: str, fold: int) -> Listing:
    """List HAT's Kinetics-400, as :func:`read`."""
    return read(root, split, fold, "kinetics400")


def ucf101(root: Path, split: str, fold: int) -> Listing:
    """List HAT's UCF101, as :func:`read`."""
    return read(root, split, fold, "ucf101")


def read(root: Path, split: str, fold: int, dataset: str) -> Listing:
    """List HAT's copy of a dataset. Ids are ``CLASS/ID``; splits ``train``, ``test``, ``val``, ``all``, ``auto``.

    ``auto``: the only list in ``root``; every folder if there is none.

    Raises:
        BenchError: the split is unknown, there are several lists, or a list has other labels than the dataset.
    """
    if split not in (*SPLITS, "all", "auto"):
        raise BenchError(f"--split {split}: HAT's data has {', '.join(SPLITS)}, all, auto")
    if fold != 1:
        raise BenchError(f"--fold {fold}: HAT's data has only fold 1; its list decides")
    folder = root / "ori"
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder. {WHERE}")
    classes = shipped_classes(dataset)
    found, strange = class_folders(folder, classes)
    catalogue = Catalogue(root, f"hat-{dataset}", classes)
    others: list[Path] = []
    for label, directory in found.items():
        for clip in subfolders(directory):
            catalogue.add(f"{classes[label]}/{clip.name}", clip, label)
        others += files_of(directory, ())[1]
    notes = [f"{d}: is not a class of {dataset}; its content is left out" for d in strange if subfolders(d)]
    notes += not_videos(folder, others, "folders of frames")
    path = _list_of(root, split)
    if path is None:
        if split == "auto":
            notes.append(f"no list *rawframes.txt in {root}: using every video (as with --split all)")
        return catalogue.listing("all", None, notes)
    name = next((s for s in SPLITS if f"_{s}_" in path.name), "all") if split == "auto" else split
    return catalogue.listing(name, _named(path, catalogue), notes, path)


def _list_of(root: Path, split: str) -> Path | None:
    if split == "all":
        return None
    lists = files_of(root, {".txt"})[0]
    lists = [p for p in lists if p.name.endswith("rawframes.txt") and (split == "auto" or f"_{split}_" in p.name)]
    if len(lists) > 1:
        named = f"{lists[0].name}, {lists[1].name}"
        raise BenchError(f"{root}: has several lists ({named}); name one with --split, or keep one of them")
    if not lists and split != "auto":
        raise BenchError(f"{root}: has no list *_{split}_*rawframes.txt; add it, or give --split all")
    return lists[0] if lists else None


def _named(path: Path, catalogue: Catalogue) -> list[str]:
    """The names in a list, whose labels must be those of the folders."""
    names = []
    for number, line in read_lines(path, "list of HAT's frames", "get it again"):
        parts = line.rsplit(maxsplit=2)
        if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
            raise BenchError(f"{path}, line {number}: {line!r} is not 'CLASS/ID frames label'; get the list again")
        name = plain_path(parts[0])
        known = catalogue.label_of(name)
        if known is not None and known[1] != int(parts[2]):
            raise BenchError(
                f"{path}, line {number}: label {parts[2]} of {name} is not {known[1]}, that of "
                f"{catalogue.classes[known[1]]!r}; get the list again, its labels count from 0"
            )
        names.append(name)
    return names
