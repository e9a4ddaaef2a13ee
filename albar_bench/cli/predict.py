"""`bench predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from albar_bench.cli.eval import UNNAMED
from albar_bench.cli.options import Chosen, with_options
from albar_bench.cli.say import say
from benchmark_builder.utils.text import shown
from evaluator.options import ModelOptions, PredictOptions

if TYPE_CHECKING:
    from rich.table import Table

    from evaluator.predict.answers import Prediction


@with_options
def predict(
    model: Annotated[str, typer.Argument(help="A model as `bench eval` takes it.", metavar="MODEL")],
    videos: Annotated[
        list[Path],
        typer.Argument(help="Video files, folders of frames, or folders of video files.", metavar="VIDEO…"),
    ],
    said: Annotated[dict[str, Any], Chosen(ModelOptions, only=UNNAMED)],
    chosen: Annotated[dict[str, Any], Chosen(PredictOptions, leave=("progress",))],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show a model's top classes for a video, and how they change with one frame, another order or background.

    Example: `bench predict hf:MCG-NJU/videomae-base-finetuned-kinetics my_video.mp4 --masks people`

    Exit status 1 if a video could not be read; the others are shown and written.
    """
    from rich.console import Console

    from benchmark_builder.utils.errors import BenchError
    from evaluator.predict.predict import predict as run

    found = run(model, videos, PredictOptions(**chosen), ModelOptions(**said), (lambda line: None) if json else say)
    if json:
        import json as to_json

        print(to_json.dumps([one.plain() for one in found.videos], indent=1))
    else:
        console = Console()
        for one in (v for v in found.videos if v.versions):
            console.print(_table(one))
            say(one.verdict)
            for note in one.notes:
                say(f"no version with another background: {note}")
            say("")
        say("\n".join(map(str, found.written)))
    failed = found.failed
    if failed:
        for one in failed:
            where = "" if one.reason.startswith(f"{one.path}:") else f"{shown(one.path)}: "
            typer.echo(f"{where}{shown(one.reason)}", err=True)
        raise BenchError(f"{len(failed)} of {len(found.videos)} videos had errors, listed above; fix or leave them out")


def _table(one: "Prediction") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from evaluator.reports.screen import literal

    label = f", true class {one.label}" if one.label else ""
    table = Table(title=literal(f"{one.path.name}{label}", "table.title"))
    first = one.versions[0].answer.class_name
    table.add_column("Clips")
    table.add_column("Answer", overflow="fold")
    table.add_column(literal(f"{first}, %"), justify="right", overflow="fold")
    table.add_column("Next, %", overflow="fold")
    for v in one.versions:
        answer = Text(shown(f"{v.answer.class_name} {v.answer.percent:.1f}"), "" if v.same else "bold red")
        rest = ", ".join(f"{a.class_name} {a.percent:.1f}" for a in v.top[1:])
        table.add_row(literal(v.title), answer, f"{v.first_answer.percent:.1f}", literal(rest, "dim"))
    return table
