"""`bench report`: results as one self-contained page, which needs no internet connection."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark_builder.kinds import own_about
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_text
from benchmark_builder.utils.text import counted, shown
from evaluator.metrics.names import ARROW, NAMES, headings, ordered
from evaluator.options import ReportOptions
from evaluator.records import Confusion, ListedSources, TimedSet, version
from evaluator.reports.gallery import build_gallery
from evaluator.reports.leaderboard import as_text, groups, number, own_figures, row_of, whole
from evaluator.reports.published import PROTOCOL, details, is_published, published_rows, sources
from evaluator.reports.reference import NOTE, reference_row
from evaluator.reports.screen import (
    BASELINES,
    TIME_NOTE,
    baseline_figures,
    mixed_datasets,
    shown_drops,
    shown_figures,
    trained_on,
)
from evaluator.reports.slices import notes_of
from evaluator.reports.svg import COLOURS, Mark, Spot, bars, scatter
from evaluator.runs import Found, Run, clustered, compare_runs, find_records, load_run
from evaluator.slices.figures import FEW
from evaluator.testsets import CLUSTERS
from evaluator.training_data import UNKNOWN

_PAGE = Path(__file__).parent / "page"


def report(
    paths: Sequence[Path],
    out: Path,
    **options: Any,
) -> Path:
    """Write the report page.

    Args:
        paths: ``--out`` folders of `bench eval`, folders of `bench compare`, or records in ``results/``.
        out: the ``.html`` file.
        options: further fields of :class:`~evaluator.options.ReportOptions`: ``published``, ``reference``,
            ``gallery``, ``benchmarks``, ``root``, ``title``, ``cluster``.

    Raises:
        BenchError: there are no results, or test sets or predictions do not belong to the results.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    o = ReportOptions(out=out, **options)
    published, gallery, title, cluster = o.published, o.gallery, o.title, o.cluster
    if out.suffix.lower() not in (".html", ".htm"):
        raise BenchError(f"--out {out}: the report is a page; name an .html file")
    records = find_records(paths)
    found = Found(o.benchmarks, o.root)
    runs = [clustered(load_run(path, found=found), cluster) for path in records]
    rows = [as_text(row_of(run.record)) for run in runs] + (published_rows(published) if published else [])
    spots = _spots(rows)
    content: dict[str, object] = {
        "title": title,
        "drawn": " or ".join(dict.fromkeys(_drawn(run) for run in runs)),
        "version": version(),
        "style": Markup((_PAGE / "style.css").read_text(encoding="utf-8")),
        "script": Markup((_PAGE / "script.js").read_text(encoding="utf-8")),
        **_leaderboard(rows, o.reference),
        "scatter": Markup(scatter(spots, "IID", "contrasted accuracy", _SCATTER)) if spots else "",
        "legend": [
            {"series": s.series, "name": s.name, "key": _key(s.series, s.published), "x": s.x.value, "y": s.y.value}
            for s in spots
        ],
        "bars": Markup(bars(_bars(runs), _BARS)),
        "drops": shown_drops(rows),
        "time_note": TIME_NOTE,
        "classes": [_classes(run) for run in runs if run.record.per_class],
        "slices": [part for run in runs for part in _slices(run)],
        "comparisons": _comparisons(runs),
        "details": details(published) if published else [],
        "cards": build_gallery(runs, gallery) if gallery else [],
        "measured": [_measured(run) for run in runs],
    }
    content["sections"] = [(key, name) for key, name, needed in _SECTIONS if content[needed]]
    source = (_PAGE / "report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,  # Markup stays unchanged
    )
    template = environment.from_string(source)
    page = template.render(content)
    _delete_leftovers(out.parent)
    write_text(out, page)
    return out


def _delete_leftovers(folder: Path) -> None:
    """Delete half-written pages of killed reports. Writing takes a moment, so old temporary files are not in use."""
    for path in folder.glob(".tmp-*.htm*") if folder.is_dir() else []:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _MOMENT:
                path.unlink()


_MOMENT = 60  # seconds
# Anchor, heading, and the variable that must not be empty for the section to be shown.
_SECTIONS = (
    ("leaderboard", "Leaderboard", "rows"),
    ("bias", "Accuracy against bias", "scatter"),
    ("sets", "Every test set", "bars"),
    ("time", "Other orders of frames", "drops"),
    ("classes", "Every class", "classes"),
    ("slices", "Groups of videos", "slices"),
    ("comparisons", "Is the difference real?", "comparisons"),
    ("gallery", "Gallery", "cards"),
    ("published", "Published figures", "details"),
    ("how", "How it was measured", "measured"),
)
_SCATTER = "IID accuracy against contrasted accuracy, with 95 % intervals; the leaderboard has the same figures"
_BARS = "Accuracy on every test set, with 95 % intervals; the section How it was measured has the same figures"


