"""synthactions: whether scenery and clothing of a video are those that go with its class in the training videos; and
the actor's skin, of renders with a ``skin_bias``.

A network that reads scenery or clothing is right where they agree with the class and wrong where they do not, so it is
known from how the videos were made that there is a gap between these groups, and in which direction. Between light and
dark skin its gap on ``test`` is ``bias - skin_bias``.
"""

from pathlib import Path

from benchmark_builder.datasets import data_root
from benchmark_builder.synthactions.looks import CLOTHING
from benchmark_builder.synthactions.motions import CLASSES
from benchmark_builder.synthactions.scenery import SCENERY
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from evaluator.slices.attributes import Attribute, Segment, read_slice_table
from evaluator.slices.table import Request

FIX = "give the folder of a finished render: --slices synthactions:ROOT"
KINDS = {"scenery": tuple(SCENERY), "clothing": tuple(CLOTHING)}  # each: the kind that goes with class 0, 1, …


def read(request: Request) -> list[Attribute]:
    """Two attributes of ``yes`` and ``no``, ``scenery agrees`` and ``clothing agrees``, from ``ROOT/facts.csv``; and
    ``skin``, if it has this column.

    Raises:
        BenchError: there is no such file, or a class in it is none of synthactions.
    """
    root = Path(request.argument) if request.argument else data_root() / "synthactions"
    path = root / "facts.csv" if root.is_dir() else root
    if not path.is_file():
        raise BenchError(f"--slices {request.word}: {path} is missing; {FIX}")
    _, rows = read_slice_table(path, ("id", "class", "split", *KINDS), ("skin",), FIX)
    skins: dict[str, tuple[Segment, ...]] = {}
    found: dict[str, dict[str, tuple[Segment, ...]]] = {name: {} for name in KINDS}
    for line, (video_id, class_name, split, *kinds) in rows:
        if class_name not in CLASSES:
            raise BenchError(f"{path}, line {line}: class {class_name[:60]!r} is none of synthactions; {FIX}")
        label = CLASSES.index(class_name)
        if split == "train":
            continue
        if len(kinds) > len(KINDS) and kinds[-1].strip():
            skins[video_id] = (Segment(kinds[-1].strip()),)
        for (name, known), kind in zip(KINDS.items(), kinds, strict=False):
            found[name][video_id] = (Segment("yes" if known[label] == kind else "no"),)
    digest = sha256_file(path)
    agree = [
        Attribute(f"{name} agrees", table, path.name, digest, order=("yes", "no")) for name, table in found.items()
    ]
    return [*agree, *([Attribute("skin", skins, path.name, digest, order=("light", "dark"))] if skins else [])]
