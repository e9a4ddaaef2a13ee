"""`bench train METHOD --help`: the values that the presets give that method, below the command's own options."""

from typing import Any

from albar_bench.cli.tree import PlainCommand


class TrainCommand(PlainCommand):
    """Stores the words of the command, since --help ends it before they are parsed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["albar_bench.words"] = list(args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        from albar.stillmix_settings import REFERENCE

        words = [w for w in ctx.meta.get("albar_bench.words", ()) if not w.startswith("-")]
        if words and REFERENCE not in words:
            _show(words)


def _show(words: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from albar.parts import METHODS
    from benchmark_builder.utils.errors import BenchError
    from benchmark_builder.utils.extras import named_extras

    console = Console()
    method = next((w for w in words if METHODS.names_one(w)), words[0])  # other words are values of options
    try:
        with named_extras():
            from albar.methods import settings_of

            settings = settings_of(method)
    except BenchError as error:
        console.print(escape(str(error)))
        return
    console.print(_recipe(method))
    if not settings:
        console.print(escape(f"{method} has no settings."))
        return
    table = Table(title=escape(f"Settings of {method}, change them with --set NAME=VALUE"), title_justify="left")
    for heading in ("name", "finetune", "scratch", "pretrained", "takes", "meaning"):
        table.add_column(heading, overflow="fold")
    for s in settings:
        table.add_row(*(escape(str(cell)) for cell in (s.name, s.finetune, s.scratch, s.pretrained, s.takes, s.about)))
    console.print(table)


def _recipe(method: str) -> Any:
    """The table of the options whose defaults are a preset's."""
    from rich.markup import escape
    from rich.table import Table

    from albar.training.recipe import presets_of
    from albar_bench.cli.train import OPTIONS
    from benchmark_builder.utils.options import flag_of

    recipes = presets_of(method)
    table = Table(title=escape(f"Defaults of {method}"), title_justify="left")
    table.caption = "preset: finetune with --weights, else scratch; --preset chooses another"
    table.caption_justify = "left"
    for heading in ("option", *recipes):
        table.add_column(heading, overflow="fold")
    shared = next(iter(recipes.values()))
    for name in shared.setting_names():
        values = [getattr(recipe, name) for recipe in recipes.values()]
        if name in OPTIONS and values[0] is not None:
            table.add_row(flag_of(name), *(f"{v:g}" if isinstance(v, float) else str(v) for v in values))
    return table
