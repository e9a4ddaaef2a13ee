"""The functions of the public API. Each does the same as the command of this name, and returns the result."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from albar_bench.benchmark import Benchmark
from benchmark_builder.benchmark.build import Report
from benchmark_builder.builders import Run, Subset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.extras import named_extras

if TYPE_CHECKING:
    from torch import nn

    from benchmark_builder.kinds.base import Kind
    from evaluator.downstream.anomaly.detect import Detected
    from evaluator.downstream.localize.localize import Localized
    from evaluator.explain.explain import Explained as Found
    from evaluator.features.folder import FeatureFolder
    from evaluator.predict.answers import Prediction
    from evaluator.records import Scored
    from evaluator.units.audit import Units as FoundUnits

log = logging.getLogger("albar_bench")
Place = str | PathLike[str]
FIGURE_COLUMNS = ["figure", "percent", "low", "high", "n", "missing"]


@named_extras()
def build_scuba(
    dataset: str,
    root: Place | None = None,
    out: Place | None = None,
    *,
    split: str = "auto",
    fold: int = 1,
    protocol: str = "default",
    seed: int = 0,
    limit: int | None = None,
    only: Sequence[str] = (),
    shard: str | None = None,
    subset: str | None = None,
    workers: int | None = None,
    mask_options: Mapping[str, object] | None = None,
    **settings: Any,
) -> Benchmark:
    """Composite the actor of every video over backgrounds that are unrelated to the action.

    Args:
        dataset: its registered name, or ``package.module:reader``.
        root: its folder; None for ``$BENCH_DATA/DATASET``.
        out: folder to write; None for ``$BENCH_DATA/benchmarks/DATASET-scuba-BACKGROUND``.
        split, fold: the official split. protocol: a named protocol or a TOML file; it decides everything that is not in
        ``settings``. seed: seed of every random draw. limit, only, shard, subset: which part of the videos, as in the
        command's options of these names. workers: processes; None for one per core. mask_options: settings of the mask
        source that are not part of a protocol, such as ``sam_checkpoint``. settings: changed settings of the protocol,
        such as ``masks="motion"``, ``per_video=1``, ``layout="zip"``; also ``corrections=[...]``, masks corrected by
        hand (docs/masks.md).

    Returns:
        The finished benchmark; its ``failures`` list what was left out.

    Raises:
        BenchError: settings are wrong, the dataset is missing, or no video could be built.
    """
    from benchmark_builder.builders import build_scuba as build

    part = Subset(limit, tuple(only), shard, subset)
    report = build(
        dataset, _path(root), split, fold, protocol=protocol, seed=seed, out=_path(out), subset=part, run=_run(workers),
        mask_options=mask_options, **settings,
    )  # fmt: skip
    return _finished(report, _path(root))


@named_extras()
def build_scufo(
    scuba: "Benchmark | Place",
    out: Place | None = None,
    *,
    shaken: bool = False,
    root: Place | None = None,
    seed: int = 0,
    workers: int | None = None,
    **settings: Any,
) -> Benchmark:
    """Repeat one frame of every SCUBA video, so that nothing moves.

    Args:
        scuba: the SCUBA benchmark, or a dataset's name for the one at its default place.
        out: folder to write; None for ``$BENCH_DATA/benchmarks/DATASET-scufo-BACKGROUND``.
        shaken: with a smooth camera path, so that it is not still.
        root: the dataset's folder, if it has moved since (virtual benchmarks read it).
        seed, workers: as in :func:`build_scuba`. settings: ``layout``, ``jpeg_quality``, ``still_area``, ``shake``.

    Raises:
        BenchError: the SCUBA benchmark is missing, settings are wrong, or no video could be built.
    """
    kind = "shaken" if shaken else "scufo"
    return build_kind(kind, scuba, out, root=root, seed=seed, workers=workers, **settings)


@named_extras()
def build_conflfg(
    scuba: "Benchmark | Place",
    out: Place | None = None,
    *,
    root: Place | None = None,
    seed: int = 0,
    workers: int | None = None,
    **settings: Any,
) -> Benchmark:
    """Add the still actor of another class to every SCUBA video; the label is the class of the moving actor.

    Args:
        scuba, out, root, seed, workers: as for :func:`build_scufo`.
        settings: ``layout``, ``jpeg_quality``, ``still_area``, ``order``, ``place``, ``max_covered``, ``min_visible``.

    Raises:
        BenchError: the SCUBA benchmark is missing or has only one class, settings are wrong, or no video could be
            built.
    """
    return build_kind("conflfg", scuba, out, root=root, seed=seed, workers=workers, **settings)


@named_extras()
def build_kind(
    kind: "str | type[Kind]",
    scuba: "Benchmark | Place",
    out: Place | None = None,
    *,
    root: Place | None = None,
    seed: int = 0,
    workers: int | None = None,
    **settings: Any,
) -> Benchmark:
    """Make a video of another kind from every SCUBA video.

    Args:
        kind: its name (``scufo``, ``shaken`` …), ``package.module:Kind``, or a subclass of
            :class:`benchmark_builder.kinds.base.Derived`.
        scuba, out, root, seed, workers: as for :func:`build_scufo`.
        settings: ``layout``, ``jpeg_quality``, and those of the kind.

    Raises:
        BenchError: the kind is unknown, the SCUBA benchmark is missing, settings are wrong, or no video could be built.
    """
    from benchmark_builder.builders import build_kind as build

    report = build(
        kind, _scuba(scuba, root), root=_path(root), seed=seed, out=_path(out), run=_run(workers), **settings
    )
    return _finished(report, _path(root))


@named_extras()
def load_benchmark(folder: Place, root: Place | None = None, scuba: Place | None = None) -> Benchmark:
    """A built benchmark. ``root``, ``scuba``: where its dataset and its SCUBA benchmark are, if they have moved."""
    return Benchmark(Path(folder), _path(root), _path(scuba))


@dataclass(frozen=True)
class Result:
    """The result of scoring.

    Attributes:
        scored: the record with typed fields, and the written files; None in a process that is not the main one of
            several.
    """

    scored: "Scored | None"

    @cached_property
    def record(self) -> dict[str, object]:
        """The results record as stored: figures, sets, pairs, per class."""
        return self.scored.plain() if self.scored else {}

    @property
    def path(self) -> Path | None:
        """The file of the record; None if nothing was written."""
        return self.scored.path if self.scored else None

    @cached_property
    def figures(self) -> pd.DataFrame:
        """One row per figure: ``figure``, ``percent``, the limits ``low`` and ``high`` of its 95 % interval, the
        numbers ``n`` of videos (for contrasted accuracy: pairs) and ``missing``."""
        found = self.scored.record.figures if self.scored else {}
        rows = [{"figure": name, **values.plain()} for name, values in found.items()]
        return pd.DataFrame(rows, columns=FIGURE_COLUMNS)

    @cached_property
    def drops(self) -> pd.DataFrame:
        """One row per order of frames and figure: ``time``, ``figure``, ``points`` (what was lost, percent points), the
        limits ``low`` and ``high`` of its 95 % interval, the numbers ``n`` of videos and ``missing``."""
        from evaluator.time_order import drop_parts

        found = self.scored.record.drops if self.scored else {}
        rows = [
            {"time": parts[0], "figure": parts[1], **values.plain()}
            for name, values in found.items() if (parts := drop_parts(name))
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["time", "figure", "points", "low", "high", "n", "missing"])

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """One row per class and figure: ``class_name``, ``figure``, ``percent``, ``n``."""
        found = self.scored.record.per_class if self.scored else {}
        rows = [
            {"class_name": name, "figure": figure, **values.plain()}
            for name, figures in found.items()
            for figure, values in figures.items()
        ]
        return pd.DataFrame(rows, columns=["class_name", "figure", "percent", "n"])

    @cached_property
    def slices(self) -> pd.DataFrame:
        """One row per attribute, figure and group of ``slices=``: ``percent`` with its limits ``low`` and ``high``, the
        numbers ``n`` of videos, ``sources`` of source videos and ``missing``, ``few`` (fewer than 30 source videos),
        ``worst``, and the ``gap`` of the figure with ``gap_low``, ``gap_high``, ``largest`` and ``smallest``."""
        from evaluator.reports.slices import COLUMNS, slice_rows

        return pd.DataFrame(slice_rows(self.scored.record.slices) if self.scored else [], columns=COLUMNS)


@named_extras()
def evaluate(
    model: "nn.Module | Place",
    benchmarks: "Sequence[Benchmark | Place] | Benchmark | Place" = (),
    sampling: str | None = None,
    out: Place = "results",
    *,
    iid: bool | None = None,
    time: "str | Sequence[str]" = (),
    method: str | None = None,
    trained_on: str | None = None,
    classes: Sequence[str] | None = None,
    network: str | None = None,
    weights: str | None = None,
    clip: Mapping[str, object] | None = None,
    views: int | None = None,
    crops: int | None = None,
    trust: bool = False,
    **options: Any,
) -> Result:
    """Score a model on benchmarks.

    Args:
        model: a module that takes float32 clips (B, 3, T, H, W), normalised as in the sampling, and returns logits (B,
            classes); or any MODEL of `bench eval`: a checkpoint, ``hf:FOLDER``, ``package.module:factory`` …
        benchmarks: none, one or several. SCUFO and ConflFG are paired with the SCUBA benchmark from which they were
            made.
        sampling: how clips are cut, such as ``32x2-224``; required for a module, otherwise the default is the model's
            sampling.
        out: folder for predictions, the record and leaderboard.csv.
        iid: also score the dataset's ordinary test videos (``root`` is its folder); None: only if there are no
            benchmarks.
        time: also show the clips in these orders, for the drop against the plain clips: ``one-frame``, ``shuffled``,
            ``reversed``, ``frozen-background`` (with ``masks="KIND:PATH"``); see :mod:`evaluator.time_order`.
        method: its name in the leaderboard. trained_on: what it was trained on, if its files do not say it.
        classes: class names in the order of the module's outputs; None: the order of the benchmark is assumed, and this
            is noted in the record.
        network: ``package.module:Name`` of a checkpoint's network, if it is not part of this toolkit.
        weights, clip, views, crops, trust: as in the options of `bench eval`. options: further fields of
        :class:`evaluator.evaluate.EvalOptions`, such as ``batch``, ``device``, ``seed``, ``slices``.

    Raises:
        BenchError: a model or benchmark is missing, classes differ, or a video cannot be read or was changed.
    """
    from evaluator.evaluate import EvalOptions
    from evaluator.evaluate import evaluate as run
    from evaluator.models import ModelOptions

    own = ModelOptions(
        model=network,
        weights=weights,
        method=method,
        trained_on=trained_on,
        sampling=sampling,
        clip=dict(clip or {}),
        views=views,
        crops=crops,
        trust=trust,
    )
    made = _model(model, classes)
    many = _several(benchmarks)
    orders: Any = (time,) if isinstance(time, str) else tuple(time)
    ordinary = not many if iid is None else iid
    settings = EvalOptions(model=own, iid=ordinary, time=orders, progress=_shows_progress(), **options)
    scored = run(made, [Path(b) for b in many], Path(out), settings, log.info)
    return Result(scored)


@dataclass(frozen=True)
class Units:
    """What :func:`audit_units` found.

    Attributes:
        found: the figures, scores and kinds of the units, and the files.
    """

    found: "FoundUnits" = field(repr=False)

    @property
    def written(self) -> list[Path]:
        """The tables and the picture."""
        return self.found.written

    @cached_property
    def figures(self) -> pd.DataFrame:
        """One row per figure, the columns of :class:`evaluator.units.audit.Line`: ``score FACTOR``, ``share FACTOR``
        (0..1) and ``units KIND`` (a number of units)."""
        from evaluator.units.audit import SUMMARY_COLUMNS

        return pd.DataFrame([asdict(line) for line in self.found.lines], columns=SUMMARY_COLUMNS)

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row per unit: ``unit`` (its number), its scores ``static`` and ``dynamic``, ``kind``, ``constant``."""
        from evaluator.units.factors import KINDS

        f = self.found
        kinds = [KINDS[kind] for kind in f.kinds]
        static, dynamic = f.scores
        return pd.DataFrame({"unit": range(len(kinds)), "static": static, "dynamic": dynamic, "kind": kinds,
                             "constant": f.constant})  # fmt: skip


