"""Mask sources: for a Video, they say which frames are covered and give a boolean mask (H, W) for each.

``--masks KIND`` or ``--masks KIND:PATH`` names a source; :func:`mask_source` creates it.
"""

import inspect
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark_builder.masks.base import ActorBox, BoxedTrack, MaskSource, MaskTrack
from benchmark_builder.parts import MASKS
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import first_line, is_class_with

__all__ = ["KINDS", "ActorBox", "BoxedTrack", "MaskSource", "MaskTrack", "mask_source", "settings_of"]

KINDS = MASKS


def mask_source(spec: str, dataset_root: Path, **options: Any) -> MaskSource:
    """Create the mask source for ``KIND``, ``KIND:PATH`` or ``package.module:Name[:PATH]``.

    Args:
        spec: e.g. ``motion`` or ``ucf101-24:annotations/pyannot.pkl``.
        dataset_root: the dataset's folder, where a source without PATH searches for its files.
        options: settings of the source, e.g. ``actors="first"``; None means the source's default. ``mask_set``: more
            settings, as ``NAME=VALUE`` words.

    Raises:
        BenchError: the kind is unknown (the message lists the kinds), the source does not have a setting, files are
            missing or wrong, or the user's class is not a mask source.
    """
    kind, path = KINDS.split(spec)
    options |= _pairs(options.pop("mask_set", None) or ())
    given = {key: value for key, value in options.items() if value is not None}
    for key in sorted(given.keys() - settings_of(spec)):
        flag = f"--{key.replace('_', '-')} {given[key]}"
        raise BenchError(f"{flag}: --masks {kind} has no such setting; leave it out or choose other --masks")
    made = _class(spec)
    try:
        source: MaskSource = made(Path(path) if path else None, dataset_root, **given)
        if kind not in KINDS.shipped:
            _check_description(kind, source.describe())
    except (BenchError, OSError):
        raise
    except Exception as error:  # the user's code may raise anything
        if kind in KINDS.shipped:
            raise
        raise BenchError(f"--masks {kind}: creating it failed ({type(error).__name__}: {first_line(error)}); fix your "
                         "class: it is called as Source(path, dataset_root), then describe()") from error  # fmt: skip
    return source


def settings_of(spec: str) -> set[str]:
    """Names of the settings of the source ``KIND`` or ``KIND:PATH``. Raises BenchError if the kind is unknown."""
    kind, path = KINDS.split(spec)
    if kind == "boxes" and KINDS.kind(path or "") != "boxes":  # the settings of the source that gives the masks
        return settings_of(path) if path else set()
    after = list(inspect.signature(_class(spec)).parameters.values())[2:]  # path and dataset_root come first
    return {p.name for p in after if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _class(spec: str) -> Any:
    found = KINDS.find(spec)
    if found.name not in KINDS.shipped and not is_class_with(found.part, "track", "describe"):
        raise BenchError(f"--masks {found.name}: is not a mask source; give a class with track(video, height, width) "
                         "and describe()")  # fmt: skip
    return found.part


def _pairs(words: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` words as settings; a value is read as TOML (number, true or false), otherwise it is text."""
    pairs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise BenchError(f"--mask-set {word}: give NAME=VALUE")
        try:
            pairs[name] = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            pairs[name] = text
    return pairs


def _check_description(kind: str, described: object) -> None:
    if not isinstance(described, dict) or not isinstance(described.get("kind"), str) or not described["kind"]:
        raise BenchError(f"--masks {kind}: its describe() returned {described!r}; it must return a dict with 'kind' "
                         "(the name of the source) and every setting")  # fmt: skip
