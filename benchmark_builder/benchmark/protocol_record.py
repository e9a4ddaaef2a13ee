"""protocol.json as a record: all settings and sources that determine a benchmark.

A field that older versions did not write has a default: the behaviour of those versions, or None if it is unknown.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import ConfigDict, Field

from benchmark_builder.layouts.layout import LAYOUTS
from benchmark_builder.masks.corrections import CorrectionsRecord
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.records import FileRecord, Missing, Record, Says, Text, one_line, shown

PROTOCOL = "protocol.json"
FIX = "give a folder that `bench build` has finished"
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # characters that are invalid in file names and tables
T = TypeVar("T")


def _is_layout(value: object) -> bool:
    return isinstance(value, str) and (value in LAYOUTS.shipped or LAYOUTS.names_one(value))


def _is_shard(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", value) is not None


def _are_places(value: object) -> bool:
    """Whether a table contains only valid paths, or nothing."""
    return isinstance(value, dict) and all(
        len(v) < 4096 and all(len(part) < 256 for part in re.split(r"[/\\]", v)) for v in value.values()
    )


def _are_changes(value: object) -> bool:
    return not isinstance(value, dict) or all(not v or {"here", "protocol"} <= v.keys() for v in value.values())


TextOrMissing = Annotated[str | None, Says("text")]
Share = Annotated[int | float | None, Field(ge=0, le=1), Says("a number from 0 to 1")]
Layout = Annotated[
    str | None, Says(f"one of {', '.join(LAYOUTS.shipped)}, or package.module:Name", _is_layout)
]  # fmt: skip
Whole = Annotated[int | None, Field(ge=1, le=10**6), Says("a whole number from 1")]
Rules = Annotated[int, Field(ge=1, le=1000), Says("a whole number from 1")]


class Backgrounds(Record):
    """The source of the backgrounds; a source may add fields."""

    name: Text
    kind: TextOrMissing = None
    fit: TextOrMissing = None
    grey: TextOrMissing = None


class Masks(Record):
    """The source of the masks; a source may add fields."""

    kind: TextOrMissing = None
    actors: object = None


class MaskSettings(Record):
    """How the masks were processed; None if it is not recorded."""

    unannotated: TextOrMissing = None
    smooth: Annotated[int | None, Field(ge=0, le=1000), Says("a whole number from 0 to 1000")] = None
    smooth_how: TextOrMissing = None
    dilate: Annotated[int | None, Field(ge=-1000, le=1000), Says("a whole number from -1000 to 1000")] = None
    feather: Annotated[int | float | None, Field(ge=0, le=100), Says("a number from 0 to 100")] = None
    min_area: Share = None
    min_valid: Share = None


class Named(Record):
    """The named protocol, and the settings that differ from it."""

    name: TextOrMissing = None
    version: Rules = 1  # version of the rules for making videos (docs/protocols.md)
    file_version: object = None  # version in a user's own protocol file
    values: Annotated[dict[str, object], Says("a table")] = Field(default_factory=dict[str, object])  # likewise
    changed: Annotated[
        dict[str, dict[str, object]] | list[str],
        Says("a table of settings with their values (here, protocol)", _are_changes),
    ] = Field(default_factory=dict[str, dict[str, object]])

    @property
    def changes(self) -> dict[str, dict[str, object]]:
        """Setting that differs -> its values ``here`` and in ``protocol``. The first version wrote no values."""
        return self.changed if isinstance(self.changed, dict) else {name: {} for name in self.changed}


class Conflfg(Record):
    """The settings of ConflFG; the first version did not record ``still_area`` and ``rules``."""

    order: Annotated[Literal["behind", "front"] | None, Says("behind or front")] = None
    place: TextOrMissing = None
    max_covered: Share = None
    min_visible: Share = None
    still_area: Share = 0.0
    rules: Rules = 1


class Listed(Record):
    """A list of ids that a part was chosen by: :meth:`benchmark_builder.datasets.subset.IdList.described`."""

    model_config = ConfigDict(extra="forbid")

    file: Text
    name: Text
    sha256: Text
    ids: Annotated[int, Field(ge=0, le=10**9), Says("a whole number")]


class Part(Record):
    """A part of a dataset, as :meth:`benchmark_builder.builders.Subset.describe` returns it."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int | None, Field(ge=0, le=10**9), Says("a whole number", null=True)]
    only: list[str]
    shard: Annotated[str | None, Says("i/n", _is_shard, null=True)]
    listed: Annotated[Listed | None, Missing()] = None


class Origin(Record):
    """The benchmark from which another was made or exported: the digest of its manifest, and its protocol.json."""

    manifest_sha256: TextOrMissing = None


