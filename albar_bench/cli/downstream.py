"""`bench downstream …`: tasks on features of a frozen network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.text import counted
from evaluator.downstream.anomaly.options import AnomalyOptions

if TYPE_CHECKING:
    from rich.table import Table

    from evaluator.downstream.anomaly.detect import Detected

FEATURES = Annotated[
    Path, typer.Argument(help="A folder of `bench features` with training and test videos.", metavar="FEATURES")
]


@with_options
def anomaly(features: FEATURES, chosen: Annotated[dict[str, Any], Chosen(AnomalyOptions)]) -> None:
    """Learn anomalies from labels of whole videos, and score the test videos frame by frame: AUC and AP.

    Weakly supervised multiple-instance learning, as on UCF-Crime: a training video is Normal or of a class of
    anomalies; where in it is unknown. The figures are of the frames of all test videos together, as scikit-learn
    computes them, with 95 % intervals over videos; the deviation is over seeds. The last step is scored, or the step
    that --validation chooses. Published code takes the best step on the test videos, which is too good.

    Can be resumed: finished seeds are kept.

    Example: `bench downstream anomaly features/ucf-crime --head rtfm --steps 15000 --seeds 3 --out anomaly/rtfm`

    Example: `bench downstream anomaly features/ucf-crime --scores scores_of_others.npz --out anomaly/others`
    """
    from evaluator.downstream.anomaly.detect import detect_anomalies
    from evaluator.reports.screen import print_table

    say_where_heads_train()
    found = detect_anomalies(features, AnomalyOptions(**chosen), say)
    print_table(_figures(found))
    if found.classes:
        print_table(_classes(found))
    for name, split, reason in found.left_out[:5]:
        say(f"left out: {name} ({split}): {reason}")
    if len(found.left_out) > 5:
        say(f"… and {len(found.left_out) - 5} more, see left_out.csv")
    pictures = [path for path in found.written if path.suffix == ".png"]
    say("\n".join(str(path) for path in found.written if path not in pictures[1:]))
    if len(pictures) > 1:
        say(f"pictures: {len(pictures)}")


def say_where_heads_train() -> None:
    """Say that ``$BENCH_ENGINE`` has no effect, if it names a cluster."""
    from benchmark_builder.utils import engine

    if not (chosen := engine.current()).local:
        say(f"{engine.VARIABLE}={chosen.name}: has no effect here, heads are trained on this machine")


TITLES = {"auc": "AUC", "ap": "AP", "pr_auc": "AP by trapezoids"}


def _figures(found: "Detected") -> "Table":
    from rich.table import Table

    record = found.record
    share = 100 * found.anomalous / found.frames
    table = Table(
        title=(
            f"{record.head}: {counted(found.videos, 'test video')}, {counted(found.frames, 'frame')}, {share:.1f} % "
            "anomalous"
        )
    )
    seeds = [f"seed {s.seed}" for s in record.seeds] if len(record.seeds) > 1 else []
    for heading in ("percent", "mean ± sd", "95 % interval", *seeds):
        table.add_column(heading, no_wrap=heading != "percent")
    for name, title in TITLES.items():
        interval = record.interval[name]
        each = [f"{100 * s.figures[name]:.2f}" for s in record.seeds] if seeds else []
        limits = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
        table.add_row(title, _spread(record.mean[name], record.sd[name]), limits, *each)
    return table


def _classes(found: "Detected") -> "Table":
    from rich.table import Table

    from evaluator.reports.screen import literal

    table = Table(title="Per class, against all normal videos")
    for heading in ("class", "AUC", "AP"):
        table.add_column(heading)
    for label, figures in found.classes.items():
        table.add_row(literal(label), _spread(*figures["auc"]), _spread(*figures["ap"]))
    return table


def _spread(mean: float, sd: float | None) -> str:
    return f"{100 * mean:.2f}" + ("" if sd is None else f" ± {100 * sd:.2f}")
