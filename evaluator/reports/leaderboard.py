"""The leaderboard CSV: one row per checkpoint and collection of test sets; several processes may write it at once."""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from benchmark_builder import kinds
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.text import read_table
from evaluator.metrics.names import (
    EXTRA,
    FIGURES,
    HEADINGS,
    IID,
    SCENE_FIGURE,
    SCUBA_FIGURE,
    UNBIASED,
    UNBIASED_FIGURE,
    is_own,
)
from evaluator.records import ResultsRecord, version
from evaluator.time_order import TIMES, drop_parts

NAME = "leaderboard.csv"
# Figures and intervals are in percent; n_ and missing_ count videos (contra_acc: pairs). Blank: not measured.
# trained_on: blank in rows of older versions. chance: accuracy of a guess among the classes, or among the options of a
# question, percent. scene_truth: where the true scenes of `scene` are from, and eight digits of a digest of them and of
# the scenes that the model knows. recipe: settings of the training without its seed, in short, and eight digits of a
# digest of all. figure_videos: "FIGURE=DIGEST; …", eight digits of a digest of the sets that a figure is of.
COLUMNS = [
    "dataset", "method", "model", *FIGURES,
    *EXTRA,
    *(f"{name}_{end}" for name in (*FIGURES, *EXTRA) for end in ("low", "high")),
    *(f"n_{name}" for name in (*FIGURES, *EXTRA)),
    *(f"missing_{name}" for name in (*FIGURES, *EXTRA)),
    "seed", "split", "protocol", "built_by", "checkpoint", "checkpoint_sha256", "manifests", "version",
    "cluster", "trained_on", "chance", "scene_truth", "recipe", "figure_videos",
]  # fmt: skip
# Figures of users' kinds, as "avg_NAME ↓; contra_NAME ↑"; the last column, after the columns of these figures.
# It is missing if no row has such figures.
OWN = "own_figures"
_FIX = "give a leaderboard.csv that `bench eval` has written"
_DIGEST = re.compile(r"=([0-9a-f]{12}|published-[^;]*)(?=; |$)")
_FIGURE_VIDEOS = re.compile(r"([a-z0-9_-]+)=([0-9a-f]{8})(?=; |$)")
_KEY = ("dataset", "method", "model", "checkpoint_sha256", "protocol", "manifests")


def _numbers(figures: Iterable[str]) -> list[str]:
    return [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]


def _counts(figures: Iterable[str]) -> list[str]:
    return [f"{what}_{name}" for name in figures for what in ("n", "missing")]


