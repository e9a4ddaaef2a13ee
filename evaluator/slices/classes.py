"""Groups of classes: a video is in the group of its class.

``temporal-static`` has the two lists of 32 classes of Kinetics-400 that Kowal et al. (CVPR 2022) took from Sevilla-Lara
et al. ("Only Time Can Tell", WACV 2021): classes that people recognise only in order, and static ones.
"""

import hashlib

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_text
from evaluator.slices.attributes import Attribute, Segment, read_slice_table
from evaluator.slices.groups import group
from evaluator.slices.table import Request
from manifests import resource


def read(request: Request) -> list[Attribute]:
    """``classes:FILE.csv``: groups of classes from columns ``class,group``; the attribute is called like the file.

    Raises:
        BenchError: it is no such file, a class is in two groups, or no class is one of the dataset.
    """
    path = request.file("a csv file of columns class,group")
    fix = "write a csv file of columns class,group"
    _, rows = read_slice_table(path, ("class", "group"), (), fix)
    groups: dict[str, tuple[Segment, ...]] = {}
    for line, (name, said) in rows:
        if not name.strip() or not said.strip():
            raise BenchError(f"{path}, line {line}: no {'class' if not name.strip() else 'group'}; {fix}")
        if groups.setdefault(name.strip(), (Segment(said.strip()),)) != (Segment(said.strip()),):
            raise BenchError(f"{path}, line {line}: class {name.strip()!r} is in two groups; keep one of them")
    digest = hashlib.sha256(read_text(path).encode()).hexdigest()
    return _known(Attribute(path.stem, groups, path.name, digest, by_class=True), request)


def temporal_static(request: Request) -> list[Attribute]:
    """``temporal-static``: Temporal-32 and static-32 of Kinetics-400; other classes are in no group.

    Raises:
        BenchError: an argument is given, or the dataset has none of these classes.
    """
    if request.argument is not None:
        raise BenchError(f"--slices {request.word}: takes no file; give your own groups as classes:FILE.csv")
    text = resource("class_groups", "temporal-static.csv").read_text(encoding="utf-8")
    rows = [line.rsplit(",", 1) for line in text.splitlines()[1:]]
    groups = {name: (Segment(said),) for name, said in rows}
    digest = hashlib.sha256(text.encode()).hexdigest()
    made = Attribute("classes", groups, "temporal-static", digest, order=("temporal", "static"), by_class=True)
    return _known(made, request)


def _known(attribute: Attribute, request: Request) -> list[Attribute]:
    """The attribute in a list, if a test video has one of its classes."""
    if not group(attribute, request.sets).names:
        dataset = request.sets[0].dataset if request.sets else "the dataset"
        raise BenchError(f"--slices {request.word}: no test video of {dataset} is of one of its classes; leave it out")
    return [attribute]
