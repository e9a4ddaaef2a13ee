"""The pairs that HAT has published for its action swap: twelve pickles, four pairings with three draws each.

A pickle holds a dict: name of the actor's video -> [name of the background's video, its number of frames, its label].
Names are CLASS/ID, as in the folders ``ori``, ``seg`` and ``inp`` of HAT's data.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import plain_path, shown

_FIX = "give one of HAT's pickles, such as actionswap_far_1.pickle"


class Pair(NamedTuple):
    """The background for one video: its name, number of frames, and label (from 0)."""

    name: str
    frames: int
    label: int


def pair_of(pairs: Mapping[str, Pair], source_id: str) -> Pair | None:
    """The pair of a source video: by its whole id, otherwise by the last part of HAT's name."""
    return pairs.get(source_id) or pairs.get(last_part(source_id))


def last_part(name: str) -> str:
    """``ID`` of ``CLASS/ID``."""
    return name.rpartition("/")[2]


@lru_cache(maxsize=4)
def read_pairs(path: Path) -> dict[str, Pair]:
    """Read a pickle of pairs: both the name and, if it is unique, the last part of the name -> pair.

    Raises:
        BenchError: the file is missing, asks for anything but plain data, or is not a dict of pairs.
    """
    table = safe_pickle.load(path, "pickle of HAT's pairs", _FIX)
    if not isinstance(table, dict) or not table:
        raise BenchError(f"{path}: holds no dict of pairs; {_FIX}")
    pairs = dict(_pair(path, name, value) for name, value in table.items())
    last: dict[str, Pair | None] = {}
    for name, pair in pairs.items():
        last[last_part(name)] = None if last_part(name) in last else pair
    return {name: pair for name, pair in last.items() if pair is not None} | pairs


def _pair(path: Path, name: object, value: object) -> tuple[str, Pair]:
    if isinstance(name, str) and isinstance(value, (list, tuple)) and len(value) == 3:
        background, frames, label = value
        if isinstance(background, str) and _is_count(frames) and frames > 0 and _is_count(label):
            return plain_path(name), Pair(plain_path(background), frames, label)
    raise BenchError(
        f"{path}: the pair of {shown(name)[:80]} is {shown(value)[:80]}, not [name, number of frames, label]; {_FIX}"
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