@dataclass(frozen=True)
class Explained:
    """What :func:`explain` found.

    Attributes:
        found: figures per video, means, and the files.
    """

    found: "Found" = field(repr=False)

    @property
    def written(self) -> list[Path]:
        """The tables and pictures."""
        return self.found.written

    @cached_property
    def videos(self) -> pd.DataFrame:
        """One row per video: the columns of attribution.csv (:class:`evaluator.explain.explain.Explanation`)."""
        from evaluator.explain.explain import COLUMNS

        rows = [{**asdict(one), "difference": one.difference} for one in self.found.videos]
        return pd.DataFrame(rows, columns=COLUMNS)

    @cached_property
    def means(self) -> pd.DataFrame:
        """One row per figure of a benchmark, percent: ``inside``, ``area`` and ``difference``; no row for a video."""
        from evaluator.explain.explain import SUMMARY_COLUMNS

        return pd.DataFrame([asdict(mean) for mean in self.found.means], columns=SUMMARY_COLUMNS)


@named_extras()
def explain(
    model: "nn.Module | Place",
    what: "Benchmark | Place",
    sampling: str | None = None,
    out: Place = "explain",
    *,
    classes: Sequence[str] | None = None,
    network: str | None = None,
    weights: str | None = None,
    clip: Mapping[str, Any] | None = None,
    views: int | None = None,
    crops: int | None = None,
    trust: bool = False,
    **options: Any,
) -> Explained:
    """Show where a network looks, by integrated gradients, and how much of that is on the actor.

    Args:
        model, sampling, classes, network, weights, clip, views, crops, trust: as for :func:`evaluate`.
        what: a benchmark, or a video.
        out: folder for attribution.csv, summary.csv, sheet.png and the animation.
        options: further fields of :class:`evaluator.options.ExplainOptions`, such as ``steps``, ``limit``, ``target``.

    Raises:
        BenchError: the model gives no gradients, the model or video is missing, or no video could be explained.
    """
    from evaluator.explain.explain import explain as run
    from evaluator.options import ExplainOptions, ModelOptions

    own = ModelOptions(
        model=network, weights=weights, sampling=sampling, clip=dict(clip or {}), views=views, crops=crops, trust=trust
    )
    settings = ExplainOptions(**{"progress": _shows_progress(), **options}, out=Path(out))
    return Explained(run(_model(model, classes), Path(what), settings, own, log.info))


