"""publication.json: what a published folder contains, for `bench rebuild`."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Annotated, ClassVar

from pydantic import Field

from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.records import FileRecord, Says, Text

PUBLICATION = "publication.json"
CHECKSUMS, METADATA, CARD, CITATION, CROISSANT, SHEET = (
    "checksums.sha256", "metadata.csv", "README.md", "CITATION.cff", "croissant.json", "sheet.png",
)  # fmt: skip
BACKGROUNDS = "backgrounds"
# The folder of the videos. `datasets` takes what is in a folder of this name as one split, whatever the names of files
# say; without it, ``load_dataset("videofolder", data_dir=…)`` takes words such as "test" in file names for splits.
TEST = "test"
FIX = "give a folder that `bench publish` has written"


# An absolute path in a sentence, up to its last part. An address such as https://… has another character in front.
_ABSOLUTE = re.compile(r"(?:(?<=[\s'\"(=,;:])|^)(?:[A-Za-z]:[\\/]|/)(?:[^\s'\",;:()/\\]+[/\\])*(?=[^\s'\",;:()/\\])")


def without_folders(text: str, places: Iterable[str] = ()) -> str:
    """A text without the folders of this machine: of an absolute path the last part stays.

    Args:
        text: for example the reason why a video was left out.
        places: known folders, which may have blanks in their names.
    """
    for place in sorted(filter(None, places), key=len, reverse=True):
        text = text.replace(f"{place}/", "").replace(place, PurePath(place).name)
    return _ABSOLUTE.sub("", text)


def _are_archives(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v.startswith("archives/") for v in value)


class Publication(FileRecord):
    """What is in a published folder.

    Attributes:
        what: ``benchmark`` or ``results``.
        title: its name for people.
        pixels: whether it contains the videos.
        archives: relative names of the archives.
        manifest_sha256: of the benchmark's manifest.
    """

    WHAT: ClassVar[str] = "a published folder's record"

    what: Annotated[str, Says("benchmark or results", lambda value: value in ("benchmark", "results"))]
    title: Text = ""
    pixels: Annotated[bool, Says("true or false")] = False
    archives: Annotated[list[str], Says("a list of names in archives/", _are_archives)] = Field(
        default_factory=list[str]
    )
    manifest_sha256: Text = ""


def read_publication(folder: Path) -> Publication:
    """The record of a published folder. Raises BenchError if it is missing or wrong."""
    path = folder / PUBLICATION
    return Publication.of(read_json(path, "published folder", FIX), path, FIX)
