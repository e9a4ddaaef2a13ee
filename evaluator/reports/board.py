"""The leaderboard as a table: ranked, with the seeds of a method merged, and with notes on what cannot be compared."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmark_builder.kinds import shipped
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import counted
from evaluator.metrics.names import FIGURES, TABLE, headings
from evaluator.options import SORTED_BY, BoardOptions
from evaluator.reports.comparable import (
    BASELINES,
    OTHER_VIDEOS,
    Row,
    baseline_figures,
    entry_groups,
    letters,
    ranked_blocks,
    sort_figure,
    unclear_baselines,
)
from evaluator.reports.leaderboard import digests, distinct, own_figures
from evaluator.reports.published import PROTOCOL, is_published, sources
from evaluator.reports.reference import NOTE, is_reference, reference_row
from evaluator.reports.seeds import Entry, Mean, apart, entry, merge_seeds
from evaluator.reports.sheet import Cell, Column, Sheet
from evaluator.training_data import UNKNOWN

_SHORT = 14  # characters of a text that is written in its cell, and not below the table
_MOST_NOTES = 10  # about rows that are not merged
# Figure -> the one that stands next to it: contrasted accuracy can be won by noticing that nothing moves, its shaken
# form cannot.
_NEXT = {k.contrast: shaken.contrast for k in shipped() if k.still and k.contrasted
         for shaken in shipped() if shaken.contrasted and not shaken.still}  # fmt: skip


def shown_figures(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The figures to show: those of the papers always, others if any row has them."""
    names = (*TABLE, *own_figures(rows))
    return [name for name in names if name in FIGURES or any(row.get(name) for row in rows)]


def trained_on(row: Mapping[str, str]) -> str:
    """What the model of a row was trained on; ``unknown`` if no one said it, empty for rows that are no models here."""
    return "" if is_published(row) or is_reference(row) else row.get("trained_on") or UNKNOWN


def board(rows: Sequence[Mapping[str, str]], options: BoardOptions | None = None, reference: bool = False) -> Sheet:
    """The leaderboard of rows.

    Args:
        rows: of leaderboards, and published ones.
        options: what is shown.
        reference: also show the stillness detector of each row, see :mod:`evaluator.reports.reference`.

    Raises:
        BenchError: no row has the figure to rank by, or the baseline is not there.
    """
    o = options or BoardOptions()
    return _Board(distinct(rows), o, reference).sheet()


