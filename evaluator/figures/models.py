"""Results records for figures that need more than the leaderboard: seeds of one model together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluator.records import ResultsRecord, read_record
from evaluator.reports.leaderboard import as_text, row_of
from evaluator.reports.seeds import Entry, display_names, merge_seeds
from evaluator.runs import find_records


@dataclass(frozen=True)
class Model:
    """A model: the records of its seeds, and their entry. ``name`` tells it from the other models."""

    name: str
    entry: Entry
    records: tuple[ResultsRecord, ...]


def read_models(sources: Sequence[Path], by_seed: bool = False) -> list[Model]:
    """The models of records and results folders, in the order in which they were named.

    Raises:
        BenchError: there are no records at a source, or one is damaged.
    """
    return merged_models([read_record(path) for path in find_records(sources)], by_seed)


def merged_models(records: Sequence[ResultsRecord], by_seed: bool = False) -> list[Model]:
    """Models of records, in their order; ``by_seed``: one per record."""
    rows = [as_text(row_of(record)) for record in records]
    of = {id(row): record for row, record in zip(rows, records, strict=True)}
    entries = [one for row in rows for one in merge_seeds([row])] if by_seed else merge_seeds(rows)
    names = display_names(entries)
    return [Model(name, one, tuple(of[id(row)] for row in one.rows)) for name, one in zip(names, entries, strict=True)]
