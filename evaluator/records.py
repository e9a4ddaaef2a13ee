"""Results records on disk: written whole, and checked field by field when read, since others may have written them."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_builder.benchmark.manifest import paths_from
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from evaluator.metrics.figures import FORMAT, version
from evaluator.metrics.names import HEADINGS, KINDS, is_own, own_arrows
from evaluator.testsets import CLUSTERS, TestSet

LONGEST = 4096  # characters of a name or a path
_FIX = "give a file that `bench eval` has written under results/, or score the model again"

_Check = Callable[[Any, str], None]


class _Wrong(Exception):
    """(field, what it should be, what it is)"""


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a results record, whole or not at all.

    Raises:
        BenchError: a field that :func:`read_record` would refuse, such as a name of thousands of characters.
    """
    _check(path, dict(record), "give it a shorter name, or report this")
    write_json(path, {**record, "format": FORMAT, "version": version()})


def check_names(**names: str) -> None:
    """Refuse, before any work, what no record can hold: BenchError names the option."""
    for option, name in names.items():
        if len(name) > LONGEST:
            raise BenchError(f"--{option} is {_short(name)}: longer than {LONGEST} characters; give a shorter one")


def placed(record: dict[str, Any], sets: list[TestSet], out: Path, root: Path | None) -> dict[str, Any]:
    """The record with where its benchmarks and (``root``) its data set are: as absolute paths, and relative to ``out``,
    so that what is moved together is found again."""
    for described, s in zip(record["sets"], sets, strict=True):
        if s.benchmark is not None:
            described |= paths_from(out, folder=s.benchmark.folder)
    if record.get("iid") is not None and root is not None:
        record["iid"] |= paths_from(out, root=root)
    return record


def read_record(path: Path) -> dict[str, Any]:
    """Read a results record; fields that older versions did not write have their defaults.

    Raises:
        BenchError: it is none, of a later format, or a field is not what it should be; the file and field are named.
    """
    record = read_json(path, "results record", _FIX)
    needed = {"dataset", "method", "model", "figures", "sets", "format"}
    if not isinstance(record, dict) or not needed <= record.keys():
        raise BenchError(f"{path}: not a results record; {_FIX}")
    if record["format"] != FORMAT or isinstance(record["format"], bool):
        said = str(record["format"])[:20]
        raise BenchError(f"{path}: has format {said}, this version reads {FORMAT}; upgrade albar-bench")
    record = {**_DEFAULTS, **record}
    _check(path, record, _FIX)
    return record


def _check(path: Path, record: dict[str, Any], fix: str) -> None:
    try:
        _RECORD(record, "")
        names = [s["name"] for s in record["sets"]]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise _Wrong("sets", "sets of different names", doubled)
        _known_names(record)
    except _Wrong as wrong:
        field, what, value = wrong.args
        raise BenchError(f"{path}: {field} is {_short(value)}, not {what}; {fix}") from None


def _known_names(record: Mapping[str, Any]) -> None:
    """Refuse figures and kinds that neither ship nor are described."""
    own, described = own_arrows(record), record.get("kinds", {})
    figures = [("figures", record["figures"]), *((f"other.{k}", v) for k, v in record["other"].items()),
               *((f"per_class.{k}", v) for k, v in record["per_class"].items())]  # fmt: skip
    for field, table in figures:
        for name in table:
            if name not in HEADINGS and name not in own:
                raise _Wrong(f"a name in {field}", f"one of {', '.join((*HEADINGS, *own))}", name)
    for k, described_set in enumerate(record["sets"]):
        if described_set["kind"] not in KINDS and described_set["kind"] not in described:
            raise _Wrong(f"sets[{k}].kind", f"one of {', '.join((*KINDS, *described))}", described_set["kind"])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _text(value: Any, field: str) -> None:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise _Wrong(field, f"text of at most {LONGEST} characters", value)


def _name(value: Any, field: str) -> None:
    _text(value, field)
    if not value:
        raise _Wrong(field, "a name", value)


