"""`bench report`: results as one self-contained page, which needs no internet connection."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_text
from benchmark_builder.utils.text import counted, shown
from evaluator.figures.classes import class_tables
from evaluator.figures.confusion import answers_of
from evaluator.figures.models import Model
from evaluator.metrics.names import NAMES, headings, ordered
from evaluator.options import ReportOptions
from evaluator.records import Confusion, ListedSources, TimedSet, version
from evaluator.reports.board import by_rank, versions_note
from evaluator.reports.comparable import OTHER_VIDEOS, entry_groups, letters, ranked_blocks, sort_figure
from evaluator.reports.gallery import build_gallery
from evaluator.reports.headline import headline
from evaluator.reports.leaderboard import as_text, own_figures, row_of
from evaluator.reports.merged_runs import Group, compare_groups
from evaluator.reports.page_charts import (
    answer_matrix,
    curve_charts,
    downloads,
    found_curves,
    pair_matrix,
    scatters,
    set_bars,
)
from evaluator.reports.palette import Look, looks, style_sheet
from evaluator.reports.published import PROTOCOL, details, is_published, published_rows, sources
from evaluator.reports.reference import NOTE, reference_row
from evaluator.reports.screen import (
    BASELINES,
    TIME_NOTE,
    baseline_figures,
    shown_drops,
    shown_figures,
    trained_on,
)
from evaluator.reports.seeds import Entry, Mean, display_names, entry, merge_seeds, recipes_apart
from evaluator.reports.slices import notes_of
from evaluator.reports.svg import spoken_mean, swatch
from evaluator.runs import Found, Run, clustered, find_records, load_run
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
    once = {tuple((row := as_text(row_of(run.record))).items()): (row, run) for run in reversed(runs)}  # copied records
    run_of = {id(row): run for row, run in once.values()}
    rows = [row for row, _ in reversed(once.values())]
    runs = [run_of[id(row)] for row in rows]
    rows += published_rows(published) if published else []
    known = headings(own_figures(rows))
    sort = sort_figure(rows, known)
    blocks = ranked_blocks(rows, merge_seeds(rows), sort, known[sort][1] == "↓")
    entries = [one for block in blocks for one in block]
    ranks = {id(one): k for block in blocks for k, one in enumerate(block, 1)}
    names = dict(zip(map(id, entries), display_names(entries), strict=True))
    drawn = looks(one.method for one in entries)
    compared = [
        Group(names[id(one)], one, tuple(run_of[id(row)] for row in one.rows))
        for one in entries
        if id(one.rows[0]) in run_of
    ]
    models = [Model(group.name, group.entry, tuple(run.record for run in group.runs)) for group in compared]
    answers = answers_of(models)
    curves, lost = found_curves(compared)
    content: dict[str, object] = {
        "title": title,
        "headline": headline(compared, rows),
        "drawn": " or ".join(dict.fromkeys(_drawn(run) for run in runs)),
        "version": version(),
        "style": Markup(style_sheet() + (_PAGE / "style.css").read_text(encoding="utf-8")),
        "script": Markup((_PAGE / "script.js").read_text(encoding="utf-8")),
        **_leaderboard(rows, blocks, names, drawn, o.reference, sort),
        "scatters": _safe(scatters(entries, names, drawn, ranks)),
        "bars": _safe(set_bars(compared, drawn)),
        "answers": [{"name": one.name, "rows": answer_matrix(one), "pairs": pair_matrix(one)} for one in answers],
        "curves": _safe(curve_charts(curves, drawn)),
        "curve_keys": [
            {"name": group.name, "seeds": len(own), "key": Markup(swatch(drawn[group.entry.method], line=True))}
            for group, own in curves
        ],
        "lost": lost,
        "downloads": downloads(rows, entries, answers, curves),
        "drops": shown_drops(rows),
        "time_note": TIME_NOTE,
        "classes": [_classes(model) for model in models if any(record.per_class for record in model.records)],
        "slices": [part for run in runs for part in _slices(run)],
        "comparisons": _comparisons(compared),
        "details": details(published) if published else [],
        "cards": build_gallery(_shown_runs(compared), gallery) if gallery else [],
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
    ("bias", "Accuracy against bias", "scatters"),
    ("sets", "Every test set", "bars"),
    ("conflfg", "Actor or still?", "answers"),
    ("curves", "Training", "curves"),
    ("time", "Other orders of frames", "drops"),
    ("classes", "Every class", "classes"),
    ("slices", "Groups of videos", "slices"),
    ("comparisons", "Is the difference real?", "comparisons"),
    ("gallery", "Gallery", "cards"),
    ("published", "Published figures", "details"),
    ("how", "How it was measured", "measured"),
)
MOST_CARDS = 6  # models whose answers are below the videos of the gallery


def _safe(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, with charts and keys, whose texts are escaped, as markup."""
    from markupsafe import Markup

    charts = ("chart", "key")
    made = []
    for part in parts:
        lists = {name: _safe(value) for name, value in part.items() if isinstance(value, list)}
        made.append({**part, **lists, **{name: Markup(part[name]) for name in charts if name in part}})
    return made


