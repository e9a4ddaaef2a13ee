"""The table of ALBAR's Section 4.5: contrasted accuracy, anomaly detection and localization side by side.

A row is a method (with its heads), a column a figure of one dataset, in percent: mean and standard deviation over the
models of the method, or over the seeds of the head where there is one model. Published rows are shown next to them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_csv, write_text
from benchmark_builder.utils.text import counted, letters
from evaluator.downstream.results import FILE, DownstreamResults, read_results
from evaluator.reports.leaderboard import number, read_leaderboard
from evaluator.reports.published import DOWNSTREAM, is_published, records

if TYPE_CHECKING:
    from rich.table import Table

TABLE, PAGE = "downstream.csv", "downstream.md"
MAIN = {"anomaly": "auc", "localization": "map"}  # the figure of a task that the table shows
HEADINGS = {"auc": "AUC", "map": "mAP", "contra_acc": "contrasted acc."}
NAMES = {"hmdb51": "HMDB51", "ucf_crime": "UCF-Crime", "thumos14": "THUMOS14", "ucf101": "UCF101"}
PUBLISHED = "†"
FEATURES = ("layer", "window", "stride", "last", "fps", "crops")  # what features of one column should have in common
DEEPEST = 6  # folders within folders that are searched for results


@dataclass(frozen=True)
class Source:
    """The results of one model, dataset and head.

    Attributes:
        path: the file. record: what is in it.
        method: name of the model in tables. digest: of its weights, "" if unknown. dataset: of the videos.
    """

    path: Path
    record: DownstreamResults
    method: str
    digest: str
    dataset: str


@dataclass(frozen=True)
class Cell:
    """A figure in percent.

    Attributes:
        mean, sd: over models, or over seeds of the head; sd is None for one value.
        models, seeds: their numbers; seeds is 0 where the figure does not come from a head.
        low, high: 95 % interval over test videos; None if there are several models.
        head: what was trained on the features.
    """

    mean: float
    sd: float | None
    models: int
    seeds: int = 0
    low: float | None = None
    high: float | None = None
    head: str = ""


@dataclass(frozen=True)
class Row:
    """A method with one choice of heads.

    Attributes:
        method: its name. heads: those of its figures, in the order of the columns.
        cells: column -> figure. published: whether it comes from a paper. source: where it is printed.
    """

    method: str
    heads: str
    cells: Mapping[str, Cell]
    published: bool = False
    source: str = ""


@dataclass(frozen=True)
class DownstreamTable:
    """All rows.

    Attributes:
        columns: ``DATASET_FIGURE``, in their order. rows: own ones, then published ones.
        notes: what was not used, and why. written: the files.
    """

    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list[str])
    written: list[Path] = field(default_factory=list[Path])


def downstream_table(
    results: Sequence[Path], leaderboards: Sequence[Path] = (), out: Path | None = None
) -> DownstreamTable:
    """Collect results in one table, and write it.

    Args:
        results: files of `bench downstream`, or folders that contain them, also deeper.
        leaderboards: of `bench eval`, for contrasted accuracy. A row belongs to the model with its digest; to results
            of predictions made elsewhere, which have none, if its method has their name.
        out: gets downstream.csv and downstream.md; None: nothing is written.

    Raises:
        BenchError: no results are found, or a leaderboard cannot be read.
    """
    found, notes = list[Source](), list[str]()
    for path in results:
        own, said = _sources(path)
        found += own
        notes += said
    if not found:
        where = ", ".join(map(str, results))
        more = f" ({notes[0]})" if notes else ""
        raise BenchError(f"--downstream {where}: no results of `bench downstream` here{more}; give their folders")
    found, twice = _once(_by_network(found))
    notes += [*twice, *_unequal(found)]
    rows = [row for path in leaderboards for row in read_leaderboard(path) if not is_published(row)]
    table = _table(found, rows, [*notes])
    if rows and not any(c.endswith("_contra_acc") for r in table.rows if not r.published for c in r.cells):
        table.notes.append("leaderboards: no row with contrasted accuracy is of one of these models")
    if out is not None:
        table.written.extend(_written(table, out))
    return table


def _sources(path: Path) -> tuple[list[Source], list[str]]:
    """The results in a file or folder, and what is wrong with others."""
    if path.is_file():
        return [_source(path)], []
    if not path.is_dir():
        raise BenchError(f"--downstream {path}: no such file or folder; give results of `bench downstream`")
    found, notes = list[Source](), list[str]()
    for file in _files(path, DEEPEST):
        try:
            document = read_json(file, "record", "")
            if isinstance(document, dict) and "task" in document:
                found.append(_source(file))
        except BenchError as error:
            notes.append(f"left out: {error}")
    return found, notes


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Files called results.json, in natural order of their folders."""
    if (folder / FILE).is_file():
        yield folder / FILE
    if depth:
        try:
            below = sorted(e.path for e in os.scandir(folder) if e.is_dir(follow_symlinks=False))
        except OSError:
            return
        for name in below:
            if not Path(name).name.startswith("."):
                yield from _files(Path(name), depth - 1)


