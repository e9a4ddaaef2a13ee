"""Which figures of a leaderboard may be compared: those measured on the same videos, figure by figure.

Two rows may share some of their test sets only: a row without ConflFG is still comparable on SCUBA. A row says for
every figure which sets it was computed from (the column ``figure_videos``). Rows of older versions only say which sets
were scored (``manifests``); of those, a figure is taken as measured on the same videos if

- both rows were scored on the same sets; or
- the sets of one row are all among the other's, and both figures are of the same number of videos. The figures of the
  row with more sets use at least the sets that the other's use, and every set adds videos; so the sets are the same.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from evaluator.metrics.names import HEADINGS, SCENE_FIGURE
from evaluator.options import SORTED_BY
from evaluator.reports.leaderboard import digests, figure_videos, number, own_figures, whole
from evaluator.reports.published import MARK, is_published
from evaluator.reports.seeds import Entry, ranked

BASELINES = ("baseline", "None")
_Key = tuple[str, frozenset[str], str, int, str]
Row = Mapping[str, str]
# What a raised letter at a figure says, see :func:`letters`.
OTHER_VIDEOS = ("A raised letter (b, c, …) marks a figure that was measured on other videos than the figures without a "
                "letter in its column: compare only figures with the same letter.")  # fmt: skip


def video_groups(rows: Sequence[Mapping[str, str]], figure: str) -> list[int | None]:
    """For each row, a number that rows share if ``figure`` was measured on the same videos; None without the figure.

    The number 0 is that of most rows of a dataset (of equally many, of the first); then 1, and so on, per dataset.
    Published rows, which are comparable with each other only, come last.
    """
    keys = [_key(row, figure) if row.get(figure) else None for row in rows]
    first = _joined(list(dict.fromkeys(key for key in keys if key is not None)))
    counts = Counter(first[key] for key in keys if key is not None)
    numbers: dict[_Key, int] = {}
    taken: Counter[str] = Counter()
    for key, _ in sorted(counts.most_common(), key=lambda found: _is_published(found[0])):
        numbers[key] = taken[key[0]]
        taken[key[0]] += 1
    return [None if key is None else numbers[first[key]] for key in keys]


def entry_groups(rows: Sequence[Row], entries: Iterable[Entry], figure: str) -> dict[int, int | None]:
    """id of an entry -> the number of its figure's videos among all ``rows``, see :func:`video_groups`."""
    of = dict(zip(map(id, rows), video_groups(rows, figure), strict=True))
    return {id(one): next((k for row in one.rows if (k := of[id(row)]) is not None), None) for one in entries}


def sort_figure(rows: Sequence[Row], known: Iterable[str], wanted: str = SORTED_BY) -> str:
    """The figure to rank by: ``wanted`` if any row has it; else accuracy on SCUBA, else the first that any row has."""
    measured = [name for name in known if any(row.get(name) for row in rows)]
    return wanted if wanted in measured else next((n for n in ("avg_scuba", *measured) if n in measured), wanted)


def ranked_blocks(rows: Sequence[Row], entries: Iterable[Entry], figure: str, low: bool = False) -> list[list[Entry]]:
    """Entries, ranked by ``figure`` within blocks: those of one dataset whose figure is of the same videos.

    Blocks are in the order of the datasets in ``rows``, published ones and those without the figure last of each.
    ``low``: whether a low figure is good.
    """
    order = {dataset: k for k, dataset in enumerate(dict.fromkeys(row["dataset"] for row in rows))}
    entries = list(entries)
    of = entry_groups(rows, entries, figure)
    found: dict[tuple[int, bool, float], list[Entry]] = defaultdict(list)
    for one in entries:
        row, group = one.rows[0], of[id(one)]
        found[order[row["dataset"]], is_published(row), math.inf if group is None else group].append(one)
    return [ranked(found[key], figure, low) for key in sorted(found)]


