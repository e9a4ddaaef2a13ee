"""`bench publish BENCHMARK`: a folder that others can load, cite, check, and make again.

It is laid out as a benchmark's folder (manifest.csv, protocol.json, failures.csv, masks/, videos/), with a dataset card
and metadata. Without the right to pass on the dataset's pixels it has no videos, but what `bench rebuild` needs to make
them again from an own copy of the dataset: for SCUBA the masks and the drawn backgrounds, for other kinds the recipe.
"""

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder import kinds
from benchmark_builder.backgrounds import BackgroundSource, background_source, draw
from benchmark_builder.benchmark.manifest import (
    FAILURE_COLUMNS,
    FAILURES,
    MANIFEST,
    PROTOCOL,
    SUMS,
    Benchmark,
    Row,
    read_benchmark,
)
from benchmark_builder.benchmark.preview import contact_sheet
from benchmark_builder.kinds.scuba import drawn_again
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.layouts import virtual
from benchmark_builder.publishing.archives import pack
from benchmark_builder.publishing.card import Facts, card, citation, references
from benchmark_builder.publishing.croissant import croissant
from benchmark_builder.publishing.folder import new_folder
from benchmark_builder.publishing.licences import UNKNOWN, Licence, licence_of
from benchmark_builder.publishing.record import (
    BACKGROUNDS,
    CARD,
    CITATION,
    CROISSANT,
    METADATA,
    PUBLICATION,
    SHEET,
    TEST,
    Publication,
    read_publication,
    without_folders,
)
from benchmark_builder.settings import PublishSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import copy_whole, inside, sha256_file, write_csv, write_json, write_text
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted, csv_text, read_records, shown

Say = Callable[[str], None]
VIDEOS = (".mp4", ".mkv", ".avi", ".mov")  # what the videofolder of Hugging Face `datasets` loads
# Columns of metadata.csv in addition to file_name; those without any value are left out.
COLUMNS = (
    "id", "label", "class_name", "split", "source_id", "background", "variant", "frames", "fps", "width", "height",
    "mask_source", "mask_coverage", "seed", "still_frame", "partner_id", "donor_id", "donor_label", "pixels_xxh128",
)  # fmt: skip


@dataclass(frozen=True)
class Published:
    """A published folder; ``pixels``: whether it has the videos. ``said``: lines for the user. ``what``: ``benchmark``
    or ``results``."""

    folder: Path
    videos: int
    pixels: bool
    archives: int
    said: Sequence[str]
    what: str = "benchmark"


