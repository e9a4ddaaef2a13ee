"""`bench build KIND` of the kinds that have no command of their own: of the table's, of packages, of one's own."""

import functools
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from albar_bench.cli.options import Chosen, with_options


class KindGroup(TyperGroup):
    """A group of commands in which every kind made from SCUBA videos is one; ``package.module:Kind`` is, too."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands, then the kinds that have none of their own."""
        from benchmark_builder.kinds import KINDS

        own = super().list_commands(ctx)
        return [*own, *(name for name in KINDS.names() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None where there is none. Raises BenchError if a kind of one's own is wrong."""
        from benchmark_builder.kinds import KINDS

        found = super().get_command(ctx, cmd_name)
        if found is None and KINDS.names_one(cmd_name):
            return command_of(cmd_name)
        return found


def command_of(word: str) -> Any:
    """The command that builds a kind; its settings are options."""
    from albar_bench.cli import build as shared
    from benchmark_builder.builders import build_kind
    from benchmark_builder.kinds.base import kind_named, own_settings

    kind = kind_named(word)
    Own = Annotated[
        dict[str, Any], Chosen(kind, "Settings of the kind", tuple(kind.model_fields.keys() - own_settings(kind)))
    ]

    @with_options
    def command(
        build: shared.BuildOptions,
        settings: shared.Scuba,
        network: shared.Network,
        own: Own,
        source: Annotated[Path | None, typer.Option("--from", help=shared.FROM)] = None,
    ) -> None:
        shared._derived(functools.partial(build_kind, kind), source, build, settings, network, own)

    command.__doc__ = (kind.__doc__ or kind.about.title).partition("\n")[0]
    app = typer.Typer(rich_markup_mode="markdown")
    app.command(name=word)(command)
    return typer.main.get_command(app)
