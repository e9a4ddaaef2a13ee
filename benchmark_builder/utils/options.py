"""Settings as models: each field defines type, range or choices, default and help once, for the command line, TOML
files and Python.

Numbers are strict: booleans, texts and infinite numbers are refused. Wrong values raise :class:`SettingError`; this is
the only place where errors of pydantic become one line.
"""

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from benchmark_builder.utils.errors import BenchError


class SettingError(BenchError):
    """A setting that is wrong.

    Attributes:
        name: the name of the setting.
        inside: the message for a setting in a file: ``count is 0; give a whole number, at least 1``.
    """

    name: str = ""
    inside: str = ""


def setting_error(name: str, value: Any, fix: str, flag: str = "", pair: str = "") -> SettingError:
    """The error for one setting, with its option: ``--name value: fix``, or ``--pair name=value: fix``."""
    try:
        quoted = repr(str(value) if isinstance(value, Path) else value)
    except Exception as reason:  # a number of thousands of digits, or an object whose repr fails
        quoted = f"a {type(value).__name__} that cannot be shown ({type(reason).__name__})"
    shown = value if isinstance(value, (str, Path)) and value != "" else quoted
    if isinstance(value, tuple) and value and all(isinstance(word, str) and word for word in value):
        shown = " ".join(value)  # several words of the command line, as typed
    error = SettingError(f"{pair} {name}={shown}: {fix}" if pair else f"{flag or flag_of(name)} {shown}: {fix}")
    error.name, error.inside = name, f"{name} is {quoted}; {fix}"
    return error


def flag_of(name: str) -> str:
    """The option of a setting: ``per_video`` is ``--per-video``."""
    return f"--{name.replace('_', '-')}"


def setting(
    default: Any,
    help: str,
    *,
    of: str = "",
    shown: str = "",
    flag: str = "",
    panel: str = "",
    give: str = "",
    metavar: str = "",
    hidden: bool = False,
    **limits: Any,
) -> Any:
    """A field of a :class:`SettingsModel`.

    Args:
        default: the default value; ``...`` if there is none.
        help: one line for `--help`.
        of: the unit, for errors: ``frames``, ``pixels``, or ``share`` for a number from 0 to 1.
        shown: text for the default in `--help`, instead of its value.
        flag: its option, if it differs from the field's name with hyphens; ``--on/--off`` for a boolean.
        panel: the heading of the option in `--help`.
        give: the valid values, for errors, if type and range are not enough.
        metavar: the placeholder of its value in `--help`.
        hidden: `--help` does not show it: an option of another command, refused here with a reason.
        limits: ``ge``, ``le``, ``gt``, ``lt``, as in :func:`pydantic.Field`.
    """
    said = {"of": of, "shown": shown, "flag": flag, "panel": panel, "give": give, "metavar": metavar}
    extra: dict[str, Any] = {**said, "hidden": hidden}
    return Field(default, description=help, json_schema_extra={k: v for k, v in extra.items() if v}, **limits)


def share(default: Any, help: str, **more: Any) -> Any:
    """A field that is a number from 0 to 1; arguments as in :func:`setting`."""
    return setting(default, help, of="share", ge=0, le=1, **more)


def like(model: type[BaseModel], name: str, default: Any = None, **said: str) -> Any:
    """A field with the range and help of a field in another model, and its own default.

    Args:
        model: the other.
        name: its field.
        default: None where the field may be None.
        said: of :func:`setting` what is said otherwise here: ``shown``, ``flag``, ``panel``.
    """
    other = model.model_fields[name]
    kept = {k: v for k, v in extra(other).items() if k != "shown"} | {k: v for k, v in said.items() if v}
    limits = {k: v for k in ("ge", "le", "gt", "lt") if (v := _limit(other.metadata, k)) is not None}
    return Field(default, description=other.description, json_schema_extra=kept, **limits)


