"""The command tree. Nothing heavy is imported here: a command's module is imported when it is called, and it imports
what it needs when it runs. A test compares each line here with the command's own help."""

from typing import Any

import typer

from albar_bench.cli.kind_group import KindGroup
from albar_bench.cli.method_help import TrainCommand
from albar_bench.cli.tree import Command, Group, Table
from albar_bench.cli.variadic import is_anything, is_benchmark, is_list, variadic

CLI = "albar_bench.cli"
BUILD = Table(
    "Build test videos: **scuba** (actor over an unrelated background), **scufo** (a still of it), "
    "**conflfg** (with the still actor of another class added), or a kind of your own: **package.module:Kind**.",
    {
        "scuba": Command(
            f"{CLI}.build:scuba",
            "Composite the actor of every video over backgrounds that have nothing to do with the action.",
        ),
        "scufo": Command(
            f"{CLI}.build:scufo",
            "Repeat one frame of every SCUBA video, so that nothing moves: who still names the action reads looks.",
        ),
        "conflfg": Command(
            f"{CLI}.build:conflfg",
            "Add the still actor of another class to every SCUBA video; the label stays the moving actor's.",
        ),
    },
    KindGroup,
)
AUDIT = Table(
    "Audit a built benchmark: how much of the original background it shows.",
    {
        "leakage": Command(
            f"{CLI}.audit:leakage",
            "How much of the original background survives, and whether it names the class or the source video.",
        )
    },
)
DATA = Table(
    "Datasets: render the embedded one, list or inspect what a folder holds.",
    {
        "render": Command(
            f"{CLI}.data:render",
            "Render *synthactions*: actors whose motion alone is the class, with exact masks. Resumable.",
        ),
        "list": Command(f"{CLI}.data:list_command", "List a dataset's videos as CSV: id, label, class, file."),
        "inspect": Command(
            f"{CLI}.data:inspect",
            "Decode every video and say what is wrong with a copy. Exit status 1 if any is missing, unreadable or of a "
            "name that cannot be used.",
        ),
    },
)
WEIGHTS = Table(
    "Weights of trained networks that mask sources and methods need: what there is, where it is, fetching it.",
    {
        "list": Command(
            f"{CLI}.weights:list_command",
            "List every network: what for, licence, size, digest, where its weights come from, whether they are there.",
        ),
        "fetch": Command(
            f"{CLI}.weights:fetch",
            "Fetch a network's weights, verify them by their digest, keep them; prints where they are.",
        ),
    },
)
COMMANDS: dict[str, Command | Table] = {
    "build": BUILD,
    "train": Command(
        f"{CLI}.train:train",
        "Train a network. Resumable: the same command goes on where a stopped run was.",
        TrainCommand,
    ),
    "eval": Command(
        f"{CLI}.eval:eval_command",
        "Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑).",
        variadic(benchmarks=is_benchmark),
    ),
    "compare": Command(
        f"{CLI}.compare:compare",
        "Train several methods with several seeds, score them all, and show one table: mean ± standard deviation.",
        variadic(methods=is_anything, benchmarks=is_benchmark),
    ),
    "leaderboard": Command(
        f"{CLI}.reports:leaderboard",
        "Print leaderboards as one table; published rows are marked, and rows of other videos are told apart.",
    ),
    "report": Command(
        f"{CLI}.reports:report",
        "Write one self-contained page: leaderboard, bias plots, classes, comparisons, and videos playing side by "
        "side.",
        variadic(benchmarks=is_benchmark),
    ),
    "score": Command(
        f"{CLI}.reports:score",
        "Score predictions of any framework; needs no network and no videos.",
        variadic(benchmark=is_benchmark, lists=is_list),
    ),
    "versus": Command(
        f"{CLI}.reports:versus",
        "Compare two models on the same videos: paired differences with intervals, exact McNemar tests.",
        variadic(benchmarks=is_benchmark),
    ),
    "segment": Command(
        f"{CLI}.segment:segment",
        "Write the masks of any source to disk once; builds reuse them with `--masks stored:FOLDER`. Resumable.",
    ),
    "verify": Command(
        f"{CLI}.benchmark:verify",
        "Check a benchmark against its manifest: every file's digest, size and length, and every row.",
    ),
    "audit": AUDIT,
    "preview": Command(
        f"{CLI}.benchmark:preview",
        "Look at a benchmark: original, mask, SCUBA, SCUFO and ConflFG of some videos, on a sheet or playing.",
    ),
    "stats": Command(
        f"{CLI}.benchmark:stats",
        "Class balance, mask coverage, and what its stills show of the actor: tables, and plots.",
    ),
    "export": Command(
        f"{CLI}.benchmark:export",
        "Write a benchmark in another layout, or as another project's loader reads it (--for).",
    ),
    "export-weights": Command(
        f"{CLI}.weights:export_weights",
        "Write a checkpoint's weights for other programs; `bench eval` and `bench train --weights` read them, too.",
    ),
    "import": Command(
        f"{CLI}.benchmark:import_command",
        "Give a published benchmark a manifest, so that it can be verified, previewed and scored.",
    ),
    "merge": Command(
        f"{CLI}.benchmark:merge",
        "Make one benchmark of parts that were built with `--shard i/n` on several machines; the parts stay.",
    ),
    "demo": Command(
        f"{CLI}.demo:demo",
        "Render synthactions, build SCUBA, SCUFO and ConflFG, train two networks, score both, show the leaderboard.",
    ),
    "data": DATA,
    "weights": WEIGHTS,
}


class Interrupted(BaseException):
    """Ctrl-C, which typer would turn into an exit without a word."""


class _Commands(Group):
    table = COMMANDS

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


@app.callback()
def _bench() -> None:
    """Without commands of its own, typer makes a group only of what has a callback."""
