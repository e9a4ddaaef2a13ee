"""`bench audit …`: what a built benchmark reveals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import LeakageFiles, LeakageSettings, RunSettings

if TYPE_CHECKING:
    from benchmark_builder.audit.leakage import Leakage, Share


@with_options
def leakage(
    benchmarks: Annotated[
        list[Path], typer.Argument(help="SCUBA benchmarks; several make one table.", metavar="BENCHMARK…")
    ],
    settings: LeakageSettings,
    run: RunSettings,
    files: LeakageFiles,
) -> None:
    """Measure how much of the original background is visible, and whether it reveals the class or the source video.

    The probe finds the nearest neighbour by colours and gradients of the pasted pixels around the actor; for the class,
    only among videos of other sources. Without a reference it sees the edge of the pasted area, including the actor.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from benchmark_builder.audit.leakage import measure, write_table
    from benchmark_builder.audit.leakage import plot as draw
    from benchmark_builder.utils.pictures import check_suffix
    from benchmark_builder.utils.pool import default_workers

    out, plot = files.out, files.plot
    if plot is not None:  # check before the work starts
        check_suffix(plot, flag="--plot")
    found = [measure(folder, settings, files.root, run.workers or default_workers()) for folder in benchmarks]
    screen = Table(title="Leakage, %, with 95 % intervals over sources")
    for heading in ("benchmark\nmasks", "background\nin paste", "actor\nshown", "class predicted\n(chance)",
                    "source predicted\n(chance)"):  # fmt: skip
        screen.add_column(heading, overflow="fold")
    for one in found:
        screen.add_row(*(escape(cell) for cell in _cells(one)))
    console = Console()
    console.print(screen)
    for one in found:
        where = f"pasted pixels {one.around}, in {100 * one.seen:.0f} % of {one.videos} videos"
        say(f"{one.benchmark.name}: {one.sources} sources, {len(one.missing)} missing; the probe saw {where}")
        for name, reason in one.missing[:5]:
            say(f"missing: {name}: {reason}")
        if len(one.missing) > 5:
            say(f"… and {len(one.missing) - 5} more")
    if out is not None:
        write_table(out, found)
        say(f"{out}: {len(found)} rows")
    if plot is not None:
        draw(plot, found)
        say(f"{plot}")


def _cells(one: "Leakage") -> list[str]:
    def probe(share: "Share | None", chance: float | None) -> str:
        return _percent(share, "" if chance is None else f" ({100 * chance:.1f})")

    return [
        f"{one.benchmark.name}\n{one.masks}",
        _percent(one.leaked),
        _percent(one.actor_shown),
        probe(one.class_probe, one.class_chance),
        probe(one.source_probe, one.source_chance),
    ]


def _percent(share: "Share | None", beside: str = "") -> str:
    """A figure, what follows it, and below them its interval."""
    if share is None:
        return "–"
    return f"{100 * share.value:.1f}{beside}\n{100 * share.low:.1f}–{100 * share.high:.1f}"