@named_extras()
def predict(
    model: "nn.Module | Place",
    videos: "Place | Sequence[Place]",
    sampling: str | None = None,
    out: Place = "predict",
    *,
    classes: Sequence[str] | None = None,
    network: str | None = None,
    weights: str | None = None,
    clip: Mapping[str, Any] | None = None,
    views: int | None = None,
    crops: int | None = None,
    trust: bool = False,
    **options: Any,
) -> "list[Prediction]":
    """A model's top classes for videos, and how they change with one frame, another order or another background.

    Args:
        model, sampling, classes, network, weights, clip, views, crops, trust: as for :func:`evaluate`.
        videos: one or several: files, folders of frames, folders of video files.
        out: folder for predictions.csv, predictions.json and a picture per video.
        options: further fields of :class:`evaluator.options.PredictOptions`, such as ``masks``, ``backgrounds``,
            ``top``.

    Returns:
        One per video; one that could not be read has a ``reason`` and no ``versions``.

    Raises:
        BenchError: the model, the mask source or a background set is wrong.
    """
    from evaluator.options import ModelOptions, PredictOptions
    from evaluator.predict.predict import predict as run

    own = ModelOptions(
        model=network, weights=weights, sampling=sampling, clip=dict(clip or {}), views=views, crops=crops, trust=trust
    )
    settings = PredictOptions(**{"progress": _shows_progress(), **options}, out=Path(out))
    several = [videos] if isinstance(videos, (str, PathLike)) else videos
    return run(_model(model, classes), [Path(v) for v in several], settings, own, log.info).videos


