"""`bench reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from evaluator.options import ReproduceOptions

if TYPE_CHECKING:
    from evaluator.reproduce.steps import Plan


@with_options
def reproduce(
    record: Annotated[
        Path,
        typer.Argument(
            help="A record in results/, an --out folder of `bench eval` with one record, a built benchmark, or a run.",
            metavar="RECORD",
        ),
    ],
    settings: ReproduceOptions,
) -> None:
    """Print the commands that lead to a row of a leaderboard; with --run, run them and compare digests and figures.

    Example: `bench reproduce results/results/synthactions-albar-1a2b3c4d.json --run --out again`

    Commands are derived from the settings in the record, the checkpoint and the benchmarks. Nothing that a record says
    is run as it is: only `bench data render`, `build`, `train` and `eval`, with checked values. Exit status 1 if
    something cannot be derived, or differs.
    """
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.text import counted, shown
    from evaluator.reproduce.plan import plan_of
    from evaluator.reproduce.running import run_plan

    plan, known = plan_of(record, settings.places)
    _show(plan)
    if plan.unknown:
        raise BenchError(
            f"{record}: {counted(len(plan.unknown), 'part')} cannot be derived, the first: {plan.unknown[0]}"
        )
    if not settings.run:
        return
    differing = run_plan(plan, known, say)
    for line in differing:
        say(f"differs: {shown(line)}")
    if differing:
        raise BenchError(f"{record}: {counted(len(differing), 'difference')}, the first: {shown(differing[0])}")
    say(f"{record}: reproduced, everything that is recorded is equal")


def _show(plan: "Plan") -> None:
    from benchmark_builder.utils.text import shown

    for number, step in enumerate(plan.steps, 1):
        say(f"# {number}. {step.title}" + (f"   (recorded: {shown(step.recorded)})" if step.recorded else ""))
        if step.config:
            say(f"# {step.config_file}:")
            for line in step.config.splitlines():
                say(f"#   {shown(line)}")
        say(shown(step.line))
    for line in plan.notes:
        say(f"note: {shown(line)}")
    for line in plan.unknown:
        say(f"cannot be derived: {shown(line)}")