def _leaderboard(rows: Sequence[Mapping[str, str]], reference: bool) -> dict[str, object]:
    letters, against, names = groups(rows), baseline_figures(rows), shown_figures(rows)
    known = headings(own_figures(rows))
    several = mixed_datasets(rows)
    datasets = {row["dataset"] for row in rows}
    naming = (["Dataset"] if len(datasets) > 1 else []) + ["Method"] + (["Videos"] if several else [])
    shown, referred = [], False
    for k, (row, letter, base) in enumerate(zip(rows, letters, against, strict=True)):
        paper = is_published(row)
        seed = f"seed {row['seed']}" if row["seed"] else ""
        data = f"trained on: {trained_on(row)}"
        fine = [row["checkpoint"], row["model"]] if paper else [row["model"], seed, row["protocol"], data]
        cells = [(row["dataset"], "")] if len(datasets) > 1 else []
        cells.append((f"{row['method']} †" if paper else row["method"], ", ".join(part for part in fine if part)))
        cells += [(letter if row["dataset"] in several else "", "")] if several else []
        shown.append({
            "series": k, "key": _key(k, paper), "published": paper, "names": cells,
            "cells": [_cell(row, name, known[name][1], base) for name in names],
        })  # fmt: skip
        guessing = reference_row(row) if reference else None
        if guessing is not None:
            referred = True
            first = [("", "")] if len(datasets) > 1 else []
            first += [(guessing["method"], "of the row above")] + ([("", "")] if several else [])
            shown.append({
                "series": None, "key": "", "published": True, "names": first,
                "cells": [_cell(guessing, name, known[name][1], {}) for name in names],
            })  # fmt: skip
    notes = []
    if len(datasets) > 1:
        notes.append("Rows of different data sets were not measured on the same videos: not comparable.")
    if several:
        notes.append("Rows with different letters under Videos were not measured on the same videos: not comparable.")
    if any(is_published(row) for row in rows):
        notes.append(f"† {PROTOCOL}; measured by the authors on their own videos: not comparable digit by digit.")
        notes += sources(rows)
    notes += [NOTE] if referred else []
    how = f"{', '.join(datasets)}. " if len(datasets) == 1 else ""
    how += "↑ higher is better, ↓ lower is better; the change against the baseline on the same videos is coloured."
    return {
        "naming": naming,
        "headings": [_heading(*known[n]) for n in names],
        "rows": shown,
        "notes": notes,
        "how": how,
    }


def _heading(heading: str, arrow: str) -> tuple[str, str, str]:
    return heading, arrow, "higher" if arrow == "↑" else "lower"


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, float]) -> dict[str, object]:
    value = number(row.get(name, ""))
    cell: dict[str, object] = {"value": value, "change": "", "good": "none", "missing": 0, "n": 0}
    cell["low"], cell["high"] = number(row.get(f"{name}_low", "")), number(row.get(f"{name}_high", ""))
    if cell["high"] is None:
        cell["low"] = None
    if value is not None and name in base:
        change = value - base[name]
        cell["change"] = f"{change:+.2f}"
        if abs(change) >= 0.005:
            cell["good"] = "good" if (change > 0) == (arrow == "↑") else "bad"
    cell["n"], cell["missing"] = whole(row.get(f"n_{name}", "")), whole(row.get(f"missing_{name}", ""))
    return cell


def _key(series: int, paper: bool = False) -> str:
    return "hollow" if paper else f"s{series % COLOURS}"


def _spots(rows: Sequence[Mapping[str, str]]) -> list[Spot]:
    spots = []
    for k, row in enumerate(rows):
        marks = [_mark(row, name, k) for name in ("iid", "contra_acc")]
        if marks[0] and marks[1]:
            spots.append(Spot(k, f"{row['method']} {row['model']}".strip(), marks[0], marks[1], is_published(row)))
    return spots


def _mark(row: Mapping[str, str], name: str, series: int) -> Mark | None:
    value = number(row[name])
    if value is None:
        return None
    return Mark(series, name, value, number(row[f"{name}_low"]), number(row[f"{name}_high"]))


def _bars(runs: Sequence[Run]) -> list[tuple[str, list[Mark]]]:
    table: dict[tuple[str, str, str], list[Mark]] = {}
    said = {kind: (NAMES[kind], arrow) for kind, arrow in ARROW.items()}
    for run in runs:
        for kind, own in run.record.kinds.items():
            known = own_about(kind, own, str(run.path))
            said.setdefault(kind, (known.title, known.arrow))
    for kind in said:
        for k, run in enumerate(runs):
            for s in run.record.sets:
                if s.kind == kind:
                    mark = Mark(k, run.name, s.top1.percent, s.top1.low, s.top1.high)
                    table.setdefault((kind, s.name, s.digest), []).append(mark)
    doubled = [name for _, name, _ in table]
    return [
        (f"{said[kind][0]} {said[kind][1]}  {name}" + (f" [{digest[:6]}]" if doubled.count(name) > 1 else ""), marks)
        for (kind, name, digest), marks in table.items()
    ]