@named_extras()
def extract_features(
    model: "nn.Module | Place",
    dataset: str = "folder",
    root: Place | None = None,
    out: Place | None = None,
    *,
    split: str = "all",
    sampling: str | None = None,
    network: str | None = None,
    weights: str | None = None,
    clip: Mapping[str, Any] | None = None,
    trust: bool = False,
    **options: Any,
) -> "FeatureFolder":
    """Features of every window of long videos, in the formats that detectors of others read.

    Args:
        model, sampling, network, weights, clip, trust: as for :func:`evaluate`.
        dataset: ``ucf-crime``, ``thumos14``, ``synthlong``, ``folder`` or ``package.module:reader``.
        root: its folder; None for ``$BENCH_DATA/DATASET``.
        out: folder to write; None for ``features/DATASET-MODEL``.
        split: ``train``, ``validation``, ``test`` or ``all``.
        options: fields of :class:`evaluator.features.options.FeaturesOptions`, such as ``preset``, ``window``,
            ``stride``, ``crops``, ``format``, ``batch``, ``device``.

    Returns:
        The folder: ``videos()`` have ``features()``, ``starts()`` and ``frame_truth()``; ``left_out`` lists the videos
        without features.

    Raises:
        BenchError: the model or dataset is missing, the model gives no features, ``out`` contains something else, or no
            video could be read.
    """
    from evaluator.features.extract import extract_features as run
    from evaluator.features.folder import FeatureFolder
    from evaluator.features.options import FeaturesOptions
    from evaluator.options import ModelOptions

    own = ModelOptions(model=network, weights=weights, sampling=sampling, clip=dict(clip or {}), trust=trust)
    settings = FeaturesOptions(**{"progress": _shows_progress(), **options})
    found = run(_model(model, None), dataset, _path(root), split, _path(out), settings, own, log.info)
    for failure in found.report.failures:
        log.warning("%s: %s: %s", failure["kind"], failure["id"], failure["reason"])
    if not found.videos:
        first = next(iter(found.report.failed), None)
        raise BenchError(f"{found.path}: no features were written{': ' + first['reason'] if first else ''}")
    return FeatureFolder.open(found.path)


