"""`bench paper`."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.errors import BenchError
from evaluator.options import PaperOptions


@with_options
def paper(
    name: Annotated[
        str,
        typer.Argument(
            help="albar-hmdb51, albar-ucf101, albar-kinetics400, or a TOML file of a plan (docs/papers.md).",
            metavar="PAPER",
        ),
    ],
    options: PaperOptions,
) -> None:
    """Reproduce a paper's table: from the official datasets to the figures, next to the published ones.

    Shows the plan first: what it needs, what of it is missing here and where to get it, disk space, GPU hours. `--run`
    runs it; it can be stopped and continued. `--tiny` runs the same plan on small rendered copies of the datasets, in a
    few minutes: `bench paper albar-hmdb51 --tiny --run`.

    Example: `bench paper albar-hmdb51`

    Example: `bench paper albar-hmdb51 --have hmdb51=/data/hmdb51 --run`
    """
    from evaluator.papers.needs import Places, given_places
    from evaluator.papers.plan import read_plan
    from evaluator.papers.run import PaperRun, run_paper
    from evaluator.papers.show import show_plan

    plan = read_plan(name)
    out = options.out or Path("papers") / (plan.name + ("-tiny" if options.tiny else ""))
    if options.masks is not None:
        plan = plan.with_masks(options.masks)
    if options.seeds is not None:
        plan = plan.replaced(seeds=options.seeds)
    plan = plan.without(options.without)
    have = given_places(options.have)
    if options.tiny:
        from evaluator.papers.tiny import make_copies

        if have:
            raise BenchError("--have: --tiny makes its own copies of everything; leave it out")
        plan = plan.replaced(needs=tuple(need for need in plan.needs if need.kind != "torchvision"))
        if options.run:
            have = make_copies(plan, out / "data")
    training = {} if options.device is None else {"device": options.device}
    run = PaperRun(
        plan, out, Places(plan, have), tuple(options.without), options.tiny, options.workers, options.jobs, training
    )
    if options.run:
        run_paper(run, say)
    else:
        show_plan(run, options.device or "auto", options.measure)