def _shown_runs(groups: Sequence[Group]) -> list[Run]:
    """The runs whose answers the gallery shows: the first seed of the best models, and of the baseline."""
    chosen = list(groups[:MOST_CARDS])
    base = next((group for group in groups if group.entry.method in BASELINES), None)
    if base is not None and base not in chosen:
        chosen[-1] = base
    return [group.runs[0] for group in chosen]


def _leaderboard(
    rows: Sequence[Mapping[str, str]],
    blocks: Sequence[Sequence[Entry]],
    labels: Mapping[int, str],
    drawn: Mapping[str, Look],
    reference: bool,
    sort: str,
) -> dict[str, object]:
    """The table: one line per entry, the best of its block first; below it, the rows of every seed."""
    from markupsafe import Markup

    against, names = baseline_figures(rows), by_rank(shown_figures(rows), sort)
    entries = [one for block in blocks for one in block]
    videos = {name: entry_groups(rows, entries, name) for name in {*names, sort}}
    place = {id(row): k for k, row in enumerate(rows)}
    known = headings(own_figures(rows))
    datasets = {row["dataset"] for row in rows}
    naming = (["Dataset"] if len(datasets) > 1 else []) + ["Method"]
    own = [one.rows[0] for one in entries if not is_published(one.rows[0])]
    every = [_told(row, ()) for row in own]
    common = [text for text in (every[0] if every else ()) if len(own) > 1 and all(text in other for other in every)]
    shown: list[dict[str, object]] = []
    referred, seeds, recipes = False, [], recipes_apart(entries)

    def mark(one: Entry, name: str) -> str:
        group = videos[name][id(one)]
        return "" if not group or is_published(one.rows[0]) else letters(group)

    for k, one in ((k, one) for block in blocks for k, one in enumerate(block, 1)):
        row = one.rows[0]
        at = place[id(row)]
        paper = is_published(row)
        told = one.seeds
        seed = "" if not told else f"seed {told[0]}" if len(told) == 1 else f"{len(told)} seeds"
        fine = [row["checkpoint"], row["model"]] if paper else [*_told(row, common), recipes.get(id(one), ""), seed]
        cells = [(row["dataset"], "")] if len(datasets) > 1 else []
        cells.append((f"{row['method']} †" if paper else row["method"], ", ".join(part for part in fine if part)))
        shown.append({
            "rank": k if sort in one.figures else "–", "mark": mark(one, sort), "first": k == 1 and bool(shown),
            "key": Markup(swatch(drawn[one.method], paper)), "published": paper, "names": cells,
            "cells": [_mean_cell(one.figures.get(name), known[name][1], against[at].get(name), mark(one, name))
                      for name in names],
        })  # fmt: skip
        guessing = [reference_row(row) for row in one.rows] if reference else []
        if guessing and None not in guessing:
            referred = True
            told_of = [("", "")] if len(datasets) > 1 else []
            guess = entry([row for row in guessing if row is not None])
            told_of.append((guess.method, "of the row above"))
            shown.append({
                "rank": None, "mark": "", "first": False, "key": "", "published": True, "names": told_of,
                "cells": [_mean_cell(guess.figures.get(name), known[name][1], None) for name in names],
            })  # fmt: skip
        if len(told) > 1:
            seeds += [
                (labels[id(one)], seed, [_cell(row, name, known[name][1], {}) for name in names])
                for seed, row in zip(told, one.rows, strict=True)
            ]
    notes = []
    if len(datasets) > 1 and any(common):
        notes.append(f"All models: {', '.join(filter(None, common))}.")
    if seeds:
        notes.append("±: standard deviation over seeds.")
    if len(datasets) > 1:
        notes.append("Rows of different data sets were not measured on the same videos: not comparable.")
    if any(mark(one, name) for one in entries for name in names):
        notes += [OTHER_VIDEOS, *versions_note(rows)]
    if any(is_published(row) for row in rows):
        notes.append(f"† {PROTOCOL}; measured by the authors on their own videos: not comparable digit by digit.")
        notes += sources(rows)
    notes += [NOTE] if referred else []
    how = f"{', '.join([*datasets, *filter(None, common)])}. " if len(datasets) == 1 else ""
    how += f"Ranked by {known[sort][0]}{' within each block of rows' if len(blocks) > 1 else ''}; "
    how += "↑ higher is better, ↓ lower is better; the change against the baseline on the same videos is coloured."
    return {
        "naming": naming,
        "headings": [_heading(*known[n]) for n in names],
        "rows": shown,
        "seeds": seeds,
        "notes": notes,
        "how": how,
    }