def own_figures(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Figure of a user's kind in any row -> whether high is good, ``↑``, or low, ``↓``.

    Raises:
        BenchError: a row's :data:`OWN` is something else.
    """
    found: dict[str, str] = {}
    for row in rows:
        for entry in filter(None, row.get(OWN, "").split("; ")):
            name, _, arrow = entry.partition(" ")
            if not is_own(name) or arrow not in ("↑", "↓"):
                raise BenchError(f"leaderboard: {OWN} is {entry[:40]!r}, not a figure and ↑ or ↓; {_FIX}")
            found.setdefault(name, arrow)
    return found


def drops_in(names: Iterable[str]) -> list[str]:
    """The drops (``drop_ORDER_FIGURE``) among names of columns, in the order of the figures."""
    given = dict.fromkeys(names)
    found = [name for name in given if (parts := drop_parts(name)) and (parts[1] in HEADINGS or is_own(parts[1]))]
    places = {name: k for k, name in enumerate(HEADINGS)}

    def place(name: str) -> tuple[int, str, int]:
        time, figure = drop_parts(name) or ("", "")
        return places.get(figure, len(places)), figure, TIMES.index(time)

    return sorted(found, key=place)


def columns_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """:data:`COLUMNS`, then the columns of drops that any row has, then the columns of figures of users' kinds."""
    rows = list(rows)
    own = own_figures(rows)
    drops = drops_in(name for row in rows for name, cell in row.items() if cell)
    more = [*_numbers(drops), *_counts(drops)]
    return [*COLUMNS, *more, *_numbers(own), *_counts(own), OWN] if own else [*COLUMNS, *more]


def row_of(record: ResultsRecord) -> dict[str, object]:
    """The leaderboard row of a results record.

    ``manifests`` lists ``name=digest`` (12 hex digits, joined by "; ") for every scored set; rows are comparable if the
    digests are the same. ``protocol`` is the clip sampling; ``split`` and ``built_by`` are the benchmarks' split and
    protocol.
    """
    row: dict[str, object] = {column: "" for column in COLUMNS}
    texts = ("dataset", "method", "model", "seed", "split", "protocol", "checkpoint", "cluster", "trained_on", "recipe")
    for name in texts:
        row[name] = getattr(record, name)
    own = record.own_arrows
    if own:
        row[OWN] = "; ".join(f"{name} {arrow}" for name, arrow in own.items())
    for name, figure in record.figures.items():
        if name not in HEADINGS and name not in own:
            continue
        row[name] = figure.percent
        row[f"n_{name}"], row[f"missing_{name}"] = figure.n, figure.missing
        for end, value in (("low", figure.low), ("high", figure.high)):
            row[f"{name}_{end}"] = "" if value is None else value
    for name, drop in record.drops.items():
        row |= {name: drop.points, f"{name}_low": drop.low, f"{name}_high": drop.high}
        row |= {f"n_{name}": drop.n, f"missing_{name}": drop.missing}
    row["checkpoint_sha256"] = record.checkpoint_sha256[:12]
    row["manifests"] = "; ".join(f"{s.name}={s.digest[:12]}" for s in record.sets)
    row["built_by"] = "; ".join(sorted({s.built_by for s in record.sets if s.built_by}))
    row["scene_truth"] = "; ".join(f"{s.scenes.truth} {s.scenes.digest[:8]}" for s in record.sets if s.scenes)
    row["figure_videos"] = "; ".join(f"{name}={digest}" for name, digest in videos_of_figures(record).items())
    row["version"] = record.version or version()
    choices = re.fullmatch(r"qa-(\d{1,3})", record.protocol)  # answers to questions with so many options
    among = int(choices[1]) if choices else len(record.classes)
    row["chance"] = 100 / among if among else ""
    return row


def videos_of_figures(record: ResultsRecord) -> dict[str, str]:
    """Figure -> :func:`videos_digest` of the sets of a record that it was computed from.

    Figures without sets that the record names are left out. ``swap_same`` and the other figures of its kind have the
    same sets here, since a record does not say which donors a set has.
    """
    used: dict[str, list[str]] = defaultdict(list)
    named = {s.name: s for s in record.sets}
    about = {known.name: known for known in (IID, *kinds.shipped())}
    about |= {name: kinds.own_about(name, said, "the record") for name, said in record.kinds.items()}
    for s in record.sets:
        of, main = about[s.kind], s.kind == IID.name or s.split == record.split
        for name in filter(None, (of.figure, of.donors, of.wins, of.same)) if main else ():
            used[name].append(s.digest[:12])
        if s.split == UNBIASED and of.figure == SCUBA_FIGURE:
            used[UNBIASED_FIGURE].append(s.digest[:12])
        if s.scenes is not None and main:
            used[SCENE_FIGURE] += [s.digest[:12], s.scenes.digest]
    for pair in record.pairs:
        scuba, still = named.get(pair.scuba), named.get(pair.scufo)
        if pair.contra_acc is not None and scuba is not None and still is not None and scuba.split == record.split:
            used[about[still.kind].contrast] += [scuba.digest[:12], still.digest[:12]]
    return {name: videos_digest(used[name]) for name in record.figures if used.get(name)}


def figure_videos(row: Mapping[str, str]) -> Mapping[str, str]:
    """Figure -> :func:`videos_digest` of the sets that it was computed from.

    Rows of older versions do not say it. It is then taken from the names of the sets, if every name contains that of
    one kind, as those of `bench build` do (``hmdb51-scuba-stripes``); otherwise it is empty.
    """
    told = row.get("figure_videos", "")
    return _told_videos(told) if told else _named_videos(row["manifests"])


@lru_cache(maxsize=4096)
def _told_videos(text: str) -> Mapping[str, str]:
    return dict(_FIGURE_VIDEOS.findall(text))


@lru_cache(maxsize=4096)
def _named_videos(manifests: str) -> Mapping[str, str]:
    used: dict[str, list[str]] = defaultdict(list)
    of_kind: dict[str, list[str]] = defaultdict(list)
    about = {known.name: known for known in (IID, *kinds.shipped())}
    for entry in manifests.split("; "):
        name, _, digest = entry.rpartition("=")
        words = re.split(r"[-_]", name.lower())
        found = [k for k in about if any(words[i : i + k.count("-") + 1] == k.split("-") for i in range(len(words)))]
        if len(found) != 1 or not re.fullmatch(r"[0-9a-f]{12}", digest):
            return {}
        if "unbiased" not in words:
            of_kind[found[0]].append(digest)
        elif about[found[0]].figure == SCUBA_FIGURE:
            used[UNBIASED_FIGURE].append(digest)
    for kind, of in about.items():
        for figure in filter(None, (of.figure, of.donors, of.wins, of.same)):
            used[figure] += of_kind[kind]
        if of.contrast and of_kind[kind] and of_kind["scuba"]:
            used[of.contrast] += [*of_kind["scuba"], *of_kind[kind]]
    return {name: videos_digest(used[name]) for name in used if used[name]}


def update(path: Path, record: ResultsRecord) -> None:
    """Add the record's row to the leaderboard; it replaces a row with the same checkpoint, protocol and manifests.

    Raises:
        BenchError: ``path`` exists and is not a leaderboard.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        rows = read_leaderboard(path) if path.exists() else []
        new = as_text(row_of(record))
        rows = [r for r in rows if any(r[k] != new[k] for k in _KEY)]
        rows = [*rows, new]
        columns = columns_of(rows)
        write_csv(path, columns, [dict.fromkeys(columns, "") | row for row in rows])


def check(path: Path) -> None:
    """Raise BenchError before any work if the file exists and is not a leaderboard."""
    if path.exists():
        read_leaderboard(path)


def read_leaderboard(path: Path) -> list[dict[str, str]]:
    """The rows as text, in the order of the file, with exactly the columns of :func:`columns_of`.

    A file saved by a spreadsheet (with a byte order mark, or semicolons and decimal commas) gives the same rows.

    Raises:
        BenchError: the file is missing, has other columns, or has a cell that is not a valid figure or count; the error
            names line and column.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no leaderboard here; run `bench eval` first")
    for delimiter in ",;\t":
        columns, records = read_table(path, "leaderboard", _FIX, delimiter)
        if {"dataset", "method", *FIGURES} <= set(columns):
            break
    else:
        raise BenchError(f"{path}: not a leaderboard; {_FIX}")
    at = columns.index(OWN) if OWN in columns else len(columns)
    own = own_figures({OWN: record[at]} for record in records if len(record) > at)
    drops = drops_in(columns)
    said = {OWN: "; ".join(f"{name} {arrow}" for name, arrow in own.items())}
    known = columns_of([said | dict.fromkeys(drops, "0")])
    unknown = next((c for c in columns if c and c not in known and c != OWN), None)
    if unknown is not None:
        raise BenchError(f"{path}: column {unknown!r} is not a leaderboard's; {_FIX}")
    if len({c for c in columns if c}) < len([c for c in columns if c]):
        raise BenchError(f"{path}: a column occurs twice; {_FIX}")
    rows = []
    for line, record in enumerate(records, 2):
        where = f"{path}, line {line}"
        if any(record[len(columns) :]):
            raise BenchError(f"{where}: {len(record)} cells under {len(columns)} columns; {_FIX}")
        row = dict.fromkeys(known, "") | {c: cell for c, cell in zip(columns, record, strict=False) if c}
        if not any(row.values()):
            continue
        for name in ("chance", *_numbers((*FIGURES, *EXTRA, *own))):
            if delimiter != "," and "." not in row[name]:
                row[name] = row[name].replace(",", ".")
            number(row[name], f"{where}: {name}", 0.0, 100.0)
        for name in _numbers(drops):
            if delimiter != "," and "." not in row[name]:
                row[name] = row[name].replace(",", ".")
            number(row[name], f"{where}: {name}", -100.0, 100.0)
        for name in _counts((*FIGURES, *EXTRA, *drops, *own)):
            whole(row[name], f"{where}: {name}")
        rows.append(row)
    return rows


def number(text: str, where: str = "figure", least: float = -math.inf, most: float = math.inf) -> float | None:
    """A cell as a finite number from ``least`` to ``most``; None if it is blank."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and least - 1e-9 <= value <= most + 1e-9):  # tolerance: rounding error of a mean
        what = "a number" if math.isinf(least) else f"a number from {least:g} to {most:g}"
        raise BenchError(f"{where} is {text[:40]!r}, not {what}; run `bench eval` again, or correct the cell")
    return value


def whole(text: str, where: str = "count") -> int:
    """A cell as a count; 0 if it is blank."""
    value = number(text, where, 0.0, 1e15) or 0.0
    if not value.is_integer():
        raise BenchError(f"{where} is {text[:40]!r}, not a whole number; run `bench eval` again, or correct the cell")
    return int(value)


def digests(row: Mapping[str, str]) -> frozenset[str]:
    """Digests of the sets of a row; rows with the same digests are comparable. Names may contain any character."""
    return _digests(row["manifests"])


@lru_cache(maxsize=4096)
def _digests(manifests: str) -> frozenset[str]:
    return frozenset(_DIGEST.findall(manifests)) or frozenset((manifests,))


def videos_digest(parts: Iterable[str]) -> str:
    """Eight hex digits that identify a collection of test sets in any order."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:8]


def distinct(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The rows without those that occur again, as in a file that is given twice."""
    return [dict(key) for key in dict.fromkeys(tuple(row.items()) for row in rows)]


def groups(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """One letter per row: rows of a dataset with the same letter were measured on the same videos."""
    letters: dict[tuple[str, frozenset[str]], str] = {}
    result = []
    for row in rows:
        key = (row["dataset"], digests(row))
        result.append(letters.setdefault(key, _letter(len(letters))))
    return result


def _letter(k: int) -> str:
    return ("" if k < 26 else _letter(k // 26 - 1)) + chr(ord("A") + k % 26)


def as_text(row: Mapping[str, object]) -> dict[str, str]:
    """One row, as it was read from the file."""
    texts = {name: repr(value) if isinstance(value, float) else str(value) for name, value in row.items()}
    return {name: text.encode("utf-8", "backslashreplace").decode("utf-8") for name, text in texts.items()}
