"""Annotated segments that predictions are compared with: of a folder of features, or of a json file as ActionFormer,
TriDet, OpenTAD and ActivityNet have it.

``{"database": {ID: {"subset": …, "duration": s, "annotations": [{"segment": [start, end], "label": …}]}}}``; files of
ActionFormer also have ``label_id``.

As in the peers' code:

- ``Ambiguous`` segments of THUMOS14 are left out (OpenTAD).
- A segment whose class, start and end equal those of an earlier one of its video within 1 ms is left out, and one that
  is shorter than 1 ms (ActionFormer, TriDet).
- THUMOS14 annotates every CliffDiving as Diving, too: each class is scored by itself.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json
from benchmark_builder.utils.text import composed, counted, read_lines, read_text
from evaluator.downstream.localize.metrics import Spans
from evaluator.features.folder import FeatureFolder

AMBIGUOUS = "ambiguous"
SAME = 1e-3  # seconds
# Their annotations are wrong, which is why OpenTAD does not score them; ActionFormer and TriDet do.
DOUBTED = ("video_test_0000270", "video_test_0001292")
FIX = 'give a json file with {"database": {VIDEO: {"subset", "annotations"}}}, or a folder of `bench features`'


@dataclass(frozen=True)
class Truth:
    """The annotated segments of one subset.

    Attributes:
        source: file or folder. subset: as the file calls it.
        classes: in label order; also those that this subset lacks.
        numbers: what a number as label in predictions means; empty: not known.
        videos: id -> seconds, None where the file does not say; also those without segments.
        spans: all segments.
        elsewhere: ids of videos in other subsets.
        left_out: videos that are not scored, and why.
        notes: what was found in the annotations, for the user.
    """

    source: Path
    subset: str
    classes: list[str]
    numbers: Mapping[int, str]
    videos: Mapping[str, float | None]
    spans: Spans
    elsewhere: frozenset[str] = frozenset()
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    notes: list[str] = field(default_factory=list[str])


Rows = list[tuple[str, float, float]]


def truth_of_features(folder: FeatureFolder, without: Collection[str] = ()) -> Truth:
    """The test videos of a folder of features. Videos without features are not scored, and listed.

    Raises:
        BenchError: there is no annotated test video.
    """
    classes = [name for name in folder.classes if name.casefold() != AMBIGUOUS]
    listed = {v.id for v in folder.videos()} | {v.id for v in folder.left_out}
    without, notes = _known(without, listed, folder.path)
    videos = [v for v in folder.videos("test") if v.id not in without]
    rows = {v.id: [(s.label, s.start, s.end) for s in v.segments] for v in videos}
    left_out = [(v.id, f"no features ({v.reason})") for v in folder.left_out if v.split == "test"]
    left_out += [(v.id, "--leave-out") for v in folder.videos("test") if v.id in without]
    durations: dict[str, float | None] = {v.id: v.duration for v in videos}
    return _truth(
        folder.path, "test", rows, durations, classes, dict(enumerate(folder.classes)), left_out=left_out,
        elsewhere={v.id for v in folder.videos() if v.split != "test"}, notes=notes,
    )  # fmt: skip


def read_truth(
    path: Path, subset: str | None = None, classes: Sequence[str] = (), without: Collection[str] = ()
) -> Truth:
    """The segments of one subset of a json file.

    Args:
        path: the file.
        subset: its name, in any case; None: ``test``, or ``validation`` where no test video is annotated (OpenTAD's
            file of THUMOS14, ActivityNet), or the only one.
        classes: names in label order, for predictions with numbers as labels; default: by ``label_id``, if given.
        without: videos that are not scored, of :func:`read_ids`.

    Raises:
        BenchError: the file is missing or of another form, the subset is unknown, a class has two numbers or a number
            two classes, or nothing is annotated.
    """
    text = read_text(path, "json file of annotations", FIX)
    try:
        document = parse_json(text, unique=True)
    except ValueError as error:
        raise BenchError(f"{path}: not a json file of annotations ({error}); {FIX}") from None
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict) or not database:
        raise BenchError(f"{path}: has no table 'database' with videos; {FIX}")
    for video, entry in database.items():
        fits = isinstance(entry, dict) and isinstance(entry.get("subset"), str)
        if not fits or not isinstance(entry.get("annotations", []), list):
            raise BenchError(f"{path}: video {video[:80]!r} has no 'subset' and list of 'annotations'; {FIX}")
    chosen = _subset(path, database, subset)
    without, notes = _known(without, {composed(v) for v in database}, path)
    own = {composed(v): e for v, e in database.items() if e["subset"].casefold() == chosen.casefold()}
    numbers = dict(enumerate(classes)) if classes else _numbers(path, database)
    rows, bad = _rows(own)
    labels = {a[0] for found in _rows({v: e for v, e in database.items() if v not in own})[0].values() for a in found}
    labels |= {label for found in rows.values() for label, _, _ in found}
    named = [n for _, n in sorted(numbers.items())] or sorted(labels)
    named = [n for n in dict.fromkeys([*named, *sorted(labels)]) if n.casefold() != AMBIGUOUS]
    durations = {v: _seconds(e.get("duration")) for v, e in own.items() if v not in without}
    if bad:
        notes.append(f"annotations that cannot be read, and are left out: {len(bad)}; the first: {bad[0]}")
    return _truth(
        path, chosen, {v: r for v, r in rows.items() if v not in without}, durations, named, numbers,
        elsewhere={composed(v) for v in database} - set(own), notes=notes,
        left_out=[(v, "--leave-out") for v in own if v in without],
    )  # fmt: skip


def read_ids(path: Path) -> set[str]:
    """Lines with an id, such as OpenTAD's ``missing_files.txt``: the line is an id, or else its first word."""
    ids = {line for _, line in read_lines(path, "list of videos", "give a text file with an id per line")}
    if not ids:
        raise BenchError(f"{path}: has no ids; give a text file with an id per line")
    return ids


