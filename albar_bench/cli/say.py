"""Printing for all commands: names and reasons may come from files of others, so control characters are not printed."""

import typer


def say(text: object, err: bool = False) -> None:
    """Print lines; control characters in them become visible (``\\x1b``).

    Args:
        text: one line or several.
        err: print on standard error.
    """
    from benchmark_builder.utils.text import shown

    typer.echo("\n".join(shown(line) for line in str(text).split("\n")), err=err)