@named_extras()
def detect_anomalies(features: "FeatureFolder | Place", out: Place = "anomaly", **options: Any) -> "Detected":
    """Learn anomalies from labels of whole videos, and score the test videos frame by frame: AUC and AP.

    Args:
        features: a folder of features, such as :func:`extract_features` returns, of training and test videos.
        out: folder for results, scores and pictures; finished seeds in it are kept.
        options: fields of :class:`evaluator.downstream.anomaly.options.AnomalyOptions`, such as ``head``, ``steps``,
            ``seeds``, ``validation``, ``scores``; ``set=("lr=0.0001",)``.

    Returns:
        The figures: ``record.mean["auc"]``, ``record.sd``, ``record.interval`` (shares from 0 to 1), ``classes``.

    Raises:
        BenchError: an option or the folder is wrong, scikit-learn is missing, or there are no annotated test frames.
    """
    from evaluator.downstream.anomaly.detect import detect_anomalies as run
    from evaluator.downstream.anomaly.options import AnomalyOptions

    place = Path(features) if isinstance(features, (str, PathLike)) else features.path
    return run(place, AnomalyOptions(**{"progress": _shows_progress(), **options}, out=Path(out)), log.info)


@named_extras()
def audit_units(
    model: "nn.Module | Place",
    benchmark: "Benchmark | Place",
    sampling: str | None = None,
    out: Place = "units",
    *,
    network: str | None = None,
    weights: str | None = None,
    clip: Mapping[str, Any] | None = None,
    views: int | None = None,
    crops: int | None = None,
    trust: bool = False,
    **options: Any,
) -> Units:
    """Measure how many units of a network encode the background, the actor, both or neither (docs/units.md).

    Args:
        model, sampling, network, weights, clip, views, crops, trust: as for :func:`evaluate`; the network's layers must
            be reachable, so no exported program.
        benchmark: a SCUBA benchmark of which several videos share a background, and several a source video.
        out: tables and a picture go here.
        options: further fields of :class:`evaluator.options.UnitsOptions`, such as ``threshold``, ``limit``, ``batch``,
            ``device``, ``seed``.

    Raises:
        BenchError: the model or benchmark is missing, the model has no pooled features, or the benchmark has no pairs.
    """
    from evaluator.options import ModelOptions, UnitsOptions
    from evaluator.units.audit import audit_units as run

    own = ModelOptions(
        model=network, weights=weights, sampling=sampling, clip=dict(clip or {}), views=views, crops=crops, trust=trust
    )
    settings = UnitsOptions(**{"progress": _shows_progress(), **options}, out=Path(out))
    return Units(run(_model(model, None), Path(benchmark), settings, own, log.info))