def _known(lines: Collection[str], ids: Collection[str], source: Path) -> tuple[set[str], list[str]]:
    """Which of ``ids`` the lines of :func:`read_ids` name, and a note on lines that name none."""
    named = {line: line if line in ids else (line.split() or [line])[0] for line in lines}
    strange = sorted(line for line, name in named.items() if name not in ids)
    if not strange:
        return set(named.values()), []
    note = (
        f"--leave-out: {counted(len(strange), 'line is no video', 'lines are no videos')} of {source} (of "
        f"{len(named)}), the first is {strange[0]!r}"
    )
    return set(named.values()) & set(ids), [note]


def read_classes(path: Path) -> list[str]:
    """Class names in label order, one per line: OpenTAD's ``category_idx.txt``, or ``0 name`` with numbers in order."""
    fix = "give a text file with a class per line"
    lines = [line for _, line in read_lines(path, "list of classes", fix)]
    parts = [line.split(None, 1) for line in lines]
    for first in (0, 1):
        if all(len(p) == 2 and p[0] == str(k + first) for k, p in enumerate(parts)):
            lines = [p[1] for p in parts]
            break
    if not lines or len(set(lines)) < len(lines):
        raise BenchError(f"{path}: {'has a class twice' if lines else 'is empty'}; {fix}")
    return lines


def _subset(path: Path, database: Mapping[str, Any], wanted: str | None) -> str:
    annotated = Counter(e["subset"].casefold() for e in database.values() if e.get("annotations"))
    if wanted is not None:
        if wanted.casefold() not in annotated:
            known = ", ".join(sorted({e["subset"] for e in database.values()}))
            raise BenchError(f"--subset {wanted}: {path} has no annotated videos of it; its subsets are {known}")
        return wanted
    for name in ("test", "validation"):
        if name in annotated:
            return name
    if len(annotated) == 1:
        return next(iter(annotated))
    known = ", ".join(sorted(annotated)) or "none"
    raise BenchError(f"{path}: which videos are tested? Its annotated subsets are {known}; give one with --subset")


