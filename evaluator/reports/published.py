"""The published figures as leaderboard rows, which are marked and shown next to the user's rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import as_file

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_table
from evaluator.metrics.names import FIGURES
from evaluator.reports.leaderboard import COLUMNS
from manifests import resource

RESULTS, BY_BACKGROUND = "published_results.csv", "published_by_background.csv"
DOWNSTREAM = "published_downstream.csv"
MARK = "published"
# From the papers: 32 frames with stride 2 at 224 pixels, Swin-T. The number of views differs between methods.
PROTOCOL = "published: Swin-T, clips 32x2-224, views differ by method"
MODEL = "Swin-T"
BACKGROUNDS = ("places365", "vqgan", "stripes")
IMPOSSIBLE = "impossible: contrasted accuracy must be between SCUBA − SCUFO and SCUBA"
_HALF = 0.005  # rounding error of figures that are printed with two decimals
# Headings of the further figures in the papers.
_DETAILS = {
    **{f"scuba_{name}": f"SCUBA {name} ↑" for name in BACKGROUNDS},
    **{f"scufo_{name}": f"SCUFO {name} ↓" for name in BACKGROUNDS},
    "contra_acc": "Contra. Acc. ↑",
    "aras": "ARAS ↑",
    "hmdb51_contra_acc": "HMDB51 Contra. Acc. ↑",
    "ucf_crime_auc": "UCF-Crime AUC ↑",
    "thumos14_map": "THUMOS14 mAP ↑",
}


def tables() -> list[str]:
    """Names of the published tables, e.g. ``hmdb51``."""
    return list(dict.fromkeys(record["table"] for record in (*records(RESULTS), *records(BY_BACKGROUND))))


def published_rows(table: str) -> list[dict[str, str]]:
    """Rows of a published table, with the leaderboard's columns; ``manifests`` marks them as published.

    ``dataset`` is the table's name, since ``ucf101-updated`` was not measured on the same videos as ``ucf101``. There
    are two more columns: ``source``, where the figures are printed, and ``note``, a remark on them.

    Raises:
        BenchError: no such table.
    """
    found = [record for record in records(RESULTS) if record["table"] == table]
    found = found or [_averaged(record) for record in records(BY_BACKGROUND) if record["table"] == table]
    if not found:
        raise BenchError(f"--published {table}: no such table; choose from {', '.join(tables())}")
    rows = []
    for record in found:
        row = dict.fromkeys(COLUMNS, "")
        row |= {name: record.get(name, "") for name in FIGURES}
        row |= {"dataset": table, "method": record["method"], "model": MODEL, "protocol": PROTOCOL}
        row["checkpoint"] = record.get("venue", "")
        row["manifests"] = f"{MARK}={MARK}-{table}"
        rows.append({**row, "source": record["source"], "note": noted(record)})
    return rows


def is_published(row: Mapping[str, str]) -> bool:
    """Whether a leaderboard row comes from a paper."""
    return row["manifests"].startswith(f"{MARK}=")


def impossible(record: Mapping[str, str]) -> bool:
    """Whether a row's contrasted accuracy contradicts its SCUBA and SCUFO accuracies by more than rounding.

    It is the share of pairs that are right on SCUBA and wrong on SCUFO. In each background set this share is at least
    SCUBA − SCUFO, at most SCUBA, and at most 100 − SCUFO. The same is true for the means over the sets.
    """
    scuba, scufo = ([float(record[f"{kind}_{b}"]) for b in BACKGROUNDS] if f"{kind}_{BACKGROUNDS[0]}" in record
                    else [float(record[f"avg_{kind}"])] for kind in ("scuba", "scufo"))  # fmt: skip
    pairs, contrasted = list(zip(scuba, scufo, strict=True)), float(record["contra_acc"])
    least = sum(max(0.0, a - b - 2 * _HALF) for a, b in pairs) / len(pairs)
    most = sum(min(a, 100 - b) + _HALF for a, b in pairs) / len(pairs)
    return not least - _HALF <= contrasted <= most + _HALF


def noted(record: Mapping[str, str]) -> str:
    """A row's note, which also names a figure that is impossible."""
    note = record.get("note", "")
    if "contra_acc" in record and impossible(record) and "impossible" not in note:
        note = f"{note}; {IMPOSSIBLE}" if note else IMPOSSIBLE
    return note


def details(table: str) -> list[tuple[str, list[str], list[list[str]]]]:
    """Further figures in the papers for a table: (title, headings, rows); the last cells are source and note.

    An impossible figure is marked ‡.
    """
    found = []
    of_table = [r for r in records(BY_BACKGROUND) if r["table"] == table]
    found += [_detail(f"Published figures of {table} by background set", "method", of_table)] if of_table else []
    more = [r for r in records(RESULTS) if r["table"] == table and r["aras"]]
    found += [_detail(f"Further published figures of {table}", "method", more, ["aras"])] if more else []
    if table == "hmdb51":
        found.append(
            _detail("Published figures of models built on the debiased network", "method", records(DOWNSTREAM))
        )
    return found


def sources(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """One line for each source and note of published rows, with its methods."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if is_published(row):
            lines.setdefault((row["dataset"], row["source"], row["note"]), []).append(row["method"])
    several = len({key[0] for key in lines}) > 1
    return [
        f"† {', '.join(methods)}{f' ({dataset})' if several else ''}: {source}{f'; {note}' if note else ''}."
        for (dataset, source, note), methods in lines.items()
    ]


def _detail(
    title: str, first: str, rows: Sequence[Mapping[str, str]], only: Sequence[str] | None = None
) -> tuple[str, list[str], list[list[str]]]:
    names = [name for name in (only or _DETAILS) if any(row.get(name) for row in rows)]
    table = []
    for row in rows:
        wrong = "contra_acc" in names and impossible(row)
        cells = [f"{row[name]} ‡" if wrong and name == "contra_acc" else row[name] for name in names]
        told = "; ".join(filter(None, (row.get("heads", ""), noted(row))))
        table.append([row[first], *cells, row["source"], told])
    return title, [first.capitalize(), *(_DETAILS[name] for name in names), "Source", "Note"], table


def _averaged(record: Mapping[str, str]) -> dict[str, str]:
    """A row with figures per background set, and the means over the sets."""
    row = dict(record)
    for kind in ("scuba", "scufo"):
        row[f"avg_{kind}"] = f"{sum(float(record[f'{kind}_{b}']) for b in BACKGROUNDS) / len(BACKGROUNDS):.2f}"
    row["note"] = "; ".join(filter(None, (noted(record), "averages computed here from the background sets")))
    return row


@cache
def records(file: str) -> list[dict[str, str]]:
    """The rows of one of the shipped tables."""
    with as_file(resource(file)) as path:
        columns, rows = read_table(path)
    return [dict(zip(columns, row, strict=True)) for row in rows]
