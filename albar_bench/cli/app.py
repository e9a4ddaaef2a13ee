"""The command tree. Nothing heavy is imported here: each command imports what it needs when it runs."""

from typing import Any

import typer
from typer.core import TyperGroup

from albar_bench.cli.audit import app as audit_app
from albar_bench.cli.benchmark import export, import_command, merge, preview, stats, verify
from albar_bench.cli.build import app as build_app
from albar_bench.cli.compare import compare
from albar_bench.cli.data import app as data_app
from albar_bench.cli.demo import demo
from albar_bench.cli.eval import eval_command
from albar_bench.cli.method_help import TrainCommand
from albar_bench.cli.reports import leaderboard, report, score, versus
from albar_bench.cli.segment import segment
from albar_bench.cli.train import train
from albar_bench.cli.variadic import is_anything, is_benchmark, is_list, variadic
from albar_bench.cli.weights import export_weights


class Interrupted(BaseException):
    """Ctrl-C, which typer would turn into an exit without a word."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


app = typer.Typer(
    name="bench",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Does my video model see the motion, or does it cheat?\n\n"
        "Build test videos in which scenery and looks are wrong (`bench build`), train networks not to cheat "
        "(`bench train`), score how much they still do (`bench eval`).\n\n"
        "Data sets are read from `$BENCH_DATA/NAME` (default `./data/NAME`), built benchmarks in "
        "`$BENCH_DATA/benchmarks/NAME-KIND-BACKGROUND`, runs in `./runs`. "
        "`bench demo` shows it all on videos that the toolkit renders itself."
    ),
)
app.add_typer(build_app, name="build")
app.command(name="train", cls=TrainCommand)(train)
app.command(name="eval", cls=variadic(benchmarks=is_benchmark))(eval_command)
app.command(cls=variadic(methods=is_anything, benchmarks=is_benchmark))(compare)
app.command()(leaderboard)
app.command(cls=variadic(benchmarks=is_benchmark))(report)
app.command(cls=variadic(benchmark=is_benchmark, lists=is_list))(score)
app.command(cls=variadic(benchmarks=is_benchmark))(versus)
app.command()(segment)
app.command()(verify)
app.add_typer(audit_app, name="audit")
app.command()(preview)
app.command()(stats)
app.command()(export)
app.command(name="export-weights")(export_weights)
app.command(name="import")(import_command)
app.command()(merge)
app.command()(demo)
app.add_typer(data_app, name="data")
