"""A benchmark on disk: manifest.csv (one row per video), protocol.json, failures.csv, SHA256SUMS, videos/, masks/.

Layouts for loaders of other projects also have list.txt, with one line "id frames label" per video.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import platform
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder import MOST_PIXELS, kinds
from benchmark_builder.benchmark.protocol_record import FIX, PROTOCOL, ProtocolRecord, read_protocol
from benchmark_builder.datasets import data_root
from benchmark_builder.layouts.layout import layout_of
from benchmark_builder.masks.stored import StoredTrack
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.utils.files import inside, sha256_file, write_csv, write_json, write_text
from benchmark_builder.utils.folders import subfolders
from benchmark_builder.utils.malloc import can_zero
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES
from benchmark_builder.utils.text import csv_text, numbered_records
from benchmark_builder.version import __version__
from benchmark_builder.video.binary import ffmpeg_version
from benchmark_builder.video.digest_cache import require_digest
from benchmark_builder.video.encode import encoder_version
from benchmark_builder.video.record import LONGEST, id_problem
from benchmark_builder.video.selection import count_frames

MANIFEST, SUMS, LIST = "manifest.csv", "SHA256SUMS", "list.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One video of a benchmark; the fields are the manifest's columns, in order.

    Text is empty and numbers are None if a column does not apply to the kind of the benchmark.
    """

    id: str  # <source_id>__<variant>; a SCUFO or ConflFG video has the id of the SCUBA video it was made from
    file: str  # relative to the benchmark's folder, or to that of the videos (`bench import --out`)
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
    donor_id: str = ""  # ConflFG: the SCUBA video whose still foreground was added; swap: the background's
    donor_label: int | None = None
    donor_frame: int | None = None  # frame of the donor's SCUBA video
    donor_shift: str = ""  # "dx dy" in pixels, where the donor was moved to; swap: the actor
    covered: float | None = None  # ConflFG: share of the mover hidden by the donor, 0..1; filled in: see below
    pixels_xxh128: str = ""  # XXH3-128 of the composed uint8 RGB frames, before any encoding
    file_sha256: str = ""

    def plain(self) -> dict[str, Any]:
        """The columns with their values. ``dataclasses.asdict`` gives the same, but copies each value."""
        return {name: getattr(self, name) for name in COLUMNS}

    def derived(self, **own: Any) -> "Row":
        """The row of a video made from this SCUBA video: this video's id as partner, no mask file (``mask_sha256`` is
        kept; it is the digest of the SCUBA video's masks), and ``changes``."""
        return dataclasses.replace(self, mask_file="", partner_id=self.id, **own)

    def made_from(self, scuba: "Row", own: Collection[str] = ()) -> bool:
        """Whether ``scuba`` is still the SCUBA video from which this one was made, according to both rows.

        ``own``: columns that this video's kind does not copy.
        """
        # Benchmarks built before version 2 do not record the masks of their SCUBA videos.
        names = INHERITED if self.mask_sha256 else tuple(n for n in INHERITED if n != "mask_sha256")
        return all(getattr(self, name) == getattr(scuba, name) for name in names if name not in own)


# Values that a video copies from the SCUBA video from which it was made.
INHERITED = (
    "label", "class_name", "split", "source_id", "source_file", "source_sha256", "source_frames", "frames", "fps",
    "width", "height", "mask_source", "mask_sha256", "mask_coverage", "background", "variant",
)  # fmt: skip
# Kinds with a filled-in background have in ``covered`` the share of the filled pixels that no frame shows uncovered.
COLUMNS = [f.name for f in dataclasses.fields(Row)]
_TYPES = {f.name: f.type for f in dataclasses.fields(Row)}