def publish_benchmark(
    folder: Path, settings: PublishSettings, version: str, progress: bool = True, today: str | None = None
) -> Published:
    """Publish a built benchmark.

    Args:
        folder: the benchmark.
        settings: where and how.
        version: of the toolkit, for the card.
        progress: show a progress bar.
        today: date for the card, ``YYYY-MM-DD``; None: that of today in UTC.

    Raises:
        BenchError: it is no benchmark, its files are not those of its manifest, its layout is none that `datasets`
            loads, its videos could not be made again without pixels, or ``out`` has content. Nothing is written then.
    """
    if (folder / PUBLICATION).is_file() and not read_publication(folder).pixels:
        make = f"bench rebuild {shlex.quote(str(folder))} --out BENCHMARK"
        raise BenchError(
            f"{folder}: is a published folder already, without pixels; upload it as it is, or make its videos first "
            f"({make}) and publish BENCHMARK"
        )
    benchmark = read_benchmark(folder, settings.root, settings.scuba)
    if not benchmark.rows:
        raise BenchError(f"{folder}: has no videos; build it first")
    licence = licence_of(benchmark.dataset)
    pixels = licence.pixels if settings.with_pixels is None else settings.with_pixels
    asked = pixels and not licence.pixels
    said: list[str] = []
    if pixels:
        _loadable(benchmark)
    else:
        _rebuildable(benchmark)
        said += _without_pixels(benchmark, licence, settings.out)
    if asked:
        said.append(f"{benchmark.dataset}: its videos are published because you said so; licence: {licence.name}")
    drawn = _backgrounds(benchmark, settings.backgrounds) if not pixels and benchmark.kind == "scuba" else None
    shown_behind = ("images", "video") if pixels else ("images",) if benchmark.kind == "scuba" else ()
    if benchmark.protocol.backgrounds.kind in shown_behind:
        said.append(f"the pictures of {shown(benchmark.background_set)} are published as backgrounds; check that you "
                    "may pass them on")  # fmt: skip
    if settings.out.resolve().is_relative_to(benchmark.folder.resolve()):
        raise BenchError(f"--out {settings.out}: is inside the benchmark, which is not changed; choose another folder")
    with new_folder(settings.out) as new:
        names = _copy(benchmark, new, pixels, drawn, progress)
        sheet = pixels and _sheet(folder, new / SHEET, settings, said)
        limit = settings.archive_bytes
        archives = _archives(benchmark, new, names, limit) if limit else []
        _tables(benchmark, new, pixels and not archives)
        data_files: list[str] = []
        if pixels and archives:
            data_files = [name for name in archives if name.startswith("archives/videos")]
        elif pixels:
            write_text(new / TEST / METADATA, metadata(benchmark.rows))  # to load the folder without its card
            write_text(new / METADATA, metadata(benchmark.rows, below=f"{TEST}/"))
            data_files = [METADATA, *sorted({f"{TEST}/**/*{Path(r.file).suffix}" for r in benchmark.rows})]
        facts = Facts(
            title=settings.title or f"{benchmark.about.title} of {benchmark.dataset}, {benchmark.background_set}",
            authors=settings.authors or ("The authors of this benchmark",),
            url=settings.url, date=today or settings.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
            licence=settings.licence or ("mit" if licence.name.startswith("MIT") else "unknown"),
            source_licence=licence, pixels=pixels, asked=asked, sheet=sheet, data_files=data_files, version=version,
        )  # fmt: skip
        write_text(new / CARD, card(benchmark, facts))
        write_text(new / CITATION, citation(facts, references(benchmark)))
        tables = [MANIFEST, *([METADATA] if pixels and not archives else [])]
        about = f"{benchmark.about.title}: {benchmark.about.explained}. {counted(len(benchmark.rows), 'test video')}."
        write_json(new / CROISSANT, croissant(new, facts, about, tables, [PROTOCOL, *archives]))
        made = Publication(
            what="benchmark", title=facts.title, pixels=pixels, archives=list(archives),
            manifest_sha256=sha256_file(new / MANIFEST),
        )  # fmt: skip
        write_json(new / PUBLICATION, {**made.plain(), "format": Publication.FORMAT, "version": version})
    if licence == UNKNOWN:
        said.append(f"{shown(benchmark.dataset)}: its licence is not known here; say in {CARD} what you know of it")
    return Published(settings.out, len(benchmark.rows), pixels, len(archives), said)


def _without_pixels(benchmark: Benchmark, licence: Licence, out: Path) -> list[str]:
    """Why there are no videos, what to do with the folder, and what to do if there may be."""
    name, dataset = shlex.quote(out.name), shown(benchmark.dataset)
    reason = "you said so" if licence.pixels else f"licence of its videos: {licence.name}"
    again = f"bench rebuild {name} --root THEIR_COPY_OF_{dataset.upper()} --out BENCHMARK"
    if benchmark.kind != "scuba":
        again += " --scuba THEIR_REBUILT_SCUBA"
    lines = [
        f"{dataset}: no pixels are published ({reason}); masks, backgrounds and the recipe are",
        f"what to do: upload {out} as it is; others make the videos with: {again}",
    ]
    if benchmark.kind != "scuba":
        lines.append("its SCUBA benchmark must be published, too: others rebuild that one first")
    if not licence.pixels:
        lines.append("if you may pass the videos on: delete the folder and publish again with --with-pixels")
    return lines


