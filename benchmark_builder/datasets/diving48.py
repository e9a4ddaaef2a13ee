"""Diving48 (Li et al., ECCV 2018), version 2 of the labels: 48 classes of competitive dives, about 18,000 clips.

``Diving48_V2_train.json`` and ``Diving48_V2_test.json`` are lists of ``{"vid_name": "_8Vy3dlHg2w_00000", "label": 12,
"start_frame": 0, "end_frame": 120}`` with labels from 0; ``Diving48_vocab.json`` has the four parts of each class's
name in label order. Clips are read whole: ``start_frame`` and ``end_frame`` are not used.
"""

from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.flat import first_file, flat_listing, read_list
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.text import counted

WHERE = (
    "Get Diving48 and version 2 of its labels from the dataset's site (SVCL, UC San Diego) and store them as "
    "ROOT/rgb/NAME.mp4, ROOT/Diving48_V2_test.json and ROOT/Diving48_vocab.json; ROOT is $BENCH_DATA/diving48 or --root"
)
SPLITS = ("train", "test")
FIX = "get version 2 of the labels from the dataset's site"


def read(root: Path, split: str, fold: int) -> Listing:
    """List Diving48. Ids are file stems; splits ``train``, ``test``, ``all``, ``auto`` (= ``test``).

    Raises:
        BenchError: the split or fold is unknown, a list is missing or invalid, or labels do not count from 0.
    """
    name = "test" if split == "auto" else split
    if name not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: Diving48 has train, test and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: Diving48 has only fold 1")
    classes = _classes(root)
    labels: dict[str, int] = {}
    cut = 0
    where = root
    for part in SPLITS if name == "all" else (name,):
        where = first_file(root, f"Diving48_V2_{part}.json") or root / f"Diving48_V2_{part}.json"
        entries = read_list(where, "list of Diving48", FIX)
        for k, entry in enumerate(entries):
            video, label = entry.get("vid_name"), entry.get("label")
            if not isinstance(video, str) or not video or type(label) is not int:
                raise BenchError(f"{where}: entry {k} has no vid_name and whole label; {FIX}")
            if not 0 <= label < len(classes):
                base = "; the labels seem to count from 1" if label == len(classes) else ""
                raise BenchError(f"{where}: label {label} of {video!r} is none of {len(classes)} classes that count "
                                 f"from 0{base}; {FIX}")  # fmt: skip
            if labels.setdefault(video, label) != label:
                raise BenchError(f"{where}: {video!r} is listed with labels {labels[video]} and {label}; {FIX}")
            cut += entry.get("start_frame", 0) not in (0, None)
    notes = [f"{where}: {counted(cut, 'video has', 'videos have')} a start_frame after 0; read whole"] if cut else []
    return flat_listing(root, "diving48", classes, labels, name, where, ("rgb", "videos"), notes)


def _classes(root: Path) -> list[str]:
    path = first_file(root, "Diving48_vocab.json") or root / "Diving48_vocab.json"
    found = read_json(path, "vocabulary of Diving48", FIX)
    valid = isinstance(found, list) and all(
        isinstance(parts, list) and parts and all(isinstance(p, str) for p in parts) for parts in found
    )
    classes = ["_".join(parts) for parts in found] if valid else []
    if not classes or len(set(classes)) != len(classes):
        raise BenchError(f"{path}: is not a list of different classes, each a list of texts; {FIX}")
    return classes
