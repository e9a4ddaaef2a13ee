"""`bench audit units`: a network's pooled features of the videos of a SCUBA benchmark, and the factors they encode."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from albar.clips.clips import Normaliser
from albar.training.accelerator import pick_device
from benchmark_builder.utils import engine, runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv, write_json
from benchmark_builder.utils.progress import Bar
from evaluator.evaluate import describe_model
from evaluator.features.groups import FeatureNetwork, device_of_processes
from evaluator.inference.clips import Batch, batches
from evaluator.inference.pooled import as_numbers, pooled_features, require_module
from evaluator.metrics.figures import version
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import apply_options
from evaluator.options import ModelOptions, UnitsOptions
from evaluator.testsets import TestSet, benchmark_set, limited
from evaluator.units import factors
from evaluator.units.factors import FACTORS, KINDS, Pairs, pairs_of
from evaluator.units.picture import draw

UNIT_COLUMNS = ["unit", "static", "dynamic", "kind", "constant"]
SUMMARY_COLUMNS = [
    "figure", "value", "low", "high", "shuffled", "shuffled_low", "shuffled_high", "p", "pairs", "groups",
]  # fmt: skip
BUILD = "`bench build scuba --backgrounds images:FOLDER --per-video 3`"
UNNAMED = ("noise", "stripes")  # their names do not say everything that was drawn
Say = Callable[[str], None]
GROUP_BATCHES = 8  # batches of videos per item on a cluster; batches do not depend on it
FEW_GROUPS = 10  # with fewer backgrounds or source videos, an interval over them says little


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        figure: ``score FACTOR``, ``share FACTOR`` (0..1) or ``units KIND`` (a number of units).
        value: the estimate. low, high: limits of its 95 % interval; scores only, None if the pairs share one thing.
        shuffled, shuffled_low, shuffled_high: mean, and 2.5 and 97.5 % quantile, of the estimate on shuffled videos.
        p: share of the shuffled estimates that are at least as large, itself among them; scores only.
        pairs, groups: number of pairs, and of the source videos or backgrounds that they share; scores only.
    """

    figure: str
    value: float
    low: float | None
    high: float | None
    shuffled: float
    shuffled_low: float
    shuffled_high: float
    p: float | None = None
    pairs: int | None = None
    groups: int | None = None


@dataclass(frozen=True)
class Units:
    """What `bench audit units` found and wrote.

    Attributes:
        lines: the figures.
        scores: unit scores, float64 (2, D), in the order of :data:`~evaluator.units.factors.FACTORS`.
        kinds: the place of each unit in :data:`~evaluator.units.factors.KINDS`, int64 (D,).
        constant: which units do not vary, bool (D,).
        threshold: of the kinds.
        videos: number of videos whose features are known. missing: id and reason of each other video.
        written: the files.
    """

    lines: list[Line]
    scores: np.ndarray
    kinds: np.ndarray
    constant: np.ndarray
    threshold: float
    videos: int
    missing: list[tuple[str, str]]
    written: list[Path]

    def line(self, figure: str) -> Line:
        """The figure of this name."""
        return next(line for line in self.lines if line.figure == figure)


def audit_units(
    spec: "Path | str | ScoredModel",
    folder: Path,
    options: UnitsOptions | None = None,
    model_options: ModelOptions | None = None,
    say: Say = lambda line: None,
) -> Units:
    """Measure how many units of a network encode the background, the actor, both or neither.

    Args:
        spec: a model, or a text for :func:`~evaluator.models.load_model`.
        folder: a SCUBA benchmark with still backgrounds, of which several videos share one.
        options: all other options.
        model_options: the user's options for the model.
        say: function that shows lines to the user.

    Returns:
        The figures; tables and a picture are written to ``options.out``.

    Raises:
        BenchError: the model or benchmark is missing, the model has no pooled features, the benchmark has no pairs, or
            the features do not vary.
    """
    options, model_options = options or UnitsOptions(), model_options or ModelOptions()
    s = _scuba(folder, options)
    model = apply_options(spec, model_options) if isinstance(spec, ScoredModel) else load_model(spec, model_options)
    model = model.with_classes(s.classes, s.dataset)
    for line in describe_model(model, "float32"):
        say(line)
    _paired(s, [item.id for item in s.items], options)  # before the network runs
    features, missing = _features(model, s, options, spec, model_options, say)
    if not features:
        raise BenchError(f"{s.name}: none of its videos could be read; the first: {missing[0][1]}")
    by_factor = _paired(s, list(features), options)
    x = np.stack(list(features.values()))
    found = measured(x, by_factor, options, s.digest)
    for factor, pairs in zip(FACTORS, by_factor, strict=True):
        if pairs.groups < FEW_GROUPS:
            what = "backgrounds" if factor == "static" else "source videos"
            say(f"the {factor} pairs share only {pairs.groups} {what}: their interval is not reliable")
    record = {
        "format": 1, "model": model.source, "method": model.method, "network": model.model,
        "checkpoint_sha256": model.digest, "sampling": model.clips.to_dict(), "benchmark": s.name,
        "manifest_sha256": s.digest, "videos": len(x), "missing": dict(missing), "units": x.shape[1],
        "constant": int(found.constant.sum()), "threshold": options.threshold, "seed": options.seed,
        "permutations": options.permutations,
        "pairs": {f: {"used": len(p), "possible": p.possible, "shared": p.groups}
                  for f, p in zip(FACTORS, by_factor, strict=True)},
        "figures": [asdict(line) for line in found.lines],
        "versions": {"albar-bench": version(), "torch": torch.__version__},
    }  # fmt: skip
    written = _written(options, found, record, f"{model.method} on {s.name}")
    return Units(found.lines, found.scores, found.kinds, found.constant, options.threshold, len(x), missing, written)


