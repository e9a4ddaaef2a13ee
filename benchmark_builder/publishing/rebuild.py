"""`bench rebuild`: makes a benchmark again from a published folder, and compares the digest of every video's pixels.

A folder with videos is unpacked. Of a folder without, SCUBA videos are composed from the user's own copy of the
dataset, the published masks and backgrounds; other kinds are made again from the SCUBA benchmark. A published folder is
a stranger's: its names stay inside the folders, its archives are read member by member, and nothing of it is run.
"""

import dataclasses
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark_builder import kinds
from benchmark_builder.benchmark.build import WORK, Report, run_build
from benchmark_builder.benchmark.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    Benchmark,
    Row,
    paths_from,
    read_benchmark,
)
from benchmark_builder.benchmark.protocol_record import ProtocolRecord
from benchmark_builder.datasets import dataset_root
from benchmark_builder.kinds.base import Derived
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.publishing.archives import Packed
from benchmark_builder.publishing.publish import background_file
from benchmark_builder.publishing.record import TEST, Publication, read_publication
from benchmark_builder.settings import RebuildSettings
from benchmark_builder.start_from import benchmark_folder
from benchmark_builder.utils.errors import BenchError, ChangedFile
from benchmark_builder.utils.files import inside, remove, sha256_file
from benchmark_builder.utils.pool import Maker, Note, default_workers
from benchmark_builder.utils.text import counted, read_records, shown

# Columns that may differ: where a file is stored, and its bytes, which depend on the encoder.
_MAY_DIFFER = ("file", "file_sha256", "mask_file")


@dataclass(frozen=True)
class Rebuilt:
    """The result of a rebuild.

    Attributes:
        report: of the videos that were made, and those that were not; the latter with a reason per video.
        videos: how many videos the published folder describes.
        other_bytes: ids of videos with equal pixels whose files have other bytes, as another encoder writes them.
        same: whether the new manifest is, byte by byte, the published one.
    """

    report: Report
    videos: int
    other_bytes: list[str]
    same: bool

    @property
    def missing(self) -> str:
        """How many videos could not be made, and what to do; "" if there are none."""
        count = self.videos - (0 if self.report.benchmark is None else len(self.report.benchmark.rows))
        if not count:
            return ""
        return (
            f"{self.report.folder}: {counted(count, 'video is', 'videos are')} missing or different; fix what is "
            "listed above and run the same command again, the others are kept"
        )


class _Own(Benchmark):
    """A benchmark whose dataset is where the user says; a missing video costs only itself."""

    @cached_property
    def source_root(self) -> Path:
        assert self.root is not None
        return self.root


@dataclass(frozen=True)
class Unpacked:
    """Copies one video, and its masks, out of a published folder."""

    out: Path
    packed: Packed

    def make(self, row: Row) -> list[Row]:
        """The row of the video. Raises BenchError if a file is missing, damaged or another one."""
        loose = f"{TEST}/{row.file}"
        name = loose if inside(self.packed.folder, loose).is_file() else row.file
        self.packed.copy(name, inside(self.out, row.file), row.file_sha256)
        copy_masks(self.packed, row, self.out)
        return [row]


@dataclass(frozen=True)
class ScubaAgain:
    """Composes one SCUBA video again from the user's copy of the dataset."""

    out: Path
    benchmark: Benchmark
    packed: Packed
    layout: layouts.Layout

    def make(self, row: Row) -> list[Row]:
        """Write the video; its row.

        Raises:
            BenchError: a file is missing, the source is not the published one, or the pixels differ.
        """
        copy_masks(self.packed, row, self.out)
        background = f"{WORK}/{background_file(row)}"
        target = inside(self.out, row.file)
        self.packed.copy(background_file(row), inside(self.out, background))
        try:
            parts = dataclasses.replace(row, file=background)
            frames = kinds.registered("scuba", None).read(self.benchmark.protocol).compose(self.benchmark, parts)
            digest = layouts.PixelDigest(row.height, row.width)
            with self.layout.open(target, row.width, row.height, row.fps) as sink:
                for frame in frames:
                    digest.update(frame)
                    sink.write(frame)
            if self.layout.composed:
                self.packed.copy(background_file(row), target, row.file_sha256)
        except ChangedFile:
            raise BenchError(
                f"{row.id}: its source {shown(row.source_file)} in {self.benchmark.root} is not the published one (its "
                "SHA-256 differs); get that version of the dataset"
            ) from None
        finally:
            remove(inside(self.out, background))
        return [compared(self.out, row, dataclasses.replace(row, pixels_xxh128=digest.hexdigest()))]


