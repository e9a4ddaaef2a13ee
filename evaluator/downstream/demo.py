"""`bench downstream demo`: does less bias help elsewhere? Both downstream tasks on rendered videos, without a download.

Untrimmed videos are rendered, every checkpoint gives features, heads for anomaly detection and localisation are trained
on them, and one table says how well they do. See docs/downstream.md for what it showed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from benchmark_builder.settings import RunSettings, SynthLongSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.options import PathSetting, Word, Words, like, setting
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import counted
from evaluator.downstream import need
from evaluator.downstream.results import DownstreamResults

if TYPE_CHECKING:
    from rich.table import Table

# As in the published protocols windows have 16 frames; one every 4, as localisation has it, serves both tasks.
WINDOW, STRIDE = 16, 4
RENDER: dict[str, Any] = {}  # settings of the render that are no options here
EPOCHS = 20  # of the head that localises, after 5 of warm-up
STEPS = 500  # of a head of anomaly detection: half of the default
TABLE = "downstream.csv"
_METHODS = ("baseline", "albar")  # the checkpoints that `bench demo` leaves

Say = Callable[[str], None]


class DownstreamDemo(RunSettings):
    """The options of `bench downstream demo`.

    Attributes:
        checkpoints: models, as `bench eval` takes them; empty: the two in ``demo``.
        demo: the folder of `bench demo`.
        out: everything is written here.
        heads: of anomaly detection. seeds: trainings of each head, from seed 0 on.
        localizers: the same for localisation, which takes longer; 0: none.
        train, test, seed: of the render.
    """

    checkpoints: tuple[Word, ...] = setting(
        (), "Models to compare, e.g. runs/a/model.ckpt runs/b/model.ckpt; all that `bench eval` takes.",
        metavar="MODEL …", shown="the two of `bench demo`",
    )  # fmt: skip
    demo: PathSetting = setting(Path("demo"), "The folder that `bench demo` has filled, for its checkpoints.")
    out: PathSetting = setting(Path("demo") / "downstream", "Everything is written here; delete it when done.")
    heads: Words = setting(("mil",), "Heads of anomaly detection: mil, rtfm, mgfn.", metavar="HEAD …", shown="mil")
    seeds: int = setting(3, "Trainings of each head.", of="seeds", ge=1, le=1000)
    localizers: int = setting(
        1, "Trainings of the head that localises actions; 0: no localisation.", of="seeds", ge=0, le=1000
    )
    train: int = like(SynthLongSettings, "train", 80)
    test: int = like(SynthLongSettings, "test", 60)
    seed: int = like(SynthLongSettings, "seed", 0)

    @model_validator(mode="after")
    def _both_kinds(self) -> Self:
        for name in ("train", "test"):
            if getattr(self, name) < 6:
                fix = "give 6 or more, so that every anomaly and normal videos occur"
                raise self.wrong(name, getattr(self, name), fix)
        return self


@dataclass(frozen=True)
class Measured:
    """The figures of one model on one task: ``name`` of the model's rows, and the record of the task."""

    name: str
    record: DownstreamResults


def downstream_demo(options: DownstreamDemo, say: Say) -> tuple[Path, list[Measured]]:
    """Render, extract features, train heads, and write a table. Can be resumed: finished steps are kept.

    Args:
        options: all options.
        say: function that shows lines to the user.

    Returns:
        ``OUT/downstream.csv`` (a row per model and head, figures from 0 to 1), and its figures.

    Raises:
        BenchError: a model is missing, or a step fails.
    """
    from benchmark_builder.synthlong import render_synthlong
    from benchmark_builder.utils.pool import default_workers
    from evaluator.downstream.anomaly.detect import detect_anomalies
    from evaluator.downstream.anomaly.options import AnomalyOptions
    from evaluator.downstream.localize.localize import localize_actions
    from evaluator.downstream.localize.options import LocalizeOptions
    from evaluator.features.extract import extract_features
    from evaluator.features.options import FeaturesOptions
    from evaluator.models import load_model
    from evaluator.parts import HEADS

    models = named_models(options)
    for head in options.heads:
        HEADS.find(head)
    need("sklearn.metrics")
    if options.localizers:
        need("actionformer")
    for spec in models.values():
        load_model(spec)  # before minutes of rendering
    out, steps = options.out, 3 + bool(options.localizers)
    root = out / "synthlong"
    say(f"\n[1/{steps}] render untrimmed videos: {options.train} for training, in which looks mislead, {options.test} "
        "for testing")  # fmt: skip
    settings = SynthLongSettings(train=options.train, test=options.test, seed=options.seed, **RENDER)
    render_synthlong(root, settings, options.workers or default_workers())

    say(f"\n[2/{steps}] features of every window of {counted(WINDOW, 'frame')}, one every {counted(STRIDE, 'frame')}")
    features = {name: out / "features" / name for name in models}
    for name, spec in models.items():
        extract_features(
            spec, "synthlong", root, "all", features[name], FeaturesOptions(window=WINDOW, stride=STRIDE), say=say
        )

    say(f"\n[3/{steps}] anomaly detection: training videos only say whether something happens, not when")
    found = list[Measured]()
    for name, folder in features.items():
        for head in options.heads:
            place = out / "anomaly" / f"{name}-{safe_name(head)}"
            chosen = AnomalyOptions(head=head, seeds=options.seeds, steps=STEPS, out=place)
            found.append(Measured(name, detect_anomalies(folder, chosen, say).record))
    if options.localizers:
        say(f"\n[4/{steps}] temporal action localisation: which action, from when to when")
        for name, folder in features.items():
            chosen_too = LocalizeOptions(seeds=options.localizers, epochs=EPOCHS, out=out / "localize" / name)
            found.append(Measured(name, localize_actions(folder, chosen_too, say).record))
    table = out / TABLE
    write_csv(table, *rows_of(found))
    return table, found


