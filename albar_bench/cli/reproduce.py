"""`bench reproduce`."""

import os
import subprocess
import sys
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
    from evaluator.reproduce.compare import compared
    from evaluator.reproduce.plan import Places, plan_of

    places = Places(
        settings.out.absolute(), None if settings.root is None else settings.root.absolute(),
        tuple(settings.benchmarks), settings.checkpoint, settings.masks, settings.backgrounds, settings.weights,
    )  # fmt: skip
    plan, known = plan_of(record, places)
    _show(plan)
    if plan.unknown:
        raise BenchError(
            f"{record}: {counted(len(plan.unknown), 'part')} cannot be derived, the first: {plan.unknown[0]}"
        )
    if not settings.run:
        return
    for number, step in enumerate(plan.steps, 1):
        say(f"\n[{number}/{len(plan.steps)}] {shown(step.line)}")
        _run(step.words, step.config, step.config_file)
    differing = compared(plan, known, lambda line: say(shown(line)))
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


def _run(words: tuple[str, ...], config: str, config_file: Path | None) -> None:
    """Run one command as a process of its own, without a shell. Raises BenchError if it fails."""
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.files import write_text

    if config_file is not None:
        write_text(config_file, config)
    # -P: the current folder may be a stranger's, and have an albar_bench of its own.
    here = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-P", "-m", "albar_bench", *words]
    done = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode:
        raise BenchError(f"bench {' '.join(words[:2])} ended with status {done.returncode}; fix what it says above and "
                         "run the same command again, what is done is kept")  # fmt: skip
