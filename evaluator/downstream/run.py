"""Features and heads for several models and datasets, for the table of `bench compare --downstream`.

Every step can be resumed, and a step that fails costs its own figures only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import Paths, SettingsModel, Word, pairs, setting
from benchmark_builder.utils.registry import safe_name
from evaluator.downstream.results import FILE

Say = Callable[[str], None]
# Windows of a dataset, unless --features says otherwise: as the published protocols have them.
WINDOWS: dict[str, dict[str, Any]] = {
    "ucf-crime": {"window": 16, "stride": 16},
    "thumos14": {"preset": "videomaev2"},
}
OTHERS: dict[str, Any] = {"window": 16, "stride": 4}


class CompareDownstream(SettingsModel):
    """What the table of downstream tasks is made of.

    Attributes:
        downstream: results, or models. leaderboard: where contrasted accuracy is from.
        on: datasets for models: ``DATASET`` or ``DATASET:ROOT``.
        anomaly_head, localize_head: what is trained on their features. features: settings of the features.
    """

    downstream: tuple[Word, ...] = setting(
        (), "Show the table of downstream tasks instead: of results of `bench downstream` in these folders and those "
        "below, or of models, which are measured first, on --on.", metavar="PATH ...", panel="Downstream tasks",
    )  # fmt: skip
    leaderboard: Paths = setting(
        (), "Leaderboards of `bench eval`, for contrasted accuracy next to it. A row belongs to the model with its "
        "digest.", metavar="FILE ...", panel="Downstream tasks",
    )  # fmt: skip
    on: tuple[Word, ...] = setting(
        (), "Datasets of long videos for models in --downstream, such as ucf-crime thumos14:/data/thumos14.",
        metavar="DATASET[:ROOT] ...", panel="Downstream tasks",
    )  # fmt: skip
    anomaly_head: Word = setting(
        "mil", "Head for anomaly detection: mil, rtfm, mgfn (ALBAR's table).", panel="Downstream tasks"
    )
    localize_head: Word = setting("actionformer", "Head for localization.", panel="Downstream tasks")
    features: tuple[str, ...] = setting(
        (), "A setting of `bench features` for these models, such as stride=8 or preset=rtfm; may be given several "
        "times.", metavar="NAME=VALUE", shown="16 frames; thumos14 and synthlong: every 4", panel="Downstream tasks",
    )  # fmt: skip


@dataclass
class Measured:
    """What came of models and datasets.

    Attributes:
        results: folders with results. failures: "step: reason" of what failed.
    """

    results: list[Path] = field(default_factory=list[Path])
    failures: list[str] = field(default_factory=list[str])


def split_results(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Results among the words of ``--downstream``, and models. A folder of runs stands for its checkpoints."""
    results, models = list[Path](), list[str]()
    for word in words:
        path = Path(word)
        if path.suffix == ".json" or (path.is_dir() and next(path.rglob(FILE), None) is not None):
            results.append(path)
        elif path.is_dir() and (found := sorted(path.rglob("model.ckpt"))):
            models += map(str, found)
        else:
            models.append(word)
    return results, models


def named(models: Sequence[str]) -> dict[str, str]:
    """Name of folders -> model. The name of a checkpoint is that of its run's folder.

    Raises:
        BenchError: two models would have one name.
    """
    found: dict[str, str] = {}
    for spec in models:
        path = Path(spec)
        name = safe_name(path.parent.resolve().name if path.name == "model.ckpt" else spec.replace("/", "-"))
        if name in found:
            raise BenchError(f"--downstream: {found[name]} and {spec} are both called {name}; rename a folder, or name "
                             "every model once")  # fmt: skip
        found[name] = spec
    return found


def measure(
    models: Sequence[str], chosen: CompareDownstream, seeds: tuple[int, int], device: str, out: Path, say: Say
) -> Measured:
    """Extract features and train the heads for every model and dataset.

    Args:
        models: as `bench eval` takes them. chosen: all options. seeds: number of seeds, and the first.
        device: for everything. out: gets ``features/``, ``anomaly/`` and ``localize/``.
        say: function that shows lines to the user.

    Raises:
        BenchError: a dataset or a setting is wrong; the failure of a single step is reported in the result.
    """
    from benchmark_builder.untrimmed import UNTRIMMED
    from evaluator.downstream.anomaly.detect import detect_anomalies
    from evaluator.downstream.anomaly.options import AnomalyOptions
    from evaluator.downstream.localize.localize import localize_actions
    from evaluator.downstream.localize.options import LocalizeOptions
    from evaluator.features.extract import extract_features
    from evaluator.features.folder import FeatureFolder
    from evaluator.features.options import FeaturesOptions
    from evaluator.parts import HEADS, LOCALIZERS

    HEADS.split(chosen.anomaly_head)
    LOCALIZERS.split(chosen.localize_head)
    own = pairs("--features", chosen.features)
    datasets = []
    for word in chosen.on:
        name, argument = UNTRIMMED.split(word)
        usual = WINDOWS.get(name, OTHERS)
        kept = {} if "preset" in own else usual
        try:
            options = FeaturesOptions(**{"device": device, **kept, **own})
        except BenchError as error:
            raise BenchError(f"--features: {error}") from None
        datasets.append((name, Path(argument) if argument else None, options))
    done = Measured()

    def step(what: str, work: Callable[[], object]) -> bool:
        say(f"\n{what}")
        try:
            work()
        except BenchError as error:
            done.failures.append(f"{what}: {error}")
            say(f"failed: {error}")
            return False
        return True

    for model, spec in named(models).items():
        for dataset, root, options in datasets:
            place = out / "features" / f"{model}-{safe_name(dataset)}"
            tasks: list[str] = []

            def extract(
                spec: str = spec, dataset: str = dataset, root: Path | None = root, place: Path = place,
                options: FeaturesOptions = options, tasks: list[str] = tasks,
            ) -> None:  # fmt: skip
                if dataset != "folder":  # which never has annotations, so that hours of work would be lost
                    extract_features(spec, dataset, root, "all", place, options, say=say)
                    tasks += FeatureFolder.open(place).record["tasks"]
                if not tasks:
                    raise BenchError(f"--on {dataset}: is not annotated, there is nothing to measure")

            if not step(f"features of {model} on {dataset}", extract):
                continue
            count, first = seeds
            if "anomaly" in tasks:
                to = out / "anomaly" / f"{place.name}-{safe_name(chosen.anomaly_head)}"
                detect = AnomalyOptions(head=chosen.anomaly_head, seeds=count, first_seed=first, device=device, out=to)
                work = partial(detect_anomalies, place, detect, say)
                if step(f"anomalies, {chosen.anomaly_head} on {place.name}", work) or (to / FILE).is_file():
                    done.results.append(to)
            if "localization" in tasks:
                to = out / "localize" / f"{place.name}-{safe_name(chosen.localize_head)}"
                find = LocalizeOptions(head=chosen.localize_head, seeds=count, first_seed=first, device=device, out=to)
                train = partial(localize_actions, place, find, say)
                if step(f"actions, {chosen.localize_head} on {place.name}", train) or (to / FILE).is_file():
                    done.results.append(to)
    return done
