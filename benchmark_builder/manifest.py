"""A benchmark on disk: manifest.csv (a row a video), protocol.json, failures.csv, SHA256SUMS, videos/, masks/.

In the layouts that others' loaders read there is list.txt too, a line "id frames label" a video.
"""

import csv
import dataclasses
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder import virtual
from benchmark_builder.encode import ffmpeg_version
from benchmark_builder.errors import BenchError
from benchmark_builder.files import inside, read_json, sha256_file, write_csv, write_json, write_text
from benchmark_builder.layouts import read_any
from benchmark_builder.selection import indices
from benchmark_builder.text import meant
from benchmark_builder.video import check_id

FORMAT = 1
MANIFEST, PROTOCOL, FAILURES, SUMS = "manifest.csv", "protocol.json", "failures.csv", "SHA256SUMS"
LIST = "list.txt"
FAILURE_COLUMNS = ["id", "kind", "reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One video of a benchmark; the fields are the manifest's columns, in order.

    Text is empty and numbers are None where a column does not apply to the benchmark's kind.
    """

    id: str  # <source_id>__<variant>; a SCUFO or ConflFG video has the id of the SCUBA video it was made from
    file: str  # relative to the benchmark's folder
    label: int  # 0-based; ConflFG: the moving actor's
    class_name: str
    split: str
    source_id: str
    source_file: str  # relative to the dataset's root
    source_sha256: str
    source_frames: str  # which frames of the source this video shows, e.g. "0-239" or "3-40 52-90", inclusive
    frames: int
    fps: float
    width: int
    height: int
    mask_source: str
    mask_file: str  # masks of the source's whole length, relative to this folder
    mask_sha256: str
    mask_coverage: float | None  # mean share of the picture inside the mask, 0..1; None where masks are unknown
    background: str  # name of the background within its set
    seed: int
    variant: int
    still_frame: int | None = None  # SCUFO: the SCUBA frame that is repeated
    partner_id: str = ""  # the SCUBA video to pair with
    donor_id: str = ""  # ConflFG: the SCUBA video whose still foreground was added
    donor_label: int | None = None
    donor_frame: int | None = None  # frame of the donor's SCUBA video
    donor_shift: str = ""  # "dx dy" in pixels, where the donor was moved to
    covered: float | None = None  # ConflFG: share of the mover hidden by the donor, 0..1
    pixels_xxh128: str = ""  # XXH3-128 of the composed uint8 RGB frames, before any encoding
    file_sha256: str = ""

    def derived(self, **own: Any) -> "Row":
        """The row of a video made from this SCUBA video: its partner's id, no masks of its own, and what it changes."""
        return dataclasses.replace(self, mask_file="", mask_sha256="", partner_id=self.id, **own)


COLUMNS = [f.name for f in dataclasses.fields(Row)]
_TYPES = {f.name: f.type for f in dataclasses.fields(Row)}


@dataclass(frozen=True)
class Benchmark:
    """A built benchmark, read back. Frames are decoded on demand."""

    folder: Path
    protocol: dict[str, Any]
    rows: list[Row]

    @property
    def kind(self) -> str:
        """``scuba``, ``scufo``, ``conflfg`` or ``shaken``."""
        return str(self.protocol["kind"])

    @property
    def dataset(self) -> str:
        return str(self.protocol["dataset"])

    @property
    def classes(self) -> list[str]:
        """Every class of the dataset in label order, also those without a video here."""
        return list(self.protocol["classes"])

    @property
    def background_set(self) -> str:
        """Which set of backgrounds, e.g. ``stripes``; sets of one kind are averaged over."""
        return str(self.protocol["backgrounds"]["name"])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of manifest.csv; it names the exact videos, since it holds their digests."""
        return sha256_file(self.folder / MANIFEST)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        return {row.id: row for row in self.rows}

    def path(self, row: Row) -> Path:
        return inside(self.folder, row.file)

    def frames(self, row: Row) -> Iterator[np.ndarray]:
        """Yield the video's frames: uint8 (H, W, 3), RGB, 0..255."""
        path = self.path(row)
        if path.suffix == ".virtual":
            return virtual.frames(self, row)
        if path.suffix == ".jpg":  # a still stored as one picture
            return repeat(next(read_any(path)), row.frames)
        return read_any(path)

    def origin(self) -> "Benchmark":
        """The SCUBA benchmark that this one was made from. Raises BenchError if it does not say, or it is gone."""
        place = self.protocol.get("paths", {}).get("scuba")
        if place is None:
            raise BenchError(f"{self.folder}: does not say which SCUBA benchmark it was made from")
        return read_benchmark(Path(place))

    def frame(self, row: Row, index: int) -> np.ndarray:
        """Frame ``index``, from 0: uint8 (H, W, 3) RGB. Raises BenchError if the video is shorter."""
        found = next(islice(self.frames(row), index, None), None)
        if found is None:
            raise BenchError(
                f"{self.path(row)}: has no frame {index}; it is shorter than its manifest says, rebuild it"
            )
        return found

    def still(self, row: Row) -> np.ndarray:
        """The one frame of a SCUFO video, uint8 (H, W, 3) RGB; decodes a single frame."""
        return self.frame(row, 0)


def read_benchmark(folder: Path) -> Benchmark:
    """Read a finished benchmark.

    Raises:
        BenchError: no benchmark here, an unfinished build, or a manifest that is not one (bad column, number or id,
            or a file that would lie outside the folder).
    """
    mend = "give a folder that `bench build` has finished"
    protocol = read_json(folder / PROTOCOL, "benchmark", mend)
    needed = {"kind", "dataset", "classes", "backgrounds"}
    if not isinstance(protocol, dict) or not needed <= protocol.keys():
        raise BenchError(f"{folder / PROTOCOL}: not a benchmark's protocol; {mend}")
    path = folder / MANIFEST
    if not path.is_file():
        raise BenchError(f"{path}: the build here is not finished; run the same `bench build` again")
    rows = []
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames != COLUMNS:
                raise BenchError(f"{path}: columns are not a manifest's; {mend}")
            for line, record in enumerate(reader, 2):
                rows.append(_parse(record, f"{path}, line {line}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: cannot be read ({error}); {mend}") from None
    doubled = (
        {r.id for r in rows if sum(o.id == r.id for o in rows) > 1} if len({r.id for r in rows}) < len(rows) else ()
    )
    if doubled:
        raise BenchError(f"{path}: id {sorted(doubled)[0]!r} stands twice; build it again")
    for row in rows:
        inside(folder, row.file)
        if not 0 <= row.label < len(protocol["classes"]):
            raise BenchError(f"{path}: label {row.label} of {row.id} is none of the protocol's classes; build it again")
        if row.mask_file:
            inside(folder, row.mask_file)
    return Benchmark(folder, protocol, rows)


def write_benchmark(folder: Path, protocol: dict[str, Any], rows: list[Row], failures: list[dict[str, str]]) -> None:
    """Write the tables of a finished build; manifest.csv comes last, so its presence means a finished build."""
    write_json(folder / PROTOCOL, {**protocol, "format": FORMAT, "versions": versions()})
    write_csv(folder / FAILURES, FAILURE_COLUMNS, sorted(failures, key=lambda f: f["id"]))
    table = [{k: _text(v) for k, v in dataclasses.asdict(r).items()} for r in sorted(rows, key=lambda r: r.id)]
    write_csv(folder / MANIFEST, COLUMNS, table)
    tables = (FAILURES, MANIFEST, PROTOCOL, LIST)
    sums = [f"{sha256_file(folder / name)}  {name}\n" for name in tables if (folder / name).is_file()]
    write_text(folder / SUMS, "".join(sums))


def versions() -> dict[str, str]:
    """Versions of what decides pixels and bytes."""
    import importlib.metadata

    names = ["albar-bench", "av", "numpy", "opencv-python-headless", "pillow", "imageio-ffmpeg"]
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return {"python": platform.python_version(), "ffmpeg": ffmpeg_version(), **found}


def _text(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _parse(record: dict[str, str], where: str) -> Row:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text, kind = record.get(name), _TYPES[name]
        if text is None or None in record:
            raise BenchError(f"{where}: wrong number of columns; build the benchmark again")
        try:
            if kind is str:
                values[name] = meant(text)
            elif text == "" and kind in (int | None, float | None):
                values[name] = None
            else:
                values[name] = float(text) if kind in (float, float | None) else int(text)
        except ValueError:
            raise BenchError(f"{where}: {name} is {text!r}, not a number; build the benchmark again") from None
    check_id(values["id"])
    try:
        indices(values["source_frames"])
    except ValueError:
        raise BenchError(f"{where}: source_frames is {values['source_frames']!r}, no ranges of frames; build the "
                         "benchmark again") from None  # fmt: skip
    return Row(**values)
