"""`bench explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.eval import UNNAMED
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.text import counted, shown
from evaluator.options import ExplainOptions, ModelOptions

if TYPE_CHECKING:
    from rich.table import Table

    from evaluator.explain.explain import Explained


@with_options
def explain(
    model: Annotated[
        str, typer.Argument(help="A model as `bench eval` takes it; it must give gradients.", metavar="MODEL")
    ],
    what: Annotated[
        Path,
        typer.Argument(help="A video (a file, a folder of frames), or a built benchmark.", metavar="VIDEO|BENCHMARK"),
    ],
    said: Annotated[dict[str, Any], Chosen(ModelOptions, only=UNNAMED)],
    chosen: Annotated[dict[str, Any], Chosen(ExplainOptions, leave=("progress",))],
) -> None:
    """Show where a network looks, by integrated gradients, and how much of that is on the actor.

    inside: share of the absolute attribution that is inside the actor's mask; area: share of the clip that the mask
    covers, which is what chance gives.

    Example: `bench explain runs/albar/model.ckpt data/benchmarks/hmdb51-scuba-stripes --limit 50 --out explained`
    """
    from rich.console import Console

    from evaluator.explain.explain import explain as run

    found = run(model, what, ExplainOptions(**chosen), ModelOptions(**said), say)
    Console().print(_table(found))
    if found.means:
        first = found.means[0]
        of = counted(first.sources, "source video")
        say(f"{counted(first.videos, 'video')} of {of} explained, {first.missing} missing")
    failed = [one for one in found.videos if one.reason]
    for one in failed[:5]:
        say(f"missing: {one.id}: {one.reason}")
    if len(failed) > 5:
        say(f"… and {len(failed) - 5} more")
    say("\n".join(map(str, found.written)))


def _table(found: "Explained") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    if not found.means:
        table = Table(title="Attribution")
        for heading in ("video", "explained", "predicted", "inside, %", "area, %"):
            table.add_column(heading, overflow="fold")
        for one in found.videos:
            figures = ["–" if v is None else f"{100 * v:.1f}" for v in (one.inside, one.area)]
            table.add_row(*(escape(shown(word)) for word in (one.id, one.explained, one.predicted)), *figures)
        return table
    table = Table(title="Attribution and mask")
    for heading in ("figure", "mean, %", "95 % interval"):
        table.add_column(heading)
    for mean in found.means:
        interval = "–" if mean.low is None else f"{mean.low:.1f} to {mean.high:.1f}"
        table.add_row(mean.figure, f"{mean.percent:.1f}", interval)
    return table