def _classes(run: Run) -> dict[str, object]:
    table = run.record.per_class
    known = headings(run.record.own_arrows)
    names = [name for name in known if any(name in cells for cells in table.values())]
    confusions: dict[str, list[Confusion]] = {}  # title of a kind -> those of its sets
    for s in run.record.sets:
        if s.confusion:
            confusions.setdefault(NAMES.get(s.kind, s.kind), []).extend(s.confusion)
    for cells in confusions.values():
        cells.sort(key=lambda c: (-c.said_donor, c.said_mover, c.mover, c.donor))
    return {
        "name": run.name,
        "headings": [_heading(*known[name]) for name in names],
        "rows": [(name, [cells.get(figure) for figure in names]) for name, cells in table.items()],
        "confusions": {title: cells[:20] for title, cells in confusions.items()},
    }


def _slices(run: Run) -> list[dict[str, object]]:
    """A table per attribute: a row per group, a cell per figure, then the gap of each figure."""
    known = headings(run.record.own_arrows)
    tables: list[dict[str, object]] = []
    for s in run.record.slices:
        names = ordered(s.figures)
        figures = [s.figures[name] for name in names]
        rows = [(group, [(f.groups.get(group), f.gap is not None and f.worst == group) for f in figures])
                for group in s.groups]  # fmt: skip
        tables.append({
            "name": run.name, "attribute": s.attribute, "source": s.source, "few": FEW,
            "headings": [_heading(*known[name]) for name in names], "rows": rows,
            "gaps": [f.gap for f in figures], "notes": notes_of(s),
        })  # fmt: skip
    return tables


def _comparisons(runs: Sequence[Run]) -> list[dict[str, object]]:
    """Compare every run with the first baseline measured on the same videos (without a baseline, the first run); one
    with the same model is preferred."""
    found = []
    # The first run and the first baseline on the same videos, over all models and per model.
    firsts: dict[tuple[object, ...], Run] = {}
    videos = [frozenset(s.digest for s in run.sets) for run in runs]
    for run, key in zip(runs, videos, strict=True):
        kinds = ["run", "baseline"] if run.record.method in BASELINES else ["run"]
        for kind in kinds:
            firsts.setdefault((key, kind), run)
            firsts.setdefault((key, kind, run.record.model), run)
    for run, key in zip(runs, videos, strict=True):
        model = run.record.model
        alike = firsts[key, "run", model]
        first = alike if alike is not run else firsts[key, "run"]
        base = firsts.get((key, "baseline", model), firsts.get((key, "baseline"), first))
        if base is run:
            continue
        known = headings(run.record.own_arrows)
        for name, c in compare_runs(run, base, cluster=run.record.cluster).items():
            heading, arrow = known[name]
            found.append({"a": run.name, "b": base.name, "figure": f"{heading} {arrow}", **asdict(c)})
    return found


def _drawn(run: Run) -> str:
    return CLUSTERS[run.record.cluster]


def _subset(listed: ListedSources | None) -> str:
    if listed is None:
        return ""
    name = f"{listed.file}:{listed.name}" if listed.name else listed.file
    told = f"{counted(len(listed.ids), 'source video')}, {counted(len(listed.unknown), 'unknown id')}"
    return f"{name} ({told}, {listed.sha256[:12]})"


def _timed(t: TimedSet) -> str:
    said = f"seed {t.seed}, " if t.time == "shuffled" else ""
    masks = f"masks {t.masks.get('kind')}, " if t.masks else ""
    return f"{t.name} ({said}{masks}{t.digest[:12]})"


def _measured(run: Run) -> dict[str, object]:
    record = run.record
    facts = {
        "Dataset": record.dataset, "Trained on": record.trained_on or UNKNOWN,
        "Clips": record.protocol, "Checkpoint": record.checkpoint,
        "SHA-256": record.checkpoint_sha256,
        "Sampling": ", ".join(f"{k} {v}" for k, v in (record.sampling or {}).items()),
        "Zero-shot": "; ".join(record.zero_shot.prompts) if record.zero_shot else "",
        "Versions": ", ".join(f"{k} {v}" for k, v in (record.versions or {}).items()),
        "Intervals": f"95 %, bootstrap over {_drawn(run)}",
        "Only the first": f"{counted(record.limit, 'video')} of each set" if record.limit else "",
        "Only named in": _subset(record.subset),
        "Other orders of frames": ", ".join(map(_timed, record.timed)),
    }  # fmt: skip
    return {"name": run.name, "facts": [(k, v) for k, v in facts.items() if v], "sets": record.sets}
