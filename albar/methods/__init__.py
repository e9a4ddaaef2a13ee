"""Training methods by name: one short file per method."""

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Any

from albar.methods.base import AnySettings, Batch, Companions, Method, MethodSettings, Settings, Terms
from albar.parts import METHODS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import takes
from benchmark_builder.utils.registry import first_line

__all__ = [
    "METHODS", "PRESETS", "AnySettings", "Batch", "Companions", "Method", "MethodSettings", "Setting", "Settings",
    "Terms", "make_method", "settings_of",
]  # fmt: skip

PRESETS = ("finetune", "scratch", "pretrained")


def make_method(name: str, preset: str, options: Mapping[str, Any]) -> Method:
    """A method with the settings of ``preset``, some changed by ``options``.

    Args:
        name: a name of :data:`METHODS`, or ``package.module:Name`` of a subclass of :class:`Method`.
        preset: one of :data:`PRESETS`.
        options: settings to change.

    Raises:
        BenchError: unknown method, preset or setting (the choices are listed), or an invalid value.
    """
    kind = _class(name)
    if preset not in PRESETS:
        raise BenchError(f"unknown preset {preset!r}; choose from {', '.join(PRESETS)}")
    try:
        settings = _preset(kind, name, preset).replaced(options)
    except BenchError as error:
        raise BenchError(f"method {name}: {error}") from None
    if name in METHODS.shipped:
        return kind(settings)
    try:
        return kind(settings)
    except BenchError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise BenchError(f"METHOD {name}: cannot be made ({type(error).__name__}: {first_line(error)}); it is called "
                         "as Name(settings)") from error  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a method, for display: its value in each of :data:`PRESETS`, what it means, and what it takes (both
    may be empty)."""

    name: str
    finetune: Any
    scratch: Any
    about: str
    takes: str = ""
    pretrained: Any = None


def settings_of(name: str) -> list[Setting]:
    """The settings of a method, in the order in which its class has them: of a model from its fields, of a dataclass
    from it and its docstring.

    Raises:
        BenchError: no such method.
    """
    kind = _class(name)
    return list(_settings(*(_preset(kind, name, preset) for preset in PRESETS)))


def _settings(finetune: AnySettings, scratch: AnySettings, pretrained: AnySettings) -> list[Setting]:
    model = finetune if isinstance(finetune, MethodSettings) else None
    told = {} if model else _told(type(finetune))
    found: list[Setting] = []
    for name in finetune.setting_names():
        values = getattr(finetune, name), getattr(scratch, name), getattr(pretrained, name)
        if isinstance(values[0], AnySettings):  # one that consists of the settings of several methods
            found += _settings(*values)
        elif model is not None:
            field = type(model).model_fields[name]
            found.append(Setting(name, *values[:2], field.description or "", takes(field), values[2]))
        else:
            found.append(Setting(name, *values[:2], told.get(name, ""), pretrained=values[2]))
    return found


def _told(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of those that it extends say of its attributes, each on one line."""
    told: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        _, _, listed = inspect.cleandoc(part.__doc__ or "").partition("Attributes:\n")
        for entry in re.split(r"^    (?=\w+(?:, \w+)*:)", listed, flags=re.MULTILINE)[1:]:
            names, _, about = entry.partition(":")
            told |= dict.fromkeys(names.split(", "), " ".join(about.replace("``", "").split()))
    return told


def _class(name: str) -> type[Method]:
    found = METHODS.find(name)
    if found.argument is not None:
        raise BenchError(f"METHOD {name}: {found.name} takes no argument after a colon; change its settings with --set")
    if not (isinstance(found.part, type) and issubclass(found.part, Method)):
        raise BenchError(f"METHOD {name}: is not a training method; give a subclass of albar.methods.Method")
    return found.part


def _preset(kind: type[Method], name: str, preset: str) -> AnySettings:
    presets: Mapping[str, AnySettings] = kind.PRESETS if isinstance(kind.PRESETS, Mapping) else {}
    settings = presets.get(preset)
    if settings is None and preset == "pretrained":  # weights are published for networks that are trained already
        settings, preset = presets.get("finetune"), "finetune"
    if not isinstance(settings, AnySettings):
        raise BenchError(f"METHOD {name}: its PRESETS have no settings under {preset!r}; give one of "
                         "albar.methods.MethodSettings for each of finetune and scratch")  # fmt: skip
    return settings