class _Board:
    def __init__(self, rows: Sequence[Mapping[str, str]], options: BoardOptions, reference: bool) -> None:
        self.rows, self.options = rows, options
        self.known = headings(own_figures(rows))
        self.baselines = BASELINES if options.baseline is None else (options.baseline,)
        self.sort = self._sort()
        self.names = by_rank(shown_figures(rows), self.sort)
        self.entries = [entry([row]) for row in rows] if options.by_seed else merge_seeds(rows)
        at = {id(row): k for k, row in enumerate(rows)}
        against = baseline_figures(rows, self.baselines)
        self.against = {id(one): against[at[id(one.rows[0])]] for one in self.entries}
        self.videos = {name: entry_groups(rows, self.entries, name) for name in self.names}
        self.merged = any(len(one.rows) > 1 for one in self.entries)
        self.digits = (1 if self.merged else 2) if options.digits is None else options.digits
        self.changes = options.change != "none" and any(self.against.values())
        self.blocks = ranked_blocks(rows, self.entries, self.sort, self.known[self.sort][1] == "↓")
        self.marks = self._label()
        self.reference = reference

    def _sort(self) -> str:
        """The figure to rank by; if no row has contrasted accuracy, the first that any has."""
        o, measured = self.options, [name for name in self.known if any(row.get(name) for row in self.rows)]
        if o.sort not in self.known:
            raise BenchError(f"--sort {o.sort}: no such figure; choose from {', '.join(self.known)}")
        if o.sort != SORTED_BY and o.sort not in measured:
            raise BenchError(f"--sort {o.sort}: no row has this figure; choose from {', '.join(measured)}")
        if o.baseline is not None and all(row["method"] != o.baseline for row in self.rows):
            there = ", ".join(dict.fromkeys(row["method"] for row in self.rows))
            raise BenchError(f"--baseline {o.baseline}: no row of this method; choose from {there}")
        return sort_figure(self.rows, self.known, o.sort)

    def _label(self) -> dict[int, str]:
        """Entries that the columns of names do not tell apart, with a number that a note explains."""
        alike: dict[tuple[str, ...], list[Entry]] = {}
        naming = self._naming()
        for place, block in enumerate(self.blocks):  # other blocks are of other videos, which a note says
            for one in block:
                seed = (one.rows[0]["seed"],) if self.options.by_seed else ()
                alike.setdefault((str(place), *(self._name(one, c) for c in naming), *seed), []).append(one)
        several = [one for same in alike.values() if len(same) > 1 for one in same]
        self.unlike = [same for same in alike.values() if len(same) > 1]
        return {id(one): str(k) for k, one in enumerate(several, 1)}

    def _naming(self) -> list[str]:
        """The columns of names: the method, and what differs between the user's rows."""
        own = [row for row in self.rows if not is_published(row)] or list(self.rows)
        values = {
            c: {row[c] for row in (self.rows if c == "dataset" else own)} for c in ("dataset", "model", "protocol")
        }
        return [c for c in ("dataset", "method", "model", "protocol") if c == "method" or len(values[c]) > 1]

    def _name(self, one: Entry, column: str) -> str:
        row = one.rows[0]
        if is_published(row) and column in ("model", "protocol"):
            return ""
        return row[column] or ("–" if column == "method" else "")

    def sheet(self) -> Sheet:
        naming, notes = self._naming(), [*self._notes()]
        told = list(dict.fromkeys(filter(None, (trained_on(one.rows[0]) for block in self.blocks for one in block))))
        data = {text: text if len(text) <= _SHORT else letters(k).upper() for k, text in enumerate(told)}
        seeds = {str(len(one.rows)) for one in self.entries if not is_published(one.rows[0])}
        counted_seeds = len(seeds - {"1"}) > 1
        columns = [Column("#"), *(Column(c.capitalize()) for c in naming)]
        columns += [Column("Trained on")] * (len(told) > 1) + [Column("Seed")] * self.options.by_seed
        columns += [Column("Seeds")] * counted_seeds
        columns += [Column(" ".join(self.known[name]), True) for name in self.names]
        rows: list[list[Cell]] = []
        breaks, dim, refers = set(), set(), False
        for block in self.blocks:
            breaks.add(len(rows))
            places = 0
            for one in block:
                row = one.rows[0]
                places += self.sort in one.figures
                rank = str(places) if self.sort in one.figures else "–"
                paper, mark = is_published(row), self.marks.get(id(one), "")
                cells = [Cell(rank, mark=self._mark(one, self.sort))]
                cells += [Cell(self._name(one, c) + (" †" if paper and c == "method" else "")
                               + (f" [{mark}]" if mark and c == "method" else "")) for c in naming]  # fmt: skip
                cells += [Cell(data.get(trained_on(row), ""))] * (len(told) > 1)
                cells += [Cell(row["seed"])] * self.options.by_seed
                cells += [Cell("" if paper else str(len(one.rows)))] * counted_seeds
                cells += [self._cell(one, name) for name in self.names]
                rows.append(cells)
                made = [reference_row(row) for row in one.rows] if self.reference else []
                if made and all(guess is not None for guess in made):
                    refers = True
                    dim.add(len(rows))
                    rows.append(self._reference(entry([guess for guess in made if guess is not None]), columns))
        if len(told) == 1:
            notes.append(f"Trained on: {told[0]}.")
        else:
            notes += [f"Trained on {letter}: {text}." for text, letter in data.items() if letter != text]
        notes += [NOTE] if refers else []
        return Sheet(self._title(naming), columns, rows, frozenset(breaks), frozenset(dim), notes, data=self._data())

    def _reference(self, guess: Entry, columns: Sequence[Column]) -> list[Cell]:
        first = next(k for k, column in enumerate(columns) if column.heading == "Method")
        named = [Cell(guess.method if k == first else "") for k, column in enumerate(columns) if not column.number]
        return [*named, *(Cell(*self._value(guess.figures.get(name))) for name in self.names)]

    def _title(self, naming: Sequence[str]) -> str:
        own = [row for row in self.rows if not is_published(row)] or list(self.rows)
        common = [self._name(entry([own[0]]), c) for c in ("dataset", "model", "protocol") if own and c not in naming]
        common = [*filter(None, common), *(["published"] if own and is_published(own[0]) else [])]
        of = f" of {', '.join(common)}" if common else ""
        counts = sorted({len(one.rows) for one in self.entries if len(one.rows) > 1})
        over = f", mean ± standard deviation over {' or '.join(map(str, counts))} seeds" if counts else ""
        return f"Leaderboard{of}, percent{over}"

    def _notes(self) -> Iterable[str]:
        o, sort = self.options, self.known[self.sort]
        among = " within each block of rows" if len(self.blocks) > 1 else ""
        yield f"Ranked by {sort[0]}{among}; ↑ higher is better, ↓ lower is better."
        if self.changes:
            what = {"points": "percent points", "relative": "relative, percent of its figure",
                    "both": "percent points; relative, percent of its figure"}[o.change]  # fmt: skip
            yield f"(change against {' or '.join(b for b in self.baselines if self._has(b))}: {what})."
        if o.change != "none" and unclear_baselines(self.rows, self.baselines):
            yield ("Rows of the baseline were trained with different recipes (settings). No change is shown for a row "
                   "that could be compared with more than one of them.")  # fmt: skip
        if o.intervals:
            yield ("[95 % interval]: of one run, over test videos (bootstrap); of a mean over seeds, over seeds alone "
                   "(Student's t).")  # fmt: skip
        if self.merged and any(len(one.rows) == 1 and one.rows[0]["seed"] for one in self.entries):
            yield "A figure without ± is of one seed."
        partial = [one.method for one in self.entries if any(m.seeds < len(one.rows) for m in one.figures.values())]
        if partial:
            named = _listed(list(dict.fromkeys(partial)))
            yield f"Some figures of {named} are of some of the seeds only: their number is given."
        if self._marked():
            yield OTHER_VIDEOS
            yield from versions_note(self.rows)
        yield from scene_notes(self.rows)
        if len({row["dataset"] for row in self.rows}) > 1:
            yield "Rows of different data sets were not measured on the same videos: not comparable."
        yield from map(self._difference, self.unlike[:_MOST_NOTES])
        if len(self.unlike) > _MOST_NOTES:
            more = counted(len(self.unlike) - _MOST_NOTES, "other method")
            yield f"Rows of {more} with numbers in brackets differ likewise; --format csv has all that rows say."
        old = {one.method: None for one in self.entries if len(one.rows) > 1 and not one.rows[0].get("recipe")}
        if old:
            yield (f"The rows of {_listed(list(old))} do not say how they were trained (they are of an older version "
                   "or of other programs): seeds are merged by the names alone.")  # fmt: skip
        if any(is_published(row) for row in self.rows):
            yield f"† {PROTOCOL}; measured by the authors on their own videos: not comparable digit by digit."
            yield from sources(self.rows)

    def _has(self, method: str) -> bool:
        return any(row["method"] == method for row in self.rows)

    def _difference(self, same: Sequence[Entry]) -> str:
        """Why rows of one method are not one row."""
        labels = ", ".join(f"[{self.marks[id(one)]}]" for one in same)
        parts = []
        if len({digests(one.rows[0]) for one in same}) > 1:
            scored = [set(one.rows[0]["manifests"].split("; ")) for one in same]
            names = sorted(
                {s.partition("=")[0] for sets in scored for s in sets if any(s not in other for other in scored)}
            )
            parts.append(f"the sets they were scored on ({_listed(names)})")
        for column, words in (("recipe", "the recipe"), ("cluster", "the unit of the intervals"),
                              ("scene_truth", "the true scenes"), ("trained_on", "the training data")):  # fmt: skip
            told = {id(one): one.rows[0].get(column, "") for one in same}
            if len(set(told.values())) > 1:
                given = told.values() if column != "recipe" else apart(list(told.values()))
                parts.append(f"{words} ({' / '.join(value or UNKNOWN for value in given)})")
        if parts:
            return f"{same[0].method} {labels}: not merged, they differ in {', '.join(parts)}."
        seeds = [one.rows[0]["seed"] for one in same]
        if not all(seeds):
            return f"{same[0].method} {labels}: not merged, their seeds are not known."
        return f"{same[0].method} {labels}: not merged, a seed occurs twice, so they are not seeds of one setting."

    def _marked(self) -> bool:
        return any(self._mark(one, name) for one in self.entries for name in self.names)

    def _mark(self, one: Entry, name: str) -> str:
        """A letter for figures that were measured on other videos than most of their column."""
        group = self.videos[name][id(one)]
        return "" if not group or is_published(one.rows[0]) else letters(group)

    def _value(self, mean: Mean | None) -> tuple[str, str]:
        if mean is None:
            return "–", ""
        return f"{mean.value:.{self.digits}f}", "" if mean.sd is None else f"{mean.sd:.{self.digits}f}"

    def _cell(self, one: Entry, name: str) -> Cell:
        mean, base = one.figures.get(name), self.against[id(one)].get(name)
        if mean is None:
            return Cell("–")
        more: list[tuple[str, str]] = []
        if self.changes:
            told = "", ""
            if base is not None:
                told = change(mean.value, base, self.known[name][1], self.digits, self.options.change)
            more.append(told)
        if self.options.intervals:
            low, high = interval(mean)
            more.append(("" if low is None else f"[{low:.{self.digits}f}, {high:.{self.digits}f}]", "dim"))
        if mean.seeds < len(one.rows):
            more.append((f"of {counted(mean.seeds, 'seed')}", "yellow"))
        if self.options.n or mean.missing:
            scored = f"{mean.n} of {mean.n + mean.missing}" if mean.missing else f"n = {mean.n}" if mean.n else ""
            more.append((scored, "yellow" if mean.missing else "dim"))
        text, spread = self._value(mean)
        return Cell(text, spread, self._mark(one, name), tuple(more))

    def _data(self) -> list[list[object]]:
        """The csv form: every number that there is, in full."""
        parts = ("", "_sd", "_low", "_high", "_n", "_missing", "_change", "_relative", "_videos")
        head: list[object] = ["rank", "dataset", "method", "model", "protocol", "trained_on", "recipe", "published",
                              "seeds"]  # fmt: skip
        lines: list[list[object]] = [[*head, *(f"{name}{part}" for name in self.names for part in parts)]]
        for block in self.blocks:
            for place, one in enumerate(block, 1):
                row, against = one.rows[0], self.against[id(one)]
                line: list[object] = [place if self.sort in one.figures else ""]
                line += [row[c] for c in ("dataset", "method", "model", "protocol")]
                line += [trained_on(row), row.get("recipe", ""), "yes" if is_published(row) else ""]
                line.append(" ".join(one.seeds))
                for name in self.names:
                    mean, base = one.figures.get(name), against.get(name)
                    if mean is None:
                        line += [""] * len(parts)
                        continue
                    low, high = interval(mean)
                    group = self.videos[name][id(one)] or 0
                    line += [mean.value, mean.sd, low, high, mean.n, mean.missing]
                    line.append(None if base is None else mean.value - base)
                    line.append(None if not base else 100 * (mean.value - base) / base)
                    line.append(row["manifests"] if is_published(row) else letters(group))
                lines.append(["" if v is None else round(v, 6) if isinstance(v, float) else v for v in line])
        return lines


