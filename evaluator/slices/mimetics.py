"""Mimetics (Weinzaepfel & Rogez, IJCV 2021): whether the object or the scene of the action is present, or it is mimed.

``mimetics_v1.0_objectsceneannot.txt`` has a line per clip, ``ID_START_END.mp4 object scene mime`` with ``yes`` or
``no``, and a first line that starts with ``#``.
"""

import hashlib
from pathlib import Path

from benchmark_builder.datasets import data_root
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_lines, read_text
from evaluator.slices.attributes import Attribute, Segment
from evaluator.slices.table import Request

FILE = "mimetics_v1.0_objectsceneannot.txt"
FIX = f"get {FILE} with Mimetics (europe.naverlabs.com) and give it as --slices mimetics:FILE"
NAMES = ("object present", "scene present", "mimed")


def read(request: Request) -> list[Attribute]:
    """Three attributes of ``yes`` and ``no``: object present, scene present, mimed.

    Raises:
        BenchError: the file is missing, or a line is not of this format.
    """
    path = Path(request.argument) if request.argument else data_root() / "mimetics" / FILE
    if path.is_dir():
        path = path / FILE
    found: tuple[dict[str, tuple[Segment, ...]], ...] = ({}, {}, {})
    for number, line in read_lines(path, "file of Mimetics' flags", FIX):
        if line.startswith("#"):
            continue
        cells = line.rsplit(None, 3)
        if len(cells) != 4 or not all(cell in ("yes", "no") for cell in cells[1:]):
            raise BenchError(
                f"{path}, line {number}: {line[:80]!r} is not 'clip object scene mime' with yes or no; {FIX}"
            )
        for table, value in zip(found, cells[1:], strict=True):
            table[cells[0]] = (Segment(value),)
    digest = hashlib.sha256(read_text(path).encode()).hexdigest()
    return [Attribute(name, table, path.name, digest) for name, table in zip(NAMES, found, strict=True)]
