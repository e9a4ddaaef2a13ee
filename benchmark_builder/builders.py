"""Builds a benchmark from the user's options; called by `bench build KIND`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark_builder import kinds
from benchmark_builder.backgrounds import BackgroundSource, MovingSource, background_source
from benchmark_builder.benchmark.build import Report, corrections_in, made_from, protocol_in, run_build
from benchmark_builder.benchmark.manifest import Benchmark, Row, first_rows, moved_paths, paths_from, read_benchmark
from benchmark_builder.benchmark.protocol_record import PROTOCOL, Listed, Part, ProtocolRecord
from benchmark_builder.datasets import Listing, all_ids, dataset_root, read_dataset
from benchmark_builder.datasets.subset import ChosenIds, IdList, read_subset
from benchmark_builder.kinds.base import Kind, kind_named, own_settings
from benchmark_builder.kinds.scuba import ScubaMaker
from benchmark_builder.layouts.layout import LAYOUTS, Layout
from benchmark_builder.masks.corrections import corrected, updated
from benchmark_builder.protocols import LATER, Settings, differing, names, protocol_masks, resolve
from benchmark_builder.settings import PartSettings, RunSettings
from benchmark_builder.start_from import benchmark_folder
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.text import shown
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.record import Video


@dataclass(frozen=True)
class Run:
    """How a build runs; these settings never change a pixel.

    Attributes:
        workers: processes; None for one per core.
        progress: show a progress bar.
        say: prints a line for the user.
    """

    workers: int | None = None
    progress: bool = True
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        RunSettings(workers=self.workers)


@dataclass(frozen=True)
class Subset:
    """Which part of the videos to make; each video is the same as in a complete build.

    Attributes:
        limit: only the first N sources.
        only: ids, or beginnings of ids (for example a class); empty for all.
        shard: ``i/n``: every n-th source from the i-th (from 1), for n machines.
        listed: a list of ids, as :func:`~benchmark_builder.datasets.subset.read_subset` takes it; the others are left.
    """

    limit: int | None = None
    only: tuple[str, ...] = ()
    shard: str | None = None
    listed: str | None = None

    def __post_init__(self) -> None:
        PartSettings(limit=self.limit, only=self.only, shard=self.shard, subset=self.listed)

    @cached_property
    def id_list(self) -> IdList | None:
        """The list of ids, read once. Raises BenchError if it cannot be read."""
        return None if self.listed is None else read_subset(self.listed)

    def missing(self, listing: Listing, say: Callable[[str], None]) -> list[pool.Note]:
        """For failures.csv: what of this part the dataset's folder lacks, and ids of the list that the dataset does not
        have. ``say`` gets a line on the list.

        Raises:
            BenchError: the list names no video of the dataset.
        """
        left = [(i, pool.Note(name, "left out", reason)) for i, name, reason in listing.left_out if self.named([i])]
        if self.id_list is None:
            return [note for _, note in left]
        chosen = self.id_list.chosen([*(v.id for v in listing.videos), *(i for i, _, _ in listing.left_out)])
        say(chosen.message)
        return [note for i, note in left if i in chosen.ids] + self.unknown(chosen)

    def unknown(self, chosen: ChosenIds) -> list[pool.Note]:
        """The ids of the list that name no video, for failures.csv."""
        reason = f"--subset {chosen.listed.label} names it, but there is no such video"
        return [pool.Note(shown(name), "unknown", reason) for name in chosen.unknown]

    def of(self, videos: list[Video]) -> list[Video]:
        """The chosen videos. Raises BenchError if ``only`` names nothing."""
        chosen = set(self.ids([v.id for v in videos]))
        return [v for v in videos if v.id in chosen]

    def of_rows(self, rows: list[Row]) -> list[Row]:
        """The rows of the chosen sources, so that the variants of a source stay together. Raises as :meth:`of`."""
        chosen = set(self.ids(sorted({r.source_id for r in rows})))
        return [r for r in rows if r.source_id in chosen]

    def named(self, ids: Sequence[str]) -> list[str]:
        """The ids that ``only`` asks for."""
        return [i for i in ids if not self.only or i.startswith(self.only)]

    def ids(self, ids: Sequence[str]) -> list[str]:
        """The chosen ids of a dataset. Raises as :meth:`of`."""
        for name in self.only:
            if not any(i.startswith(name) for i in ids):
                raise BenchError(f"--only {name}: no video's id begins so; `bench data list` shows the ids")
        chosen = self.named(ids)
        if self.id_list is not None:
            listed = self.id_list.chosen(ids).ids
            chosen = [i for i in chosen if i in listed]
        if self.shard is not None:
            first, count = map(int, self.shard.split("/"))
            chosen = chosen[first - 1 :: count]
        return chosen[: self.limit]

    def describe(self) -> list[Part] | None:
        """The entry in protocol.json: None for all videos, otherwise this part."""
        if self == Subset():
            return None
        listed = {} if self.id_list is None else {"listed": Listed(**self.id_list.described())}  # type: ignore[arg-type]
        return [Part(limit=self.limit, only=list(self.only), shard=self.shard, **listed)]


def build_scuba(
    dataset: str,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    *,
    protocol: str = "default",
    seed: int = 0,
    out: Path | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
    mask_options: Mapping[str, object] | None = None,
    corrections: Sequence[Path | str] = (),
    correction_numbering: str = "0",
    **chosen: object,
) -> Report:
    """Build SCUBA videos of a dataset.

    Args:
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        protocol: a named protocol; ``chosen`` are the settings (fields of
            :class:`~benchmark_builder.protocols.Settings`) that differ from it.
        seed: owns every random draw.
        out: folder to write; None for the conventional one.
        mask_options: settings of the mask source that no protocol decides, such as a checkpoint; those that are None
            are the source's default.
        corrections, correction_numbering: manual corrections of the masks, as in
            :class:`~benchmark_builder.settings.CorrectionSettings`. If they change, the videos that they change are
            made again.

    Raises:
        BenchError: anything the user can fix; nothing is left half-written.
    """
    run, subset = run or Run(), subset or Subset()
    listing = read_dataset(dataset, root, split, fold)
    root = dataset_root(dataset, root)
    settings, named = resolve(protocol, dataset, chosen)
    for note in listing.notes:
        run.say(note)
    asked = {k for k, v in chosen.items() if v is not None}
    source = protocol_masks(settings, named, root, asked, mask_options)
    videos = subset.of(listing.videos)
    masks, by_hand = corrected(
        source, corrections, correction_numbering, listing.videos, lambda: all_ids(dataset, root, listing), run.say
    )
    backgrounds = background_source(settings.backgrounds, settings.fit, settings.grey)
    if differing(named):
        run.say(differing(named))
    out = out or benchmark_folder(dataset, "scuba", backgrounds.name)
    written = {
        "kind": "scuba",
        "protocol": named,
        "dataset": safe_name(dataset),
        "classes": listing.classes,
        "split": listing.split,
        "masks": masks.describe(),
        "mask_settings": settings.mask_settings.model_dump(),
        "backgrounds": backgrounds.describe(),
        "per_video": settings.per_video,
        "seed": seed,
        "layout": settings.layout,
        "jpeg_quality": settings.jpeg_quality,
        "paths": paths_from(out, root=root, **_background_paths(backgrounds)),
    }
    missing = subset.missing(listing, run.say)
    maker = ScubaMaker(
        out, root, masks, backgrounds, settings.per_video, seed, settings.mask_settings, _layout(settings)
    )
    before, digests = corrections_in(out), {} if by_hand is None else by_hand.digests
    by_hand = updated(before, by_hand, {video.id for video in videos}, out)
    record = ProtocolRecord.made(written, out / PROTOCOL).replaced(subset=subset.describe())
    if by_hand is not None:
        record = record.replaced(corrections=by_hand)

    def current(video: Video, rows: list[Row]) -> bool:
        was = "" if before is None else before.digests.get(video.id, "")
        same = was == digests.get(video.id, "")
        return same and (not rows or known_digest(video.path) == rows[0].source_sha256)

    return run_build(
        out, record, maker, videos, lambda v: v.id, _workers(run), run.progress, missing, "source_id", current
    )


def _background_paths(source: BackgroundSource) -> dict[str, Path]:
    """The folder of background videos, which are read again for the virtual layout; empty for other sets."""
    return {"backgrounds": source.folder} if isinstance(source, MovingSource) else {}


def build_kind(
    kind: str | type[Kind],
    scuba: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    out: Path | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
    **chosen: Any,
) -> Report:
    """Build the video of another kind of every SCUBA video.

    Args:
        kind: a name of :data:`benchmark_builder.kinds.KINDS`, such as ``scufo``, ``package.module:Kind``, or the class.
        scuba: the SCUBA benchmark. Kinds that draw from all its videos (ConflFG) do so whatever ``subset`` is built.
        root: the dataset's folder, if it has moved since ``scuba`` was built.
        seed: owns every random draw.
        out: folder to write; None for the conventional one.
        subset, run: as for :func:`build_scuba`.
        chosen: ``layout``, ``jpeg_quality``, and the kind's own settings; None for those of the protocol.

    Raises:
        BenchError: no such kind, ``scuba`` is no SCUBA benchmark or one that the kind cannot be made from, or a setting
            is wrong.
    """
    run, subset = run or Run(), subset or Subset()
    found = kind_named(kind)
    about, options = found.about, own_settings(found)
    own = {k: v for k, v in chosen.items() if k in options and k not in LATER}
    source, settings, named = _source(scuba, root, {k: v for k, v in chosen.items() if k not in own}, run)
    subset = _without(subset, source)
    values = {k: getattr(settings, k) if k in LATER else option.default for k, option in options.items()}
    made = found(**values | {k: v for k, v in own.items() if v is not None})
    said = made.check(source)
    if said:
        run.say(said)
    bases = first_rows(source.rows) if found.per_source else source.rows
    rows = subset.of_rows(bases)
    made = made.prepared(source, seed, _workers(run), run.progress).reading(source, rows, seed, run.progress)
    own_record = made.written(source)
    out = out or benchmark_folder(source.dataset, about.name, _set_name(own_record, source))
    written = _derived(source, about.name, seed, settings, named) | own_record
    written["paths"] = {**moved_paths(source, out), **paths_from(out, scuba=source.folder, **made.folders)}
    if about.name not in kinds.KINDS.shipped:
        written[kinds.DESCRIBED] = about.said() | {"part": kinds.place_of(found)}
    maker = made.maker(out, source, seed, _layout(settings))
    same = made_from(out) == source.digest  # otherwise draws that depend on all videos are made again
    unknown: list[pool.Note] = []
    if subset.id_list is not None:
        chosen_ids = subset.id_list.chosen(r.source_id for r in bases)
        run.say(chosen_ids.message)
        unknown = subset.unknown(chosen_ids)

    def current(row: Row, videos: list[Row]) -> bool:
        if found.drawn_from_all and not same:
            return False
        if not made.unchanged(before, videos):
            return False
        return all(video.made_from(row, found.own_columns) for video in videos)

    before = protocol_in(out)
    record = ProtocolRecord.made(written, out / PROTOCOL).replaced(subset=subset.describe())
    if before is not None and record.inpainted:  # of videos that this run does not make
        record = record.replaced(inpainted={**before.inpainted, **record.inpainted})
    known = {row.id for row in bases}
    report = run_build(
        out, record, maker, rows, lambda r: r.id, _workers(run), run.progress, unknown, current=current, known=known
    )
    if report.benchmark is not None and (summary := made.summary(report.benchmark.rows)):
        run.say(summary)
    return report


def build_scufo(scuba: Path, *, shaken: bool = False, **options: Any) -> Report:
    """Build the SCUFO video of every SCUBA video, or the shaken one: :func:`build_kind` with its ``options``."""
    return build_kind("shaken" if shaken else "scufo", scuba, **options)


def build_conflfg(scuba: Path, **options: Any) -> Report:
    """Build the ConflFG video of every SCUBA video: :func:`build_kind` with its ``options``."""
    return build_kind("conflfg", scuba, **options)


def _set_name(own: Mapping[str, object], source: Benchmark) -> str:
    """The name of the background set in what a kind adds to protocol.json, otherwise that of the SCUBA benchmark."""
    backgrounds = own.get("backgrounds")
    return str(backgrounds["name"]) if isinstance(backgrounds, dict) else source.background_set


def _without(subset: Subset, source: Benchmark) -> Subset:
    """The part of a SCUBA benchmark to build from: all of it where it is that very part of the data set already."""
    built = source.protocol.subset
    return Subset() if built is not None and subset.describe() == built else subset


def _source(
    folder: Path, root: Path | None, chosen: dict[str, Any], run: Run
) -> tuple[Benchmark, Settings, dict[str, Any]]:
    """A SCUBA benchmark, the settings of what is made from it, and what protocol.json says of its protocol.

    The settings are those of the protocol that SCUBA was built by, as its options changed them, then the user's own.
    ``root``: the dataset's folder, if it has moved.
    """
    source = read_benchmark(folder, root)
    if source.kind != "scuba":
        raise BenchError(f"{folder}: is a {source.kind} benchmark; give --from a SCUBA benchmark")
    before, changed = source.protocol.protocol, source.protocol.protocol.changes
    stored = {"layout": source.protocol.layout, "jpeg_quality": source.protocol.jpeg_quality}
    kept: dict[str, Any] = {k: v for k, v in stored.items() if v is not None}
    kept |= {k: changed[k]["here"] for k in LATER if "here" in changed.get(k, {})}
    own = {k: v for k, v in chosen.items() if v is not None}
    for name in own.keys() - {"layout", "jpeg_quality", *LATER}:
        raise BenchError(
            f"--{name.replace('_', '-')}: was settled when {folder} was built; build SCUBA with it instead"
        )
    if "layout" not in own and "layout" in kept:
        LAYOUTS.trusted(str(kept["layout"]))  # the name is from the benchmark, not from the user
    protocol = before.name or "default"
    known = protocol if protocol in names() else "default"  # an imported benchmark has an unknown protocol
    base = {k: before.values[k] for k in LATER if k in before.values}  # of a file, which is not needed again
    settings, _ = resolve(known, source.dataset, kept | own, base)
    _, named = resolve(known, source.dataset, own, base)
    named |= {k: getattr(before, k) for k in ("file_version", "values") if before.has(k)}
    named["changed"] = {k: v for k, v in changed.items() if k not in own} | named["changed"]
    named["name"] = protocol
    if differing(named):
        run.say(differing(named))
    return source, settings, named


def _derived(
    source: Benchmark, kind: str, seed: int, settings: Settings, named: dict[str, object]
) -> dict[str, object]:
    """The protocol of a benchmark made from a SCUBA benchmark: its own settings, and the SCUBA's under ``from``."""
    shared = ("dataset", "classes", "split", "masks", "mask_settings", "backgrounds")
    said = source.protocol.plain()
    inherited = {k: said[k] for k in shared if k in said}
    free = ("classes", "paths", "versions", "subset", "format")
    origin = {k: v for k, v in said.items() if k not in free}
    return {
        "kind": kind,
        "protocol": named,
        **inherited,
        "seed": seed,
        "layout": settings.layout,
        "jpeg_quality": settings.jpeg_quality,
        "from": {**origin, "manifest_sha256": source.digest},
    }


def _layout(settings: Settings) -> Layout:
    return Layout(settings.layout, settings.jpeg_quality)


def _workers(run: Run) -> int:
    return run.workers or pool.default_workers()
