"""The leaderboard CSV: a row a (checkpoint, benchmark set), numbers as numbers, safe for two processes at once."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmark_builder.errors import BenchError
from benchmark_builder.files import write_csv
from evaluator.results import EXTRA, FIGURES, version

NAME = "leaderboard.csv"
# Figures and intervals are percent; n_ and missing_ count videos (contra_acc: pairs). Blank: not measured.
COLUMNS = [
    "dataset", "method", "model", *FIGURES,
    *EXTRA,
    *(f"{name}_{end}" for name in (*FIGURES, *EXTRA) for end in ("low", "high")),
    *(f"n_{name}" for name in (*FIGURES, *EXTRA)),
    *(f"missing_{name}" for name in (*FIGURES, *EXTRA)),
    "seed", "split", "protocol", "built_by", "checkpoint", "checkpoint_sha256", "manifests", "version",
    "cluster",
]  # fmt: skip
_KEY = ("dataset", "method", "model", "checkpoint_sha256", "protocol", "manifests")


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The leaderboard row of a results record.

    ``manifests`` lists ``name=digest`` (12 hex digits, joined by "; ") of every set scored; rows are comparable where
    the digests agree. ``protocol`` is how clips were sampled; ``split`` and ``built_by`` (the protocol that built them)
    are the benchmarks'.
    """
    row: dict[str, Any] = {column: "" for column in COLUMNS}
    for name in ("dataset", "method", "model", "seed", "split", "protocol"):
        row[name] = record.get(name, "")
    for name, figure in record["figures"].items():
        row[name] = figure["percent"]
        row[f"n_{name}"], row[f"missing_{name}"] = figure["n"], figure["missing"]
        for end in ("low", "high"):
            row[f"{name}_{end}"] = "" if figure[end] is None else figure[end]
    row["checkpoint"] = record.get("checkpoint", "")
    row["checkpoint_sha256"] = record.get("checkpoint_sha256", "")[:12]
    row["manifests"] = "; ".join(f"{s['name']}={s['digest'][:12]}" for s in record["sets"])
    row["built_by"] = "; ".join(sorted({s["built_by"] for s in record["sets"] if s["built_by"]}))
    row["version"] = record.get("version") or version()
    row["cluster"] = record.get("cluster", "source")
    return row


def update(path: Path, record: Mapping[str, Any]) -> None:
    """Put the record's row into the leaderboard; it replaces one of the same checkpoint, protocol and manifests.

    Raises:
        BenchError: ``path`` is there and is no leaderboard.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        rows = read_leaderboard(path) if path.exists() else []
        new = as_text(row_of(record))
        rows = [r for r in rows if any(r[k] != new[k] for k in _KEY)]
        write_csv(path, COLUMNS, [*rows, new])


def read_leaderboard(path: Path) -> list[dict[str, str]]:
    """Rows as text, in the file's order, with exactly :data:`COLUMNS`.

    Raises:
        BenchError: no such file, other columns, or a figure that is no number.
    """
    mend = "give a leaderboard.csv that `bench eval` has written"
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames is None or not {"dataset", "method", *FIGURES} <= set(reader.fieldnames):
                raise BenchError(f"{path}: not a leaderboard; {mend}")
            unknown = [c for c in reader.fieldnames if c not in COLUMNS]
            if unknown:
                raise BenchError(f"{path}: column {unknown[0]!r} is not a leaderboard's; {mend}")
            rows = [{c: record.get(c) or "" for c in COLUMNS} for record in reader]
    except FileNotFoundError:
        raise BenchError(f"{path}: no leaderboard here; run `bench eval` first") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {mend}") from None
    for line, row in enumerate(rows, 2):
        for name in (*FIGURES, *EXTRA):
            number(row[name], f"{path}, line {line}: {name}")
    return rows


def number(text: str, where: str = "figure") -> float | None:
    """A cell as a number, None where it is blank."""
    try:
        return float(text) if text else None
    except ValueError:
        raise BenchError(f"{where} is {text!r}, not a number; run `bench eval` again") from None


def digests(row: Mapping[str, str]) -> frozenset[str]:
    """Digests of the sets behind a row; rows are comparable where these agree."""
    return frozenset(entry.rpartition("=")[2] for entry in row["manifests"].split("; "))


def videos_digest(parts: Iterable[str]) -> str:
    """Eight hex digits that name a collection of test sets, whatever their order."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:8]


def groups(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A letter a row: rows of one dataset with the same letter were measured on the same videos."""
    letters: dict[tuple[str, frozenset[str]], str] = {}
    result = []
    for row in rows:
        key = (row["dataset"], digests(row))
        result.append(letters.setdefault(key, _letter(len(letters))))
    return result


def _letter(k: int) -> str:
    return ("" if k < 26 else _letter(k // 26 - 1)) + chr(ord("A") + k % 26)


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as it is read back from the file."""
    return {name: repr(value) if isinstance(value, float) else str(value) for name, value in row.items()}