def _source(path: Path) -> Source:
    record = read_results(path)
    features = record.features
    model: Any = features.get("model")
    model = model if isinstance(model, dict) else {}
    figure = MAIN[record.task]
    if figure not in record.mean:
        raise BenchError(f"{path}: has no figure {figure} ({', '.join(record.mean)}), which the table shows; run "
                         "`bench downstream` again")  # fmt: skip
    method = str(model.get("method") or features.get("name") or model.get("model") or path.parent.name)
    dataset = _one_line(str(features.get("dataset") or "unknown dataset"))
    return Source(path, record, _one_line(method), str(model.get("digest") or ""), dataset)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _once(found: Sequence[Source]) -> tuple[list[Source], list[str]]:
    """Results of one model, dataset and head once: the first."""
    kept: dict[tuple[str, ...], Source] = {}
    notes = []
    for source in found:
        key = (source.digest or source.method, source.dataset, source.record.task, source.record.head)
        first = kept.setdefault(key, source)
        if first.path.resolve() != source.path.resolve():
            notes.append(f"left out: {source.path}: {first.path} is of the same model, dataset and head")
    return list(kept.values()), notes


def _by_network(found: Sequence[Source]) -> list[Source]:
    """Methods whose models are different networks become several methods, with the network's name."""
    networks: dict[str, set[str]] = {}
    for s in found:
        networks.setdefault(s.method, set()).add(_network(s))
    return [replace(s, method=f"{s.method} ({_network(s)})") if len(networks[s.method]) > 1 else s for s in found]


def _network(source: Source) -> str:
    model = source.record.features.get("model")
    return str(model.get("model") or "unknown network") if isinstance(model, dict) else "unknown network"


def _unequal(found: Sequence[Source]) -> list[str]:
    """What differs between results that stand in one column with one head, besides the models."""
    groups: dict[tuple[str, str, str], list[Source]] = {}
    for s in found:
        groups.setdefault((s.dataset, s.record.task, s.record.head), []).append(s)
    notes = []
    for (dataset, task, head), own in groups.items():
        described = [{**{k: s.record.features.get(k) for k in FEATURES}, **s.record.settings} for s in own
                     if s.record.features.get("model")]  # fmt: skip
        names = dict.fromkeys(name for d in described for name in d if name not in ("device", "progress"))
        differ = [name for name in names if any(d.get(name) != described[0].get(name) for d in described)]
        if differ:
            notes.append(f"{task} on {dataset} with {head}: the results differ in more than their models: "
                         f"{', '.join(differ)}")  # fmt: skip
    return notes


def _table(found: Sequence[Source], board: Sequence[Mapping[str, str]], notes: list[str]) -> DownstreamTable:
    groups: dict[str, dict[str, dict[str, list[Source]]]] = {}  # method -> column -> head -> models
    for s in sorted(found, key=lambda s: s.record.task):
        column = f"{_key(s.dataset)}_{MAIN[s.record.task]}"
        groups.setdefault(s.method, {}).setdefault(column, {}).setdefault(s.record.head, []).append(s)
    rows, accuracies = list[Row](), list[str]()
    for method in dict.fromkeys(s.method for s in found):
        columns = groups[method]
        models = [s for heads in columns.values() for own in heads.values() for s in own]
        contrasted = _contrasted(models, board, notes)
        accuracies += contrasted
        for part in zip_longest(*([(c, h, own) for h, own in heads.items()] for c, heads in columns.items())):
            cells = {p[0]: _cell(p[2], p[0].rpartition("_")[2], p[1]) for p in part if p}
            rows.append(Row(method, "; ".join(dict.fromkeys(p[1] for p in part if p)), {**contrasted, **cells}))
    published = list(_published())
    own_columns = [c for columns in groups.values() for c in columns]
    printed = [c for row in published for c in row.cells]
    order = [*accuracies, *(c for c in printed if c.endswith("_contra_acc")), *own_columns, *printed]
    return DownstreamTable(list(dict.fromkeys(order)), [*rows, *published], notes)


def _key(dataset: str) -> str:
    return dataset.replace("-", "_").replace(":", "_")


def _cell(models: Sequence[Source], figure: str, head: str) -> Cell:
    values = [100 * s.record.mean[figure] for s in models]
    seeds = max(len(s.record.seeds) for s in models)
    if len(values) == 1:
        record = next(s.record for s in models if figure in s.record.mean)
        sd, interval = record.sd.get(figure), record.interval.get(figure)
        return Cell(values[0], None if sd is None else 100 * sd, 1, seeds, head=head,
                    low=None if interval is None else 100 * interval.low,
                    high=None if interval is None else 100 * interval.high)  # fmt: skip
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)), len(values), seeds, head=head)


