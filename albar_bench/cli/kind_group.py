"""`bench build`: every kind made from SCUBA videos is a command, also those of packages and the user's own."""

from typing import Any

from albar_bench.cli.tree import Command, Group


class KindGroup(Group):
    """A table's commands, and each other kind as a command; ``package.module:Kind`` is one, too."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands, then the kinds that have none of their own."""
        from benchmark_builder.kinds import KINDS

        own = super().list_commands(ctx)
        return [*own, *(name for name in KINDS.names() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name. Raises BenchError if there is none, or if a user's kind is wrong."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            if ctx is not None and ctx.resilient_parsing and not self._registered(cmd_name):
                return None  # a shell completes words: nothing of the user's is imported for that
            from albar_bench.cli.build import command_of

            found = command_of(cmd_name)
        return found

    def _registered(self, name: str) -> bool:
        from benchmark_builder.kinds import KINDS

        return name in KINDS

    def listed(self, name: str) -> Any:
        from benchmark_builder.kinds import KINDS

        if name in self.table:
            return super().listed(name)
        if name in KINDS.about:
            return Command("", KINDS.about[name]).listed(name)
        return self.get_command(None, name)
