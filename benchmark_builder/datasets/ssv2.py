"""Something-Something V2 (Goyal et al., ICCV 2017): 220,847 clips of 174 classes, WebM.

``something-something-v2-labels.json`` maps a class to its label from 0 (as text). ``…-train.json`` and
``…-validation.json`` are lists of ``{"id": "78687", "label": …, "template": "Holding [something] next to
[something]"}``: the class is the template without brackets. The labels of the test split are in ``test-answers.csv``
(``id;class``). The files are also published as ``labels/labels.json``, ``train.json`` and ``validation.json``.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmark_builder.datasets import Listing
from benchmark_builder.datasets.common import class_matcher
from benchmark_builder.datasets.flat import first_file, flat_listing, read_list
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.text import read_lines

WHERE = (
    "Get Something-Something V2 and its labels from Qualcomm's site and store them as "
    "ROOT/20bn-something-something-v2/ID.webm and ROOT/labels/something-something-v2-labels.json, "
    "…-validation.json; ROOT is $BENCH_DATA/ssv2 or --root"
)
SPLITS = ("train", "val", "test")
FIX = "get the labels from the dataset's site again"
_PREFIX = "something-something-v2-"
_FILES = {"train": "train", "val": "validation"}


def read(root: Path, split: str, fold: int) -> Listing:
    """List Something-Something V2. Ids are file stems; splits ``train``, ``val``, ``test``, ``all`` (of the lists that
    exist), ``auto`` (= ``val``).

    Raises:
        BenchError: the split or fold is unknown, or a file of labels is missing or invalid.
    """
    name = "val" if split == "auto" else split
    if name not in (*SPLITS, "all"):
        raise BenchError(f"--split {split}: Something-Something V2 has {', '.join(SPLITS)} and all")
    if fold != 1:
        raise BenchError(f"--fold {fold}: Something-Something V2 has only fold 1")
    classes = _classes(root)
    match = class_matcher(classes)
    parts = [s for s in SPLITS if _list_file(root, s)] if name == "all" else [name]
    labels: dict[str, int] = {}
    where = root
    for part in parts:
        where = _list_file(root, part) or root / (
            "test-answers.csv" if part == "test" else f"{_PREFIX}{_FILES[part]}.json"
        )
        for video, template in _answers(where) if part == "test" else _templates(where):
            label = match(template.replace("[", "").replace("]", ""))
            if label is None:
                raise BenchError(f"{where}: {video!r} has class {template[:80]!r}, which is not in the labels; {FIX}")
            if labels.setdefault(video, label) != label:
                raise BenchError(f"{where}: {video!r} is listed with two classes; {FIX}")
    if not parts:
        raise BenchError(f"{root}: contains no list of Something-Something V2. {WHERE}")
    return flat_listing(root, "ssv2", classes, labels, name, where, ("20bn-something-something-v2", "videos"))


def _list_file(root: Path, split: str) -> Path | None:
    if split == "test":
        return first_file(root, "test-answers.csv", f"{_PREFIX}test-answers.csv")
    return first_file(root, f"{_PREFIX}{_FILES[split]}.json", f"{_FILES[split]}.json")


def _classes(root: Path) -> list[str]:
    path = first_file(root, f"{_PREFIX}labels.json", "labels.json") or root / f"{_PREFIX}labels.json"
    found = read_json(path, "file of labels", FIX)
    if not isinstance(found, dict) or not found:
        raise BenchError(f"{path}: is not a table of class -> label; {FIX}")
    try:
        of = {int(label): name for name, label in found.items()}
    except (TypeError, ValueError):
        raise BenchError(f"{path}: a label is no whole number; {FIX}") from None
    if sorted(of) != list(range(len(found))):
        raise BenchError(f"{path}: its labels are not 0 to {len(found) - 1}, each once; {FIX}")
    return [of[k] for k in range(len(of))]


def _templates(path: Path) -> Iterator[tuple[str, str]]:
    """(id, template) of every entry of a list."""
    for k, entry in enumerate(read_list(path, "list of Something-Something V2", FIX)):
        video, template = entry.get("id"), entry.get("template")
        if isinstance(video, int):
            video = str(video)
        if not isinstance(video, str) or not video or not isinstance(template, str):
            raise BenchError(f"{path}: entry {k} has no id and template; {FIX}")
        yield video, template


def _answers(path: Path) -> Iterator[tuple[str, str]]:
    """(id, class) of every line of the answers of the test split."""
    for number, line in read_lines(path, "file of answers", FIX):
        video, semicolon, name = line.partition(";")
        if not semicolon or not video.strip() or not name.strip():
            raise BenchError(f"{path}, line {number}: {line[:80]!r} is not 'id;class'; {FIX}")
        yield video.strip(), name.strip()
