"""The table of ``bench segment --review``: videos by doubt, worst first, with empty columns for the user.

Columns: ``id``; the figures of :mod:`benchmark_builder.audit.masks` (``length`` is the number of frames); ``note``, why
a video has no masks; and the user's: ``verdict`` (``keep`` or ``leave out``), ``frames`` (whose mask is wrong and is
not used), ``reason``. A video without masks has doubt 1. The table can be given as ``--corrections``.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from benchmark_builder.audit.masks import MaskAudit, table_rows
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.text import composed, read_table

USERS = ("verdict", "frames", "reason")
COLUMNS = [
    "id", "doubt", "share", "neighbour_iou", "worst_iou", "worst_frame", "coverage", "length", "cuts", "confidence",
    "note", *USERS,
]  # fmt: skip


def read_review(path: Path) -> dict[str, dict[str, str]]:
    """What the user filled in so far, by id: it is kept when the table is written again. Empty without a table.

    Raises:
        BenchError: another file is there, or the name does not end in .csv.
    """
    if path.suffix.lower() != ".csv":
        raise BenchError(f"--review {path}: is written as csv; give a name that ends in .csv")
    if not path.exists():
        return {}
    fix = "give --review another name, or delete the file"
    names, rows = read_table(path, "table of `bench segment --review`", fix)
    if any(name not in names for name in ("id", *USERS)):
        raise BenchError(f"--review {path}: is another table (columns {', '.join(names[:5])} …); {fix}")
    records = [dict(zip(names, row, strict=False)) for row in rows]
    filled = {composed(r.get("id", "").strip()): {k: r.get(k, "").strip() for k in USERS} for r in records}
    return {name: said for name, said in filled.items() if any(said.values())}


def write_review(
    path: Path, audit: MaskAudit, ids: Collection[str], first: int, filled: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the table.

    Args:
        path: the csv file.
        audit: figures of the videos that have masks.
        ids: of the dataset's videos; of those, the ones without masks are listed as well.
        first: number of a video's first frame.
        filled: what the user filled in before (:func:`read_review`).
    """
    rows: list[dict[str, Any]] = []
    for row in table_rows(audit):
        frame = row["worst_frame"]
        rows.append({**row, "length": row["frames"], "note": "", "worst_frame": "" if frame == "" else frame + first})
    there = {row["id"] for row in rows}
    notes = [(f["id"], f"{f['kind']}: {f['reason']}") for f in audit.left_out] + audit.failed
    without = {name: note for name, note in notes if name in ids and name not in there}
    rows += [{"id": name, "doubt": 1.0, "note": note} for name, note in without.items()]
    empty = dict.fromkeys(USERS, "")
    rows = [row | empty | dict(filled.get(row["id"], {})) for row in sorted(rows, key=lambda r: (-r["doubt"], r["id"]))]
    gone = sorted(filled.keys() - {row["id"] for row in rows})  # nothing that the user wrote is lost
    rows += [{"id": name, "note": "not among these videos", **filled[name]} for name in gone]
    write_csv(path, COLUMNS, rows)
