"""Where figures of results come from: leaderboards, results folders, records, and tables of `bench compare`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_table
from evaluator.metrics.names import headings
from evaluator.reports.comparable import entry_groups
from evaluator.reports.comparison import read_compared
from evaluator.reports.leaderboard import COLUMNS, distinct, number, own_figures, whole
from evaluator.reports.published import is_published, published_rows
from evaluator.reports.screen import BASELINES
from evaluator.reports.seeds import Entry, Mean, entry, merge_seeds, ranked
from evaluator.runs import find_rows

MAIN = ("iid", "avg_scuba", "avg_scufo", "conflfg", "contra_acc")
_GIVE = "give an --out folder of `bench eval` or `bench compare`, a record in results/, leaderboard.csv or compare.csv"


def read_entries(sources: Sequence[Path], published: str | None = None, by_seed: bool = False) -> list[Entry]:
    """Entries of every source, the best contrasted accuracy first.

    Args:
        sources: folders, records and tables; a compare.csv has its own means and deviations.
        published: a table of published figures to add, such as ``hmdb51``.
        by_seed: keep every row alone.

    Raises:
        BenchError: a source has no results.
    """
    entries: list[Entry] = []
    rows: list[dict[str, str]] = []
    for path in sources:
        if not path.exists():
            raise BenchError(f"{path}: no such file or folder; {_GIVE}")
        if _is_compared(path):
            if by_seed:
                raise BenchError(f"--by-seed: {path} has only means over seeds; give the folder of `bench compare`")
            entries += [_of_means(row, path) for row in read_compared(path)]
        else:
            rows += find_rows([path])
    rows = distinct([*rows, *(published_rows(published) if published else [])])
    entries += [entry([row]) for row in rows] if by_seed else merge_seeds(rows)
    if not entries:
        raise BenchError(f"{', '.join(map(str, sources))}: no results; {_GIVE}")
    return ranked(entries)


def blocks(entries: Sequence[Entry], figures: Iterable[str]) -> dict[str, list[Entry]]:
    """Entries by what they were measured on: title -> those with the same dataset and videos, in their order.

    The videos of ``figures`` alone decide; a figure that an entry lacks says nothing.
    """
    rows = [row for one in entries for row in one.rows]
    videos = {name: entry_groups(rows, entries, name) for name in figures}
    found: list[tuple[str, bool, dict[str, int], list[Entry]]] = []
    order = {id(one): k for k, one in enumerate(entries)}
    datasets = list(dict.fromkeys(one.rows[0]["dataset"] for one in entries))
    # Those with most figures first, since they say most of the videos of a block.
    for one in sorted(entries, key=lambda one: -sum(videos[name][id(one)] is not None for name in videos)):
        dataset, paper = one.rows[0]["dataset"], is_published(one.rows[0])
        own = {name: k for name, of in videos.items() if (k := of[id(one)]) is not None}
        fits = [part for part in found if part[:2] == (dataset, paper)
                and all(part[2].get(name, k) == k for name, k in own.items())]  # fmt: skip
        if fits:
            part = max(fits, key=lambda part: len(part[3]))
            part[2].update(own)
            part[3].append(one)
        else:
            found.append((dataset, paper, own, [one]))
    found = [(*part[:3], sorted(part[3], key=lambda one: order[id(one)])) for part in found]
    found.sort(key=lambda part: (datasets.index(part[0]), part[1], -len(part[3]), order[id(part[3][0])]))
    own_datasets = [dataset for dataset, paper, _, _ in found if not paper]
    titles: dict[str, list[Entry]] = {}
    for dataset, paper, _, group in found:
        title = dataset or "results"
        if paper:
            title = f"{dataset}, published †"
        elif own_datasets.count(dataset) > 1:
            title = f"{title}, videos {_letter(sum(other.startswith(f'{title}, videos ') for other in titles))}"
        titles[title] = [*titles.get(title, []), *group]
    return titles


def figures_of(entries: Sequence[Entry], wanted: Sequence[str] = ()) -> dict[str, str]:
    """Figure -> its heading with an arrow, of those that are wanted; by default the main ones that any entry has.

    Raises:
        BenchError: no entry has a figure that is wanted; the error lists those that there are.
    """
    known = headings(own_figures(row for one in entries for row in one.rows))
    there = [name for name in known if any(name in one.figures for one in entries)]
    for name in wanted:
        if name not in there:
            raise BenchError(f"--figures {name}: not in these results; choose from {', '.join(there)}")
    chosen = list(wanted) or [name for name in MAIN if name in there] or there[:5]
    return {name: " ".join(known[name]) for name in chosen}


def is_baseline(one: Entry) -> bool:
    """Whether an entry is the baseline, ours or a paper's."""
    return one.method in BASELINES


def notes_of(entries: Sequence[Entry], names: Iterable[str]) -> list[str]:
    """What a figure says below itself: what error bars are, how many seeds, and that papers used their own videos."""
    names = list(names)
    means = [one.figures[name] for one in entries for name in names if name in one.figures]
    seeds = sorted({mean.seeds for mean in means if mean.sd is not None})
    notes = []
    if seeds:
        of = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        notes.append(f"Error bars: ± standard deviation over {of} seeds.")
    if any(mean.sd is None and mean.ends for mean in means):
        notes.append(f"Error bars{' of single runs' if seeds else ''}: 95 % interval over test videos.")
    if any(is_published(one.rows[0]) for one in entries):
        notes.append("† published, measured by the authors on their own videos: not comparable digit by digit.")
    return [" ".join(notes)] if notes else []


def _is_compared(path: Path) -> bool:
    if not path.is_file() or path.suffix.lower() != ".csv":
        return False
    columns, _ = read_table(path, "table", _GIVE)
    return columns[:2] == ["method", "seeds"]


def _of_means(row: Mapping[str, str], path: Path) -> Entry:
    seeds = whole(row["seeds"])
    figures = {}
    for name in headings(own_figures([row])):
        mean, sd, low, high = (number(row.get(f"{name}_{what}", "")) for what in ("mean", "sd", "low", "high"))
        if mean is not None:
            figures[name] = Mean(mean, sd, low, high, n=0, missing=0, seeds=seeds if sd is not None else 1)
    told = {"method": row["method"], "manifests": f"compare={path.resolve()}"}
    return Entry(({**dict.fromkeys(COLUMNS, ""), **told},), figures)


def _letter(k: int) -> str:
    return ("" if k < 26 else _letter(k // 26 - 1)) + chr(ord("A") + k % 26)