def _loadable(benchmark: Benchmark) -> None:
    """Raise BenchError if a video is no video file, which a video folder consists of."""
    layout = benchmark.protocol.layout
    if any(Path(row.file).suffix.lower() not in VIDEOS for row in benchmark.rows):
        raise BenchError(
            f"{benchmark.folder}: its layout {layout} has no video files, and a video folder consists of these; run "
            f"`bench export {benchmark.folder} --layout video --out FOLDER` and publish FOLDER, or give "
            "--without-pixels"
        )


def _rebuildable(benchmark: Benchmark) -> None:
    """Raise BenchError if the videos cannot be made again from the dataset."""
    p = benchmark.protocol
    why = ""
    if any(not row.pixels_xxh128 or not row.source_file for row in benchmark.rows):
        why = "its manifest has no digests of pixels, or does not name its sources; it was imported"
    elif p.exported_for is not None:
        why = f"it was exported for {shown(p.exported_for)}; publish the benchmark that it was exported from"
    elif p.exported_from.manifest_sha256 is not None and layouts.is_exact(p.layout):
        why = "it is a lossless export, whose pixels may be those of an encoded video; publish the original"
    elif p.settings.get("inpainted") or p.settings.get("pairs"):
        why = "it was made from files of yours (--inpainted or --pairs), which it does not contain"
    elif kinds.registered(benchmark.kind, p.described) is None:
        why = f"its kind {benchmark.kind!r} is not installed here"
    if why:
        raise BenchError(f"{benchmark.folder}: cannot be published without pixels: {why}; if you may pass the pixels "
                         "of its dataset on, give --with-pixels")  # fmt: skip


def _backgrounds(benchmark: Benchmark, spec: str | None) -> BackgroundSource | None:
    """The set from which the backgrounds are drawn again; None if its videos contain them already (virtual)."""
    known = benchmark.protocol.backgrounds
    if layouts.layout_of(benchmark.protocol.layout, benchmark.path(benchmark.rows[0])).composed:
        return None
    if spec is None:
        source = drawn_again(benchmark)
        if source is None:
            raise BenchError(
                f"{benchmark.folder}: its backgrounds {shown(known.name)} ({shown(known.kind)}) must be drawn again; "
                "give what it was built with, such as --backgrounds images:FOLDER"
            )
        return source
    source = background_source(spec, known.fit or "cover", known.grey or "keep")
    here, there = source.describe(), known.plain()
    for name in sorted(here.keys() & there.keys()):
        if here[name] != there[name]:
            raise BenchError(
                f"--backgrounds {spec}: is not what {benchmark.folder} was built with ({name} differs); give that"
            )
    return source


def _copy(
    benchmark: Benchmark, new: Path, pixels: bool, drawn: BackgroundSource | None, progress: bool
) -> dict[str, list[str]]:
    """Copy masks, and videos or backgrounds; returns their names by what they are."""
    names: dict[str, list[str]] = {"videos": [], "masks": [], BACKGROUNDS: []}
    masks: dict[str, str] = {row.mask_file: row.mask_sha256 for row in benchmark.rows if row.mask_file}
    bar = Bar(total=len(benchmark.rows) + len(masks), desc="publish", unit="file", disable=not progress)
    with bar:
        for file, sha256 in sorted(masks.items()):
            _checked(inside(benchmark.folder, file), new / file, sha256)
            names["masks"].append(file)
            bar.update()
        for row in sorted(benchmark.rows, key=lambda row: row.id):
            if pixels:
                _checked(benchmark.path(row), inside(new / TEST, row.file), row.file_sha256)
                names["videos"].append(row.file)
            elif benchmark.kind == "scuba":
                names[BACKGROUNDS].append(background_file(row))
                _background(benchmark, row, new / background_file(row), drawn)
            bar.update()
    return names


