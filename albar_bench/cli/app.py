"""The command tree.

Nothing heavy is imported here: a command's module is imported when it is called, and it imports its dependencies when
it runs. A test compares each line here with the help of the command.
"""

from typing import Annotated, Any

import typer

from albar_bench.cli.kind_group import KindGroup
from albar_bench.cli.method_help import TrainCommand
from albar_bench.cli.tree import Command, Group, Table
from albar_bench.cli.variadic import (
    is_anything,
    is_benchmark,
    is_figure,
    is_list,
    is_order,
    is_questions,
    is_slices,
    variadic,
)

CLI = "albar_bench.cli"
BUILD = Table(
    "Build test videos: **scuba** (actor over an unrelated background), **scufo** (a still of it), "
    "**conflfg** (with the still actor of another class added), or your own kind: **package.module:Kind**."
    "\n\nExample: `bench build all --dataset hmdb51`\n\nExample: `bench build scuba --dataset hmdb51`",
    {
        "all": Command(
            f"{CLI}.build_all:build_all",
            "Build SCUBA, SCUFO, shaken SCUFO and ConflFG, or other kinds, with one command. Can be resumed.",
            variadic(kinds=is_anything),
        ),
        "scuba": Command(
            f"{CLI}.build:scuba",
            "Composite the actor of every video over backgrounds that are unrelated to the action.",
        ),
        "scufo": Command(
            f"{CLI}.build:scufo",
            "Repeat one frame of every SCUBA video, so that nothing moves; low accuracy is good.",
        ),
        "conflfg": Command(
            f"{CLI}.build:conflfg",
            "Add the still actor of another class to every SCUBA video; the label is the class of the moving actor.",
        ),
    },
    KindGroup,
)
AUDIT = Table(
    "Audit masks, what a built benchmark shows of the original background, and what the units of a network encode."
    "\n\nExample: `bench audit masks data/masks/hmdb51-people`",
    {
        "leakage": Command(
            f"{CLI}.audit:leakage",
            "Measure how much of the original background is visible, and whether it reveals the class or the source "
            "video.",
        ),
        "masks": Command(
            f"{CLI}.audit:masks",
            "Judge stored masks without annotations: figures per video, and a sheet of the most doubtful videos.",
        ),
        "units": Command(
            f"{CLI}.units:units",
            "Measure how many units of a network encode the background, the actor, both or neither.",
        ),
    },
)
DATA = Table(
    "Datasets: render the embedded dataset, list or inspect the videos in a folder; make pictures for backgrounds."
    "\n\nExample: `bench data inspect --dataset ucf101`",
    {
        "render": Command(
            f"{CLI}.data:render",
            "Render *synthactions* or *synthlong*: only the motion of the actor is the class. Can be resumed.",
        ),
        "list": Command(f"{CLI}.data:list_command", "List a dataset's videos as CSV: id, label, class, file."),
        "segments": Command(
            f"{CLI}.data:segments",
            "Print the annotated segments of a dataset of untrimmed videos as CSV: id, class, start, end, unit, split.",
        ),
        "backgrounds": Command(
            f"{CLI}.data:backgrounds",
            "Make pictures of scenes with a text-to-image network, for `--backgrounds images:OUT`. Can be resumed.",
        ),
        "transcode": Command(
            f"{CLI}.data:transcode",
            "Write a dataset's videos smaller and with frequent key frames, so that clips are read faster. Can be "
            "resumed.",
        ),
        "inspect": Command(
            f"{CLI}.data:inspect",
            "Decode every video and report problems of a copy. Exit status 1 if a video is missing, unreadable, or "
            "has a name that cannot be used.",
        ),
    },
)
WEIGHTS = Table(
    "Weights of trained networks for mask sources and methods: list and download them."
    "\n\nExample: `bench weights list`",
    {
        "list": Command(
            f"{CLI}.weights:list_command",
            "List every network: use, licence, size, digest, where its weights come from, whether they are installed.",
        ),
        "fetch": Command(
            f"{CLI}.weights:fetch",
            "Download a network's weights, verify their digest and store them; print their path.",
        ),
    },
)
DOWNSTREAM = Table(
    "Downstream tasks on features of a frozen network: does less bias help there?\n\nExample: `bench downstream demo`",
    {
        "anomaly": Command(
            f"{CLI}.downstream:anomaly",
            "Learn anomalies from labels of whole videos, and score the test videos frame by frame: AUC and AP.",
        ),
        "localize": Command(
            f"{CLI}.localize:localize",
            "Localize actions in long videos: train a head on the features of a frozen network, or score predictions.",
            variadic(predictions=is_anything),
        ),
        "demo": Command(
            f"{CLI}.downstream_demo:demo",
            "Does less bias help elsewhere? Anomaly detection and localization on rendered videos, without a download.",
            variadic(checkpoints=is_anything, heads=is_anything),
        ),
    },
)
COMMANDS: dict[str, Command | Table] = {
    "build": BUILD,
    "train": Command(
        f"{CLI}.train:train",
        "Train a network. Can be resumed: the same command continues a stopped run.",
        TrainCommand,
    ),
    "eval": Command(
        f"{CLI}.eval:eval_command",
        "Score a model: IID, SCUBA (↑), SCUFO (↓), ConflFG (↑), contrasted accuracy (↑).",
        variadic(benchmarks=is_benchmark, time=is_order, slices=is_slices),
    ),
    "explain": Command(
        f"{CLI}.explain:explain",
        "Show where a network looks, by integrated gradients, and how much of that is on the actor.",
    ),
    "predict": Command(
        f"{CLI}.predict:predict",
        "Show a model's top classes for a video, and how they change with one frame, another order or background.",
    ),
    "features": Command(
        f"{CLI}.features:features",
        "Write features of every window of long videos, in the formats that detectors of others read. Can be resumed.",
    ),
    "compare": Command(
        f"{CLI}.compare:compare",
        "Train several methods with several seeds, score them all, and show one table: mean ± standard deviation.",
        variadic(
            methods=is_anything,
            benchmarks=is_benchmark,
            time=is_order,
            slices=is_slices,
            downstream=is_anything,
            leaderboard=is_anything,
            on=is_anything,
        ),
    ),
    "paper": Command(
        f"{CLI}.paper:paper",
        "Reproduce a paper's table: from the official datasets to the figures, next to the published ones.",
        variadic(without=is_anything),
    ),
    "leaderboard": Command(
        f"{CLI}.reports:leaderboard",
        "Print leaderboards as one ranked table: the seeds of a method merged, the change against the baseline.",
    ),
    "report": Command(
        f"{CLI}.reports:report",
        "Write one self-contained page: leaderboard, bias plots, classes, comparisons, and videos playing side by "
        "side.",
        variadic(benchmarks=is_benchmark),
    ),
    "figure": Command(
        f"{CLI}.figure:figure",
        "Draw a figure for a paper as PNG, PDF or SVG: bars, scatter, curves, conflfg or classes.",
        variadic(figures=is_figure),
    ),
    "score": Command(
        f"{CLI}.reports:score",
        "Score predictions of any framework, without a network or videos.",
        variadic(
            {"predictions": "--template", "benchmark": "--template"},
            benchmark=is_benchmark,
            lists=is_list,
            questions=is_questions,
            slices=is_slices,
            time=is_order,
        ),
    ),
    "versus": Command(
        f"{CLI}.reports:versus",
        "Compare two models on the same videos: paired differences with intervals, exact McNemar tests.",
        variadic(benchmarks=is_benchmark),
    ),
    "segment": Command(
        f"{CLI}.segment:segment",
        "Write the masks of any source to disk once; builds reuse them with `--masks stored:FOLDER`. Can be resumed.",
    ),
    "verify": Command(
        f"{CLI}.benchmark:verify",
        "Check a benchmark against its manifest: the digest, size and length of every file, and every row.",
    ),
    "audit": AUDIT,
    "preview": Command(
        f"{CLI}.benchmark:preview",
        "Show a benchmark (original, mask, SCUBA, SCUFO, ConflFG) or the masks of `bench segment`: a picture, or an "
        "animation.",
    ),
    "stats": Command(
        f"{CLI}.benchmark:stats",
        "Show class balance, mask coverage, and how much of the actor the stills show: tables and plots.",
    ),
    "export": Command(
        f"{CLI}.benchmark:export",
        "Write a benchmark in another layout, or in the format of another project's loader (--for).",
    ),
    "export-weights": Command(
        f"{CLI}.weights:export_weights",
        "Write a checkpoint's weights for other programs; `bench eval` and `bench train --weights` can read them, too.",
    ),
    "import": Command(
        f"{CLI}.benchmark:import_command",
        "Write a manifest for a published benchmark, so that it can be verified, previewed and scored.",
    ),
    "merge": Command(
        f"{CLI}.benchmark:merge",
        "Join parts that were built with `--shard i/n` on several machines into one benchmark; the parts are kept.",
    ),
    "reproduce": Command(
        f"{CLI}.reproduce:reproduce",
        "Print the commands that lead to a row of a leaderboard; with --run, run them and compare digests and figures.",
        variadic(benchmarks=is_benchmark),
    ),
    "publish": Command(
        f"{CLI}.publish:publish",
        "Write a folder that others can load, cite and check: video folder, dataset card, Croissant metadata, "
        "checksums.",
    ),
    "rebuild": Command(
        f"{CLI}.publish:rebuild",
        "Make a published benchmark again, and compare the digest of every video's pixels. Can be resumed.",
    ),
    "demo": Command(
        f"{CLI}.demo:demo",
        "Render synthactions, build SCUBA, SCUFO and ConflFG, train two networks, score both, show the leaderboard.",
    ),
    "doctor": Command(
        f"{CLI}.doctor:doctor",
        "Check the installation: libraries, GPU, ffmpeg, weights, disk space, datasets; say how to fix what is wrong.",
    ),
    "data": DATA,
    "weights": WEIGHTS,
    "downstream": DOWNSTREAM,
}