@dataclass(frozen=True)
class DerivedAgain:
    """Makes one video of another kind again from its SCUBA video."""

    out: Path
    scuba: Benchmark
    maker: Maker

    def make(self, row: Row) -> list[Row]:
        """Write the video; its row. Raises BenchError as :class:`ScubaAgain`."""
        base = self.scuba.by_id.get(row.partner_id)
        if base is None:
            raise BenchError(
                f"{row.id}: {self.scuba.folder} has no SCUBA video {shown(row.partner_id)}; rebuild it there first"
            )
        made = [one for one in self.maker.make(base) if isinstance(one, Row)]
        if len(made) != 1 or made[0].id != row.id:
            raise BenchError(
                f"{row.id}: its kind made {len(made)} other videos from its SCUBA video; get an intact copy"
            )
        return [compared(self.out, row, made[0])]


def copy_masks(packed: Packed, row: Row, out: Path) -> None:
    """Copy the masks of a row's source, if it has some and they are not there yet. Raises BenchError as
    :meth:`~benchmark_builder.publishing.archives.Packed.copy`."""
    if not row.mask_file:
        return
    target = inside(out, row.mask_file)
    if not target.is_file() or sha256_file(target) != row.mask_sha256:
        packed.copy(row.mask_file, target, row.mask_sha256)


def compared(out: Path, published: Row, made: Row) -> Row:
    """The row of a video that was made again. Raises BenchError, and deletes the video, if it is not the published
    one."""
    differing = [
        f"{name} {shown(getattr(made, name))}, published {shown(getattr(published, name))}"
        for name in Row.__dataclass_fields__
        if name not in _MAY_DIFFER and getattr(made, name) != getattr(published, name)
    ]
    if differing:
        remove(inside(out, made.file))
        raise BenchError(f"{published.id}: is not the published video: {'; '.join(differing)}")
    if not published.file_sha256:
        return made
    return dataclasses.replace(made, file_sha256=layouts.digest(inside(out, made.file)))


def rebuild(folder: Path, settings: RebuildSettings, progress: bool = True) -> Rebuilt:
    """Make the benchmark of a published folder again. Can be resumed: videos that are done are kept.

    Args:
        folder: what `bench publish` has written.
        settings: where the dataset is, and where to write.
        progress: show a progress bar.

    Raises:
        BenchError: the folder is not a published benchmark, or the dataset or the SCUBA benchmark is missing. A video
            that cannot be made, or whose pixels differ, is in the report.
    """
    publication = read_publication(folder)
    if publication.what != "benchmark":
        raise BenchError(
            f"{folder}: contains published {publication.what}, not a benchmark; there are no videos to make"
        )
    published = read_benchmark(folder)
    if publication.manifest_sha256 and published.digest != publication.manifest_sha256:
        raise BenchError(
            f"{folder}: its manifest.csv is not the published one (its SHA-256 differs); download it again"
        )
    if not published.rows:
        raise BenchError(f"{folder}: its manifest.csv has no videos; download it again")
    p = published.protocol
    out = settings.out or _usual_folder(published)
    if out.resolve() == folder.resolve():
        raise BenchError(f"--out {out}: is the published folder itself; choose another")
    packed = Packed(folder, tuple(publication.archives))
    maker, places = _maker(published, publication, packed, out, settings)
    record = p.without("paths").replaced(paths=paths_from(out, **places)) if places else p.without("paths")
    by_id = published.by_id
    report = run_build(
        out, record, maker, published.rows, lambda row: row.id, settings.workers or default_workers(), progress,
        _left_out(folder), current=lambda row, rows: all(r.pixels_xxh128 == row.pixels_xxh128 for r in rows),
        known=set(by_id), title=f"rebuild {published.kind}",
    )  # fmt: skip
    rows = report.benchmark.rows if report.benchmark else []
    return Rebuilt(
        report,
        len(published.rows),
        [row.id for row in rows if row.file_sha256 != by_id[row.id].file_sha256],
        report.benchmark is not None and report.benchmark.digest == published.digest,
    )