def change(value: float, base: float, arrow: str, digits: int, which: str = "points") -> tuple[str, str]:
    """A change in brackets and its style, green if it is an improvement.

    Args:
        value, base: the figure, and that of the baseline.
        arrow: whether high or low is better.
        which: ``points``, ``relative`` or ``both``.
    """
    told = changes(value, base, digits)
    wanted = {"points": told[:1], "relative": told[1:], "both": told}[which]
    good, small = (value > base) == (arrow == "↑"), abs(value - base) < 0.5 / 10**digits
    return f"({', '.join(wanted)})", "dim" if small else "green" if good else "red"


def changes(value: float, base: float, digits: int) -> list[str]:
    """A change in percent points, and in percent of the baseline's figure; ``–`` for the latter if that is 0."""
    relative = f"{100 * (value - base) / base:+.{max(1, digits - 1)}f} %" if base else "–"
    return [f"{value - base:+.{digits}f}", relative]


def interval(mean: Mean) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a figure: over test videos for one run, as it was computed; of the mean over seeds by
    Student's t with n - 1 degrees of freedom (within 0 and 100). None if it is not known."""
    if mean.sd is not None:
        from scipy.stats import t

        half = float(t.ppf(0.975, mean.seeds - 1)) * mean.sd / math.sqrt(mean.seeds)
        return max(0.0, mean.value - half), min(100.0, mean.value + half)
    return (None, None) if mean.low is None or mean.high is None else (mean.low, mean.high)