def background_file(row: Row) -> str:
    """Where the background of a SCUBA video is in a published folder without videos."""
    return f"{BACKGROUNDS}/{row.id}.virtual"


def _checked(source: Path, target: Path, sha256: str) -> None:
    if not source.is_file():
        raise BenchError(f"{source}: is missing; build it again before you publish")
    copy_whole(source, target)
    if sha256 and sha256_file(target) != sha256:
        raise BenchError(f"{source}: is not the file that was built (its SHA-256 differs); build it again before you "
                         "publish")  # fmt: skip


def _background(benchmark: Benchmark, row: Row, target: Path, drawn: BackgroundSource | None) -> None:
    if drawn is None:
        _checked(benchmark.path(row), target, row.file_sha256)
        return
    one = draw(drawn, generator(row.seed, row.source_id, f"background/{row.variant}"), row.height, row.width)
    if one.name != row.background:
        raise BenchError(
            f"{row.id}: the background drawn again is {shown(one.name)}, not {shown(row.background)} of its row; give "
            "the same --backgrounds as for the build"
        )
    virtual.write(target, one.parts)


def _sheet(folder: Path, out: Path, settings: PublishSettings, said: list[str]) -> bool:
    try:
        contact_sheet(folder, out, videos=4, height=96, root=settings.root, scuba=settings.scuba)
    except BenchError as error:
        said.append(f"no {SHEET}: {error}")
        return False
    return True


def _archives(benchmark: Benchmark, new: Path, names: dict[str, list[str]], limit: int) -> list[str]:
    by_file = {row.file: row for row in benchmark.rows}
    made: list[str] = []
    for what, files in names.items():
        table = (lambda chosen: metadata([by_file[f] for f in chosen], benchmark.rows)) if what == "videos" else None
        made += pack(new, files, what, limit, table, new / TEST if what == "videos" else None) if files else []
    for top in (*names, TEST):
        for path in sorted((new / top).rglob("*"), reverse=True) if (new / top).is_dir() else ():
            path.rmdir()
        if (new / top).is_dir():
            (new / top).rmdir()
    return made


def _tables(benchmark: Benchmark, new: Path, loose: bool) -> None:
    """The benchmark's tables; protocol.json without paths of this machine. ``loose``: the videos are not packed."""
    protocol = benchmark.protocol.without("paths")
    write_json(new / PROTOCOL, (protocol.replaced(paths={"videos_relative": TEST}) if loose else protocol).plain())
    copy_whole(benchmark.folder / MANIFEST, new / MANIFEST)
    if (benchmark.folder / FAILURES).is_file():
        places = [str(benchmark.folder.resolve()), *benchmark.protocol.paths.values()]
        notes = read_records(benchmark.folder / FAILURES, FAILURE_COLUMNS, "table of failures")
        cleaned = [{name: without_folders(text, places) for name, text in note.items()} for note in notes]
        write_csv(new / FAILURES, FAILURE_COLUMNS, cleaned)
    present = [name for name in (FAILURES, MANIFEST, PROTOCOL) if (new / name).is_file()]
    write_text(new / SUMS, "".join(f"{sha256_file(new / name)}  {name}\n" for name in present))


def metadata(rows: Sequence[Row], of: Sequence[Row] | None = None, below: str = "") -> str:
    """metadata.csv of a video folder: file_name and :data:`COLUMNS`.

    Args:
        rows: the videos.
        of: the rows that decide which columns have values, so that the tables of all archives have the same columns.
        below: put in front of every file's name.
    """
    every = rows if of is None else of
    columns = [name for name in COLUMNS if any(getattr(row, name) not in (None, "") for row in every)]
    table = [[below + row.file, *("" if getattr(row, n) is None else getattr(row, n) for n in columns)] for row in rows]
    return csv_text([["file_name", *columns], *table])
