"""Groups of commands as tables. A command's module is imported when the command is called, and not for the list of
commands in `--help`."""

import copy
import importlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from benchmark_builder.utils.lazy import many_imports


class PlainCommand(TyperCommand):
    """A command that says how to give several values to an option that takes one at a time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # A usage error of click, which typer may bring along under another name.
            said = getattr(error, "message", "")
            if isinstance(said, str) and said.startswith("Got unexpected extra argument"):
                error.message = said + self._repeated(typed)  # type: ignore[attr-defined]
            raise

    def _repeated(self, words: list[str]) -> str:
        """A hint for the first word that follows the value of an option which may be repeated; "" if there is none."""
        several = {
            n for p in self.params if isinstance(p, TyperOption) and p.multiple and not p.is_flag for n in p.opts
        }
        for option, value, extra in zip(words, words[1:], words[2:], strict=False):
            if option in several and not extra.startswith("-"):
                again = shlex.join([option, value, option, extra])
                return f". {option} takes one value; give it once per value: {again}"
        return ""


@dataclass(frozen=True)
class Command:
    """A command of a table.

    Attributes:
        place: ``module:name`` of its function, or of a :class:`typer.Typer` with its own commands.
        about: its line in the list of commands; the first paragraph of its help.
        kind: the class of the command.
    """

    place: str
    about: str
    kind: type[TyperCommand] = PlainCommand

    def load(self, name: str) -> Any:
        """The command itself."""
        module, _, attribute = self.place.partition(":")
        with many_imports():
            found = getattr(importlib.import_module(module), attribute)
            return typer.main.get_command(found) if isinstance(found, typer.Typer) else made(name, found, self.kind)

    def listed(self, name: str) -> Any:
        """Its entry in a list."""
        return TyperCommand(name, short_help=self.about, rich_markup_mode="markdown")


@dataclass(frozen=True)
class Table:
    """A group of commands, which is an entry of another table as well.

    Attributes:
        about: its help; the first paragraph is its line in a list.
        commands: name -> command, in the order of the list.
        kind: the class of the group.
    """

    about: str
    commands: "Mapping[str, Command | Table]" = field(default_factory=dict)
    kind: "type[Group] | None" = None

    def load(self, name: str) -> Any:
        """The group itself."""
        group = (self.kind or Group)(name=name, help=self.about, no_args_is_help=True, rich_markup_mode="markdown")
        group.table = self.commands
        return group

    listed = load


class Group(TyperGroup):
    """A group whose commands are those of a table."""

    table: Mapping[str, Command | Table]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with this name; None if there is none."""
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in self.table:
            found = self.commands[cmd_name] = self.table[cmd_name].load(cmd_name)
        return found

    def listed(self, name: str) -> Any:
        """The entry of a command in the list."""
        return self.table[name].listed(name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands; no command is imported for it."""
        super(Group, self._listing(ctx)).format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names of commands and options that begin so; no command is imported for it."""
        ctx.command = self._listing(ctx)
        return super(Group, ctx.command).shell_complete(ctx, incomplete)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called; for an unknown one, the error suggests names that are similar."""
        known = self.get_command(ctx, args[0]) is not None
        return super(Group, self if known else self._listing(ctx)).resolve_command(ctx, args)

    def _listing(self, ctx: Any) -> "Group":
        """This group with the entries of its list in place of its commands."""
        listing = copy.copy(self)
        listing.commands = {name: self.listed(name) for name in self.list_commands(ctx)}
        return listing


def made(name: str, function: Any, kind: type[TyperCommand] = PlainCommand) -> Any:
    """A function as a command."""
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    app.command(name=name, cls=kind)(function)
    command = typer.main.get_command(app)
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and not (parameter.multiple or parameter.required or parameter.callback):
            _leave_out(parameter)
    return command


def _leave_out(option: TyperOption) -> None:
    """Let an option that was not given, and has no default, be None at once.

    typer finds the same, but first makes a validator of pydantic for its type, half a millisecond for each of fifty.
    """
    process = option.process_value
    option.process_value = lambda ctx, value: None if value is None else process(ctx, value)  # type: ignore[method-assign]
