"""Settings as models: each field says its type, range or choices, default and help once, for the command line, TOML
files and Python alike.

Numbers are strict: no boolean is a number, no text is one, and none is infinite. What is wrong raises
:class:`SettingError`, the one place where pydantic's errors become one line.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from benchmark_builder.utils.errors import BenchError


class SettingError(BenchError):
    """A setting that is wrong.

    Attributes:
        name: the setting's.
        problem: its value and what to give instead, such as ``0: give a whole number from 1 on``.
    """

    name: str = ""
    problem: str = ""


def setting_error(name: str, value: Any, fix: str, flag: str = "") -> SettingError:
    """The error of one setting, which names its option: ``--name value: fix``."""
    shown = value if isinstance(value, (str, int, float, Path)) and value != "" else repr(value)
    error = SettingError(f"{flag or flag_of(name)} {shown}: {fix}")
    error.name, error.problem = name, f"{shown}: {fix}"
    return error


def flag_of(name: str) -> str:
    """The option of a setting: ``per_video`` is ``--per-video``."""
    return f"--{name.replace('_', '-')}"


def setting(default: Any, help: str, *, of: str = "", shown: str = "", flag: str = "", **limits: Any) -> Any:
    """A field of a :class:`SettingsModel`.

    Args:
        default: its value where nothing is chosen; ``...`` if there is none.
        help: one line for `--help`.
        of: what is counted or measured, in errors: ``frames``, ``pixels``, or ``share`` for a number from 0 to 1.
        shown: what `--help` says of the default in place of its value.
        flag: its option, where that is not the field's name with hyphens.
        limits: ``ge``, ``le``, ``gt``, ``lt``, as of :func:`pydantic.Field`.
    """
    extra = {"of": of, "shown": shown, "flag": flag}
    return Field(default, description=help, json_schema_extra={k: v for k, v in extra.items() if v}, **limits)


def share(default: Any, help: str, **more: Any) -> Any:
    """A field that is a number from 0 to 1; arguments as of :func:`setting`."""
    return setting(default, help, of="share", ge=0, le=1, **more)


class SettingsModel(BaseModel):
    """Settings that belong together: frozen, hashable, and checked when they are made.

    Raises:
        SettingError: an unknown setting, or one of a wrong type or out of its range.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False, defer_build=True,
        arbitrary_types_allowed=True,
    )  # fmt: skip

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _first(error, type(self)) from None

    @classmethod
    def setting_names(cls) -> tuple[str, ...]:
        """The settings, in the order in which they are defined."""
        return tuple(cls.model_fields)

    @classmethod
    def part_of(cls, settings: BaseModel) -> Self:
        """These settings, taken from a model that has them among its own."""
        return cls(
            **{name: getattr(settings, name) for name in cls.setting_names() if name in type(settings).model_fields}
        )

    @classmethod
    def from_file(cls, values: Mapping[str, Any], path: Path | str) -> Self:
        """The settings that a file has. Errors name the file and the setting."""
        try:
            return cls(**values)
        except SettingError as error:
            raise BenchError(f"{path}: {error.name} is {error.problem}") from None


def default_of(model: type[BaseModel], name: str) -> Any:
    """The default value of a setting."""
    return model.model_fields[name].get_default(call_default_factory=True)


def _first(error: ValidationError, model: type[SettingsModel]) -> SettingError:
    """The first of pydantic's errors, in words: the option, its value, and what to give."""
    found = error.errors(include_url=False)[0]
    name, value = str(found["loc"][0]), found["input"]
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, 1)
        fix = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(model.model_fields)}"
        return setting_error(name, value, f"no such setting; {fix}")
    field = model.model_fields[name]
    if found["type"] == "missing":
        return setting_error(name, "", f"is missing; give {wanted(field)}")
    if len(found["loc"]) > 1 and not isinstance(value, Mapping):  # the whole value, not its part
        value = found["ctx"].get("value", value) if "ctx" in found else value
    return setting_error(name, value, give(field), extra(field).get("flag", ""))


def extra(field: FieldInfo) -> dict[str, Any]:
    """What :func:`setting` says of a field beyond pydantic's own: ``of``, ``shown``, ``flag``."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def plain_types(kind: Any) -> tuple[Any, ...]:
    """The types that a field may have, without None: ``int | None`` gives ``(int,)``."""
    if typing.get_origin(kind) is typing.Annotated:
        return plain_types(typing.get_args(kind)[0])
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return tuple(part for arm in typing.get_args(kind) for part in plain_types(arm))
    return () if kind in (None, types.NoneType) else (kind,)


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The words that a field may be; empty if it is not one of several words."""
    return tuple(w for kind in plain_types(field.annotation) if typing.get_origin(kind) is Literal
                 for w in typing.get_args(kind))  # fmt: skip


def give(field: FieldInfo) -> str:
    """What to give for a field, for errors: ``choose from hold, drop`` or ``give a share from 0 to 1``."""
    choices = choices_of(field)
    return f"choose from {', '.join(choices)}" if choices else f"give {wanted(field)}"


def wanted(field: FieldInfo) -> str:
    """What a field takes, in words: ``a whole number of frames from 0 to 30``."""
    of = extra(field).get("of", "")
    words = {
        int: f"a whole number of {of}" if of else "a whole number",
        float: "a share" if of == "share" else f"a number of {of}" if of else "a number",
        str: "a word",
        bool: "true or false",
        dict: "a table",
        Path: "a path",
        tuple: "a list of numbers",
    }
    kinds = [words[k] for kind in plain_types(field.annotation) if (k := typing.get_origin(kind) or kind) in words]
    limits = range_of(field)
    comma = "," if limits.startswith("at least") else ""
    return " or ".join(dict.fromkeys(kinds)) + (f"{comma} {limits}" if limits else "")


def range_of(field: FieldInfo) -> str:
    """A field's range in words, such as ``from 0 to 30``; empty if it has none."""
    low, high = _limit(field.metadata, "ge"), _limit(field.metadata, "le")
    above, below = _limit(field.metadata, "gt"), _limit(field.metadata, "lt")
    least = f"from {low:g}" if low is not None else f"above {above:g}" if above is not None else ""
    most = f"to {high:g}" if high is not None else f"to below {below:g}" if below is not None else ""
    if least and not most:
        return f"at least {low:g}" if low is not None else least
    return f"{least} {most}".strip()


def _limit(metadata: Iterable[Any], name: str) -> Any:
    return next((getattr(m, name) for m in metadata if getattr(m, name, None) is not None), None)


def _as_path(value: Any) -> Any:
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    return value


PathSetting = typing.Annotated[Path, BeforeValidator(_as_path)]