def _usual_folder(published: Benchmark) -> Path:
    """The conventional folder of a benchmark; its name is made of a stranger's words."""
    out = benchmark_folder(published.dataset, published.kind, published.background_set)
    name = f"{published.dataset}-{published.kind}-{published.background_set}"
    if re.search(r"""[/\\:*?"<>|\x00-\x1f]""", name) or name.startswith(".") or len(name) > 200:
        raise BenchError(
            f"{published.folder}: the names in its protocol.json ({shown(name)[:100]}) are not valid in a folder name; "
            "say where to write with --out"
        )
    return out


def _maker(
    published: Benchmark, publication: Publication, packed: Packed, out: Path, settings: RebuildSettings
) -> tuple[Maker, dict[str, Path]]:
    """What makes a row, and the places for the new protocol.json."""
    if publication.pixels:
        return Unpacked(out, packed), {}
    p = published.protocol
    layout = _layout(p, published.folder)
    root = dataset_root(published.dataset, settings.root)
    if not root.is_dir():
        raise BenchError(f"{root}: no such folder; give your own copy of {shown(published.dataset)} with --root")
    if published.kind == "scuba":
        moving = p.backgrounds.kind == "video"
        if moving != (settings.backgrounds is not None):
            what = "needs the folder of its background videos; give it with --backgrounds"
            raise BenchError(
                f"{published.folder}: {what}" if moving else
                f"--backgrounds {settings.backgrounds}: its backgrounds are published with it; leave that out"
            )  # fmt: skip
        given = {} if settings.backgrounds is None else {"backgrounds": settings.backgrounds}
        paths = paths_from(out, root=root, **given)
        benchmark = _Own(out, p.replaced(paths=paths), published.rows, root)
        return ScubaAgain(out, benchmark, packed, layout), {"root": root, **given}
    kind = kinds.registered(published.kind, p.described)
    if kind is None or not issubclass(kind, Derived):
        raise BenchError(
            f"{published.folder}: its kind {shown(published.kind)} is not installed here; install the package that "
            "adds it"
        )
    scuba = _scuba(published, out, settings)
    seed = published.rows[0].seed
    return DerivedAgain(out, scuba, kind.read(p).maker(out, scuba, seed, layout)), {"root": root, "scuba": scuba.folder}


def _layout(protocol: ProtocolRecord, folder: Path) -> layouts.Layout:
    """The layout of the published benchmark; one that is not part of this toolkit is not imported at a stranger's
    word."""
    name = protocol.layout or "video"
    if name not in layouts.LAYOUTS.shipped:
        layouts.LAYOUTS.trusted(name)
    return layouts.Layout(name, protocol.jpeg_quality or layouts.JPEG_QUALITY)


def _scuba(published: Benchmark, out: Path, settings: RebuildSettings) -> Benchmark:
    """The SCUBA benchmark from which the videos were made."""
    if settings.scuba is not None:
        scuba = read_benchmark(settings.scuba, settings.root)
        if scuba.kind != "scuba":
            raise BenchError(f"--scuba {settings.scuba}: is a {scuba.kind} benchmark; give a SCUBA benchmark")
        return scuba
    for near in (dataclasses.replace(published, folder=out, root=settings.root), published):
        try:
            return near.origin
        except BenchError:
            continue
    raise BenchError(
        f"{published.folder}: its videos are made from a SCUBA benchmark that is not alongside; rebuild the published "
        "SCUBA folder first, and give the result with --scuba"
    )


def _left_out(folder: Path) -> list[Note]:
    """What the published benchmark lists as left out; no failures of this run."""
    if not (folder / FAILURES).is_file():
        return []
    rows = read_records(folder / FAILURES, FAILURE_COLUMNS, "table of failures")
    return [Note(row["id"], row["kind"], row["reason"]) for row in rows if row["kind"] != "failed"]
