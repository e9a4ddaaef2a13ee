"""Options of commands from settings models: a parameter of a command that is a model becomes all of its options.

::

    @app.command()
    @with_options
    def scuba(build: BuildOptions, settings: Annotated[dict[str, Any], Chosen(ScubaSettings, "Settings")]) -> None:

``build`` arrives as the model, ``settings`` as a dict of those options alone that were given. Names, types, defaults,
ranges, choices and help are the model's.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic.fields import FieldInfo

from albar_bench.cli.completion import Complete, complete
from benchmark_builder.settings import EngineSettings
from benchmark_builder.utils import engine
from benchmark_builder.utils.extras import named_extras
from benchmark_builder.utils.options import SettingsModel, choices_of, extra, flag_of, pairs, plain_types, range_of


@dataclass(frozen=True)
class Chosen:
    """A parameter that takes the options of a model which were given: a dict of name -> value.

    Attributes:
        model: whose fields become options.
        panel: their heading in `--help`, where a field has none of its own.
        leave: fields that are no options.
        only: the fields that are options, in this order; empty for all that ``leave`` does not name.
    """

    model: type[SettingsModel]
    panel: str | None = None
    leave: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The fields that are options, by name."""
        known = self.model.model_fields
        return {name: known[name] for name in self.only or known if name not in self.leave}


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of its parameters that are models."""
    hints = typing.get_type_hints(function, include_extras=True)
    models: dict[str, tuple[Chosen, bool, dict[str, str]]] = {}
    parameters: list[inspect.Parameter] = []
    signature = inspect.signature(function)
    taken = set(signature.parameters)  # names of options in Python: the field's, or one of its own if that is taken
    for own in signature.parameters.values():
        hint = hints[own.name]
        group = _group(hint)
        if group is None:
            for said in getattr(hint, "__metadata__", ()):
                if isinstance(said, typer.models.ArgumentInfo):
                    said.autocompletion = said.autocompletion or complete(function.__name__, own.name)
            parameters.append(own.replace(annotation=hint, kind=own.KEYWORD_ONLY))
            continue
        whole = isinstance(hint, type)
        names = {n: n if n not in taken else f"{own.name}_{n}" for n in group.fields}
        taken |= set(names.values())
        made = {
            n: option(names[n], n, f, group.panel, whole, complete(group.model.__name__, n, choices_of(f)))
            for n, f in group.fields.items()
        }
        models[own.name] = (group, whole, {n: p.name for n, p in made.items()})
        parameters += made.values()

    @functools.wraps(function)
    def command(**given: Any) -> None:
        for name, (group, whole, names) in models.items():
            read = {n: _plain(given.pop(parameter), n, group.fields[n]) for n, parameter in names.items()}
            values = {n: v for n, v in read.items() if v is not None}
            given[name] = group.model(**values) if whole else values
        with _engine(given.values()), named_extras():
            function(**given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return command


def _engine(values: Iterable[Any]) -> AbstractContextManager[Any]:
    """Process items with the engine that a command's options name."""
    chosen = next((value for value in values if isinstance(value, EngineSettings)), None)
    if chosen is None:
        return nullcontext()
    workers = getattr(chosen, "workers", None)
    needs = {name: getattr(chosen, f"engine_{name}") for name in ("cpus", "gpus", "memory")}
    return engine.using(chosen.engine, **needs, workers=workers)


def option(
    parameter: str,
    name: str,
    field: FieldInfo,
    panel: str | None = None,
    whole: bool = False,
    completes: Complete | None = None,
) -> inspect.Parameter:
    """A command's parameter for one field.

    Args:
        parameter: what the parameter is called in Python.
        name: the field's.
        field: its model's.
        panel: the heading of the option in `--help`.
        whole: the field's default is the parameter's; else that is None, and `--help` alone tells of the default.
        completes: what completes its values in a shell.
    """
    kinds = plain_types(field.annotation)
    kind: Any = next(k for k in (bool, int, float, tuple, dict, Path, str) if k in map(_root, kinds))
    default = field.get_default(call_default_factory=True)
    flags = [extra(field).get("flag") or flag_of(name)]
    if kind is bool and "/" not in flags[0] and not (whole and default is False):
        flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
    choices = choices_of(field)
    made = typer.Option(
        *flags,
        help=_help(field, default),
        rich_help_panel=extra(field).get("panel") or panel,
        show_default=False,
        hidden=bool(extra(field).get("hidden")),
        autocompletion=None if kind is bool else completes,
        metavar=extra(field).get("metavar") or (f"[{'|'.join(choices)}]" if choices else None),
    )
    several = kind in (tuple, dict)
    taken: Any = list[str] if several else kind
    if field.is_required():
        return inspect.Parameter(parameter, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[taken, made])
    kept = default if whole and not several else None
    return inspect.Parameter(
        parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=kept,
        annotation=Annotated[taken if kept is not None else taken | None, made],
    )


def _help(field: FieldInfo, default: Any) -> str:
    """What `--help` says of a field: its description, range and default."""
    silent = default is None or isinstance(default, bool) or default in ("", (), {}) or field.is_required()
    shown = extra(field).get("shown") or ("yes" if default is True else "" if silent else str(default))
    notes = [range_of(field), f"default: {shown}" if shown else ""]
    said = "; ".join(filter(None, notes))
    return f"{field.description or ''}{f'  [{said}]' if said else ''}"


def _group(hint: Any) -> Chosen | None:
    """What a parameter stands for, if it is a model or a :class:`Chosen` of one."""
    if isinstance(hint, type) and issubclass(hint, SettingsModel):
        return Chosen(hint)
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Chosen)), None)


def _root(kind: Any) -> Any:
    """The plain type behind one: ``str`` of a choice of words, ``tuple`` of ``tuple[str, ...]``."""
    origin = typing.get_origin(kind) or kind
    return str if origin is Literal else origin


def _plain(value: Any, name: str, field: FieldInfo) -> Any:
    """An option that may be given several times as a tuple, or a table of NAME=VALUE; None where it was not given."""
    if not isinstance(value, list):
        return value
    if dict in map(_root, plain_types(field.annotation)):
        return pairs(extra(field).get("flag") or flag_of(name), value) or None
    return tuple(value) or None


def given_of(model: type[SettingsModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are settings of a model."""
    return {name: value for name, value in values.items() if name in model.model_fields}
