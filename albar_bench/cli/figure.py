"""`bench figure`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from evaluator.options import FigureOptions


@with_options
def figure(
    kind: Annotated[
        str, typer.Argument(help="bars, scatter, curves, conflfg or classes.", metavar="KIND", show_default=False)
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="--out folders of `bench eval`, `bench score` and `bench compare`, records in results/, "
            "leaderboard.csv or compare.csv; for curves, --out folders of `bench train` and `bench compare`.",
            metavar="SOURCE…",
            show_default=False,
        ),
    ],
    options: FigureOptions,
) -> None:
    """Draw a figure for a paper as PNG, PDF or SVG: bars, scatter, curves, conflfg or classes.

    bars: every figure with its error bars; scatter: IID against contrasted accuracy; curves: training, epoch by epoch;
    conflfg: whether ConflFG videos are recognised by the moving actor or by the still one, as a matrix; classes: what
    changes per class from one model to another.

    A method has the same colour, marker and hatch in every figure and in `bench report`. Seeds are merged: error bars
    are ± their standard deviation, or the 95 % interval over videos of a single run.

    Example: `bench figure bars results --out bars.pdf`

    Example: `bench figure scatter results --published hmdb51 --out iid.svg`

    Example: `bench figure curves runs/baseline runs/albar`

    Example: `bench figure classes baseline/results albar/results`

    More: docs/figures.md
    """
    from evaluator.figures.figure import write_figure

    say(f"{write_figure(kind, sources, **dict(options))}")