@dataclass(frozen=True)
class Benchmark:
    """A built benchmark, read from disk. Frames are decoded when they are needed.

    Attributes:
        folder: where it is stored.
        protocol: its protocol.json.
        rows: its videos.
        root: the dataset's folder, if it has moved; None: where the protocol says, or ``$BENCH_DATA/DATASET``.
        scuba: folder of the SCUBA benchmark it was made from, if that has moved; None: where the protocol says, or
            alongside ``folder``.
    """

    folder: Path
    protocol: ProtocolRecord
    rows: list[Row]
    root: Path | None = None
    scuba: Path | None = None

    @property
    def kind(self) -> str:
        """A name in the table of kinds, such as ``scuba``, or the name of a user's kind."""
        return self.protocol.kind

    @property
    def about(self) -> kinds.About:
        """The description of its kind. Raises BenchError if the kind is neither registered nor described here."""
        return kinds.about(self.kind, self.protocol.described, str(self.folder / PROTOCOL))

    @property
    def version(self) -> int:
        """The version of its protocol (docs/protocols.md); 1 if none is recorded."""
        return self.protocol.protocol.version

    @property
    def dataset(self) -> str:
        return self.protocol.dataset

    @property
    def classes(self) -> list[str]:
        """Every class of the dataset in label order, also classes without a video here."""
        return list(self.protocol.classes)

    @property
    def background_set(self) -> str:
        """The background set, e.g. ``stripes``; figures are averaged over the sets of a kind."""
        return self.protocol.backgrounds.name

    @cached_property
    def digest(self) -> str:
        """SHA-256 of manifest.csv; it identifies the exact videos, since it contains their digests."""
        return sha256_file(self.folder / MANIFEST)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        return {row.id: row for row in self.rows}

    @cached_property
    def by_source(self) -> dict[str, Row]:
        """Source id -> the row of its first variant."""
        return {row.source_id: row for row in first_rows(self.rows)}

    @cached_property
    def sources_by_label(self) -> dict[int, list[Row]]:
        """Label -> the row of each source's first variant, sorted by id; labels in order."""
        table: dict[int, list[Row]] = {}
        for row in sorted(first_rows(self.rows), key=lambda row: (row.label, row.id)):
            table.setdefault(row.label, []).append(row)
        return table

    @cached_property
    def videos(self) -> Path:
        """The folder to which ``file`` of every row is relative: this one, or the published folder of an import with
        ``out``. It may be missing."""
        places = places_of(self.folder, self.protocol.paths, "videos")
        return next((p for p in places if p.is_dir()), places[0]) if places else self.folder

    def path(self, row: Row) -> Path:
        """A video's file or folder, which may be missing."""
        return inside(self.videos, row.file)

    def frames(self, row: Row, check: bool = True) -> Iterator[np.ndarray]:
        """Yield the video's frames: uint8 (H, W, 3), RGB, 0..255.

        ``check``: compare the video's file with its digest first. The sources of a virtual video are always compared.

        Raises:
            ChangedFile: the video, or a source of a virtual video, differs from its digest in the manifest.
            BenchError: it is missing or cannot be read.
        """
        path = self.path(row)
        if not self.videos.is_dir():
            raise BenchError(
                f"{self.folder}: its videos are not in {self.videos}; bring them back, or say where they are now with "
                f"`bench import NEW_FOLDER --out {self.folder}` and the options of the first import"
            )
        if check and row.file_sha256:
            require_digest(path, row.file_sha256, "delete it and build it again")
        layout = layout_of(self.protocol.layout, path)
        return self._composed(row) if layout.composed else layout.video(path, row.frames)

    def _composed(self, row: Row) -> Iterator[np.ndarray]:
        kind = kinds.registered(self.kind, self.protocol.described)
        if kind is None:
            word = kinds.place_said(self.protocol.described)
            if word:
                kinds.KINDS.trusted(word)  # says why not
            raise BenchError(
                f"{self.folder}: its videos are composed by the kind {self.kind!r}, which is not installed here; "
                "install the package that adds it"
            )
        try:
            settings = kind.read(self.protocol)
        except BenchError as error:  # its message has no folder
            raise BenchError(f"{self.folder}: {error}") from None
        frames: Iterator[np.ndarray] = settings.compose(self, row)
        return frames

    @cached_property
    def source_root(self) -> Path:
        """The dataset's folder, with the source videos. Raises BenchError if it cannot be found."""
        row = next((r for r in self.rows if r.source_file), None)
        if row is None:
            raise BenchError(f"{self.folder}: does not say which videos it was made from")
        places = places_of(self.folder, self.protocol.paths, "root", self.root)
        if self.root is None:
            places.append(data_root() / self.dataset)
        for place in places:
            if inside(place, row.source_file).exists():
                return place
        tried = ", ".join(map(str, dict.fromkeys(places)))
        raise BenchError(
            f"{self.folder}: the dataset that it was built from is not in {tried} ({row.source_file} is missing); "
            "bring it back, or give its folder with --root"
        )

    @property
    def background_folder(self) -> Path:
        """The folder of ``--backgrounds video:FOLDER``. Raises BenchError if it cannot be found."""
        places = places_of(self.folder, self.protocol.paths, "backgrounds")
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise BenchError(
                f"{self.folder}: the folder of its background videos is not in {', '.join(map(str, places)) or 'it'}; "
                "bring it back"
            )
        return found

    @property
    def inpainted_folder(self) -> Path | None:
        """The folder of ``--inpainted``; None if it cannot be found."""
        places = places_of(self.folder, self.protocol.paths, "inpainted")
        return next((place for place in places if place.is_dir()), None)

    def source(self, row: Row) -> Path:
        """The dataset's video from which a row was made, checked against its digest.

        Raises:
            ChangedFile: it is not the file from which the row was made.
            BenchError: it is missing.
        """
        path = inside(self.source_root, row.source_file)
        require_digest(path, row.source_sha256, f"bring the old file back, or build {self.folder} again")
        return path

    def masks(self, row: Row) -> StoredTrack:
        """The masks of a SCUBA video, checked against their digest. Raises as :meth:`source`."""
        path = inside(self.folder, row.mask_file)
        require_digest(path, row.mask_sha256, f"delete it and build {self.folder} again")
        return StoredTrack(path, row.height, row.width)

    @cached_property
    def origin(self) -> "Benchmark":
        """The SCUBA benchmark from which this one was made.

        It is looked for at ``scuba``, at the path in the protocol, and alongside this folder. A benchmark whose
        manifest has changed is used only if the original one is not found.

        Raises:
            BenchError: the protocol does not name it, it is missing, or ``scuba`` is another benchmark.
        """
        digest = self.protocol.origin.manifest_sha256
        if digest is None:
            raise BenchError(f"{self.folder}: does not say which SCUBA benchmark it was made from")
        places = places_of(self.folder, self.protocol.paths, "scuba", self.scuba)
        if self.scuba is None:
            beside = self.folder.resolve().parent
            named = [p for p in places if _holds(p, digest)]
            places = named or [p for p in subfolders(beside) if _holds(p, digest)] or places
        found = next((p for p in places if (p / MANIFEST).is_file()), None)
        if found is None:
            tried = ", ".join(map(str, dict.fromkeys(places)))
            raise BenchError(
                f"{self.folder}: the SCUBA benchmark that it was made from is not in {tried or beside}, nor alongside; "
                "bring it back, or give its folder with --scuba"
            )
        if self.scuba is not None and not _holds(found, digest):
            raise BenchError(f"--scuba {self.scuba}: is not the SCUBA benchmark that {self.folder} was made from")
        return read_benchmark(found, self.root)

    def base(self, row: Row) -> Row:
        """The SCUBA video, in :attr:`origin`, from which a video was made.

        Raises:
            ChangedFile: it was built again later, from other inputs.
            BenchError: it is missing.
        """
        scuba = self.origin
        found = scuba.by_id.get(row.partner_id)
        if found is None:
            raise BenchError(f"{scuba.folder}: holds no video {row.partner_id}; build {self.folder} again from it")
        kind = kinds.registered(self.kind, self.protocol.described)
        if not row.made_from(found, kind.own_columns if kind else ()):
            raise ChangedFile(
                f"{scuba.folder}: {row.partner_id} changed since {self.folder} was made from it; build that again"
            )
        return found

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


