"""`bench downstream demo`."""

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from evaluator.downstream.demo import DownstreamDemo


@with_options
def demo(options: DownstreamDemo) -> None:
    """Does less bias help elsewhere? Anomaly detection and localization on rendered videos, without a download.

    Needs the two checkpoints that `bench demo` leaves, or your own (--checkpoints). Untrimmed videos are rendered
    (`bench data render --dataset synthlong`): in training videos, scenery and clothing suggest the wrong answer, test
    videos are unbiased. Every network gives features (`bench features`), on which heads are trained (`bench downstream
    anomaly`, `bench downstream localize`). Takes less than 10 minutes on 2 cores; can be resumed.

    Example: `bench downstream demo`

    Example: `bench downstream demo --checkpoints runs/baseline/model.ckpt runs/albar/model.ckpt --heads mil rtfm`
    """
    from rich.console import Console

    from evaluator.downstream.demo import downstream_demo, table_of

    written, found = downstream_demo(options, say)
    Console().print(table_of(found))
    say(f"table     {written}\nvideos    {options.out / 'synthlong' / 'videos'}")