def pairs(flag: str, words: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE words as a dict; values become numbers, booleans or text as TOML would read them."""
    import tomllib

    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not all(part.isidentifier() for part in name.split(".")):
            raise BenchError(f"{flag} {word}: give NAME=VALUE")
        text = re.sub(r"^([+-]?)\.(?=\d)", r"\g<1>0.", text)  # .5, as people write it
        try:
            found[name] = tomllib.loads(f"x = {text}")["x"]
        except (ValueError, RecursionError):  # no TOML, or a number without end
            found[name] = text
    return found


class SettingsModel(BaseModel):
    """Settings that belong together: frozen, hashable, and checked on creation.

    Class attributes:
        PAIR: the option for these settings as NAME=VALUE; empty: each setting has its own option.

    Raises:
        SettingError: a setting is unknown, has the wrong type or is out of range.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False, defer_build=True,
        arbitrary_types_allowed=True,
    )  # fmt: skip

    PAIR: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _first(error, type(self), values) from None

    @classmethod
    def setting_names(cls) -> tuple[str, ...]:
        """The settings, in the order of their definition."""
        return tuple(cls.model_fields)

    @classmethod
    def part_of(cls, settings: BaseModel) -> Self:
        """These settings, copied from a model that includes them."""
        return cls(
            **{name: getattr(settings, name) for name in cls.setting_names() if name in type(settings).model_fields}
        )

    @classmethod
    def from_file(cls, values: Mapping[str, Any], path: Path | str) -> Self:
        """The settings in a file. Errors name the file and the setting."""
        try:
            return cls(**values)
        except SettingError as error:
            raise BenchError(f"{path}: {error.inside}") from None

    @classmethod
    def value_in_file(cls, name: str, value: Any, path: Path | str) -> Any:
        """The value of one setting in a file, converted to its type. Raises as :meth:`from_file`."""
        field = cls.model_fields.get(name)
        if field is None:
            raise BenchError(f"{path}: {_unknown(name, value, cls).inside}")
        kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        try:
            return TypeAdapter(kind, config=cls.model_config).validate_python(value)
        except ValidationError:
            raise BenchError(f"{path}: {setting_error(name, value, give(field)).inside}") from None

    @classmethod
    def wrong(cls, name: str, value: Any, fix: str) -> SettingError:
        """The error for one of these settings, for checks of several fields."""
        field = cls.model_fields.get(name)
        flag = extra(field).get("flag", "").partition("/")[0] if field else ""
        return setting_error(name, value, fix, flag, cls.PAIR)

    def replaced(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """A copy with some settings changed. Raises as the model itself."""
        changes = {**(changes or {}), **more}
        for name in changes:
            if not isinstance(name, str):
                raise _unknown(str(name), changes[name], type(self))
        return type(self)(**{name: getattr(self, name) for name in self.setting_names()} | changes)


def default_of(model: type[BaseModel], name: str) -> Any:
    """The default value of a setting."""
    return model.model_fields[name].get_default(call_default_factory=True)


def _first(error: ValidationError, model: type[SettingsModel], values: Mapping[str, Any]) -> SettingError:
    """The first error of pydantic in words: the option, its value, and the valid values."""
    found = error.errors(include_url=False)[0]
    name, value = str(found["loc"][0]), found["input"]
    if found["type"] == "extra_forbidden":
        return _unknown(name, value, model)
    field = model.model_fields[name]
    if found["type"] == "missing":
        return model.wrong(name, "", f"is missing; give {wanted(field)}")
    return model.wrong(name, values.get(name, value), give(field))


def _unknown(name: str, value: Any, model: type[SettingsModel]) -> SettingError:
    near = difflib.get_close_matches(name, model.model_fields, 1)
    known = f"choose from {', '.join(model.model_fields)}" if model.model_fields else "there are none"
    fix = known if not near else f"did you mean {near[0]!r}?" + (f" {known}" if model.PAIR else "")
    return model.wrong(name, value, f"no such setting; {fix}")


def extra(field: FieldInfo) -> dict[str, Any]:
    """Properties of a field from :func:`setting` that pydantic does not have: ``of``, ``shown``, ``flag``."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def plain_types(kind: Any) -> tuple[Any, ...]:
    """The types of a field, without None: ``int | None`` gives ``(int,)``."""
    if typing.get_origin(kind) is Annotated:
        return plain_types(typing.get_args(kind)[0])
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return tuple(part for arm in typing.get_args(kind) for part in plain_types(arm))
    return () if kind in (None, types.NoneType) else (kind,)


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The choices of a field as text; empty if it has no choices."""
    return tuple(str(w) for kind in plain_types(field.annotation) if typing.get_origin(kind) is Literal
                 for w in typing.get_args(kind))  # fmt: skip


def give(field: FieldInfo) -> str:
    """The valid values of a field, for errors: ``choose from hold, drop`` or ``give a share from 0 to 1``."""
    chosen = choices_of(field) and not extra(field).get("give")
    return f"choose from {takes(field)}" if chosen else f"give {takes(field)}"


def takes(field: FieldInfo) -> str:
    """The valid values of a field in words: ``a share from 0 to 1``, or its choices: ``hold, drop``."""
    return str(extra(field).get("give") or ", ".join(choices_of(field)) or wanted(field))


def wanted(field: FieldInfo) -> str:
    """Type and range of a field in words: ``a whole number of frames from 0 to 30``."""
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
    if any(typing.get_origin(k) is tuple and typing.get_args(k)[:1] == (str,) for k in plain_types(field.annotation)):
        words[tuple] = "a list of words"
    kinds = [words[k] for kind in plain_types(field.annotation) if (k := typing.get_origin(kind) or kind) in words]
    limits = range_of(field)
    comma = "," if limits.startswith("at least") else ""
    return " or ".join(dict.fromkeys(kinds)) + (f"{comma} {limits}" if limits else "")


def range_of(field: FieldInfo) -> str:
    """A field's range in words, such as ``from 0 to 30``; empty if it has none."""
    low, high = _limit(field.metadata, "ge"), _limit(field.metadata, "le")
    above, below = _limit(field.metadata, "gt"), _limit(field.metadata, "lt")
    least = f"from {low}" if low is not None else f"above {above}" if above is not None else ""
    most = f"to {high}" if high is not None else f"to below {below}" if below is not None else ""
    if least and not most:
        return f"at least {low}" if low is not None else least
    return f"{least} {most}".strip()


def _limit(metadata: Iterable[Any], name: str) -> Any:
    return next((getattr(m, name) for m in metadata if getattr(m, name, None) is not None), None)


def _as_path(value: Any) -> Any:
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _is_word(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError
    return value


def as_whole(value: Any) -> Any:
    """A number like 8.0 as 8; other values unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_tuple(value: Any) -> Any:
    """A list or a range as a tuple; other values unchanged."""
    return tuple(value) if isinstance(value, (list, range)) else value


def _as_table(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


PathSetting = Annotated[Path, BeforeValidator(_as_path)]  # a text is converted to a path
Word = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_word)]  # not empty; a path is converted to a text
Numbers = Annotated[tuple[float, ...], BeforeValidator(as_tuple)]  # a list, as in TOML, is converted to a tuple
Pair = Annotated[tuple[float, float], BeforeValidator(as_tuple)]
Triple = Annotated[tuple[float, float, float], BeforeValidator(as_tuple)]
Whole = Annotated[int, BeforeValidator(as_whole)]  # also a number like 8.0, which some files contain
Paths = Annotated[tuple[PathSetting, ...], BeforeValidator(as_tuple)]
Words = Annotated[tuple[Word, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Table = Annotated[dict[str, Any], BeforeValidator(_as_table)]