def named_models(options: DownstreamDemo) -> dict[str, str]:
    """Name -> model. The name of a checkpoint is that of its run's folder.

    Raises:
        BenchError: a checkpoint of the demo is missing, or two models would have one name.
    """
    if options.checkpoints:
        specs = list(options.checkpoints)
    else:
        specs = [str(options.demo / "runs" / method / "model.ckpt") for method in _METHODS]
        missing = next((spec for spec in specs if not Path(spec).is_file()), None)
        if missing is not None:
            fix = "run `bench demo` first, or name your own with --checkpoints A/model.ckpt B/model.ckpt"
            raise BenchError(f"{missing}: no such file; {fix}")
    named = dict[str, str]()
    for spec in specs:
        path = Path(spec)
        name = safe_name(path.parent.resolve().name if path.name == "model.ckpt" else spec.replace("/", "-"))
        if name in named:
            fix = "rename the folder of one of them" if named[name] != spec else "name every model once"
            raise BenchError(f"--checkpoints: {named[name]} and {spec} are both called {name}; {fix}")
        named[name] = spec
    return named


def rows_of(found: Sequence[Measured]) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of the table: means and standard deviations over the seeds of the heads, from 0 to 1."""
    figures = list(dict.fromkeys(figure for one in found for figure in one.record.mean))
    columns = [
        "model",
        "method",
        "task",
        "head",
        "seeds",
        *(f"{figure}{sd}" for figure in figures for sd in ("", "_sd")),
    ]
    rows = []
    for one in found:
        record, row = one.record, dict.fromkeys(columns, "")
        model = record.features.get("model")
        row |= {"model": one.name, "task": record.task, "head": record.head, "seeds": str(len(record.seeds))}
        row["method"] = str(model.get("method", "") if isinstance(model, dict) else "")
        for figure, mean in record.mean.items():
            spread = record.sd[figure]
            row |= {figure: f"{mean:.6f}", f"{figure}_sd": "" if spread is None else f"{spread:.6f}"}
        rows.append(row)
    return columns, rows


def table_of(found: Sequence[Measured]) -> "Table":
    """The figures in percent, for the screen: a row per model, a column per head and figure."""
    from rich.table import Table

    from evaluator.reports.screen import literal

    columns = list(dict.fromkeys((m.record.head, f) for m in found for f in m.record.mean if "@" not in f))
    table = Table(title="Trained on features of the model, percent", caption=_CAPTION, caption_justify="left")
    table.add_column("Model", overflow="fold")
    for head, figure in columns:
        table.add_column(literal(f"{head} {_HEADINGS.get(figure, figure)}"), justify="right")
    for name in dict.fromkeys(m.name for m in found):
        cells = {(m.record.head, f): _shown(m.record, f) for m in found if m.name == name for f in m.record.mean}
        table.add_row(literal(name), *(cells.get(column, "") for column in columns))
    return table


_HEADINGS = {"auc": "AUC ↑", "ap": "AP ↑", "map": "mAP ↑"}
_CAPTION = "Mean ± standard deviation over the seeds of the head. Chance: AUC 50, AP the share of anomalous frames."


def _shown(record: DownstreamResults, figure: str) -> str:
    spread = record.sd[figure]
    return f"{100 * record.mean[figure]:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")
