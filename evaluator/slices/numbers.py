"""Numbers per video as groups of equal size."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_text
from evaluator.predictions.files import VideoNames
from evaluator.slices.attributes import Attribute, Segment, read_slice_table
from evaluator.slices.table import Request
from evaluator.testsets import TestSet


def read(request: Request) -> list[Attribute]:
    """``quantiles:FILE.csv``: columns ``id,attribute,value`` where values are numbers.

    Each attribute is divided at the quantiles of its values over the source videos that are scored.

    Raises:
        BenchError: it is no such file, or a value is no finite number.
    """
    path = request.file("a csv file of columns id,attribute,value")
    fix = "write a csv file of columns id,attribute,value with a number as value"
    _, rows = read_slice_table(path, ("id", "attribute", "value"), (), fix)
    tables: dict[str, dict[str, float]] = {}
    for line, (video_id, name, value) in rows:
        number = number_of(value)
        if number is None or not video_id.strip() or not name.strip():
            raise BenchError(f"{path}, line {line}: {value!r} is no number, or a name is empty; {fix}")
        if tables.setdefault(name.strip(), {}).setdefault(video_id.strip(), number) != number:
            raise BenchError(f"{path}, line {line}: {video_id.strip()!r} has two values of {name.strip()!r}; keep one")
    digest = hashlib.sha256(read_text(path).encode()).hexdigest()
    return [by_quantile(name, table, path.name, digest, request) for name, table in tables.items()]


def number_of(text: str) -> float | None:
    """A finite number; None if the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def by_quantile(
    name: str, numbers: Mapping[str, float], source: str, digest: str, request: Request, unit: str = "",
    unusable: Sequence[tuple[str, str]] = (),
) -> Attribute:  # fmt: skip
    """Numbers as groups, divided at the quantiles over the source videos of the test sets.

    Args:
        name: of the attribute.
        numbers: id -> number; ids that are no source video are kept, so that they are listed as unknown.
        source, digest, unusable: as in :class:`~evaluator.slices.attributes.Attribute`.
        request: has the test sets, and the number of groups.
        unit: what numbers are, for the names of the groups.

    Equal numbers are in one group, so there may be fewer groups than asked for. Names of groups have the smallest and
    the largest number in them.
    """
    names = VideoNames(sources_of(request.sets))
    known = {i: value for i, value in numbers.items() if len(names.find(i)) == 1}
    values = np.array(list(known.values()))
    if len(values) == 0:
        rest = {i: (Segment("no video"),) for i in numbers}
        return Attribute(name, rest, source, digest, unusable=tuple(unusable))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, request.quantiles + 1)[1:-1]))
    at = {i: int(np.searchsorted(edges, value, side="left")) for i, value in known.items()}
    used = sorted(set(at.values()))
    titles: dict[int, str] = {}
    for k, place in enumerate(used):
        inside = [known[i] for i in known if at[i] == place]
        titles[place] = f"{k + 1} of {len(used)}: {min(inside):.4g} to {max(inside):.4g}{unit}"
    first = titles[used[0]]
    segments = {i: (Segment(titles[at[i]] if i in at else first),) for i in numbers}
    return Attribute(name, segments, source, digest, order=tuple(titles.values()), unusable=tuple(unusable))


def sources_of(sets: Sequence[TestSet]) -> dict[str, int]:
    """Source video -> its class, over all test sets."""
    return {item.source_id: item.label for s in sets for item in s.items}
