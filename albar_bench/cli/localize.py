"""`bench downstream localize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from albar_bench.cli.downstream import say_where_heads_train
from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.text import counted
from evaluator.downstream.localize.options import LocalizeOptions

if TYPE_CHECKING:
    from evaluator.downstream.localize.localize import Localized


@with_options
def localize(
    options: LocalizeOptions,
    features: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of `bench features` of THUMOS14, synthlong or another dataset with annotated segments; with "
            "--predictions and --truth FILE.json not needed.",
            metavar="FEATURES",
        ),
    ] = None,
) -> None:
    """Localize actions in long videos: train a head on the features of a frozen network, or score predictions.

    The head learns from the training videos (THUMOS14: its validation videos) and says where in the test videos each
    class occurs. mAP is the mean average precision at temporal IoU 0.3, 0.4, 0.5, 0.6 and 0.7, as ActivityNet's
    evaluator computes it. The last epoch is scored; the test videos choose nothing. Can be resumed.

    Example: `bench downstream localize features/albar --seeds 3 --out localize/albar`

    Example: `bench downstream localize --predictions result_detection.json --truth thumos_14_anno.json --head TriDet`
    """
    from evaluator.downstream.localize.localize import localize_actions

    say_where_heads_train()
    show(localize_actions(features, options, say))
    say(f"{options.out / 'results.json'}")


def show(found: "Localized") -> None:
    """The figures, the classes, and what is missing."""
    from rich.table import Table

    from evaluator.downstream.localize.metrics import FIGURES
    from evaluator.reports.screen import literal, print_table

    record = found.record
    table = Table(title=literal(f"{record.head}: mean average precision, %"))
    for heading in ("seed", *FIGURES):
        table.add_column(heading.replace("map", "mAP"), justify="right", no_wrap=True)
    for s in record.seeds:
        table.add_row(str(s.seed), *(f"{100 * s.figures[f]:.2f}" for f in FIGURES))
    if len(record.seeds) > 1:
        table.add_section()
        table.add_row("mean", *(f"{100 * record.mean[f]:.2f}" for f in FIGURES))
        table.add_row("± deviation", *(f"{100 * (record.sd[f] or 0):.2f}" for f in FIGURES))
    table.add_section()
    table.add_row("95 % from", *(f"{100 * record.interval[f].low:.2f}" for f in FIGURES))
    table.add_row("to", *(f"{100 * record.interval[f].high:.2f}" for f in FIGURES))
    print_table(table)
    classes = Table(title="Classes")
    for heading in ("class", "annotated", "predictions", "mAP, %", "mAP@0.5, %"):
        classes.add_column(heading, justify="left" if heading == "class" else "right")
    for row in found.classes:
        values = (f"{100 * float(str(row[f])):.2f}" for f in ("map", "map@0.5"))
        classes.add_row(literal(str(row["class"])), str(row["annotated"]), str(row["predictions"]), *values)
    print_table(classes)
    say(
        f"{counted(found.videos, 'video')}, {counted(found.segments, 'annotated segment')}; the interval is over videos"
    )
    for seed, missing in found.missing.items():
        if missing:
            more = f" … and {len(missing) - 5} more" if len(missing) > 5 else ""
            say(f"seed {seed}: videos without predictions, whose segments are missed: {len(missing)}: "
                f"{', '.join(missing[:5])}{more}")  # fmt: skip
    if found.left_out:
        say(f"rows of left_out.csv, videos and predictions that were not used: {len(found.left_out)}")
