"""protocol.json: what decided a benchmark, read with every field of the kind that it must be."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_builder.layouts.layout import LAYOUTS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json

FORMAT = 1
PROTOCOL = "protocol.json"
FIX = "give a folder that `bench build` has finished"
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # letters that no file name, path or table can have


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and low <= value <= high


def _is_layout(value: Any) -> bool:
    return isinstance(value, str) and (value in LAYOUTS.shipped or LAYOUTS.names_one(value))


def _one_of(*choices: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in choices


def _list_of(one: Callable[[Any], bool], least: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(one, value))


def _or(*kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(kind(value) for kind in kinds)


def _is_none(value: Any) -> bool:
    return value is None


def _is_part(value: Any) -> bool:
    """A part of a data set: :meth:`benchmark_builder.builders.Subset.describe` makes them."""
    if not isinstance(value, dict) or value.keys() != {"limit", "only", "shard"}:
        return False
    shard = value["shard"]
    return (
        _or(_is_none, _whole(0, 10**9))(value["limit"])
        and _list_of(_is_text)(value["only"])
        and (shard is None or (isinstance(shard, str) and re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", shard) is not None))
    )


def _is_places(value: Any) -> bool:
    """A table of paths that a disk can have, or of nothing."""
    return isinstance(value, dict) and all(
        isinstance(v, str) and len(v) < 4096 and all(len(part) < 256 for part in re.split(r"[/\\]", v))
        for v in value.values()
    )


def _is_changed(value: Any) -> bool:
    """What differs from a named protocol: a list of names (version 1), or a table of both values."""
    if isinstance(value, dict):
        return all(isinstance(v, dict) and (not v or {"here", "protocol"} <= v.keys()) for v in value.values())
    return _list_of(_is_text)(value)


_TEXT, _TABLE = (_is_text, "text"), (_is_table, "a table")
_SEED = _whole(-(2**63), 2**64)
# Field, by its place -> (check, what it must be). Of these, those of NEEDED must be there.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": _TEXT,
    "dataset": _TEXT,
    "split": _TEXT,
    "classes": (_list_of(_is_text, 1), "a list of class names"),
    "backgrounds": _TABLE,
    "backgrounds.name": _TEXT,
    "backgrounds.kind": _TEXT,
    "backgrounds.fit": _TEXT,
    "backgrounds.grey": _TEXT,
    "masks": _TABLE,
    "masks.kind": _TEXT,
    "mask_settings": _TABLE,
    "mask_settings.unannotated": _TEXT,
    "mask_settings.smooth": (_whole(0, 1000), "a whole number from 0 to 1000"),
    "mask_settings.smooth_how": _TEXT,
    "mask_settings.dilate": (_whole(-1000, 1000), "a whole number from -1000 to 1000"),
    "mask_settings.feather": (_number(0, 100), "a number from 0 to 100"),
    "mask_settings.min_area": (_number(0, 1), "a number from 0 to 1"),
    "mask_settings.min_valid": (_number(0, 1), "a number from 0 to 1"),
    "protocol": _TABLE,
    "protocol.name": _TEXT,
    "protocol.version": (_whole(1, 1000), "a whole number from 1"),
    "protocol.changed": (_is_changed, "a table of settings with their values (here, protocol)"),
    "per_video": (_whole(1, 10**6), "a whole number from 1"),
    "seed": (_SEED, "a whole number"),
    "layout": (_is_layout, f"one of {', '.join(LAYOUTS.shipped)}, or package.module:Name"),
    "jpeg_quality": (_whole(1, 100), "a whole number from 1 to 100"),
    "still_area": (_or(_is_none, _number(0, 1)), "a number from 0 to 1"),
    "shake": (_number(0, 0.5), "a number from 0 to 0.5"),
    "conflfg": _TABLE,
    "conflfg.order": (_one_of("behind", "front"), "behind or front"),
    "conflfg.place": _TEXT,
    "conflfg.max_covered": (_number(0, 1), "a number from 0 to 1"),
    "conflfg.min_visible": (_number(0, 1), "a number from 0 to 1"),
    "conflfg.still_area": (_number(0, 1), "a number from 0 to 1"),
    "conflfg.rules": (_whole(1, 1000), "a whole number from 1"),
    "subset": (_or(_is_none, _list_of(_is_part)), "null or a list of parts (limit, only, shard)"),
    "paths": (_is_places, "a table of paths"),
    "from": _TABLE,
    "from.manifest_sha256": _TEXT,
    "exported_from": _TABLE,
    "exported_for": _TEXT,
    "versions": _TABLE,
    "format": (_whole(FORMAT, FORMAT), f"{FORMAT}; a newer release of albar-bench may have written it"),
}
NEEDED = ("kind", "dataset", "classes", "backgrounds", "backgrounds.name")


def read_protocol(folder: Path, fix: str = FIX) -> dict[str, Any]:
    """The protocol.json of a folder.

    Raises:
        BenchError: there is none, or a field in it is not what it must be; the message names the field.
    """
    return checked(read_json(folder / PROTOCOL, "benchmark", fix), folder / PROTOCOL, fix)


def checked(protocol: Any, path: Path, fix: str = FIX) -> dict[str, Any]:
    """``protocol`` if every field in it is what it must be; BenchError naming ``path`` and the field otherwise."""
    if not isinstance(protocol, dict):
        raise BenchError(f"{path}: not a benchmark's protocol; {fix}")
    for name, (check, words) in _FIELDS.items():
        found, value = _look_up(protocol, name)
        if not found and name in NEEDED:
            raise BenchError(f"{path}: not a benchmark's protocol, it lacks {name}; {fix}")
        if found and not check(value):
            raise BenchError(f"{path}: {name} is {_shown(value)}, not {words}; {fix}")
    for name, value in _texts(protocol):
        if _NO_TEXT.search(value):
            raise BenchError(f"{path}: {name} is {_shown(value)}, which is no text; {fix}")
    return protocol


def needed(protocol: Mapping[str, Any], name: str, folder: Path = Path()) -> Any:
    """A field, by its place, that a benchmark of this kind must have; BenchError if it lacks it."""
    found, value = _look_up(protocol, name)
    if not found:
        raise BenchError(f"{folder / PROTOCOL}: lacks {name}; {FIX}")
    return value


def _look_up(protocol: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    value: Any = protocol
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _texts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Every text in a protocol, keys too, with the name of its field. JSON is not nested deep (``read_json``)."""
    if isinstance(value, str):
        return [(name, value)]
    if isinstance(value, dict):
        inner = [(f"{name}.{key}" if name else key, v) for key, v in value.items()]
        return [*((f"a name in {name or 'it'}", key) for key in value), *(t for n, v in inner for t in _texts(v, n))]
    if isinstance(value, list):
        return [text for v in value for text in _texts(v, name)]
    return []


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]} …"
