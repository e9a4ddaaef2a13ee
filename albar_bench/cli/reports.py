"""`bench leaderboard`, `bench report`, `bench score` and `bench versus`: what one does with predictions."""

from pathlib import Path
from typing import Annotated

import typer

from albar_bench.cli.say import say

Results = Annotated[
    list[Path],
    typer.Argument(help="--out folders of `bench eval` and `bench compare`, or records in results/.", metavar="RES…"),
]
Published = Annotated[
    str | None,
    typer.Option(
        help="Show published figures too: hmdb51, kinetics400, ucf101-updated or ucf101-boxes.", metavar="TABLE"
    ),
]
Moved = Annotated[
    list[Path] | None,
    typer.Option(help="Benchmarks (or a folder of them), if not where they were when scored.", metavar="DIR ..."),
]
Cluster = Annotated[
    str,
    typer.Option(help="What the intervals' bootstrap draws whole: source, group (UCF101's) or video.", metavar="BY"),
]
Root = Annotated[Path | None, typer.Option(help="The dataset's folder, if it has moved.")]


def leaderboard(results: Results, published: Published = None) -> None:
    """Print leaderboards as one table; published rows are marked, and rows of other videos are told apart."""
    from evaluator.reports.screen import show

    show(results, published=published)


def report(
    results: Results,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    published: Published = None,
    gallery: Annotated[int, typer.Option(help="Videos shown in all their versions; 0 for none.")] = 4,
    benchmarks: Moved = None,
    root: Root = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Bias report",
    cluster: Annotated[
        str | None,
        typer.Option(
            help="What the intervals' bootstrap draws whole: source, group (UCF101's) or video.  [default: as scored]",
            metavar="BY",
        ),
    ] = None,
) -> None:
    """Write one self-contained page: leaderboard, bias plots, classes, comparisons, and videos playing side by side."""
    from evaluator.reports.report import report as write

    made = write(
        results,
        out,
        published=published,
        gallery=gallery,
        benchmarks=benchmarks or (),
        root=root,
        title=title,
        cluster=cluster,
    )
    say(f"{made}")


def score(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="One file per benchmark: CSV, Parquet, dumps of mmaction2, PySlowFast, VideoMAE."),
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(help="The benchmarks, in the files' order; iid:DATASET for the test split.", metavar="DIR ..."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write results and a leaderboard row here.")] = None,
    method: Annotated[str, typer.Option(help="Its name in the leaderboard.")] = "",
    model: Annotated[str, typer.Option(help="The network's name.")] = "",
    root: Root = None,
    lists: Annotated[
        list[Path] | None,
        typer.Option(
            help="The list files that the predictions were made from, where they carry no ids.", metavar="FILE ..."
        ),
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Accept files that lack some videos.")] = False,
    seed: Annotated[int, typer.Option(help="Owns the bootstrap's draws.")] = 0,
    cluster: Cluster = "source",
    format: Annotated[str, typer.Option(help="Of the predictions under --out: csv or parquet.")] = "csv",
) -> None:
    """Score predictions of any framework; needs no network and no videos."""
    from evaluator.score import score as compute

    scored = compute(
        predictions,
        [name if name.startswith("iid:") else Path(name) for name in benchmark],
        out,
        method=method,
        model=model,
        root=root,
        lists=lists or (),
        allow_missing=allow_missing,
        seed=seed,
        cluster=cluster,
        suffix=f".{format}",
    )
    for name, figure in scored.record.figures.items():
        interval = "" if figure.low is None else f"  [{figure.low:.2f}, {figure.high:.2f}]"
        lacking = f", {figure.missing} missing" if figure.missing else ""
        say(f"{name:12} {figure.percent:6.2f}{interval}  (n = {figure.n}{lacking})")


def versus(
    a: Annotated[Path, typer.Argument(help="A record in a results/ folder, or an --out folder with one record.")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    benchmarks: Moved = None,
    root: Root = None,
    cluster: Cluster = "source",
) -> None:
    """Compare two models on the same videos: paired differences with intervals, exact McNemar tests."""
    from benchmark_builder.utils.errors import BenchError
    from evaluator.reports.screen import show_comparison
    from evaluator.runs import find_records, load_run

    runs = []
    for path in (a, b):
        records = find_records([path])
        if len(records) != 1:
            raise BenchError(f"{path}: holds {len(records)} records; name one of them, such as {records[0]}")
        runs.append(load_run(records[0], benchmarks or (), root))
    show_comparison(runs[0], runs[1], cluster=cluster)