@named_extras()
def localize_actions(
    features: "FeatureFolder | Place | None" = None,
    out: Place = "localize",
    *,
    predictions: "Place | Sequence[Place]" = (),
    truth: Place | None = None,
    **options: Any,
) -> "Localized":
    """Localize actions in long videos: train a head on the features of a frozen network, or score predictions.

    Args:
        features: a folder of features with annotated segments; None with ``predictions`` and ``truth``.
        out: folder for results, predictions and pictures; finished seeds in it are kept.
        predictions: files made elsewhere, one per seed, instead of training. truth: the annotations, instead of those
            of the features: a json file of THUMOS14 or ActivityNet, or another folder of features.
        options: fields of :class:`evaluator.downstream.localize.options.LocalizeOptions`, such as ``head``, ``epochs``,
            ``seeds``, ``subset``, ``leave_out``; ``set=("lr=0.0002",)``.

    Returns:
        The figures: ``record.mean["map"]``, ``record.mean["map@0.5"]``, ``record.sd``, ``record.interval`` (shares from
        0 to 1), ``classes``; ``missing`` and ``left_out`` list what was not scored.

    Raises:
        BenchError: an option, a folder or a file is wrong, or the package of the head is missing.
    """
    from evaluator.downstream.localize.localize import localize_actions as run
    from evaluator.downstream.localize.options import LocalizeOptions

    several = [predictions] if isinstance(predictions, (str, PathLike)) else predictions
    options = {"progress": _shows_progress(), **options, "truth": _path(truth)}
    place = features if features is None or isinstance(features, (str, PathLike)) else features.path
    chosen = LocalizeOptions(**options, predictions=tuple(map(Path, several)), out=Path(out))
    return run(_path(place), chosen, log.info)


@named_extras()
def score(
    predictions: "Place | Sequence[Place]",
    benchmarks: "Benchmark | Place | Sequence[Benchmark | Place]",
    out: Place | None = None,
    **options: Any,
) -> Result:
    """Compute figures from existing predictions of any framework.

    Args:
        predictions: one file per benchmark, in their order.
        benchmarks: the benchmarks; ``iid:DATASET`` for the ordinary test videos.
        out: where to write predictions, record and leaderboard; None writes nothing.
        options: ``method``, ``model``, ``lists``, ``answers``, ``questions``, ``allow_missing``, ``seed``, ``cluster``,
            ``slices``, ``quantiles``; see :func:`evaluator.score.score`.

    Raises:
        BenchError: a file does not match its benchmark.
    """
    from evaluator.score import IID
    from evaluator.score import score as run

    files = _several(predictions)
    many = _several(benchmarks)
    wanted = [b if isinstance(b, str) and b.startswith(IID) else Path(b) for b in many]
    return Result(run([Path(f) for f in files], wanted, _path(out), log.info, **options))


