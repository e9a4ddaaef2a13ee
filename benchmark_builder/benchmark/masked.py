"""Folders with stored masks, read alike: a SCUBA benchmark, and what `bench segment` wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.benchmark.manifest import places_of, read_benchmark
from benchmark_builder.benchmark.protocol_record import PROTOCOL
from benchmark_builder.datasets import data_root
from benchmark_builder.masks.stored import ORIGIN, StoredTrack
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES
from benchmark_builder.utils.text import read_records

TABLE = "masks.csv"
FIX = "delete it and run `bench segment` again"
# frames: length of the track; covered: how many of its frames have a mask; coverage: the mean share of the picture
# inside those masks, 0..1; confidence: mean over all frames, 0..1, empty where the source gives none; source_file:
# relative to the dataset's folder.
COLUMNS = ["id", "file", "frames", "covered", "coverage", "sha256", "confidence", "source_file"]
OLD_COLUMNS = COLUMNS[:6]  # of earlier versions


@dataclass(frozen=True)
class MaskedVideo:
    """A source video and its stored masks.

    Attributes:
        id: the source video's.
        masks: the zip.
        size: (height, width) in pixels; None if no table says it: then it is that of the first mask.
        source: the source video; None if it is missing, changed or unknown.
        why: if ``source`` is None, the reason.
    """

    id: str
    masks: Path
    size: tuple[int, int] | None = None
    source: Path | None = None
    why: str = ""

    def track(self) -> StoredTrack:
        """Its masks. Raises BenchError if they cannot be read."""
        return StoredTrack(self.masks, *(self.size or (None, None)))


@dataclass(frozen=True)
class MaskedFolder:
    """A folder with stored masks.

    Attributes:
        folder: its place.
        dataset: the dataset's registered name.
        kind: the mask source, such as ``motion``.
        videos: sorted by id.
        failures: dicts of id, kind and reason, as in failures.csv.
    """

    folder: Path
    dataset: str
    kind: str
    videos: list[MaskedVideo]
    failures: list[dict[str, str]]


def is_segmented(folder: Path) -> bool:
    """Whether `bench segment` wrote the folder."""
    return (folder / ORIGIN).is_file() and not (folder / PROTOCOL).is_file()


def read_masked(folder: Path, root: Path | None = None) -> MaskedFolder:
    """Read a SCUBA benchmark, or a folder of `bench segment`.

    Args:
        folder: its place.
        root: the dataset's folder, if it has moved.

    Raises:
        BenchError: it is neither, it is not finished, or it has no masks.
    """
    if is_segmented(folder):
        return _segmented(folder, root)
    if not (folder / PROTOCOL).is_file():
        raise BenchError(f"{folder}: is neither a SCUBA benchmark nor a folder that `bench segment` has finished")
    benchmark = read_benchmark(folder, root)
    if benchmark.kind != "scuba":
        raise BenchError(f"{folder}: is a {benchmark.kind} benchmark; give the SCUBA benchmark that it was made from")
    rows = {row.source_id: row for row in benchmark.rows if row.mask_file}
    if not rows:
        raise BenchError(f"{folder}: holds no masks (an imported benchmark has none); give one that `bench build` made")
    videos = []
    for name, row in sorted(rows.items()):
        source, why = None, ""
        try:
            source = benchmark.source(row)
        except BenchError as error:
            why = str(error)
        videos.append(MaskedVideo(name, inside(folder, row.mask_file), (row.height, row.width), source, why))
    failures = read_records(folder / FAILURES, FAILURE_COLUMNS, "table of failures")
    kind = benchmark.protocol.masks.kind or next(iter(rows.values())).mask_source
    return MaskedFolder(folder, benchmark.dataset, kind, videos, failures)


def _segmented(folder: Path, root: Path | None) -> MaskedFolder:
    record = read_json(folder / ORIGIN, "record of `bench segment`", FIX)
    masks = record.get("masks") if isinstance(record, dict) else None
    dataset = record.get("dataset") if isinstance(record, dict) else None
    if not isinstance(masks, dict) or not isinstance(dataset, str):
        raise BenchError(f"{folder / ORIGIN}: not a record of `bench segment`; {FIX}")
    if not (folder / TABLE).is_file():
        raise BenchError(f"{folder / TABLE}: is missing: `bench segment` has not finished here; run it again")
    paths = record.get("paths")
    places = places_of(folder, paths if _is_texts(paths) else {}, "root", root)
    if root is None:
        places.append(data_root() / dataset)
    rows = read_masks_table(folder)
    videos = [_video(folder, row, places) for row in sorted(rows, key=lambda row: row["id"])]
    failures = []
    if (folder / FAILURES).is_file():
        failures = read_records(folder / FAILURES, FAILURE_COLUMNS, "table of failures")
    return MaskedFolder(folder, dataset, str(masks.get("kind", "unknown")), videos, failures)


def _video(folder: Path, row: Mapping[str, str], places: list[Path]) -> MaskedVideo:
    masks, file = inside(folder, row["file"]), row["source_file"]
    if not file:
        why = f"{folder / TABLE} does not say which file {row['id']} is; run the same `bench segment` again"
        return MaskedVideo(row["id"], masks, why=why)
    source = next((path for place in places if (path := inside(place, file)).exists()), None)
    why = "" if source else f"{file} is not in {places[0]}; give the dataset's folder with --root"
    return MaskedVideo(row["id"], masks, None, source, why)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) and len(v) < 4096 for v in value.values())


def read_masks_table(folder: Path) -> list[dict[str, str]]:
    """masks.csv of a folder; columns that an earlier version did not write are empty.

    Raises:
        BenchError: the table is missing or damaged.
    """
    path, what = folder / TABLE, "table of `bench segment`"
    try:
        return read_records(path, COLUMNS, what, FIX)
    except BenchError as error:
        try:
            return [whole_row(row) for row in read_records(path, OLD_COLUMNS, what, FIX)]
        except BenchError:
            raise error from None


def whole_row(row: object) -> dict[str, str]:
    """A row of masks.csv with all columns. Raises BenchError if it is none, also not one of an earlier version."""
    if not isinstance(row, dict) or list(row) not in (COLUMNS, OLD_COLUMNS):
        raise BenchError(f"not a row of {TABLE}; {FIX}")
    if not all(isinstance(value, str) for value in row.values()):
        raise BenchError(f"not a row of {TABLE}; {FIX}")
    return {name: row.get(name, "") for name in COLUMNS}
