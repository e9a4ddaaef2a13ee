"""Options that take several values after one name: ``--benchmarks A B C``, as people type it."""

from typing import Any, ClassVar

from typer.core import TyperCommand


class VariadicCommand(TyperCommand):
    """Rewrites ``--name A B C`` as ``--name A --name B --name C`` before parsing."""

    names: ClassVar[frozenset[str]] = frozenset()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spread: list[str] = []
        current = None
        for k, word in enumerate(args):
            if word.startswith("-"):
                current = word if word in self.names else None
                if current is None:
                    spread.append(word)
                elif k + 1 == len(args) or args[k + 1].startswith("-"):
                    spread.append(word)  # no value follows: let the parser say so
            elif current:
                spread += [current, word]
            else:
                spread.append(word)
        return super().parse_args(ctx, spread)


def variadic(*names: str) -> type[VariadicCommand]:
    """A command class whose options ``names`` take several values."""
    return type("Variadic", (VariadicCommand,), {"names": frozenset(names)})
