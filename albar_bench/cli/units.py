"""`bench audit units`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.eval import OF_MODEL
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import EngineSettings
from benchmark_builder.utils.text import counted
from evaluator.options import ModelOptions, UnitsOptions

if TYPE_CHECKING:
    from rich.table import Table

    from evaluator.units.audit import Units

OF_NETWORK = tuple(name for name in OF_MODEL if name not in ("method", "trained_on", "classes"))


@with_options
def units(
    model: Annotated[
        str,
        typer.Argument(
            help="A model as `bench eval` takes it, whose layers can be reached: no exported program.", metavar="MODEL"
        ),
    ],
    benchmark: Annotated[
        Path,
        typer.Argument(
            help="A SCUBA benchmark with fewer pictures as backgrounds than videos, and several per video.",
            metavar="BENCHMARK",
        ),
    ],
    said: Annotated[dict[str, Any], Chosen(ModelOptions, only=OF_NETWORK)],
    chosen: Annotated[dict[str, Any], Chosen(UnitsOptions, leave=("progress",))],
    machines: EngineSettings,
) -> None:
    """Measure how many units of a network encode the background, the actor, both or neither.

    Example: `bench audit units runs/baseline benchmarks/scuba-places --out units`

    On all machines of a Ray cluster: add `--engine ray --engine-gpus 0.5` (docs/cluster.md).

    static: videos of different classes on the same background have features in common; dynamic: videos of the same
    actor on different backgrounds have (Kowal et al., CVPR 2022; docs/units.md). shuffled: the same if features are
    dealt anew to the videos: 95 % of such scores; means of shares and units.
    """
    from rich.console import Console

    from evaluator.units.audit import audit_units

    found = audit_units(model, benchmark, UnitsOptions(**chosen), ModelOptions(**said), say)
    console = Console()
    console.print(_scores(found))
    console.print(_kinds(found))
    constant = int(found.constant.sum())
    say(
        f"{counted(found.videos, 'video')}, {len(found.missing)} missing; {counted(len(found.kinds), 'unit')}, "
        f"{constant} do not vary"
    )
    for factor, shared in (("static", "backgrounds"), ("dynamic", "source videos")):
        line = found.line(f"score {factor}")
        say(f"{factor}: {counted(line.pairs or 0, 'pair')}, which share {line.groups} {shared}")
    for name, reason in found.missing[:5]:
        say(f"missing: {name}: {reason}")
    if len(found.missing) > 5:
        say(f"… and {len(found.missing) - 5} more")
    say("\n".join(map(str, found.written)))


def _scores(found: "Units") -> "Table":
    from rich.table import Table

    table = Table(title="Factors")
    for heading in ("factor", "score", "95 % interval", "shuffled", "p", "share, %\n(shuffled)"):
        table.add_column(heading, no_wrap=True)
    for factor in ("static", "dynamic", "residual"):
        share = found.line(f"share {factor}")
        cells = ["1", "", "", ""]
        if factor != "residual":
            line = found.line(f"score {factor}")
            interval = "–" if line.low is None else f"{line.low:.2f} to {line.high:.2f}"
            shuffled = f"{line.shuffled_low:.2f} to {line.shuffled_high:.2f}"
            cells = [f"{line.value:.3f}", interval, shuffled, f"{line.p:.3f}"]
        table.add_row(factor, *cells, f"{100 * share.value:.1f} ({100 * share.shuffled:.1f})")
    return table


def _kinds(found: "Units") -> "Table":
    from rich.table import Table

    table = Table(title=f"Units with a score above {found.threshold:g}")
    for heading in ("kind", "units", "%", "shuffled"):
        table.add_column(heading)
    for kind in ("static", "dynamic", "joint", "residual"):
        line = found.line(f"units {kind}")
        shuffled = f"{line.shuffled:.1f} ({line.shuffled_low:.0f} to {line.shuffled_high:.0f})"
        table.add_row(kind, f"{line.value:.0f}", f"{100 * line.value / len(found.kinds):.1f}", shuffled)
    return table