@named_extras()
def train(
    method: str = "albar",
    dataset: str = "synthactions",
    model: str | None = None,
    **settings: Any,
) -> Path:
    """Train a network; the same call continues a stopped one.

    Args:
        method, dataset, model: registered names, or ``package.module:Name``.
        settings: further fields of :class:`albar.training.settings.TrainSettings`, such as ``epochs``, ``out``,
            ``root``, ``options={"adv": 0.5}``. synthactions is rendered first if it is missing.

    Returns:
        The checkpoint.

    Raises:
        BenchError: settings are wrong, or data is missing.
    """
    from albar.training.reference2d import with_reference
    from albar.training.settings import make_settings
    from albar.training.trainer import train as run
    from benchmark_builder.synthactions.render import render_if_missing

    given = {"method": method, "dataset": dataset, "model": model, "progress": _shows_progress(), **settings}
    made = make_settings(None, {k: Path(v) if k in ("root", "out") and v is not None else v for k, v in given.items()})
    if made.dataset == "synthactions":
        render_if_missing(made.root, log.info)
    return run(with_reference(made, log.info), log.info)


@named_extras()
def leaderboard(results: "Place | Sequence[Place]") -> pd.DataFrame:
    """The rows of one or several leaderboards as a table, one per checkpoint: figures are numbers (percent), missing
    ones NaN.

    Args:
        results: ``out`` folders of :func:`evaluate` and :func:`score`, or leaderboard.csv files.

    Raises:
        BenchError: a leaderboard is missing or damaged.
    """
    from evaluator.reports.leaderboard import OWN, columns_of, number
    from evaluator.runs import find_rows

    many = _several(results)
    rows = find_rows([Path(r) for r in many])
    columns = columns_of(rows)
    table = pd.DataFrame([dict.fromkeys(columns, "") | row for row in rows], columns=columns)
    text = ("dataset", "method", "model", "split", "protocol", "built_by", "checkpoint", "checkpoint_sha256",
            "manifests", "version", "cluster", "trained_on", "seed", "scene_truth", "recipe", "figure_videos",
            OWN)  # fmt: skip
    for column in columns:
        if column not in text:
            table[column] = pd.to_numeric(table[column].map(number))
    return table


@named_extras()
def publish(source: "Benchmark | Place", out: Place, **settings: Any) -> Path:
    """Write a folder that others can load, cite and check, as `bench publish` does.

    Args:
        source: a built benchmark, or the ``out`` folder of :func:`evaluate`.
        out: folder to write; it must not exist, or be empty.
        settings: the other options of the command, such as ``with_pixels``, ``archive_size``, ``authors``, ``licence``;
            :class:`benchmark_builder.settings.PublishSettings` lists them.

    Returns:
        The folder.

    Raises:
        BenchError: ``source`` is neither, a setting is wrong, a file was changed, or ``out`` has content. Nothing is
            written then.
    """
    from albar_bench.version import __version__
    from benchmark_builder.settings import PublishSettings
    from evaluator.publish_results import publish_any

    given = PublishSettings(out=Path(out), **settings)
    made = publish_any(Path(source), given, __version__, _shows_progress())
    for line in made.said:
        log.warning("%s", line)
    return made.folder


@named_extras()
def rebuild(
    folder: Place,
    out: Place | None = None,
    *,
    root: Place | None = None,
    scuba: "Benchmark | Place | None" = None,
    backgrounds: Place | None = None,
    workers: int | None = None,
) -> Benchmark:
    """Make a published benchmark again, and compare the digest of every video's pixels. Can be resumed.

    Args:
        folder: what :func:`publish` has written.
        out: folder to write; None for ``$BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND``.
        root: your own copy of the dataset; None for ``$BENCH_DATA/DATASET``.
        scuba: the SCUBA benchmark, for other kinds; None for the one alongside, by its digest.
        backgrounds: folder of background videos, for a benchmark with backgrounds ``video:FOLDER``.
        workers: processes; None for one per core.

    Returns:
        The benchmark, with every published video.

    Raises:
        BenchError: the folder is not a published benchmark, the dataset is missing, or a video cannot be made or has
            other pixels; the others are kept.
    """
    from benchmark_builder.publishing.rebuild import rebuild as run
    from benchmark_builder.settings import RebuildSettings

    settings = RebuildSettings(
        out=_path(out), root=_path(root), scuba=None if scuba is None else Path(scuba), backgrounds=_path(backgrounds),
        workers=workers,
    )  # fmt: skip
    found = run(Path(folder), settings, _shows_progress())
    made = _finished(found.report, _path(root))
    if missing := found.missing:
        raise BenchError(missing)
    return made