# The headings of the list of commands, with their commands in order.
PANELS = {
    "Start": ("demo", "doctor"),
    "Data": ("data", "weights"),
    "Build": ("build", "segment", "import", "merge", "export"),
    "Check": ("verify", "audit", "preview", "stats"),
    "Train": ("train", "export-weights"),
    "Evaluate": ("eval", "score", "predict", "explain"),
    "Compare": ("compare", "leaderboard", "figure", "report", "versus", "paper"),
    "Downstream": ("features", "downstream"),
    "Publish": ("publish", "rebuild", "reproduce"),
}


class Interrupted(BaseException):
    """Ctrl-C, for which typer would exit without a message."""


class _Commands(Group):
    table = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        placed = [name for names in PANELS.values() for name in names]
        return [*placed, *(name for name in self.table if name not in placed)]

    def listed(self, name: str) -> Any:
        found = super().listed(name)
        found.rich_help_panel = next((panel for panel, names in PANELS.items() if name in names), None)
        return found

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


app = typer.Typer(
    name="bench",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Does my video model recognise the motion, or only the background and looks?\n\n"
        "Build test videos in which background and looks are misleading (`bench build`), train networks that rely "
        "less on them (`bench train`), measure how much a network still does (`bench eval`).\n\n"
        "Datasets are read from `$BENCH_DATA/NAME` (default `./data/NAME`), built benchmarks in "
        "`$BENCH_DATA/benchmarks/NAME-KIND-BACKGROUND`, runs in `./runs`. "
        "`bench demo` runs every step on videos that the toolkit renders itself.\n\n"
        "Example: `bench build all --dataset hmdb51`"
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from benchmark_builder.version import __version__

        typer.echo(f"albar-bench {__version__}")
        raise typer.Exit


@app.callback()
def _bench(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass
