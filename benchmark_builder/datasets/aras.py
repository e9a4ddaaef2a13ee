"""ARAS, actions with rare scenes (Duan et al., ECCV 2022): 1,038 clips of 104 classes of Kinetics-400.

``annotations/aras_test_balance.txt`` has lines "aras_clips/abseiling/0AZDNVgMKzs_0.mp4 0" with labels of Kinetics-400
from 0; names of classes contain blanks. Labels are those of Kinetics-400, so that its networks can be scored.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import (
    Catalogue,
    class_folders,
    class_matcher,
    first_folder,
    shipped_classes,
    split_label,
    videos_of_classes,
)
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_lines

WHERE = (
    "Get ARAS (github.com/kennymckormick/ARAS-Dataset) and store it as ROOT/aras_clips/CLASS/NAME.mp4 and "
    "ROOT/annotations/aras_test_balance.txt; ROOT is $BENCH_DATA/aras or --root"
)
LIST, FOLDER = "aras_test_balance.txt", "aras_clips"


def read(root: Path, split: str, fold: int) -> Listing:
    """List ARAS. Ids are ``CLASS/NAME``; splits ``test`` (the list), ``all`` (the folders), ``auto`` (= ``test``).

    Raises:
        BenchError: another split or fold, the list is missing or invalid, or its labels are not those of Kinetics-400.
    """
    if split not in ("test", "all", "auto"):
        raise BenchError(f"--split {split}: ARAS has test and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: ARAS has only fold 1")
    classes = shipped_classes("kinetics400")
    folder = first_folder(root / FOLDER, root / "videos") or root
    videos, notes = videos_of_classes(folder, *class_folders(folder, classes))
    catalogue = Catalogue(root, "aras", classes)
    catalogue.add_class_folders(videos)
    if split == "all":
        return catalogue.listing("all", None, notes)
    path = next((p for p in (root / "annotations" / LIST, root / LIST) if p.is_file()), root / "annotations" / LIST)
    return catalogue.listing("test", _named(path, classes), notes, path)


def _named(path: Path, classes: list[str]) -> list[str]:
    """The names ``CLASS/NAME.mp4`` of the list, whose labels are compared with their folders."""
    match = class_matcher(classes)
    lines = []
    fix = "get the list again"
    for number, line in read_lines(path, "list of ARAS", fix):
        name, said = split_label(line)
        folder, _, file = name.rpartition("/")
        label = match(folder.rpartition("/")[2])
        if said is None or label is None or not file:
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'aras_clips/CLASS/NAME.mp4 label'; {fix}")
        lines.append((number, f"{classes[label]}/{file}", said, label))
    wrong = [(number, name, said, label) for number, name, said, label in lines if said != label]
    if wrong:
        number, name, said, label = wrong[0]
        base = "; its labels count from 1, subtract 1 from each" if all(s == k + 1 for _, _, s, k in lines) else ""
        raise BenchError(f"{path}, line {number}: label of {name} is {said}, but {classes[label]!r} is {label} in "
                         f"Kinetics-400{base or '; ' + fix}")  # fmt: skip
    return [name for _, name, _, _ in lines]
