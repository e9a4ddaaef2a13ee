"""Runs the commands of a plan, each as a process of its own, and compares what they made."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_text
from benchmark_builder.utils.text import shown
from evaluator.records import ResultsRecord
from evaluator.reproduce.compare import compared
from evaluator.reproduce.steps import Plan, Step


def run_plan(plan: Plan, record: ResultsRecord | None, say: Callable[[str], None]) -> list[str]:
    """Run all steps and compare digests and figures.

    Args:
        plan: without unknown parts.
        record: the recorded results; None for a benchmark or a run.
        say: gets a line before each command, and what is equal afterwards.

    Returns:
        What differs, one line each; empty if all that was recorded is equal.

    Raises:
        BenchError: a command failed.
    """
    for number, step in enumerate(plan.steps, 1):
        say(f"\n[{number}/{len(plan.steps)}] {shown(step.line)}")
        _run(step)
    return compared(plan, record, lambda line: say(shown(line)))


def _run(step: Step) -> None:
    """Run one command without a shell."""
    if step.config_file is not None:
        write_text(step.config_file, step.config)
    # -P: the current folder may be a stranger's, and have an albar_bench of its own.
    here = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-P", "-m", "albar_bench", *step.words]
    done = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode:
        raise BenchError(f"bench {' '.join(step.words[:2])} ended with status {done.returncode}; fix what it says "
                         "above and run the same command again, what is done is kept")  # fmt: skip
