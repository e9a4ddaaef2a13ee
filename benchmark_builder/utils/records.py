"""Records in files as pydantic models: each field defines once which values are valid, and every file is checked.

Reading is strict: a text or a boolean is not accepted as a number, and numbers must be finite. Unknown fields are kept
and written again. A wrong value raises :class:`~benchmark_builder.utils.errors.BenchError`, one line that names the
file, the field and the valid values.
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
    """The valid values of a field, in words for errors; part of the field's type annotation.

    Attributes:
        words: such as ``a whole number from 1``.
        check: function that says whether a value of the right type is valid; None: all are.
        null: whether a file may have ``null`` here. A field with default None and without ``null`` may be missing, but
            not ``null``.
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
    """Part of the type annotation of a table that may be missing, but may not be ``null``."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_no_null, handler(source))


def _no_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("wrong", "a table")
    return value


Text = Annotated[str, Says("text")]


class Record(BaseModel):
    """A table in a file, or a whole file: immutable, and checked strictly when it is created."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, allow_inf_nan=False, validate_default=False, defer_build=True,
        validate_by_name=True, validate_by_alias=True,
    )  # fmt: skip

    def plain(self) -> dict[str, object]:
        """The record as plain JSON values: only fields that were read or given, no defaults."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def has(self, field: str) -> bool:
        """Whether the field was read or given."""
        return field in self.model_fields_set

    def replaced(self, **changes: object) -> Self:
        """A copy with some fields changed. Raises BenchError if a value is not valid for its field."""
        try:
            return type(self).model_validate(self._values() | changes)
        except ValidationError as error:
            raise BenchError(f"{wrong(error)}; report this") from None

    def without(self, *fields: str) -> Self:
        """A copy without some fields."""
        return type(self).model_validate({k: v for k, v in self._values().items() if k not in fields})

    def _values(self) -> dict[str, object]:
        more = self.model_extra or {}  # their names are the file's, and may equal an attribute's
        own = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return own | more


class FileRecord(Record):
    """A record that is a whole file, with the number of its format."""

    FORMAT: ClassVar[int] = 1  # the format that this version writes
    WHAT: ClassVar[str] = "a record"

    format: Annotated[int, Field(ge=1), Says("a whole number from 1")] = 1

    @classmethod
    def of(cls, document: object, path: Path | str, fix: str) -> Self:
        """The record from the content of a file.

        Args:
            document: the content as plain values, for example from JSON.
            path: path of the file, for errors.
            fix: what the user can do about a wrong file, for errors.

        Raises:
            BenchError: it is not such a record, its format is newer, or a field is not valid; the error names both.
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
        """The content of an older format in the present one. All such changes are here, or are defaults of fields."""
        return document

    @classmethod
    def made(cls, values: Mapping[str, object], path: Path | str, fix: str = "correct the part that says so") -> Self:
        """A new record from plain values (tuples become lists, as in JSON). Raises the same errors as :meth:`of`."""
        try:
            document = json.loads(json.dumps(values))
        except (TypeError, ValueError) as error:
            raise BenchError(f"{path}: cannot be written ({error}); keep to numbers, text, lists and tables") from None
        return cls.of(document, path, fix)

    def __getitem__(self, name: str) -> object:
        """A field as a plain JSON value, for code written for the last release, in which records were dictionaries."""
        warnings.warn(f"{type(self).__name__}[{name!r}]: use its attributes, or plain()", DeprecationWarning, 2)
        return self.plain()[name]


def wrong(error: ValidationError, what: str = "a record") -> str:
    """The first error in a record, in words: the field, its value, and the valid values."""
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
    """The name of a field for an error: on one line, shortened if it is long."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:60]


def shown(value: object) -> str:
    """A value for an error: on one line, shortened if it is long."""
    text = " ".join(_SHORT.repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
