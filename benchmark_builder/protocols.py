"""Named protocols: tables of settings in ``manifests/protocols``; `--protocol NAME` decides all settings.

:mod:`benchmark_builder.settings` has every setting and its default. A protocol changes some of them, options change
further ones, and protocol.json records the changes. ``--protocol FILE.toml`` reads one of the user's own, with the
tables that those have; it goes by the file's name and digest, and protocol.json keeps what is needed of it to build
SCUFO and ConflFG later.
"""

import difflib
import hashlib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from benchmark_builder import backgrounds, masks
from benchmark_builder.masks import MaskSource, mask_source, settings_of
from benchmark_builder.settings import DEFAULTS, LATER, Settings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import read_text
from manifests import resource

SPECS = ("masks", "prompts", "backgrounds")  # settings that are KIND or KIND:PATH


def names() -> list[str]:
    """The protocols of this toolkit."""
    found = (p.name.removesuffix(".toml") for p in resource("protocols").iterdir() if p.name.endswith(".toml"))
    return sorted(found)


def frozen_names() -> list[str]:
    """The protocols that never change (:mod:`benchmark_builder.frozen`)."""
    return [name for name in names() if _table(name).get("frozen")]


def kind_of(name: str, value: object) -> object:
    """What of a setting's value two builds must share to have the same setting: of masks, prompts and backgrounds the
    kind alone, since a path names no content (protocol.json has digests of that)."""
    if name not in SPECS or not isinstance(value, str):
        return value
    if not value:
        return value
    registry = backgrounds.KINDS if name == "backgrounds" else masks.KINDS
    kind = registry.kind(value)
    path = value[len(kind) + 1 :]
    return f"{kind}:{kind_of(name, path)}" if kind == "boxes" else kind


def recorded_name(protocol: str) -> str:
    """The name of a protocol in protocol.json; for a file, its stem and the beginning of its SHA-256.

    Raises:
        BenchError: the protocol is unknown, or the file cannot be read.
    """
    if protocol in names():
        return protocol
    path = Path(protocol)
    if path.suffix.lower() != ".toml":
        raise BenchError(f"--protocol {protocol}: unknown; choose from {', '.join(names())}, or give a FILE.toml")
    digest = hashlib.sha256(_text(path).encode()).hexdigest()
    return f"{safe_name(path.stem)}-{digest[:8]}"


def _text(path: Path) -> str:
    return read_text(path, "protocol file", "give a TOML file with the tables [all] and [dataset.NAME]")


def _table(protocol: str) -> dict[str, Any]:
    """The tables of a protocol; those of a user's file are checked."""
    if protocol in names():
        return tomllib.loads(resource("protocols", f"{protocol}.toml").read_text(encoding="utf-8"))
    recorded_name(protocol)
    try:
        table = tomllib.loads(_text(Path(protocol)))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{protocol}: not TOML ({error}); fix it there") from None
    known = ("about", "version", "all", "dataset", "free")
    for name in table:
        if name not in known:
            raise BenchError(
                f"{protocol}: unknown entry {name!r}{_near(name, known)}; a protocol has {', '.join(known)}"
            )
    version = table.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BenchError(f"{protocol}: version is {version!r}; give a whole number from 1")
    tables = {"all": table.get("all", {}), "free": table.get("free", {})}
    of_datasets = table.get("dataset", {})
    if isinstance(of_datasets, dict):
        tables |= {f"dataset.{name}": value for name, value in of_datasets.items()}
    else:
        tables["dataset"] = of_datasets
    settings = list(Settings.model_fields)
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise BenchError(f"{protocol}: {name} is {value!r}; write a table [{name}] of settings")
        for key in value:
            if key not in settings:
                raise BenchError(f"{protocol}: [{name}] has the unknown setting {key!r}{_near(key, settings)}; choose "
                                 f"from {', '.join(settings)}")  # fmt: skip
    for key, value in tables["free"].items():
        if not isinstance(value, list):
            raise BenchError(f"{protocol}: [free] {key} is {value!r}; give a list of values")
    return table


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def resolve(
    protocol: str, dataset: str, chosen: Mapping[str, object], base: Mapping[str, object] | None = None
) -> tuple[Settings, dict[str, Any]]:
    """The settings of a protocol for a dataset, after the user's choices.

    Args:
        protocol: a name from :func:`names`, or the user's own TOML file.
        dataset: its registered name, or ``package.module:reader``.
        chosen: the user's options; None values are not chosen.
        base: values of the protocol that are known without its file: ``values`` of what protocol.json says of it.

    Returns:
        The settings, and what protocol.json says of them: ``name``; ``version``, which goes up whenever the same
        settings give other videos (docs/protocols.md); and ``changed``, for each setting that differs from the
        protocol a dict of ``protocol`` (its value) and ``here`` (the user's). Of a file also ``values``, those of its
        :data:`LATER` settings, and ``file_version``, its own; ``version`` is always that of the toolkit's rules.

    Raises:
        BenchError: the protocol is unknown, or a value has the wrong type.
    """
    named: dict[str, Any] = {"name": recorded_name(protocol)}
    values = dict(DEFAULTS)
    table = _table(protocol)
    if table.get("frozen") and safe_name(dataset) not in table["dataset"]:
        raise BenchError(
            f"--protocol {protocol}: is defined for {', '.join(table['dataset'])}, not for {dataset}; choose another "
            "protocol"
        )
    # A frozen protocol says every setting itself, so what later releases have as a default does not matter.
    for name in (protocol,) if table.get("frozen") else dict.fromkeys(("default", protocol)):
        table = _table(name)
        if name in names():
            named["version"] = int(table["version"])
        of_dataset = {safe_name(k): v for k, v in table.get("dataset", {}).items()}
        values |= table.get("all", {}) | of_dataset.get(safe_name(dataset), {})
    values |= base or {}
    Settings.from_file(values, f"protocol {protocol}" if protocol in names() else protocol)
    later = {name: values[name] for name in LATER}
    free = table.get("free", {})  # values of a setting that are all the protocol's own
    own = {k: v for k, v in chosen.items() if v is not None}
    changed = {
        k: {"protocol": kind_of(k, values.get(k)), "here": kind_of(k, v)}
        for k, v in sorted(own.items())
        if kind_of(k, values.get(k)) != kind_of(k, v) and kind_of(k, v) not in free.get(k, ())
    }
    values |= own
    named["changed"] = changed
    if protocol not in names():
        named |= {"file_version": table.get("version", 1), "values": later}
    return Settings(**values), named