def first_rows(rows: Iterable[Row]) -> list[Row]:
    """The row of each source's first variant, in the order of ``rows``."""
    first: dict[str, Row] = {}
    for row in rows:
        if row.source_id not in first or row.variant < first[row.source_id].variant:
            first[row.source_id] = row
    return list(first.values())


def places_of(folder: Path, paths: Mapping[str, str], name: str, given: Path | None = None) -> list[Path]:
    """Possible places of the sources of a benchmark: only ``given``, or if that is None, those in protocol.json.

    Args:
        folder: the benchmark's folder.
        paths: the places in its protocol.json, each as an absolute path and as a path relative to ``folder``.
        name: ``root``, ``scuba`` or ``videos``.
    """
    if given is not None:
        return [given]
    near, far = paths.get(f"{name}_relative"), paths.get(name)
    places = [] if near is None else [Path(os.path.normpath(folder / near))]
    return places if far is None else [*places, Path(far)]


def paths_from(folder: Path, /, **places: Path) -> dict[str, str]:
    """The places for protocol.json: each as an absolute path, and relative to ``folder`` in case both are moved."""
    paths: dict[str, str] = {}
    for name, place in places.items():
        paths[name] = str(place.resolve())
        with contextlib.suppress(ValueError):  # on another drive there is no relative path
            paths[f"{name}_relative"] = Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()
    return paths


