"""Shows a plan before it runs."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from albar.training.accelerator import pick_device
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.text import counted
from evaluator.papers.cost import gigabytes, measure, train_videos
from evaluator.papers.needs import Found, free_gigabytes, look, missing
from evaluator.papers.run import PaperRun
from evaluator.reports.screen import literal

_STATES = {"here": "here", "missing": "MISSING", "later": "is downloaded when it is first used"}


def show_plan(run: PaperRun, device: str, measured: bool | None) -> None:
    """Print what a plan does, what it needs and what it costs; nothing is written.

    Args:
        device: where training steps are measured. measured: whether to measure; None: on a GPU only.
    """
    console = Console()
    plan = run.plan
    found = look(plan, run.places)
    console.print(literal(plan.title))
    console.print(literal(f"plan {plan.name}, version {plan.version}; everything is written to {run.out}"))
    if run.left_out:
        console.print(literal(f"left out: {', '.join(run.left_out)}"))
    console.print()
    for number, step in enumerate(run.steps, 1):
        console.print(literal(f"  {number}. {step}"))
    console.print()
    console.print("Needs:")
    for one in found:
        _say_need(one, console)
    console.print()
    console.print("Known differences from the paper:")
    for difference in (*plan.differences, *([f"only with --tiny: {plan.tiny}"] if run.tiny else [])):
        console.print(literal(f"  - {difference}"))
    space = gigabytes(plan, found)
    parts = ", ".join(f"{what} about {size:.1f} GB" for what, size in space.items())
    console.print()
    console.print(literal(f"Disk: {parts}; free here: {free_gigabytes(run.out):.0f} GB."))
    _cost(run, found, device, measured, console)
    lost = missing(found)
    if lost:
        parts = " ".join(sorted({part for one in lost for part in one.need.only_for}))
        leave = f", or leave their parts out (--without {parts})" if parts else ""
        console.print(literal(
            f"Missing here: {', '.join(one.need.name for one in lost)}. Get them, give their places with "
            f"--have NAME=PATH{leave}; then add --run."
        ))  # fmt: skip
    else:
        console.print(literal("Nothing is missing. Add --run to run it."))


def _say_need(one: Found, console: Console) -> None:
    need = one.need
    size = f", {need.gigabytes:g} GB" if need.gigabytes else ""
    what = need.what or f"the dataset {need.name}"
    console.print(literal(f"  {need.name}: {_STATES[one.state]}; {what}{size}"))
    for line in filter(None, (str(one.path), one.said)):
        console.print(Padding(literal(line), (0, 0, 0, 6)))


def _cost(run: PaperRun, found: list[Found], device: str, measured: bool | None, console: Console) -> None:
    plan = run.plan
    on = pick_device(device)
    if not (measured or (measured is None and on.type == "cuda")):
        console.print(literal(
            "GPU hours: not measured, since this machine has no GPU. Run this command on the GPU machine, or add "
            "--measure to measure a step here."
        ))  # fmt: skip
        return
    videos = train_videos(plan, found)
    table = Table(
        title=f"Training, from a measured step on {on.type} ({counted(videos, 'training video')})", title_justify="left"
    )
    for heading in ("method", "ms per clip", "× baseline", "hours per run", f"hours, {counted(plan.seeds, 'run')}"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    steps = list(Bar(measure(plan, videos, device, run.tiny), total=len(plan.methods), desc="measure", unit="method"))
    base = next((s.seconds / s.batch for s in steps if s.method == "baseline"), None)
    for step in steps:
        each = step.seconds / step.batch
        ratio = f"{each / base:.2f}" if base else ""
        cells = (step.method, f"{each * 1000:.1f}", ratio, f"{step.hours:.2f}", f"{step.hours * plan.seeds:.2f}")
        table.add_row(*map(literal, cells))
    console.print(table)
    total = sum(step.hours for step in steps) * plan.seeds
    console.print(literal(
        f"All trainings: {total:.1f} hours, without decoding, the 2-D reference networks and evaluation."
    ))  # fmt: skip