def protocol_masks(
    settings: Settings,
    named: dict[str, Any],
    dataset_root: Path,
    asked: Collection[str] = (),
    options: Mapping[str, Any] | None = None,
) -> MaskSource:
    """The mask source of a protocol, with every setting that the source has.

    A setting that it cannot take, such as ``actors`` with ``motion``, does not apply, and ``named["changed"]`` says so.

    Args:
        settings: what :func:`resolve` gives; ``named`` too, which is added to.
        dataset_root: the dataset's folder.
        asked: the settings that the user asked for: one of these that cannot be taken is refused.
        options: settings of the source that no protocol decides, such as a checkpoint; None for the source's default.

    Raises:
        BenchError: as in :func:`~benchmark_builder.masks.mask_source`.
    """
    given = {"actors": settings.actors, "prompts": settings.prompts}
    # The default value of every source need not be passed to it.
    given = {name: value for name, value in given.items() if value not in ("all", "")}
    taken = settings_of(settings.masks)
    if "prompts" in taken and settings.prompts:  # the actors come from the prompts
        taken -= {"actors"} - settings_of(settings.prompts)
    lost = {name: given.pop(name) for name in list(given) if name not in taken and name not in asked}
    source = mask_source(settings.masks, dataset_root, **given, **(options or {}))
    for name, value in lost.items():
        here = _recorded(source.describe(), name)  # stored masks record the settings with which they were written
        if kind_of(name, here) != kind_of(name, value):
            named["changed"][name] = {"protocol": kind_of(name, value), "here": kind_of(name, here)}
    return source


def _recorded(described: Mapping[str, Any], name: str) -> object:
    """A setting in what a source, or one that it was made from, says of itself; None if none says it."""
    if name in described and not isinstance(described[name], dict):
        return described[name]
    if name == "prompts" and isinstance(described.get(name), dict):
        return described[name].get("kind")
    inner = (described[k] for k in ("of", "origin", "prompts") if isinstance(described.get(k), dict))
    return next((value for d in inner if (value := _recorded(d, name)) is not None), None)


def differing(named: Mapping[str, Any]) -> str:
    """The differences from a protocol, in words for the screen; "" if there are none.

    Args:
        named: what protocol.json says of the protocol, as :func:`resolve` returns it.
    """
    parts = [
        f"{k}={_shown(v['here'])} (protocol: {_shown(v['protocol'])})" if v else k for k, v in named["changed"].items()
    ]
    return f"differs from protocol {named['name']}: {', '.join(parts)}" if parts else ""


def _shown(value: object) -> str:
    return "not applied" if value is None else str(value) or "none"