def _told(row: Mapping[str, str], common: Sequence[str]) -> list[str]:
    """What a row says in small letters below its name, without what all rows have in ``common``."""
    told = [row["model"], row["protocol"], f"trained on: {trained_on(row)}"]
    return [text for text in told if text and text not in common]


def _heading(heading: str, arrow: str) -> tuple[str, str, str]:
    return heading, arrow, "higher" if arrow == "↑" else "lower"


def _mean_cell(mean: Mean | None, arrow: str, base: float | None, mark: str = "") -> dict[str, object]:
    if mean is None:
        return {"value": None}
    return {
        "value": mean.value, "mark": mark, "sd": mean.sd, "low": mean.low, "high": mean.high, "n": mean.n,
        "missing": mean.missing, "words": spoken_mean(mean), **_change(mean.value, arrow, base),
    }  # fmt: skip


def _cell(row: Mapping[str, str], name: str, arrow: str, base: Mapping[str, float]) -> dict[str, object]:
    return _mean_cell(entry([row]).figures.get(name), arrow, base.get(name))


def _change(value: float, arrow: str, base: float | None) -> dict[str, object]:
    """``change`` against the baseline, and whether it is ``good``, ``bad`` or ``none``."""
    if base is None:
        return {"change": "", "good": "none"}
    change = value - base
    good = "none" if abs(change) < 0.005 else "good" if (change > 0) == (arrow == "↑") else "bad"
    return {"change": f"{change:+.2f}", "good": good}


def _classes(model: Model) -> dict[str, object]:
    """Figures per class, means over seeds; and the pairs of ConflFG that are most often answered with the still."""
    tables = class_tables(model)
    known = headings(model.records[0].own_arrows)
    names = [name for name in known if name in tables]
    classes = dict.fromkeys(c for record in model.records for c in record.per_class)
    confusions: dict[str, list[Confusion]] = {}  # title of a kind -> those of its sets
    for s in (s for record in model.records for s in record.sets):
        if s.confusion:
            confusions.setdefault(NAMES.get(s.kind, s.kind), []).extend(s.confusion)
    return {
        "name": model.name,
        "headings": [_heading(*known[name]) for name in names],
        "rows": [(c, [tables[figure].get(c) for figure in names]) for c in classes],
        "confusions": {title: _worst(cells) for title, cells in confusions.items()},
    }


def _worst(cells: Sequence[Confusion], most: int = 12) -> list[Confusion]:
    """The pairs of classes that were most often answered with the still's class, over all seeds."""
    added: dict[tuple[str, str], Confusion] = {}
    for c in cells:
        old = added.get((c.mover, c.donor))
        counts = ("said_mover", "said_donor", "said_other")
        sums = {name: getattr(c, name) + (getattr(old, name) if old else 0) for name in counts}
        added[c.mover, c.donor] = c.replaced(**sums)
    worst = sorted(added.values(), key=lambda c: (-c.said_donor, c.said_mover, c.mover, c.donor))
    return [c for c in worst if c.said_donor][:most]


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


def _comparisons(groups: Sequence[Group]) -> list[dict[str, object]]:
    """Compare every model with the first baseline that shares a figure's videos (without a baseline, the first model);
    one of the same network is preferred. McNemar's test only between single runs."""
    found = []
    videos = {id(group): group.figure_videos for group in groups}
    for group in groups:
        model, own = group.runs[0].record.model, videos[id(group)].items()
        others = [g for g in groups if g is group or g.videos == group.videos or own & videos[id(g)].items()]
        bases = [g for g in others if g.entry.method in BASELINES]
        alike = next(g for g in others if g.runs[0].record.model == model)
        first = alike if alike is not group else others[0]
        base = next((g for g in bases if g.runs[0].record.model == model), (bases or [first])[0])
        if base is group:
            continue
        known = headings(group.runs[0].record.own_arrows)
        single = len(group.runs) == len(base.runs) == 1
        for name, c in compare_groups(group, base).items():
            heading, arrow = known[name]
            said = {"a": group.name, "b": base.name, "figure": f"{heading} {arrow}", "single": single}
            found.append({**said, **asdict(c)})
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
