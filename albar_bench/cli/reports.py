"""`bench leaderboard`, `bench report`, `bench score` and `bench versus`: commands for predictions and results."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from evaluator.options import BoardOptions, Leaderboards, ReportOptions, ScoreOptions, TableFormat, VersusOptions

_RESULTS = "--out folders of `bench eval` and `bench compare`, or records in results/."
Results = Annotated[list[Path], typer.Argument(help=_RESULTS, metavar="RES…")]


@with_options
def leaderboard(
    options: Leaderboards,
    board: BoardOptions,
    form: TableFormat,
    results: Annotated[
        list[Path] | None,
        typer.Argument(help=f"{_RESULTS} None: published figures alone (--published).", metavar="RES"),
    ] = None,
) -> None:
    """Print leaderboards as one ranked table: the seeds of a method merged, the change against the baseline.

    Rows are ranked by contrasted accuracy; its shaken form stands next to it, since a model that notices that nothing
    moves can win the first but not the second. Figures are compared only where they were measured on the same videos;
    others have a raised letter.

    Example: `bench leaderboard results`

    Example: `bench leaderboard results compare --sort avg_scuba --change relative --intervals --n`

    Example: `bench leaderboard results --published hmdb51 --format latex`

    Example: `bench leaderboard --published hmdb51`
    """
    from evaluator.reports.screen import show

    show(results or [], published=options.published, reference=options.reference, options=board, form=form.format)


@with_options
def report(results: Results, options: ReportOptions) -> None:
    """Write one self-contained page: leaderboard, bias plots, classes, comparisons, and videos playing side by side.

    Example: `bench report results --title "My models" --out report.html`
    """
    from evaluator.reports.report import report as write

    made = write(results, **dict(options))
    say(f"{made}")


@with_options
def score(
    options: ScoreOptions,
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="One file per benchmark. Columns id,pred (csv, tsv, xlsx, parquet; also label, or a column of scores "
            "per class), JSON {id: class}, JSON lines with id and pred, or the output of mmaction2, PySlowFast, "
            "VideoMAE. With --template: the file to write."
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Benchmarks, in the files' order; iid:DATASET for the test split.", metavar="DIR ..."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help="Write a csv file with the videos of this benchmark to fill in the column pred, and the list of its "
            "classes.",
            metavar="DIR",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write results and a leaderboard row here.")] = None,
) -> None:
    """Score predictions of any framework, without a network or videos.

    A file needs only the columns id and pred, in any order: ids (or files) of the benchmark's manifest.csv, and class
    names (letters and digits count, whatever the case) or numbers from 0. A column label is compared with the
    benchmark. -1 in pred: the model gave no answer, which counts as wrong. Figures that need scores are then left out.

    A video language model's answers to the questions of `bench export --layout qa` need --questions (docs/qa.md).

    Example: `bench score --template DIR`, fill in DIR-answers.csv, then `bench score DIR-answers.csv --benchmark DIR`.
    Every format with an example: docs/predictions.md.
    """
    from benchmark_builder.utils.errors import BenchError
    from evaluator.reports.slices import show_slices
    from evaluator.score import score as compute
    from evaluator.score import set_of

    if options.renamed:
        say(options.renamed, err=True)
    if template is not None:
        from evaluator.template import write_template

        if benchmark or len(predictions or ()) > 1:
            raise BenchError("--template: takes one benchmark and at most one file to write; leave --benchmark out")
        for path in write_template(set_of(template, options.root), predictions[0] if predictions else None):
            say(f"{path}")
        return
    wanted = [name if name.startswith("iid:") else Path(name) for name in benchmark or ()]
    scored = compute(predictions or [], wanted, out, say, **dict(options))
    for name, figure in scored.record.figures.items():
        interval = "" if figure.low is None else f"  [{figure.low:.2f}, {figure.high:.2f}]"
        lacking = f", {figure.missing} missing" if figure.missing else ""
        say(f"{name:12} {figure.percent:6.2f}{interval}  (n = {figure.n}{lacking})")
    show_slices(scored.record.slices, scored.record.own_arrows)
    for path in scored.slices:
        say(f"{path}")


@with_options
def versus(
    a: Annotated[Path, typer.Argument(help="A record in a results/ folder, or an --out folder with one record.")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    options: VersusOptions,
    form: TableFormat,
) -> None:
    """Compare two models on the same videos: paired differences with intervals, exact McNemar tests.

    Example: `bench versus results/results/hmdb51-albar-1a2b3c4d-5e6f7a8b.json baseline/ --format md`
    """
    from benchmark_builder.utils.errors import BenchError
    from evaluator.reports.screen import show_comparison
    from evaluator.runs import find_records, load_run

    runs = []
    for path in (a, b):
        records = find_records([path])
        if len(records) != 1:
            raise BenchError(f"{path}: contains {len(records)} records; give one of them, such as {records[0]}")
        runs.append(load_run(records[0], options.benchmarks, options.root))
    show_comparison(runs[0], runs[1], cluster=options.cluster, form=form.format)
