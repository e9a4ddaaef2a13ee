"""The settings of a training method: a pydantic model, or the user's own dataclass. This module imports no torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.options import SettingsModel


class MethodSettings(SettingsModel):
    """Base class for the settings of a method. Each field defines its type, range, default and help, see
    :func:`benchmark_builder.utils.options.setting`; `--set NAME=VALUE` and tables ``[options]`` change them."""

    PAIR: ClassVar[str] = "--set"

    def stored(self) -> dict[str, object]:
        """Plain types, as a run's record stores them."""
        values = {name: getattr(self, name) for name in self.setting_names()}
        return {k: v.stored() if isinstance(v, MethodSettings) else v for k, v in values.items()}

    @classmethod
    def defaults(cls) -> dict[str, object]:
        """The default of each setting that has one."""
        return {name: field.default for name, field in cls.model_fields.items() if not field.is_required()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A method's settings as a dataclass: a subclass checks its values itself, in ``__post_init__``, and raises
    BenchError. :class:`MethodSettings` does that from its fields."""

    def replaced(self, changes: Mapping[str, object]) -> Self:
        """A copy with some settings changed; BenchError on an unknown name or a value of another type."""
        own = {name: getattr(self, name) for name in self.setting_names()}
        new = dict(changes)
        for name, value in changes.items():
            if name not in own:
                known = f"choose from {', '.join(own)}" if own else "it has no settings"
                raise BenchError(f"--set {name}={value}: no such setting; {known}")
            if isinstance(own[name], float):
                if not isinstance(value, int | float) or isinstance(value, bool):
                    raise BenchError(f"--set {name}={value!r}: give a number")
                try:
                    new[name] = float(value)
                except OverflowError:  # a whole number of more than 308 digits
                    raise BenchError(f"--set {name}: the number is too large; lower it") from None
        return dataclasses.replace(self, **new)

    def stored(self) -> dict[str, object]:
        """Plain types, as a run's record stores them."""
        values = {name: getattr(self, name) for name in self.setting_names()}
        return {k: v.stored() if isinstance(v, AnySettings) else v for k, v in values.items()}

    @classmethod
    def setting_names(cls) -> tuple[str, ...]:
        """The settings, in the order in which they are defined."""
        return tuple(f.name for f in dataclasses.fields(cls))

    @classmethod
    def defaults(cls) -> dict[str, object]:
        """The default of each setting that has one."""
        return {f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}


AnySettings: TypeAlias = MethodSettings | Settings
