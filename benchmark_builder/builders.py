"""From a user's options to a built benchmark: what `bench build scuba|scufo|conflfg` calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmark_builder.backgrounds import background_source
from benchmark_builder.benchmark.manifest import Benchmark, Row, moved_paths, paths_from, read_benchmark
from benchmark_builder.benchmark.runner import Report, made_from, run_build
from benchmark_builder.datasets import data_root, read_dataset
from benchmark_builder.kinds.conflfg import ConflfgMaker, ConflfgSettings
from benchmark_builder.kinds.scuba import ScubaMaker
from benchmark_builder.kinds.scufo import ScufoMaker
from benchmark_builder.kinds.shaken import ShakenMaker
from benchmark_builder.kinds.stills import check_still_area
from benchmark_builder.layouts.layout import Layout
from benchmark_builder.protocols import Settings, differing, names, protocol_masks, resolve
from benchmark_builder.start_from import benchmark_folder
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.record import Video

MOST_PER_VIDEO = 10_000  # a mistyped number would fill the disk


@dataclass(frozen=True)
class Run:
    """How a build runs; none of it changes a pixel.

    Attributes:
        workers: processes; None for one a core.
        progress: show a progress bar.
        say: prints a line for the user.
    """

    workers: int | None = None
    progress: bool = True
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Subset:
    """Which part of the videos to make; those it makes are the same as in the whole build.

    Attributes:
        limit: the first N sources only.
        only: ids, or beginnings of ids (a class, say); empty for all.
        shard: ``i/n``: every n-th source from the i-th (from 1), for n machines.
    """

    limit: int | None = None
    only: tuple[str, ...] = ()
    shard: str | None = None

    def of(self, videos: list[Video]) -> list[Video]:
        """The chosen videos. Raises BenchError if ``shard`` is no i/n or ``only`` names nothing."""
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
        """The chosen ones of a data set's ids. Raises as :meth:`of`."""
        for name in self.only:
            if not any(i.startswith(name) for i in ids):
                raise BenchError(f"--only {name}: no video's id begins so; `bench data list` shows the ids")
        chosen = self.named(ids)
        if self.shard is not None:
            first, _, count = self.shard.partition("/")
            if not (first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
                raise BenchError(f"--shard {self.shard}: give i/n with 1 <= i <= n, such as 2/8")
            chosen = chosen[int(first) - 1 :: int(count)]
        return chosen[: self.limit]

    def describe(self) -> list[dict[str, Any]] | None:
        """What stands in protocol.json: None for the whole, else this part alone."""
        return None if self == Subset() else [asdict(self)]


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
    mask_options: Mapping[str, Any] | None = None,
    **chosen: Any,
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

    Raises:
        BenchError: anything the user can mend; nothing is left half-written.
    """
    run, subset = run or Run(), subset or Subset()
    listing = read_dataset(dataset, root, split, fold)
    root = root or data_root() / dataset
    settings, named = resolve(protocol, dataset, chosen)
    if not 1 <= settings.per_video <= MOST_PER_VIDEO:
        raise BenchError(f"--per-video {settings.per_video}: give 1 to {MOST_PER_VIDEO} backgrounds a source video")
    for note in listing.notes:
        run.say(note)
    asked = {k for k, v in chosen.items() if v is not None}
    masks = protocol_masks(settings, named, root, asked, mask_options)
    backgrounds = background_source(settings.backgrounds, settings.fit, settings.grey)
    if differing(named):
        run.say(differing(named))
    out = out or benchmark_folder(dataset, "scuba", backgrounds.name)
    written: dict[str, Any] = {
        "kind": "scuba",
        "protocol": named,
        "dataset": dataset,
        "classes": listing.classes,
        "split": listing.split,
        "masks": masks.describe(),
        "mask_settings": asdict(settings.mask_settings),
        "backgrounds": backgrounds.describe(),
        "per_video": settings.per_video,
        "seed": seed,
        "layout": settings.layout,
        "jpeg_quality": settings.jpeg_quality,
        "paths": paths_from(out, root=root),
        "subset": subset.describe(),
    }
    missing = [pool.Note(name, "left out", reason) for i, name, reason in listing.left_out if subset.named([i])]
    maker = ScubaMaker(
        out, root, masks, backgrounds, settings.per_video, seed, settings.mask_settings, _layout(settings)
    )
    videos = subset.of(listing.videos)
    return run_build(
        out, written, maker, videos, lambda v: v.id, _workers(run), run.progress, missing, "source_id",
        lambda video, rows: not rows or known_digest(video.path) == rows[0].source_sha256,
    )  # fmt: skip


def build_scufo(
    scuba: Path,
    *,
    shaken: bool = False,
    root: Path | None = None,
    seed: int = 0,
    out: Path | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
    **chosen: Any,
) -> Report:
    """Build the SCUFO video of every SCUBA video, or the shaken one.

    ``root``: the dataset's folder, if it has moved since ``scuba`` was built.

    Raises:
        BenchError: ``scuba`` is no SCUBA benchmark, or a setting is wrong.
    """
    run, subset = run or Run(), subset or Subset()
    source, settings, named = _source(scuba, root, chosen, run)
    subset = _without(subset, source)
    kind = "shaken" if shaken else "scufo"
    out = out or benchmark_folder(source.dataset, kind, source.background_set)
    written = _derived(source, kind, seed, settings, named, subset, out)
    still_area = check_still_area(settings.still_area)
    written["still_area"] = still_area if any(row.mask_file for row in source.rows) else None
    if not shaken:
        maker: pool.Maker = ScufoMaker(out, source, seed, _layout(settings), still_area)
    elif 0 < settings.shake <= 0.5:
        written["shake"] = settings.shake
        maker = ShakenMaker(out, source, seed, settings.shake, _layout(settings), still_area)
    else:
        raise BenchError(f"--shake {settings.shake}: give more than 0 and at most 0.5 of the picture")
    rows = subset.of_rows(source.rows)
    return run_build(
        out, written, maker, rows, lambda r: r.id, _workers(run), run.progress,
        current=lambda row, made: all(video.made_from(row) for video in made), known=source.by_id,
    )  # fmt: skip


def build_conflfg(
    scuba: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    out: Path | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
    **chosen: Any,
) -> Report:
    """Build the ConflFG video of every SCUBA video.

    Donors are drawn among all that ``scuba`` holds, whatever the ``subset`` of it that is built.

    Raises:
        BenchError: ``scuba`` is no SCUBA benchmark, or holds a single class, so that there is no donor.
    """
    run, subset = run or Run(), subset or Subset()
    source, settings, named = _source(scuba, root, chosen, run)
    subset = _without(subset, source)
    own = {f.name for f in fields(ConflfgSettings)} & {f.name for f in fields(Settings)}
    conflict = ConflfgSettings(**{name: getattr(settings, name) for name in own})
    if len({row.label for row in source.rows}) < 2:
        raise BenchError(
            f"{scuba}: holds one class only ({source.rows[0].class_name}), and ConflFG takes its still foreground from "
            "another class; build SCUBA from two classes or more"
        )
    if not all(row.mask_file for row in source.rows):
        raise BenchError(f"{scuba}: has no masks to cut the still foreground out with; build SCUBA here instead")
    out = out or benchmark_folder(source.dataset, "conflfg", source.background_set)
    if source.protocol.get("subset"):
        run.say(
            f"{scuba}: is a part of {source.dataset}, and donors are drawn among its videos alone; for those of the "
            "whole, build SCUBA whole and give it with --from"
        )
    written = _derived(source, "conflfg", seed, settings, named, subset, out) | {"conflfg": asdict(conflict)}
    maker = ConflfgMaker(out, source, seed, conflict, _layout(settings))
    # Donors are drawn among all that the SCUBA benchmark holds: with another manifest, each is drawn again.
    same = made_from(out) == source.digest
    rows = subset.of_rows(source.rows)
    return run_build(
        out, written, maker, rows, lambda r: r.id, _workers(run), run.progress,
        current=lambda row, made: same, known=source.by_id,
    )  # fmt: skip


def _without(subset: Subset, source: Benchmark) -> Subset:
    """The part of a SCUBA benchmark to build from: all of it where it is that very part of the data set already."""
    built = source.protocol.get("subset")
    return Subset() if isinstance(built, list) and subset.describe() == built else subset


# Settings of what is made from SCUBA videos alone. One that was given when SCUBA was built holds for that, too.
_LATER = ("order", "place", "max_covered", "min_visible", "shake", "still_area")


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
    before = source.protocol.get("protocol")
    before = before if isinstance(before, dict) else {}
    changed = before.get("changed")
    if not isinstance(changed, dict):  # version 1 named them without their values
        changed = {str(name): {} for name in changed} if isinstance(changed, list) else {}
    kept: dict[str, Any] = {k: source.protocol[k] for k in ("layout", "jpeg_quality") if k in source.protocol}
    kept |= {k: changed[k]["here"] for k in _LATER if isinstance(changed.get(k), dict) and "here" in changed[k]}
    own = {k: v for k, v in chosen.items() if v is not None}
    for name in own.keys() - {"layout", "jpeg_quality", *_LATER}:
        raise BenchError(
            f"--{name.replace('_', '-')}: was settled when {folder} was built; build SCUBA with it instead"
        )
    protocol = str(before.get("name", "default"))
    known = protocol if protocol in names() else "default"  # an imported benchmark's is none of ours
    settings, _ = resolve(known, source.dataset, kept | own)
    _, named = resolve(known, source.dataset, own)
    named["changed"] = {k: v for k, v in changed.items() if k not in own} | named["changed"]
    named["name"] = protocol
    if differing(named):
        run.say(differing(named))
    return source, settings, named


def _derived(
    source: Benchmark, kind: str, seed: int, settings: Settings, named: dict[str, Any], subset: Subset, out: Path
) -> dict[str, Any]:
    """The protocol of a benchmark made from a SCUBA benchmark: its own settings, and the SCUBA's under ``from``."""
    shared = ("dataset", "classes", "split", "masks", "mask_settings", "backgrounds")
    inherited = {k: source.protocol[k] for k in shared if k in source.protocol}
    free = ("classes", "paths", "versions", "subset", "format")
    origin = {k: v for k, v in source.protocol.items() if k not in free}
    return {
        "kind": kind,
        "protocol": named,
        **inherited,
        "seed": seed,
        "layout": settings.layout,
        "jpeg_quality": settings.jpeg_quality,
        "from": {**origin, "manifest_sha256": source.digest},
        "paths": moved_paths(source, out) | paths_from(out, scuba=source.folder),
        "subset": subset.describe(),
    }


def _layout(settings: Settings) -> Layout:
    return Layout(settings.layout, settings.jpeg_quality)


def _workers(run: Run) -> int:
    if run.workers is not None and not 1 <= run.workers <= pool.MOST_WORKERS:
        raise BenchError(f"--workers {run.workers}: give 1 to {pool.MOST_WORKERS}")
    return run.workers or pool.default_workers()