@dataclass(frozen=True)
class Reproduced:
    """What :func:`reproduce` found.

    Attributes:
        commands: what leads to the record, in order, quoted for a shell.
        notes: what you should know of them.
        unknown: what cannot be derived, one line each; then the commands are not complete.
        differences: what differs from the record, one line each; empty if all is equal, None if nothing was run.
    """

    commands: list[str]
    notes: list[str]
    unknown: list[str]
    differences: list[str] | None = None


@named_extras()
def reproduce(record: Place, out: Place = "reproduced", *, run: bool = False, **options: Any) -> Reproduced:
    """The commands that lead to a row of a leaderboard; with ``run``, run them and compare digests and figures.

    Args:
        record: a record, the ``out`` folder of :func:`evaluate` with one record, a built benchmark, or a run.
        out: folder for everything that is made.
        run: run the commands; otherwise they are only listed.
        options: where your own files are: ``root``, ``benchmarks``, ``checkpoint``, ``masks``, ``backgrounds``,
            ``weights``, as the options of `bench reproduce`.

    Raises:
        BenchError: ``record`` is none of these, or is not readable; with ``run``: something cannot be derived, or a
            command failed.
    """
    from evaluator.options import ReproduceOptions
    from evaluator.reproduce.plan import plan_of
    from evaluator.reproduce.running import run_plan

    if "benchmarks" in options:
        options["benchmarks"] = tuple(Path(b) for b in _several(options["benchmarks"]))
    settings = ReproduceOptions(run=run, out=Path(out), **options)
    plan, known = plan_of(Path(record), settings.places)
    found = Reproduced([step.line for step in plan.steps], list(plan.notes), list(plan.unknown))
    if not run:
        return found
    if plan.unknown:
        raise BenchError(f"{record}: cannot be derived: {plan.unknown[0]}")
    return replace(found, differences=run_plan(plan, known, log.info))


def _several(given: object) -> list[Any]:
    """One value, or the values of a list or tuple, as a list."""
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _model(model: Any, classes: Sequence[str] | None) -> Any:
    """A module as a model to score; a path or a name as it is."""
    from torch import nn

    from evaluator.models.factory import from_object

    if isinstance(model, nn.Module):
        return from_object(model, f"{type(model).__module__}.{type(model).__qualname__}", classes)
    if classes is not None:
        raise BenchError(
            "classes: can be given only for a module; leave it out for a file or a name (or use `bench "
            "eval --classes FILE`)"
        )
    if isinstance(model, Benchmark) or not isinstance(model, (str, PathLike)):
        raise BenchError(f"model: is a {type(model).__name__}; give an nn.Module, a path or a name")
    return model


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)


def _shows_progress() -> bool:
    return log.isEnabledFor(logging.INFO)


def _run(workers: int | None) -> Run:
    return Run(workers=workers, progress=_shows_progress(), say=log.info)


def _scuba(scuba: "Benchmark | Place", root: Place | None) -> Path:
    """The folder of a SCUBA benchmark, or the one at a dataset's default place."""
    from benchmark_builder.datasets import DATASETS
    from benchmark_builder.start_from import scuba_there

    if isinstance(scuba, str) and not Path(scuba).is_dir() and DATASETS.names_one(scuba):
        found = scuba_there(scuba, _path(root))
        if found is None:
            raise BenchError(f"{scuba}: has no SCUBA benchmark at its default place; build it with build_scuba first")
        return found
    return Path(scuba)


def _finished(report: Report, root: Path | None) -> Benchmark:
    for failure in report.failures:
        log.warning("%s: %s: %s", failure["kind"], failure["id"], failure["reason"])
    if report.benchmark is None:
        raise BenchError(
            f"{report.folder}: nothing was built: {len(report.left_out)} left out, {len(report.failed)} failed; "
            "failures.csv there lists them"
        )
    return Benchmark(report.folder, root)
