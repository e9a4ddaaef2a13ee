"""`bench doctor`."""

from typing import Annotated

import typer

from albar_bench.cli.options import with_options


@with_options
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Check the installation: libraries, GPU, ffmpeg, weights, disk space, datasets; say how to fix what is wrong.

    ok: it works. missing: it is not there, and not everybody needs it. problem: something that is needed is missing or
    broken; only then is the exit status 1.

    Example: `bench doctor`

    Example: `bench doctor --json`
    """
    from dataclasses import asdict, replace

    from albar_bench.doctor import OK, PROBLEM, checks
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.text import counted, shown

    found = []
    if json:
        from json import dumps

        found = list(checks())
        typer.echo(
            dumps({"ok": all(c.state != PROBLEM for c in found), "checks": [asdict(c) for c in found]}, indent=1)
        )
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console, colours = Console(), {"ok": "green", "missing": "yellow", PROBLEM: "bold red"}
        with console.status("importing libraries"):
            found = list(checks())
        table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", max_width=24)
        table.add_column(overflow="fold")
        group = ""
        good = [c for c in found if c.group == "libraries" and c.state == OK and c.name != "GPU"]
        for check in found:
            if check in good[1:]:
                continue
            if check.group != group:
                group = check.group
                table.add_row("", Text(group, "bold"), "")
            text = Text(shown(check.found))
            if check in good:  # all in one place
                check, text = replace(check, name="work"), Text(", ".join(f"{c.name} {c.found}" for c in good))
            if check.fix:
                text.append(f"\n→ {shown(check.fix)}", "cyan")
            table.add_row(Text(check.state, colours[check.state]), Text(shown(check.name)), text)
        console.print(table)
    wrong = [check for check in found if check.state == PROBLEM]
    if wrong:
        raise BenchError(f"{counted(len(wrong), 'problem')}, such as {wrong[0].name}: {wrong[0].found}; {wrong[0].fix}")