def measured(features: np.ndarray, by_factor: Sequence[Pairs], options: UnitsOptions, name: str) -> Units:
    """The figures of features, (N, D), from pairs in the order of :data:`~evaluator.units.factors.FACTORS`.

    ``name`` and the seed decide what is drawn.

    Raises:
        BenchError: the features do not vary.
    """
    constant = factors.constant_units(features)
    if constant.all():
        raise BenchError("the pooled features are the same for every video; choose a trained network")
    x, seed = factors.centred(features), options.seed
    x[:, constant] = 0
    of = [factors.moments(x, pairs) for pairs in by_factor]
    score, units = factors.scores(of), factors.unit_scores(of, constant)
    if not np.isfinite(score).all():
        raise BenchError("the pooled features are the same for every video of the pairs; choose a trained network")
    limits = factors.intervals(x, by_factor)
    dealt, dealt_counts = factors.shuffled(x, by_factor, constant, options.threshold, seed, name, options.permutations)
    lines = []
    for k, factor in enumerate(FACTORS):
        p = (1 + int((dealt[k] >= score[k]).sum())) / (1 + dealt.shape[1])
        pairs = by_factor[k]
        lines.append(_line(f"score {factor}", score[k], limits[k], dealt[k], p, len(pairs), pairs.groups))
    share, dealt_share = factors.shares(score), factors.shares(dealt)
    for k, factor in enumerate((*FACTORS, "residual")):
        lines.append(_line(f"share {factor}", share[k], None, dealt_share[k]))
    counts = factors.counts_of(units, options.threshold)
    for k, kind in enumerate(KINDS):
        lines.append(_line(f"units {kind}", counts[k], None, dealt_counts[k]))
    kinds = factors.kinds_of(units, options.threshold)
    return Units(lines, units, kinds, constant, options.threshold, len(x), [], [])


def _line(figure: str, value: float, limits: tuple[float, float] | None, dealt: np.ndarray, *more: Any) -> Line:
    low, high = limits or (None, None)
    least, most = (float(v) for v in np.quantile(dealt, [0.025, 0.975]))
    return Line(figure, float(value), low, high, float(np.mean(dealt)), least, most, *more)


def _scuba(folder: Path, options: UnitsOptions) -> TestSet:
    s = benchmark_set(folder, options.root)
    if s.kind != "scuba" or s.benchmark is None:
        raise BenchError(f"{folder}: is of kind {s.kind}; give a SCUBA benchmark, whose pairs share the background "
                         "or the actor")  # fmt: skip
    kind = s.benchmark.protocol.backgrounds.kind
    if kind in UNNAMED:
        raise BenchError(f"{folder}: {kind} is drawn anew per video, so no two videos share a background; build a "
                         f"SCUBA benchmark with pictures: {BUILD}")  # fmt: skip
    if kind == "video":
        raise BenchError(f"{folder}: its backgrounds move, so they are not static; give a SCUBA benchmark with pictures"
                         " as backgrounds")  # fmt: skip
    return s if options.limit is None else limited(s, options.limit)


def _paired(s: TestSet, ids: Sequence[str], options: UnitsOptions) -> list[Pairs]:
    """Static and dynamic pairs of these videos of a SCUBA benchmark. Raises BenchError if there are none."""
    assert s.benchmark is not None
    rows = [s.benchmark.by_id[i] for i in ids]
    sources, backgrounds = [r.source_id for r in rows], [r.background for r in rows]
    # Of different classes: two videos of one class share its motion, too.
    static = pairs_of(backgrounds, [str(r.label) for r in rows], options.pairs, options.seed, f"{s.digest}/static")
    known = [source if background else "" for source, background in zip(sources, backgrounds, strict=True)]
    dynamic = pairs_of(known, backgrounds, options.pairs, options.seed, f"{s.digest}/dynamic")
    if not any(backgrounds):
        raise BenchError(f"{s.name}: its manifest does not say which background each video has, as that of an imported "
                         f"benchmark; build one: {BUILD}")  # fmt: skip
    if not len(static):
        raise BenchError(
            f"{s.name}: no two videos of different classes have the same background, so nothing shows what is static; "
            f"build a SCUBA benchmark with fewer pictures than videos: {BUILD}"
        )
    if not len(dynamic):
        raise BenchError(
            f"{s.name}: no source video has two different backgrounds, so nothing shows what is dynamic; build with "
            "--per-video 2 or more"
        )
    return [static, dynamic]