def moved_paths(source: Benchmark, folder: Path) -> dict[str, str]:
    """The places of ``source`` for the protocol.json of a copy in ``folder``."""
    found = {}
    for name, given in (
        ("root", source.root), ("scuba", source.scuba), ("backgrounds", None), ("inpainted", None)
    ):  # fmt: skip
        places = places_of(source.folder, source.protocol.paths, name, given)
        here = next((p for p in places if p.is_dir()), places[-1] if places else None)
        if here is not None:
            found[name] = here
    return paths_from(folder, **found)


def _holds(folder: Path, digest: str) -> bool:
    """Whether a folder contains the benchmark whose manifest has this SHA-256."""
    manifest = folder / MANIFEST
    return manifest.is_file() and sha256_file(manifest) == digest


def read_benchmark(folder: Path, root: Path | None = None, scuba: Path | None = None) -> Benchmark:
    """Read a finished benchmark.

    Args:
        folder: where it is stored.
        root, scuba: folders of its dataset and its SCUBA benchmark, if they have moved.

    Raises:
        BenchError: the folder has no benchmark or an unfinished build, or the manifest is wrong (a bad column, number
            or id, or a file outside the folder).
    """
    protocol = read_protocol(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise BenchError(f"{path}: the build here is not finished; run the same `bench build` again")
    records = numbered_records(path, COLUMNS, "manifest", FIX)
    rows = [_parse(record, f"{path}, line {line}") for line, record in records]
    doubled = [name for name, count in Counter(row.id for row in rows).items() if count > 1]
    if doubled:
        raise BenchError(f"{path}: id {sorted(doubled)[0]!r} occurs twice; build it again")
    benchmark = Benchmark(folder, protocol, rows, root, scuba)
    for row in rows:
        benchmark.path(row)
        for name, label in (("label", row.label), ("donor_label", row.donor_label or 0)):
            if label >= len(protocol.classes):
                raise BenchError(
                    f"{path}: {name} {label} of {row.id} is none of the protocol's classes; build it again"
                )
        if row.mask_file:
            inside(folder, row.mask_file)
    return benchmark


def write_benchmark(folder: Path, protocol: ProtocolRecord, rows: list[Row], failures: list[dict[str, str]]) -> None:
    """Write the tables of a finished build; manifest.csv comes last, so if it exists, all tables exist."""
    write_json(folder / PROTOCOL, protocol.replaced(format=ProtocolRecord.FORMAT, versions=versions()).plain())
    write_csv(folder / FAILURES, FAILURE_COLUMNS, sorted(failures, key=lambda f: f["id"]))
    (folder / MANIFEST).unlink(missing_ok=True)
    table = [[_text(v) for v in r.plain().values()] for r in sorted(rows, key=lambda r: r.id)]
    manifest = csv_text([COLUMNS, *table])
    digests = {name: sha256_file(folder / name) for name in (FAILURES, PROTOCOL, LIST) if (folder / name).is_file()}
    digests[MANIFEST] = hashlib.sha256(manifest.encode("utf-8", errors="backslashreplace")).hexdigest()
    order = (name for name in (FAILURES, MANIFEST, PROTOCOL, LIST) if name in digests)
    write_text(folder / SUMS, "".join(f"{digests[name]}  {name}\n" for name in order))
    write_text(folder / MANIFEST, manifest)


def versions() -> dict[str, str]:
    """Versions of the software that determines pixels and bytes."""
    return {
        "python": platform.python_version(), "encoder": encoder_version(), "ffmpeg": _ffmpeg(),
        "albar-bench": __version__, **_libraries(),
    }  # fmt: skip


def _ffmpeg() -> str:
    """The version of ffmpeg; "none" without one, where it is not needed: this process encodes all videos."""
    try:
        return ffmpeg_version()
    except BenchError:
        if "BENCH_FFMPEG" in os.environ or not can_zero():
            raise
        return "none"


@functools.cache  # each version is read from a file of the installed package
def _libraries() -> dict[str, str]:
    import importlib.metadata

    found = {}
    for name in ("av", "numpy", "opencv-python-headless", "pillow", "imageio-ffmpeg"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def _text(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def plain_row(record: object, where: str) -> Row:
    """A row from the dict that ``asdict`` or JSON gives. Raises BenchError if it is not valid as a manifest's row."""
    if not isinstance(record, dict) or record.keys() != set(COLUMNS):
        raise BenchError(f"{where}: not a row of a manifest; build the benchmark again")
    return _parse({name: _text(value) for name, value in record.items()}, where)


# Valid ranges of the numbers in a row. Builds write no other values, and readers allocate memory for them.
_LIMITS: dict[str, tuple[float, float]] = {
    "label": (0, 10**6), "donor_label": (0, 10**6), "frames": (1, 10**6), "fps": (1e-3, 1e5), "width": (1, 2**16),
    "height": (1, 2**16), "mask_coverage": (0, 1), "covered": (0, 1), "seed": (-(2**63), 2**64), "variant": (0, 10**9),
    "still_frame": (0, LONGEST), "donor_frame": (0, LONGEST),
}  # fmt: skip
_NAMES = ("id", "file", "source_file", "mask_file", "source_id", "partner_id", "donor_id")
_CONTROL = re.compile("[\0-\x1f]")


def _is_name(text: str) -> bool:
    """Whether the text is empty or a valid relative file name."""
    if _CONTROL.search(text):
        return False
    return (len(text) < 256 and text.isascii()) or all(len(p.encode()) < 256 for p in text.split("/"))


def _parse(record: dict[str, str], where: str) -> Row:
    fix = "build the benchmark again"
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text, kind = record[name], _TYPES[name]
        if kind is str:
            if "\0" in text or (name in _NAMES and not _is_name(text)):
                raise BenchError(f"{where}: {name} is {text[:40]!r}, which is no name; {fix}")
            values[name] = text
        elif text == "" and kind in (int | None, float | None):
            values[name] = None
        else:
            low, high = _LIMITS[name]
            try:
                value = float(text) if kind in (float, float | None) else int(text)
            except ValueError:
                raise BenchError(f"{where}: {name} is {text[:40]!r}, not a number; {fix}") from None
            if not low <= value <= high:  # also true for NaN
                raise BenchError(f"{where}: {name} is {text[:40]}, not from {low:g} to {high:g}; {fix}")
            values[name] = value
    if problem := id_problem(values["id"]):
        raise BenchError(f"{where}: id {values['id'][:40]!r} {problem}; {fix}")
    if not values["file"].strip("./"):
        raise BenchError(f"{where}: names no file; {fix}")
    if values["width"] * values["height"] > MOST_PIXELS:
        raise BenchError(f"{where}: {values['width']}x{values['height']} is larger than any video; {fix}")
    said = values["source_frames"]
    try:
        count = count_frames(said)
    except ValueError:
        raise BenchError(f"{where}: source_frames is {said[:40]!r}, no ranges of frames; {fix}") from None
    if count != values["frames"]:
        raise BenchError(f"{where}: frames is {values['frames']}, but source_frames {said[:40]!r}; {fix}")
    return Row(**values)