def letters(k: int) -> str:
    """The letters of a number of :func:`video_groups`: a, b, …, z, aa, …"""
    return ("" if k < 26 else letters(k // 26 - 1)) + chr(ord("a") + k % 26)


def _is_published(key: _Key) -> bool:
    return any(one.startswith(f"{MARK}-") for one in key[1])


def _key(row: Mapping[str, str], figure: str) -> _Key:
    """All that a row says of a figure's videos."""
    scored = whole(row.get(f"n_{figure}", "")) + whole(row.get(f"missing_{figure}", ""))
    scenes = row.get("scene_truth", "") if figure == SCENE_FIGURE else ""
    return row["dataset"], digests(row), figure_videos(row).get(figure, ""), scored, scenes


def _joined(keys: Sequence[_Key]) -> dict[_Key, _Key]:
    """Key -> the first key of the same videos."""
    leader = {key: key for key in keys}

    def find(key: _Key) -> _Key:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    def join(a: _Key, b: _Key) -> None:
        a, b = find(a), find(b)
        leader[b if keys_at[a] < keys_at[b] else a] = a if keys_at[a] < keys_at[b] else b

    keys_at = {key: k for k, key in enumerate(keys)}
    alike: dict[tuple[object, ...], _Key] = {}
    having: dict[tuple[str, str], list[_Key]] = defaultdict(list)
    for key in keys:
        dataset, sets, told, _, scenes = key
        for same in ([("sets", sets)], [("figure", told)])[: 2 if told else 1]:
            join(alike.setdefault((dataset, scenes, *same), key), key)
        for one in sets:
            having[dataset, one].append(key)
    for key in keys:
        dataset, sets, told, scored, scenes = key
        if not scored or not sets:
            continue
        for other in min((having[dataset, one] for one in sets), key=len):  # only these can have all of its sets
            both_said = told and other[2]
            if sets < other[1] and scored == other[3] and scenes == other[4] and not both_said:
                join(key, other)
    return {key: find(key) for key in keys}


def baseline_figures(rows: Sequence[Mapping[str, str]], baselines: Iterable[str] = BASELINES) -> list[dict[str, float]]:
    """For each row, the figures to compare it with: the mean over the rows of the baseline with its dataset and model.

    Each figure is of those measured on the same videos (:func:`video_groups`). If several settings of the baseline
    are there, those with the row's clip sampling and training data are taken. A figure is missing if there is no such
    row, if they were trained by different recipes, or if the row itself is a baseline.
    """
    names = tuple(baselines)
    of_baseline = [k for k, row in enumerate(rows) if row["method"] in names]
    found: list[dict[str, float]] = [{} for _ in rows]
    for figure in (*HEADINGS, *own_figures(rows)) if of_baseline else ():
        videos = video_groups(rows, figure)
        bases: dict[tuple[str, str, int | None], list[int]] = defaultdict(list)
        for k in of_baseline:
            if videos[k] is not None:
                bases[rows[k]["dataset"], rows[k]["model"], videos[k]].append(k)
        known: dict[tuple[str, ...], float | None] = {}
        for k, row in enumerate(rows):
            if videos[k] is None or row["method"] in names:
                continue
            key = (row["dataset"], row["model"], str(videos[k]), row.get("protocol", ""), row.get("trained_on", ""))
            if key not in known:
                known[key] = _mean([rows[b] for b in bases[row["dataset"], row["model"], videos[k]]], row, figure)
            if (value := known[key]) is not None:
                found[k][figure] = value
    return found


def unclear_baselines(rows: Sequence[Mapping[str, str]], baselines: Iterable[str] = BASELINES) -> bool:
    """Whether some row has baselines of different recipes, so that no change is stated."""
    recipes: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        if row["method"] in tuple(baselines):
            key = tuple(row.get(name, "") for name in ("dataset", "model", "protocol", "trained_on"))
            recipes[key].add(row.get("recipe", ""))
    return any(len(told) > 1 for told in recipes.values())


def _mean(bases: Sequence[Mapping[str, str]], row: Mapping[str, str], figure: str) -> float | None:
    for name in ("protocol", "trained_on"):
        alike = [base for base in bases if base.get(name, "") == row.get(name, "")]
        bases = alike or bases
    if len({tuple(base.get(n, "") for n in ("protocol", "trained_on", "recipe")) for base in bases}) != 1:
        return None
    values = [value for base in bases if (value := number(base.get(figure, ""))) is not None]
    return sum(values) / len(values) if values else None
