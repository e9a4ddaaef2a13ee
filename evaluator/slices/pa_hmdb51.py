"""PA-HMDB51 (Wu et al., TPAMI 2020, arXiv:1906.05675): attributes of people in videos of HMDB51.

One JSON file per class: ``{"NAME.avi": {"face": [[start, end, value], …], "gender": …, "nudity": …, "relationship": …,
"skin_color": …, "review": true, "note": ""}}``. Frames count from 0 and ranges include their end; ranges may overlap
and have gaps. A value is a code, or a list of codes where several people are seen.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from benchmark_builder.datasets import data_root
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json
from benchmark_builder.utils.folders import files_of
from benchmark_builder.video.record import LONGEST
from evaluator.slices.attributes import ABOUT_PEOPLE, Attribute, Segment
from evaluator.slices.table import Request

FOLDER = "PrivacyAttributes"
FIX = f"get PA-HMDB51 (github.com/VITA-Group/PA-HMDB51) and give its folder {FOLDER}: --slices pa-hmdb51:FOLDER"
LICENCE = "PA-HMDB51 is for non-commercial research; cite arXiv:1906.05675 where you publish figures."
# Attribute in the files -> its name, and what its codes mean, in the data set's own words.
CODES: dict[str, tuple[str, dict[int, str]]] = {
    "skin_color": ("skin tone", {0: "not identifiable", 1: "white", 2: "yellow", 3: "black"}),
    "gender": ("gender", {0: "not identifiable", 1: "male", 2: "female"}),
    "face": ("face", {0: "invisible", 1: "partly visible", 2: "fully visible"}),
    "nudity": ("nudity", {0: "level 0", 1: "level 1", 2: "level 2"}),
    "relationship": ("relationship", {0: "not shown", 1: "shown"}),
}
REVIEWED = "reviewed labels"


def read(request: Request) -> list[Attribute]:
    """The five attributes, and whether the labels of a video were reviewed.

    Raises:
        BenchError: there is no such folder, or a file in it is not of this format.
    """
    root = Path(request.argument) if request.argument else data_root() / "pa-hmdb51"
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; {FIX}")
    paths = files_of(folder, [".json"])[0]
    if not paths:
        raise BenchError(f"{folder}: contains no JSON file; {FIX}")
    found: dict[str, dict[str, tuple[Segment, ...]]] = {name: {} for name in (*CODES, REVIEWED)}
    unusable: dict[str, list[tuple[str, str]]] = {name: [] for name in found}
    total = hashlib.sha256()
    for path in paths:
        videos = read_json(path, "file of PA-HMDB51", FIX)
        total.update(path.read_bytes())
        if not isinstance(videos, dict) or not all(isinstance(v, dict) for v in videos.values()):
            raise BenchError(f"{path}: not a file of PA-HMDB51, which has a table per video; {FIX}")
        for name, said in videos.items():
            video_id = f"{path.stem}/{name}"
            for key, (_, codes) in CODES.items():
                try:
                    segments = tuple(_segments(said.get(key, []), codes))
                except ValueError as error:
                    unusable[key].append((video_id, f"{path.name}: {error}"))
                    continue
                if segments:
                    found[key][video_id] = segments
            if isinstance(said.get("review"), bool):
                found[REVIEWED][video_id] = (Segment("yes" if said["review"] else "no"),)
    digest, source = total.hexdigest(), f"pa-hmdb51:{folder.name}"
    made = [
        Attribute(
            title, found[key], source, digest, f"{ABOUT_PEOPLE} {LICENCE}", tuple(codes.values()), "hmdb51",
            unusable=tuple(unusable[key]),
        )
        for key, (title, codes) in CODES.items()
    ]  # fmt: skip
    return [*made, Attribute(REVIEWED, found[REVIEWED], source, digest, LICENCE)]


def _segments(given: object, codes: dict[int, str]) -> Iterable[Segment]:
    """The ranges of one attribute of a video. Raises ValueError with the reason if they are none."""
    if not isinstance(given, list):
        raise ValueError("its ranges are not a list")
    for entry in given:
        if not isinstance(entry, list) or len(entry) != 3:
            raise ValueError(f"{str(entry)[:60]} is not [start, end, value]")
        start, end, value = entry
        values = value if isinstance(value, list) else [value]
        if not all(type(v) is int for v in (start, end, *values)) or not values or not 0 <= start <= end < LONGEST:
            raise ValueError(f"{str(entry)[:60]} is not [start, end, value] with start from 0 to end")
        names = dict.fromkeys(codes.get(v, f"code {v}") for v in sorted(set(values)))
        yield Segment(" and ".join(names), start, end)