class ProtocolRecord(FileRecord):
    """All settings and sources that determine a benchmark.

    Attributes:
        kind: the kind of test videos.
        dataset, split, classes: the dataset's registered name; the part of it; its classes in label order, including
            classes without a video here.
        protocol: the named protocol.
        corrections: manual corrections of the masks; None without any.
        inpainted: source id -> SHA-256 of the user's inpainted frames of it, of the kinds that show these.
        layout, jpeg_quality: how the videos are stored.
        still_area: smallest mask area of a frame that may be the still of SCUFO and shaken SCUFO, as a share 0..1 of
            the video's median area; None: any frame with a mask.
        shake: amplitude of the camera motion in shaken SCUFO.
        settings: settings of a user's own kind; ``described``: that kind's description of itself.
        subset: the parts of the dataset in this benchmark; None: all of it.
        paths: paths on the machine where it was built, ``NAME`` and ``NAME_relative``.
        origin: the SCUBA benchmark from which it was made.
        exported_from, exported_for: for an export, its source and the project it is for.
        versions: versions of the libraries that determine pixels.
    """

    WHAT: ClassVar[str] = "a benchmark's protocol"

    kind: Text
    dataset: Text
    classes: Annotated[list[str], Field(min_length=1), Says("a list of class names")]
    backgrounds: Backgrounds
    split: Text = ""
    masks: Masks = Field(default_factory=Masks)
    mask_settings: MaskSettings = Field(default_factory=MaskSettings)
    corrections: Annotated[CorrectionsRecord | None, Missing()] = None
    inpainted: Annotated[dict[str, str], Says("a table of digests")] = Field(default_factory=dict[str, str])
    protocol: Named = Field(default_factory=Named)
    per_video: Whole = None
    seed: Annotated[int | None, Field(ge=-(2**63), le=2**64), Says("a whole number")] = None
    layout: Layout = None
    jpeg_quality: Annotated[int | None, Field(ge=1, le=100), Says("a whole number from 1 to 100")] = None
    still_area: Annotated[int | float | None, Field(ge=0, le=1), Says("a number from 0 to 1", null=True)] = None
    shake: Annotated[int | float | None, Field(ge=0, le=0.5), Says("a number from 0 to 0.5")] = None
    conflfg: Annotated[Conflfg | None, Missing()] = None
    settings: Annotated[dict[str, object], Says("a table")] = Field(default_factory=dict[str, object])
    described: object = Field(None, validation_alias="kind_described", serialization_alias="kind_described")
    subset: Annotated[list[Part] | None, Says("null or a list of parts (limit, only, shard)", null=True)] = None
    paths: Annotated[dict[str, str], Says("a table of paths", _are_places)] = Field(default_factory=dict[str, str])
    origin: Origin = Field(default_factory=Origin, validation_alias="from", serialization_alias="from")
    exported_from: Origin = Field(default_factory=Origin)
    exported_for: TextOrMissing = None
    versions: dict[str, object] = Field(default_factory=dict[str, object])

    @classmethod
    def of(cls, document: object, path: Path | str, fix: str = FIX) -> Self:
        """As for every record; also, no text may contain a character that is invalid in file names."""
        record = super().of(document, path, fix)
        if found := _no_text(document):
            name, value = found
            raise BenchError(f"{path}: {one_line(name)} is {shown(value)}, which is no text; {fix}")
        return record


def read_protocol(folder: Path, fix: str = FIX) -> ProtocolRecord:
    """The protocol.json of a folder.

    Raises:
        BenchError: it is missing, its format is newer, or a field is not valid; the message names the field.
    """
    return ProtocolRecord.of(read_json(folder / PROTOCOL, "benchmark", fix), folder / PROTOCOL, fix)


def required(value: T | None, name: str, folder: Path = Path()) -> T:
    """The value of a field that a benchmark of this kind must have. Raises BenchError, with its name, if missing."""
    if value is None:
        raise BenchError(f"{folder / PROTOCOL}: lacks {name}; {FIX}")
    return value


def _no_text(value: object, name: str = "") -> tuple[str, str] | None:
    """The first text in a protocol, also of keys, with a character that is invalid; and its field's name.

    ``read_json`` limits the depth of JSON.
    """
    if isinstance(value, str):
        return (name, value) if _NO_TEXT.search(value) else None
    if isinstance(value, dict | Mapping):
        for key in value:
            if _NO_TEXT.search(key):
                return f"a name in {name or 'it'}", key
        inner = ((f"{name}.{key}" if name else key, found) for key, found in value.items())
    elif isinstance(value, list):
        inner = ((name, found) for found in value)
    else:
        return None
    return next(filter(None, (_no_text(found, where) for where, found in inner)), None)