def versions_note(rows: Sequence[Row]) -> list[str]:
    """A line that names the test sets of which the rows have more than one version; none if there are no such."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for one in row["manifests"].split("; ") if not is_published(row) else ():
            name, _, digest = one.rpartition("=")
            found[row["dataset"], name].add(digest)
    named = list(dict.fromkeys(name for (_, name), told in found.items() if name and len(told) > 1))
    return [f"Test sets of which there is more than one version here: {_listed(named)}."] if named else []


def scene_notes(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A line if rows that were scored on the same sets have different true scenes, so Scene is not comparable."""
    found: dict[tuple[str, frozenset[str]], set[str]] = {}
    for row in rows:
        if row.get("scene"):
            found.setdefault((row["dataset"], digests(row)), set()).add(row.get("scene_truth", ""))
    differ = sorted({truth for told in found.values() if len(told) > 1 for truth in told})
    heading = headings()["scene"][0]
    return [f"{heading}: true scenes differ ({', '.join(differ)}): not comparable."] if differ else []


def by_rank(names: Sequence[str], sort: str) -> list[str]:
    """Figures with the one that rows are ranked by first, then the one that belongs next to it."""
    front = [sort, *([_NEXT[sort]] if sort in _NEXT else [])]
    return list(dict.fromkeys(name for name in (*front, *names) if name in names or name == sort))


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
