"""The published figures, as leaderboard rows of their own, so that they can stand beside a user's and be told apart."""

import csv
import io
from collections.abc import Mapping

from benchmark_builder.errors import BenchError
from evaluator.leaderboard import COLUMNS
from evaluator.results import FIGURES
from manifests import resource

FILE = "published_results.csv"
MARK = "published"
# What the papers say and leave open: 32 frames with stride 2 at 224 pixels, Swin-T; how many views differs by method.
PROTOCOL = "published: Swin-T, clips 32x2-224, views differ by method"
MODEL = "Swin-T"


def tables() -> list[str]:
    """Names of the published tables, e.g. ``hmdb51``."""
    return list(dict.fromkeys(record["table"] for record in _records()))


def published_rows(table: str) -> list[dict[str, str]]:
    """Rows of a published table, with the leaderboard's columns; ``manifests`` says that they are published.

    ``dataset`` is the table's name: ``ucf101-updated`` was not measured on the videos that ``ucf101`` means elsewhere.

    Raises:
        BenchError: no such table.
    """
    found = [record for record in _records() if record["table"] == table]
    if not found:
        raise BenchError(f"--published {table}: no such table; choose from {', '.join(tables())}")
    rows = []
    for record in found:
        row = dict.fromkeys(COLUMNS, "")
        row |= {name: record[name] for name in FIGURES}
        row |= {"dataset": table, "method": record["method"], "model": MODEL, "protocol": PROTOCOL}
        row["checkpoint"] = record["venue"]
        row["manifests"] = f"{MARK}={MARK}-{table}"
        rows.append(row)
    return rows


def is_published(row: Mapping[str, str]) -> bool:
    """Whether a leaderboard row comes from a paper."""
    return row["manifests"].startswith(f"{MARK}=")


def _records() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(resource(FILE).read_text(encoding="utf-8"))))
