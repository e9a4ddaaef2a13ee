"""Leaderboard rows of one method that differ only in the seed of training, merged to mean and standard deviation."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluator.metrics.names import HEADINGS
from evaluator.reports.leaderboard import digests, drops_in, number, own_figures, whole
from evaluator.reports.published import is_published

Row = Mapping[str, str]


@dataclass(frozen=True)
class Mean:
    """A figure of an entry.

    Attributes:
        value: percent; the mean over seeds.
        sd: sample standard deviation (n - 1) over seeds, in percent points; None for one seed.
        low, high: the row's 95 % interval over videos; None for several seeds, and where the row has none.
        n, missing: videos (or pairs) of each seed that were scored, and that were not; the fewest and the most.
        seeds: how many seeds have the figure.
    """

    value: float
    sd: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    seeds: int

    @property
    def ends(self) -> tuple[float, float] | None:
        """What an error bar shows: the deviation over seeds to both sides, else the interval; None without either."""
        if self.sd is not None:
            return self.value - self.sd, self.value + self.sd
        return (self.low, self.high) if self.low is not None and self.high is not None else None


@dataclass(frozen=True)
class Entry:
    """Rows that belong together, in the order of their seeds, and the figures that any of them has."""

    rows: tuple[Row, ...]
    figures: Mapping[str, Mean]

    @property
    def method(self) -> str:
        """The method's name, as the rows have it."""
        return self.rows[0]["method"]

    @property
    def seeds(self) -> list[str]:
        """The seeds; empty for a row without one."""
        return [seed for row in self.rows if (seed := seed_of(row))]


def merge_seeds(rows: Iterable[Row]) -> list[Entry]:
    """One entry per group of rows with the same dataset, method, model, clip sampling, training data, recipe and
    benchmarks (by digest).

    Rows without a seed (of a paper, of predictions of others) stay alone. So do the rows of a group in which a seed
    occurs twice: they differ in something that the leaderboard does not say, so they are not runs of one setting.

    Returns:
        entries in the order of their first rows.
    """
    grouped: dict[tuple[object, ...], list[Row]] = {}
    for k, row in enumerate(rows):
        same: tuple[object, ...] = (k,) if not seed_of(row) else _same(row)
        grouped.setdefault(same, []).append(row)
    entries = []
    for group in grouped.values():
        alone = len({row["seed"] for row in group}) < len(group)
        entries += [entry([row]) for row in group] if alone else [entry(sorted(group, key=_by_seed))]
    return entries


def ranked(entries: Iterable[Entry], by: str = "contra_acc", low: bool = False) -> list[Entry]:
    """Entries from the best to the worst figure ``by``; those without it come last, in the order given.

    ``low``: whether a low figure is good.
    """

    def worse(one: Entry) -> float:
        mean = one.figures.get(by)
        return float("inf") if mean is None else mean.value if low else -mean.value

    return sorted(entries, key=worse)


def display_names(entries: Sequence[Entry]) -> list[str]:
    """A name per entry: the method, and as much more as tells it from the others; † marks published figures."""
    names = [f"{one.method} †" if is_published(one.rows[0]) else one.method for one in entries]
    recipes = recipes_apart(entries)
    for tell in (
        lambda one: one.rows[0]["model"],
        lambda one: one.rows[0]["dataset"],
        lambda one: one.rows[0]["protocol"],
        lambda one: f"trained on {told}" if (told := one.rows[0].get("trained_on", "")) else "",
        lambda one: recipes.get(id(one), ""),
        lambda one: f"seed {one.seeds[0]}" if len(one.seeds) == 1 else "",
        lambda one: one.rows[0]["checkpoint"],
    ):
        for name in [name for name, many in Counter(names).items() if many > 1]:
            alike = [k for k, other in enumerate(names) if other == name]
            said = {k: tell(entries[k]) for k in alike}
            if len(set(said.values())) > 1:
                for k in alike:
                    names[k] = f"{name}, {said[k]}" if said[k] else name
    return names


def recipes_apart(entries: Iterable[Entry]) -> dict[int, str]:
    """id of an entry -> what its recipe alone has, of entries that are named alike and differ in the recipe."""
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for one in entries:
        key = tuple(one.rows[0].get(n, "") for n in ("dataset", "method", "model", "protocol", "trained_on"))
        alike.setdefault(key, []).append(one)
    found: dict[int, str] = {}
    for same in alike.values():
        recipes = list(dict.fromkeys(one.rows[0].get("recipe", "") for one in same))
        said = dict(zip(recipes, apart(recipes), strict=True))
        if len(recipes) > 1:
            found |= {id(one): said[one.rows[0].get("recipe", "")] or "recipe unknown" for one in same}
    return found


def apart(recipes: Sequence[str]) -> list[str]:
    """Recipes without what they share."""
    parts = [[part for part in told.split("; ") if part] for told in recipes]
    shared = [part for part, count in Counter(p for told in parts for p in set(told)).items() if count == len(parts)]
    return [", ".join(part for part in told if part not in shared) for told in parts]


def entry(rows: Sequence[Row]) -> Entry:
    """The entry of rows that belong together."""
    names = [*HEADINGS, *drops_in(name for row in rows for name in row), *own_figures(rows)]
    figures = {}
    for name in names:
        found = [(row, value) for row in rows if (value := number(row.get(name, ""))) is not None]
        if not found:
            continue
        values, one = [value for _, value in found], found[0][0] if len(found) == 1 else {}
        low, high = number(one.get(f"{name}_low", "")), number(one.get(f"{name}_high", ""))
        known = [(whole(row.get(f"n_{name}", "")), whole(row.get(f"missing_{name}", ""))) for row, _ in found]
        figures[name] = Mean(
            value=statistics.fmean(values),
            sd=statistics.stdev(values) if len(values) > 1 else None,
            low=low if high is not None else None,
            high=high if low is not None else None,
            n=min(n for n, _ in known),
            missing=max(missing for _, missing in known),
            seeds=len(values),
        )
    return Entry(tuple(rows), figures)


def seed_of(row: Row) -> str:
    """The seed of a row; empty if it has none (a record stores that as null)."""
    return "" if row["seed"] == "None" else row["seed"]


def _same(row: Row) -> tuple[object, ...]:
    named = ("dataset", "method", "model", "protocol", "trained_on", "recipe", "cluster", "scene_truth")
    return (*(row.get(name, "") for name in named), digests(row))


def _by_seed(row: Row) -> tuple[float, str]:
    try:
        return float(int(row["seed"])), row["seed"]
    except ValueError:
        return float("inf"), row["seed"]