def _features(
    model: ScoredModel, s: TestSet, options: UnitsOptions, spec: "Path | str | ScoredModel", own: ModelOptions, say: Say
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """id -> pooled features, float64 (D,), the mean over test clips, in the order of the set; and id and reason of each
    video without them."""
    places = range(len(s.items))
    found: dict[str, np.ndarray] = {}
    missing: list[tuple[str, str]] = []
    if engine.current().local:
        sampling, device = model.clips, pick_device(options.device)
        module, prepare = require_module(model.network(device), model.source), Normaliser(sampling)

        def pooled(clips: torch.Tensor) -> np.ndarray:
            """Pooled features of clips, uint8 (n, 3, T or 1, S, S): float64 (n, D)."""
            made = []
            with torch.inference_mode():
                for part in clips.split(options.batch):
                    x = prepare(part.to(device, non_blocking=True)).expand(-1, -1, sampling.frames, -1, -1)
                    made.append(as_numbers(pooled_features(module, x, sampling, options.batch, model.source)))
            return np.concatenate(made)

        with Bar(total=len(places), desc="units", unit="video", disable=not options.progress) as bar:
            for batch in batches([(s, item) for item in s.items], sampling, options.batch, options.workers):
                _add(batch, places, s, pooled, found, missing)
                bar.update(len(batch.places) + len(batch.errors))
        return found, missing
    device_there = device_of_processes(options.device, say)
    network = FeatureNetwork(spec, own, model, model.clips, device_there, False, options.batch)
    network.release()
    maker, size = _GroupMaker(network, s, options.batch), GROUP_BATCHES * options.batch
    groups = [tuple(places[k : k + size]) for k in range(0, len(places), size)]
    worked = runner.work(
        maker, groups, lambda group: s.items[group[0]].id, 1, title="units", unit="group", progress=options.progress
    )
    if worked.failed:
        raise worked.failed[0][1]
    for _, (some, unread) in sorted(worked.made):
        found |= some
        missing += unread
    return found, missing


def _add(
    batch: Batch, places: Sequence[int], s: TestSet, pooled: Callable[[torch.Tensor], np.ndarray],
    found: dict[str, np.ndarray], missing: list[tuple[str, str]],
) -> None:  # fmt: skip
    """Add the features of a batch; ``places``: of its videos in the set."""
    missing += [(s.items[places[k]].id, str(error)) for k, error in batch.errors]
    if batch.clips is None:
        return
    made = pooled(batch.clips)
    rows: np.ndarray = made.astype(np.float64).reshape(len(batch.places), -1, made.shape[1]).mean(1)
    for k, row in zip(batch.places, rows, strict=True):
        name = s.items[places[k]].id
        if np.isfinite(row).all():
            found[name] = row
        else:
            missing.append((name, "its features are not finite"))


@dataclass(frozen=True)
class _GroupMaker:
    """Features of groups of videos, each in one process of a cluster."""

    network: FeatureNetwork
    test_set: TestSet
    batch: int

    def make(self, places: tuple[int, ...]) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
        """Features and missing videos, as :func:`_features` returns them.

        Raises:
            BenchError: the network gives no features.
        """
        s, sampling = self.test_set, self.network.sampling
        found: dict[str, np.ndarray] = {}
        missing: list[tuple[str, str]] = []
        for batch in batches([(s, s.items[k]) for k in places], sampling, self.batch):
            _add(batch, places, s, self._pooled, found, missing)
        return found, missing

    def _pooled(self, clips: torch.Tensor) -> np.ndarray:
        return self.network(clips.expand(-1, -1, self.network.sampling.frames, -1, -1))


def _written(options: UnitsOptions, found: Units, record: dict[str, Any], title: str) -> list[Path]:
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    units, summary, told = out / "units.csv", out / "summary.csv", out / "units.json"
    write_csv(units, UNIT_COLUMNS, [
        {"unit": k, "static": _number(found.scores[0, k]), "dynamic": _number(found.scores[1, k]),
         "kind": KINDS[found.kinds[k]], "constant": "yes" if found.constant[k] else ""}
        for k in range(len(found.kinds))
    ])  # fmt: skip
    write_csv(summary, SUMMARY_COLUMNS, [
        {name: "" if v is None else _number(v) if isinstance(v, float) else v for name, v in asdict(line).items()}
        for line in found.lines
    ])  # fmt: skip
    write_json(told, record)
    return [units, summary, told, draw(found.scores, found.kinds, found.threshold, title, out / "units.png")]


def _number(value: float) -> str:
    return f"{value:.9g}"
