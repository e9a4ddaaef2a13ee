"""Named protocols: tables of settings that ship in ``manifests/protocols``; `--protocol NAME` sets everything.

``default`` holds every setting there is. Another protocol changes some of them, an option changes some of those, and
protocol.json says which.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from benchmark_builder.errors import BenchError
from benchmark_builder.masks.treat import MaskSettings
from manifests import resource


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides a benchmark's pixels beside its sources and seed; manifests/protocols/default.toml
    says what each setting means."""

    masks: str
    prompts: str
    actors: str
    unannotated: str
    smooth: int
    smooth_how: str
    dilate: int
    feather: float
    min_area: float
    min_valid: float
    backgrounds: str
    fit: str
    per_video: int
    layout: str
    jpeg_quality: int
    order: str
    place: str
    max_covered: float
    min_visible: float
    shake: float

    @property
    def mask_settings(self) -> MaskSettings:
        return MaskSettings(**{f.name: getattr(self, f.name) for f in fields(MaskSettings)})


def names() -> list[str]:
    """The protocols that ship."""
    found = (p.name.removesuffix(".toml") for p in resource("protocols").iterdir() if p.name.endswith(".toml"))
    return sorted(found)


def resolve(protocol: str, dataset: str, chosen: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """The settings of a protocol for a dataset, after the user's own choices.

    Args:
        protocol: a name of :func:`names`.
        dataset: registry name of the dataset.
        chosen: the user's options; None values are not chosen.

    Returns:
        The settings, and what protocol.json says of them: the name, and what was changed by option.

    Raises:
        BenchError: an unknown protocol, or a value of the wrong kind.
    """
    if protocol not in names():
        raise BenchError(f"--protocol {protocol}: unknown; choose from {', '.join(names())}")
    values: dict[str, Any] = {}
    for name in dict.fromkeys(("default", protocol)):
        table = tomllib.loads(resource("protocols", f"{name}.toml").read_text(encoding="utf-8"))
        values |= table.get("all", {}) | table.get("dataset", {}).get(dataset, {})
    own = {k: v for k, v in chosen.items() if v is not None}
    changed = sorted(k for k, v in own.items() if values.get(k) != v)
    values |= own
    for field in fields(Settings):
        kinds: tuple[type, ...] = (int, float) if field.type is float else (field.type,)  # type: ignore[assignment]
        if not isinstance(values.get(field.name), kinds):
            raise BenchError(f"{field.name}: {values.get(field.name)!r} is not what the setting takes ({field.type})")
    return Settings(**values), {"name": protocol, "changed": changed}