def _numbers(path: Path, database: Mapping[str, Any]) -> dict[int, str]:
    """``label_id`` -> class, of all subsets, since some classes may not occur in the tested one."""
    found: dict[int, str] = {}
    for entry in database.values():
        for row in entry.get("annotations", []):
            number, label = (row.get("label_id"), row.get("label")) if isinstance(row, dict) else (None, None)
            if type(number) is not int or not isinstance(label, str) or label.casefold() == AMBIGUOUS:
                continue
            if found.setdefault(number, composed(label)) != composed(label):
                raise BenchError(f"{path}: label_id {number} is {found[number]!r} and {label!r}; correct the file")
    if len(set(found.values())) < len(found):
        twice = next(n for n, k in Counter(found.values()).items() if k > 1)
        raise BenchError(f"{path}: class {twice!r} has several label_id; correct the file")
    return found


def _rows(database: Mapping[str, Any]) -> tuple[dict[str, Rows], list[str]]:
    """Segments per video, and what cannot be read."""
    rows, bad = dict[str, Rows](), list[str]()
    for video, entry in database.items():
        found = rows.setdefault(video, [])
        for row in entry.get("annotations", []):
            segment = row.get("segment") if isinstance(row, dict) else None
            label = row.get("label") if isinstance(row, dict) else None
            times = [_seconds(t) for t in segment] if isinstance(segment, list) else []
            if len(times) != 2 or times[0] is None or times[1] is None or not isinstance(label, str) or not label:
                bad.append(f"{video}: {str(row)[:80]}")
            else:
                found.append((composed(label), times[0], times[1]))
    return rows, bad


def _seconds(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if fits else None  # type: ignore[arg-type]


def _truth(
    source: Path, subset: str, rows: Mapping[str, Rows], durations: Mapping[str, float | None],
    classes: Sequence[str], numbers: Mapping[int, str], *, elsewhere: Collection[str] = (),
    left_out: Sequence[tuple[str, str]] = (), notes: Sequence[str] = (),
) -> Truth:  # fmt: skip
    """The truth without ambiguous, short and repeated segments; and notes on what is unusual."""
    kept: dict[str, Rows] = {}
    counts: Counter[str] = Counter()
    late: list[str] = []
    for video, found in rows.items():
        own = kept.setdefault(video, [])
        for label, start, end in found:
            duration = durations.get(video)
            if label.casefold() == AMBIGUOUS:
                counts["called Ambiguous"] += 1
            elif end - start < SAME:
                counts["not longer than 1 ms, or ending before the start"] += 1
            elif any(n == label and abs(s - start) <= SAME and abs(e - end) <= SAME for n, s, e in own):
                counts["equal to another one within 1 ms"] += 1
            else:
                own.append((label, start, end))
                if duration is not None and end > duration + 1:
                    late.append(video)
    flat = [(video, *row) for video, found in kept.items() for row in found]
    if not flat:
        raise BenchError(f"{source}: no segment of subset {subset} is annotated; choose another --subset or --truth")
    said = [*notes, *(f"annotated segments left out, since they are {why}: {n}" for why, n in counts.items())]
    pairs = Counter(" + ".join(sorted({n for n, *times in own if times == [s, e]})) for own in kept.values()
                    for _, s, e in own)  # fmt: skip
    said += [f"segments with several classes, {pair}, each scored by itself: {n // (pair.count(' + ') + 1)}"
             for pair, n in sorted(pairs.items()) if " + " in pair]  # fmt: skip
    if late:
        said.append(f"segments that end more than 1 s after their video, and count: {len(late)} (first: {late[0]})")
    if doubted := [v for v in DOUBTED if v in kept]:
        said.append(f"{' and '.join(doubted)}, whose annotations are wrong, are scored as in ActionFormer and TriDet; "
                    "OpenTAD leaves them out: --leave-out does that")  # fmt: skip
    spans = Spans([r[0] for r in flat], [r[1] for r in flat], np.array([r[2:] for r in flat], dtype=np.float64))
    return Truth(
        source, subset, list(classes), numbers, dict(durations), spans, frozenset(elsewhere), list(left_out), said
    )
