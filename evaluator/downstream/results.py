"""``results.json`` of `bench downstream`: the figures of one head on one folder of features, checked when written and
read.

All figures are shares from 0 to 1, also those that tables show in percent: ``auc`` and ``ap`` of anomaly detection;
``map`` (the mean over thresholds) and ``map@0.3`` … ``map@0.7`` of localisation.
"""

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from benchmark_builder.utils.records import FileRecord, Record, Says
from evaluator.records import Name, Shown, Text, version

FILE = "results.json"
TASKS = ("anomaly", "localization")
_ROUNDED = 1e-6  # figures that were rounded to six places still agree
_FIX = "give a results.json that `bench downstream` has written, or run that command again"


def _is_share(value: object) -> bool:  # with a tolerance for the rounding error of a mean
    return isinstance(value, int | float) and math.isfinite(value) and -1e-9 <= value <= 1 + 1e-9


def _is_spread(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


Unit = Annotated[int | float, Says("a number from 0 to 1", _is_share)]
Spread = Annotated[int | float | None, Says("a number from 0, or null", _is_spread, null=True)]
Figures = Annotated[dict[Name, Unit], Field(min_length=1)]


class SeedFigures(Record):
    """The figures of one seed; ``step``: the training step that was scored, None where nothing was trained."""

    seed: int
    figures: Figures
    step: Annotated[int | None, Says("a whole number from 0, or null", lambda step: step >= 0, null=True)] = None


class Interval(Record):
    """The ends of a 95 % interval."""

    low: Unit
    high: Unit


class DownstreamResults(FileRecord):
    """The figures of one head.

    Attributes:
        task: one of :data:`TASKS`.
        head: what was trained on the features (``mil``, ``rtfm``, ``mgfn``, ``actionformer`` …), or ``scores`` and
            ``predictions`` for figures of files that were made elsewhere.
        seeds: the figures per seed, all with the same names.
        mean, sd: mean and sample standard deviation (n - 1) over seeds; the deviation is None for one seed.
        interval: figure -> its 95 % interval over test videos; figures without one are missing.
        features: what the features are: model, digest, dataset, window, stride, as their record says.
        settings: all settings of this run.
        versions: package -> version.
    """

    FORMAT: ClassVar[int] = 1
    WHAT: ClassVar[str] = "a record of a downstream task"

    task: Annotated[str, Says(f"one of {', '.join(TASKS)}", lambda task: task in TASKS)]
    head: Name
    seeds: Annotated[list[SeedFigures], Field(min_length=1)]
    mean: Figures
    sd: dict[Name, Spread]
    interval: dict[Name, Interval] = Field(default_factory=dict[str, Interval])
    features: dict[Text, Shown] = Field(default_factory=dict[str, object])
    settings: dict[Text, Shown] = Field(default_factory=dict[str, object])
    versions: dict[Text, Text] = Field(default_factory=dict[str, str])

    @classmethod
    def of(cls, document: object, path: Path | str, fix: str = _FIX) -> Self:
        """As for every record; seeds must also be different, have the figures that ``mean`` and ``sd`` have, and give
        them."""
        record = super().of(document, path, fix)
        names = set(record.mean)
        if len({s.seed for s in record.seeds}) < len(record.seeds):
            raise BenchError(f"{path}: seeds has a seed twice; {fix}")
        tables: list[tuple[str, Mapping[str, object]]] = [("sd", record.sd)]
        tables += [(f"seeds[{k}].figures", s.figures) for k, s in enumerate(record.seeds)]
        for place, table in tables:
            if set(table) != names:
                raise BenchError(f"{path}: {place} has other figures than mean; {fix}")
        if unknown := set(record.interval) - names:
            raise BenchError(f"{path}: interval has figures that mean lacks ({', '.join(sorted(unknown))}); {fix}")
        for name, ends in record.interval.items():
            if ends.low > ends.high:
                raise BenchError(f"{path}: interval.{name} ends ({ends.high:g}) before it starts ({ends.low:g}); {fix}")
        mean, sd = summary([s.figures for s in record.seeds])
        for place, said, wanted in (("mean", record.mean, mean), ("sd", record.sd, sd)):
            for name in sorted(names):
                told, real = said[name], wanted[name]
                if (told is None) != (real is None) or (told is not None and abs(told - (real or 0)) > _ROUNDED):
                    raise BenchError(f"{path}: {place}.{name} is {_number(told)}, but its seeds give {_number(real)}; "
                                     f"{fix}")  # fmt: skip
        return record


def _number(value: float | None) -> str:
    return "null" if value is None else f"{value:.6g}"


def summary(seeds: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float | None]]:
    """Mean and sample standard deviation (n - 1) of each figure over seeds; None as the deviation of one seed."""
    names = list(seeds[0])
    values = np.array([[figures[name] for name in names] for figures in seeds], dtype=np.float64)
    mean = values.mean(0)
    sd = values.std(0, ddof=1) if len(values) > 1 else np.full(len(names), np.nan)
    spread = {name: float(s) if math.isfinite(s) else None for name, s in zip(names, sd, strict=True)}
    return {name: float(m) for name, m in zip(names, mean, strict=True)}, spread


def write_results(out: Path, values: Mapping[str, object]) -> DownstreamResults:
    """Write ``out/results.json``, completely or not at all, and return the record.

    Args:
        out: the folder.
        values: the fields of :class:`DownstreamResults`, and any others to keep with them. ``mean`` and ``sd`` are
            computed from ``seeds``, and ``versions`` gets this package's, unless they are given.

    Raises:
        BenchError: a field is not valid.
    """
    path = out / FILE
    seeds = values.get("seeds")
    if isinstance(seeds, list) and seeds and "mean" not in values:
        mean, sd = summary([s["figures"] for s in seeds])
        values = {**values, "mean": mean, "sd": sd}
    versions = values.get("versions")
    own = {"albar-bench": version(), **(versions if isinstance(versions, Mapping) else {})}
    record = DownstreamResults.made(
        {**values, "versions": own, "format": DownstreamResults.FORMAT}, path, "correct it, or report this"
    )
    write_json(path, record.plain())
    return record


def read_results(path: Path) -> DownstreamResults:
    """Read ``results.json``, or that of a folder.

    Raises:
        BenchError: it is missing or not such a record; the message names file and field.
    """
    file = path / FILE if path.is_dir() else path
    return DownstreamResults.of(read_json(file, DownstreamResults.WHAT.removeprefix("a "), _FIX), file)


def versions_of(*packages: str) -> dict[str, str]:
    """Package -> its installed version; packages that are not installed are missing."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
