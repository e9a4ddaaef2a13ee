"""Records in files as models: each field says once what it must be, and a file of someone else is checked against it.

Reading is strict: no text is a number, no boolean is one, and none is infinite. What a record has beyond its fields is
kept and written again. What is wrong raises :class:`~benchmark_builder.utils.errors.BenchError`, one line that names
the file, the field and what it must be.
"""

import json
import reprlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from benchmark_builder.utils.errors import BenchError


@dataclass(frozen=True)
class Says:
    """What the value of a field must be, in words for errors; a part of the field's type.

    Attributes:
        words: such as ``a whole number from 1``.
        check: whether a value of the right type is allowed; None for all.
        null: whether a file may have ``null`` here. A field whose default is None and that has no ``null`` is one that
            may be missing.
    """

    words: str
    check: Callable[[object], bool] | None = None
    null: bool = False

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def _checked(self, value: object, handler: core_schema.ValidatorFunctionWrapHandler) -> object:
        try:
            found: object = handler(value)
            allowed = self.null if found is None else self.check is None or self.check(found)
        except ValidationError:
            allowed = False
        if not allowed:
            raise PydanticCustomError("wrong", "{words}", {"words": self.words})
        return found


@dataclass(frozen=True)
class Missing:
    """A part of the type of a table that may be missing, but is not ``null``."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_no_null, handler(source))


def _no_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("wrong", "a table")
    return value


Text = Annotated[str, Says("text")]


class Record(BaseModel):
    """A table of a file, or a whole file: frozen, and strict when it is made."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, allow_inf_nan=False, validate_default=False, defer_build=True,
        validate_by_name=True, validate_by_alias=True,
    )  # fmt: skip

    def plain(self) -> dict[str, object]:
        """The record as JSON has it: what was read or given, and no defaults."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def has(self, field: str) -> bool:
        """Whether the field was read or given."""
        return field in self.model_fields_set

    def replaced(self, **changes: object) -> Self:
        """The same with some fields changed. Raises BenchError if a value is not what the field must be."""
        try:
            return type(self).model_validate(self._values() | changes)
        except ValidationError as error:
            raise BenchError(f"{wrong(error)}; report this") from None

    def without(self, *fields: str) -> Self:
        """The same without some fields."""
        return type(self).model_validate({k: v for k, v in self._values().items() if k not in fields})

    def _values(self) -> dict[str, object]:
        more = self.model_extra or {}  # a file may call them as it likes, also like an attribute
        own = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return own | more


class FileRecord(Record):
    """A record that is a file, with the number of its format."""

    FORMAT: ClassVar[int] = 1  # that this version writes
    WHAT: ClassVar[str] = "a record"

    format: Annotated[int, Field(ge=1), Says("a whole number from 1")] = 1

    @classmethod
    def of(cls, document: object, path: Path | str, fix: str) -> Self:
        """The record that a file holds.

        Args:
            document: what JSON or another reader gave.
            path: of the file, for errors.
            fix: what to do about a file that is wrong.

        Raises:
            BenchError: it is none, of a later format, or a field is not what it must be; file and field are named.
        """
        if not isinstance(document, dict):
            raise BenchError(f"{path}: not {cls.WHAT}; {fix}")
        said = document.get("format")
        if type(said) is int and said > cls.FORMAT:
            raise BenchError(f"{path}: has format {said}, this version reads {cls.FORMAT}; update albar-bench")
        try:
            return cls.model_validate(cls.upgraded(document))
        except ValidationError as error:
            raise BenchError(f"{path}: {wrong(error, cls.WHAT)}; {fix}") from None

    @classmethod
    def upgraded(cls, document: dict[str, object]) -> Mapping[str, object]:
        """What an older version wrote, as this one writes it. The one place for that, beside the fields' defaults."""
        return document

    @classmethod
    def made(cls, values: Mapping[str, object], path: Path | str, fix: str = "correct the part that says so") -> Self:
        """A new record from plain values (tuples become lists, as in JSON). Raises as :meth:`of`."""
        try:
            document = json.loads(json.dumps(values))
        except (TypeError, ValueError) as error:
            raise BenchError(f"{path}: cannot be written ({error}); keep to numbers, text, lists and tables") from None
        return cls.of(document, path, fix)

    def __getitem__(self, name: str) -> object:
        """A field as JSON has it, for code of the last release, when records were dictionaries."""
        warnings.warn(f"{type(self).__name__}[{name!r}]: use its attributes, or plain()", DeprecationWarning, 2)
        return self.plain()[name]


def wrong(error: ValidationError, what: str = "a record") -> str:
    """The first thing that is wrong with a record, in words: the field, its value, and what it must be."""
    found = error.errors(include_url=False)[0]
    place, value = tuple(found["loc"]), found["input"]
    name = _name(place)
    if found["type"] == "missing":
        return f"not {what}, it lacks {name}"
    if found["type"] == "wrong":
        words = found["msg"]
    else:
        words = _STRUCTURE.get(found["type"], "readable")
    return f"{name} is {shown(value)}, not {words}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100

_STRUCTURE = {
    "model_type": "a table", "dict_type": "a table", "list_type": "a list", "extra_forbidden": "a field of this record",
    "string_type": "text", "too_short": "a list that is not empty", "string_unicode": "text of letters alone",
}  # fmt: skip


def _name(place: tuple[int | str, ...]) -> str:
    if not place:
        return "a name in it"
    if place[-1] == "[key]":
        return f"a name in {_name(place[:-2])}" if place[:-2] else "a name"
    name = ""
    for part in place:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            said = one_line(part)
            name += f".{said}" if name else said
    return name


def one_line(name: str) -> str:
    """The name of a field for an error: on one line, cut where it is long."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:60]


def shown(value: object) -> str:
    """A value for an error, on one line, cut where it is long."""
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