def _whole(value: Any, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise _Wrong(field, "a whole number from 0", value)


def _positive(value: Any, field: str) -> None:
    _whole(value, field)
    if value == 0:
        raise _Wrong(field, "a whole number from 1", value)


def _seed(value: Any, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or len(str(value)[:99]) > 64:
        raise _Wrong(field, "a seed", value)


def _percent(value: Any, field: str) -> None:
    usable = not isinstance(value, bool) and isinstance(value, (int, float))
    if not usable or not math.isfinite(value) or not -1e-9 <= value <= 100 + 1e-9:
        raise _Wrong(field, "a number from 0 to 100", value)


def _figure_name(value: Any, field: str) -> None:
    if value not in HEADINGS and not is_own(value):
        raise _Wrong(field, f"one of {', '.join(HEADINGS)}", value)


def _anything(value: Any, field: str) -> None:
    """Shown as text, if at all."""
    if len(repr(value)) > LONGEST:
        raise _Wrong(field, f"something of at most {LONGEST} characters", value)


def _or_none(check: _Check) -> _Check:
    def run(value: Any, field: str) -> None:
        if value is not None:
            check(value, field)

    return run


def _one_of(*known: str) -> _Check:
    def run(value: Any, field: str) -> None:
        if value not in known:
            raise _Wrong(field, f"one of {', '.join(known)}", value)

    return run


def _list(check: _Check, least: int = 0) -> _Check:
    def run(value: Any, field: str) -> None:
        if not isinstance(value, list) or len(value) < least:
            raise _Wrong(field, "a list" if not least else "a list that is not empty", value)
        for k, entry in enumerate(value):
            check(entry, f"{field}[{k}]")

    return run


def _table(check: _Check, keys: _Check = _text) -> _Check:
    def run(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise _Wrong(field, "a table", value)
        for name, entry in value.items():
            keys(name, f"a name in {field}")
            check(entry, f"{field}.{name[:60]}")

    return run


def _fields(needed: Mapping[str, _Check], others: Mapping[str, _Check] | None = None) -> _Check:
    """A table with these fields; others may be missing, and what is not named is not looked at."""

    def run(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise _Wrong(field, "a table", value)
        inside = f"{field}." if field else ""
        for name in needed:
            if name not in value:
                raise _Wrong(f"{inside}{name}", "there", None)
        for name, check in {**needed, **(others or {})}.items():
            if name in value:
                check(value[name], f"{inside}{name}")

    return run


_SHARE = {"percent": _percent, "n": _whole}
_FIGURE = _fields({**_SHARE, "missing": _whole, "low": _or_none(_percent), "high": _or_none(_percent)})
_CONFUSION = _fields({"mover": _text, "donor": _text, "said_mover": _whole, "said_donor": _whole, "said_other": _whole})
_SET = _fields(
    {"name": _name, "kind": _name, "split": _text, "backgrounds": _text, "built_by": _text, "digest": _name,
     "top1": _FIGURE},
    {"videos": _whole, "folder": _or_none(_text), "folder_relative": _text, "predictions": _name,
     "top5": _or_none(_FIGURE), "mean_class": _or_none(_FIGURE), "donor": _FIGURE, "prefers_mover": _FIGURE,
     "confusion": _list(_CONFUSION)},
)  # fmt: skip
_PAIR = _fields({"scuba": _text, "scufo": _text, "contra_acc": _or_none(_FIGURE)})
_PLACE = _fields({}, {"root": _or_none(_text), "root_relative": _text, "split": _name, "fold": _positive})
_RECORD = _fields(
    {"dataset": _name, "method": _text, "model": _text, "figures": _table(_FIGURE, _figure_name),
     "sets": _list(_SET, 1)},
    {"seed": _or_none(_seed), "split": _text, "protocol": _text, "checkpoint": _text, "checkpoint_sha256": _text,
     "cluster": _one_of(*CLUSTERS), "classes": _list(_text), "kind": _text, "precision": _text,
     "notes": _list(_text), "bootstrap_seed": _seed, "limit": _or_none(_positive), "iid": _or_none(_PLACE),
     "version": _text, "versions": _or_none(_table(_text)), "sampling": _or_none(_table(_anything)),
     "other": _table(_table(_FIGURE, _figure_name)), "pairs": _list(_PAIR),
     "per_class": _table(_table(_fields(_SHARE), _figure_name)), "kinds": _table(_table(_anything))},
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "seed": "", "split": "", "protocol": "", "checkpoint": "", "checkpoint_sha256": "", "cluster": "source",
    "classes": [], "bootstrap_seed": 0, "limit": None, "iid": None, "other": {}, "pairs": [], "per_class": {},
}  # fmt: skip