def _contrasted(models: Sequence[Source], board: Sequence[Mapping[str, str]], notes: list[str]) -> dict[str, Cell]:
    """``DATASET_contra_acc`` of the leaderboard rows of these models: of one model and dataset the first row.

    Other rows, of another protocol or other test sets, are named in ``notes`` if their figures differ.
    """
    digests = {s.digest[:12] for s in models if s.digest}
    names = {letters(s.method) for s in models if not s.digest}
    values: dict[str, dict[str, tuple[float, float | None, float | None]]] = {}
    for row in board:
        value = number(row.get("contra_acc", ""))
        if value is None or (row["checkpoint_sha256"] not in digests and letters(row["method"]) not in names):
            continue
        ends = number(row.get("contra_acc_low", "")), number(row.get("contra_acc_high", ""))
        own = values.setdefault(_key(row["dataset"]), {})
        first = own.setdefault(row["checkpoint_sha256"], (value, *ends))
        if first != (value, *ends):
            notes.append(f"left out: {row['method']} on {row['dataset']} has {first[0]:g} and {value:g} contrasted "
                         f"accuracy in the leaderboards; the first is shown, not that of {row['protocol']}, "
                         f"{row['manifests'][:80]}")  # fmt: skip
    cells = {}
    for dataset, own in values.items():
        each = [v for v, _, _ in own.values()]
        (_, low, high) = next(iter(own.values())) if len(own) == 1 else (0, None, None)
        sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
        cells[f"{dataset}_contra_acc"] = Cell(float(np.mean(each)), sd, len(each), low=low, high=high)
    return cells


def _published() -> Iterator[Row]:
    for record in records(DOWNSTREAM):
        cells = {}
        for column, text in record.items():
            if column not in ("method", "heads", "source") and text:
                cells[column] = Cell(float(text), None, 1)
        yield Row(record["method"], record["heads"], cells, True, record["source"])


def _written(table: DownstreamTable, out: Path) -> list[Path]:
    parts = ("", "_sd", "_low", "_high", "_head", "_models", "_seeds")
    columns = ["method", "published", "heads", *(f"{c}{p}" for c in table.columns for p in parts), "source"]
    rows = []
    for row in table.rows:
        said = "yes" if row.published else ""
        line: dict[str, object] = {"method": row.method, "published": said, "heads": row.heads, "source": row.source}
        for column, c in row.cells.items():
            numbers = (c.mean, c.sd, c.low, c.high)
            texts = ["" if n is None else f"{n:.6g}" for n in numbers]
            counted = ["", ""] if row.published else [str(c.models), str(c.seeds or "")]
            line |= dict(zip((f"{column}{p}" for p in parts), [*texts, c.head, *counted], strict=True))
        rows.append(line)
    write_csv(out / TABLE, columns, rows)
    write_text(out / PAGE, _markdown(table))
    return [out / TABLE, out / PAGE]


def heading(column: str) -> str:
    """``ucf_crime_auc`` as ``UCF-Crime AUC``."""
    dataset, figure = next((column.removesuffix(f"_{f}"), f) for f in HEADINGS if column.endswith(f"_{f}"))
    return f"{NAMES.get(dataset, dataset)} {HEADINGS[figure]}"


def shown(cell: Cell | None) -> str:
    """``82.39 ± 0.41``; ``–`` for none."""
    if cell is None:
        return "–"
    return f"{cell.mean:.2f}" + ("" if cell.sd is None else f" ± {cell.sd:.2f}")


def captions(table: DownstreamTable) -> list[str]:
    """What the figures are of."""
    own = [c for row in table.rows if not row.published for c in row.cells.values()]
    models, seeds = max(c.models for c in own), max(c.seeds for c in own)
    over = (
        f"over up to {models} models of a method" if models > 1 else f"over up to {counted(seeds, 'seed')} of the head"
    )
    lines = [f"Percent; ± standard deviation {over if max(models, seeds) > 1 else 'needs several models or seeds'}."]
    sources: dict[str, list[str]] = {}
    for row in table.rows:
        if row.published:
            sources.setdefault(row.source, []).append(row.method)
    return lines + [f"{PUBLISHED} {', '.join(methods)}: published, {source}." for source, methods in sources.items()]


def _markdown(table: DownstreamTable) -> str:
    def line(cells: Sequence[str]) -> str:
        texts = (_one_line(c).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for c in cells)
        return "| " + " | ".join(texts) + " |"

    rows = [line(["method", "heads", *map(heading, table.columns)])]
    rows.append(line(["---", "---", *("--:" for _ in table.columns)]))
    for row in table.rows:
        name = f"{row.method} {PUBLISHED}" if row.published else row.method
        rows.append(line([name, row.heads, *(shown(row.cells.get(c)) for c in table.columns)]))
    return "\n".join([*rows, "", *(f"{text}  " for text in captions(table))]) + "\n"


def on_screen(table: DownstreamTable) -> "Table":
    """The table for the screen."""
    from rich.table import Table

    from evaluator.reports.screen import literal

    made = Table(caption="\n".join(captions(table)), caption_justify="left")
    made.add_column("method", overflow="fold")
    made.add_column("heads", overflow="fold")
    for column in table.columns:
        made.add_column(literal(heading(column)), justify="right")
    ended = False
    for row in table.rows:
        if row.published and not ended:
            made.add_section()
            ended = True
        name = f"{row.method} {PUBLISHED}" if row.published else row.method
        made.add_row(literal(name), literal(row.heads), *(shown(row.cells.get(c)) for c in table.columns))
    return made
