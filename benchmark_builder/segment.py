"""`bench segment`: writes the masks of any source to disk once, so that builds can reuse them (``--masks stored:OUT``).

OUT holds ``ID.zip`` for every video (:mod:`benchmark_builder.masks.stored`), ``segment.json`` (the source and its
settings, the dataset, versions), ``masks.csv`` (one row per video) and ``failures.csv``. A zip under its final name is
complete, so a killed run can be continued.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.audit.masks import audit_masks
from benchmark_builder.audit.review import read_review, write_review
from benchmark_builder.benchmark.manifest import paths_from, versions
from benchmark_builder.benchmark.masked import COLUMNS, FIX, TABLE, read_masks_table, whole_row
from benchmark_builder.builders import Run, Subset
from benchmark_builder.datasets import all_ids, data_root, dataset_root, read_dataset
from benchmark_builder.masks import KINDS, MaskSource
from benchmark_builder.masks.base import confidence_of, mean_confidence
from benchmark_builder.masks.corrections import CorrectionsRecord, corrected, updated
from benchmark_builder.masks.stored import ORIGIN, MaskWriter, StoredTrack
from benchmark_builder.masks.treatment import full_masks
from benchmark_builder.protocols import differing, protocol_masks, resolve
from benchmark_builder.utils import pool, runner
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import inside, read_json, remove, sha256_file, write_csv, write_json
from benchmark_builder.utils.journal import NOT_MADE, Entry, Journal, from_tables
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LEFT_OUT, LOG, occupied
from benchmark_builder.utils.runner import Report
from benchmark_builder.utils.text import read_records
from benchmark_builder.video.decode import probe
from benchmark_builder.video.digest_cache import depends_on
from benchmark_builder.video.record import Video

FORMAT = 1
WORK = ".segment"


@dataclass(frozen=True)
class SegmentMaker:
    """Writes the masks of one video into ``out``.

    Attributes:
        out: the folder.
        masks: the source.
        root: the dataset's folder; the table names videos relative to it.
    """

    out: Path
    masks: MaskSource
    root: Path

    def make(self, video: Video) -> runner.Made:
        """The video's row of masks.csv; its zip is kept if it is there and can be read, else written.

        Raises:
            LeftOut: the source has no mask for the video, or all its masks are empty.
            BenchError: the video or its masks cannot be read, or the zip cannot be written.
        """
        info = probe(video.path)
        path = self.out / _file(video.id)
        if path.is_file():
            try:
                return self._described(video, path, StoredTrack(path, info.height, info.width), False)
            except BenchError:
                pass  # damaged since: written again
        track = self.masks.track(video, info.height, info.width)
        with MaskWriter(path, len(track.covered), confidence_of(track)) as writer:
            shown = False
            for index in np.flatnonzero(track.covered).tolist():
                mask = track.mask(index)
                shown = shown or bool(mask.any())
                writer.write(index, mask)
            if not shown:
                raise LeftOut(f"the mask of {video.id} is empty on every frame")
        return self._described(video, path, StoredTrack(path, info.height, info.width), True)

    def _described(self, video: Video, path: Path, track: StoredTrack, new: bool) -> runner.Made:
        """What :meth:`make` returns of a zip. Raises BenchError if a mask in it cannot be read."""
        shares = [float(track.mask(k).mean()) for k in np.flatnonzero(track.covered).tolist()]
        if not shares:
            raise LeftOut(f"no frame of {video.id} has a mask")
        row = {
            "id": video.id,
            "file": _file(video.id),
            "frames": str(len(track.covered)),
            "covered": str(len(shares)),
            "coverage": repr(round(float(np.mean(shares)), 6)),
            "sha256": sha256_file(path),
            "confidence": "" if (sure := mean_confidence(track.confidence)) is None else repr(round(sure, 4)),
            "source_file": _relative(video.path, self.root),
        }
        return runner.Made([row], full_masks(video.id, shares), new)

    def depends(self, video: Video) -> str | None:
        """A digest of the files that decide whether a video is left out; None if the mask source does not list them."""
        return depends_on(video, self.masks)


def segment(
    dataset: str,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    *,
    protocol: str = "default",
    masks: str | None = None,
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
    corrections: Sequence[Path | str] = (),
    correction_numbering: str = "0",
    review: Path | None = None,
) -> Report:
    """Write a source's masks for a dataset's videos. A second run writes missing ones; another split is added.

    Args:
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        protocol: a named protocol; its mask source and the settings of that are taken where the user names no other.
        masks: ``KIND`` or ``KIND:PATH``; None for the protocol's.
        options: the source's settings, as :func:`~benchmark_builder.masks.mask_source` takes them.
        out: folder to write; None for ``$BENCH_DATA/masks/DATASET-KIND``.
        corrections, correction_numbering: manual corrections, as in
            :class:`~benchmark_builder.settings.CorrectionSettings`. If they change, the masks of the videos that they
            change are written again.
        review: also write a table of videos by doubt (:mod:`benchmark_builder.audit.review`).

    Raises:
        BenchError: anything the user can fix: bad settings, ``out`` in use, or filled from another source.
    """
    run, subset = run or Run(), subset or Subset()
    if run.workers is not None and run.workers < 1:
        raise BenchError(f"--workers {run.workers}: needs at least 1")
    listing = read_dataset(dataset, root, split, fold)
    for note in listing.notes:
        run.say(note)
    chosen = {"masks": masks, **{k: (options or {}).get(k) for k in ("actors", "prompts")}}
    root = dataset_root(dataset, root)
    settings, named = resolve(protocol, dataset, chosen)
    asked = {k for k, v in chosen.items() if v is not None}
    others = {k: v for k, v in (options or {}).items() if k not in chosen}
    filled = read_review(review) if review is not None else {}
    source = protocol_masks(settings, named, root, asked, others)
    if differing(named):
        run.say(differing(named))
    record = {"masks": source.describe(), "dataset": safe_name(dataset), "format": FORMAT}
    missing = subset.missing(listing, run.say)
    out = out or data_root() / "masks" / f"{safe_name(dataset)}-{safe_name(KINDS.kind(settings.masks))}"
    videos, workers = subset.of(listing.videos), run.workers or pool.default_workers()
    source, by_hand = corrected(
        source, corrections, correction_numbering, listing.videos, lambda: all_ids(dataset, root, listing), run.say
    )
    task = _Segment(out, SegmentMaker(out, source, root), record, missing, by_hand, videos)
    report = runner.fill(task, videos, workers, run.progress)
    if review is not None and (report.made or report.kept):
        ids = {video.id for video in listing.videos}
        write_review(review, audit_masks(out, root, workers, run.progress), ids, int(correction_numbering), filled)
    return report


class _Segment(runner.Filling[Video]):
    """The part of the runner for masks: segment.json, masks.csv; runs for other videos add to them."""

    lock, journal = f"{WORK}/lock", f"{WORK}/journal.jsonl"
    busy, title = "another `bench segment` is running in this folder", "segment"

    def __init__(
        self,
        out: Path,
        maker: SegmentMaker,
        record: dict[str, Any],
        missing: Sequence[pool.Note],
        corrections: CorrectionsRecord | None,
        videos: Sequence[Video],
    ) -> None:
        self.out, self.maker, self._record, self._missing = out, maker, record, missing
        self._corrections, self._videos = corrections, videos
        self._before: CorrectionsRecord | None = None  # the corrections that the folder's masks were made with
        self._finished = False

    def claim(self) -> None:
        """Raise BenchError if the folder contains something else, or masks of another source."""
        path, fix = self.out / ORIGIN, "choose another --out or delete the folder"
        if path.is_file():
            old = read_json(path, "record of `bench segment`", fix)
            if not isinstance(old, dict):
                raise BenchError(f"{path}: not a record of `bench segment`; {fix}")
            now = json.loads(json.dumps(self._record))
            differing = next((key for key in now if old.get(key) != now[key]), None)
            if differing is not None and self._has_masks():
                there, here = (json.dumps(found.get(differing), sort_keys=True) for found in (old, now))
                raise BenchError(f"{self.out}: holds masks of another run ({differing}: {there}, now {here}); {fix}")
            new = differing is not None
            if not new and old.get("corrections") is not None and self._has_masks():
                self._before = CorrectionsRecord.read(old["corrections"], path, fix)
            updated(self._before, self._corrections, (), self.out)  # refuses a run without corrections
        else:
            if others := occupied(self.out):
                raise BenchError(f"{self.out}: is not empty and holds no masks of `bench segment` ({others[0]}); {fix}")
            new = True
        for name in (TABLE, FAILURES, LOG, LEFT_OUT, self.journal) if new else ():  # of a run that wrote no masks
            (self.out / name).unlink(missing_ok=True)

    def earlier(self) -> Iterator[Entry]:
        rows = {row["id"]: [row] for row in self._table() if inside(self.out, row["file"]).is_file()}
        if (self.out / FAILURES).is_file():
            yield from from_tables(self.out, rows, FIX)
        else:
            yield from (Entry(name, "made", made) for name, made in rows.items())

    def _table(self) -> list[dict[str, str]]:
        return read_masks_table(self.out) if (self.out / TABLE).is_file() else []

    def check_row(self, row: Any) -> None:
        inside(self.out, whole_row(row)["file"])

    def current(self, item: Any, rows: list[dict[str, Any]]) -> bool:
        before, now = (record.digests if record else {} for record in (self._before, self._corrections))
        return before.get(item.id, "") == now.get(item.id, "")

    def ready(self) -> None:
        for video in self._videos:  # also zips that no table and no journal names
            if not self.current(video, []):
                remove(inside(self.out, _file(video.id)))
        by_hand = updated(self._before, self._corrections, {video.id for video in self._videos}, self.out)
        record = self._record if by_hand is None else self._record | {"corrections": by_hand.plain()}
        paths = paths_from(self.out, root=self.maker.root)
        write_json(self.out / ORIGIN, record | {"paths": paths, "versions": versions()})

    def finish(self, journal: Journal, items: Sequence[Video], made: int, changed: Sequence[str]) -> Report:
        rows = {row["id"]: whole_row(row) for row in journal.all_rows() if journal.is_there(row)}
        for video in items:  # an earlier version did not name the files
            if video.id in rows:
                rows[video.id]["source_file"] = _relative(video.path, self.maker.root)
        failures = [
            failure
            for failure in journal.failures(self._missing, rows)
            if (failure["id"] in rows) != (failure["kind"] in NOT_MADE)
        ]
        journal.write_reasons()
        write_csv(self.out / FAILURES, FAILURE_COLUMNS, failures)
        write_csv(self.out / TABLE, COLUMNS, sorted(rows.values(), key=lambda r: r["id"]))
        self._finished = True
        asked = {video.id for video in items}
        named = asked | {note.id for note in self._missing}  # what an earlier run could not do stays listed
        kept, shown = len(asked & rows.keys()) - made, [f for f in failures if f["id"] in named]
        return Report(self.out, made, kept, shown, changed)

    def _has_masks(self) -> bool:
        """Whether a run has written masks that may not be in a table yet."""
        return any(not path.name.startswith(".") for path in self.out.rglob("*.zip"))

    def tidy(self) -> None:
        """If no masks were written, keep the list of failures, and nothing that would prevent another try."""
        out = self.out
        there = self._has_masks()
        if self._finished or not there or not (out / self.journal).is_file():
            shutil.rmtree(out / WORK, ignore_errors=True)
        if there:
            return
        for path in (out / TABLE, out / LEFT_OUT, out / ORIGIN):
            path.unlink(missing_ok=True)
        table = out / FAILURES
        if not table.is_file() or not read_records(table, FAILURE_COLUMNS, "table of `bench segment`", FIX):
            table.unlink(missing_ok=True)
        for path in sorted(out.rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):
                    path.rmdir()


def _relative(path: Path, root: Path) -> str:
    """A video's file relative to the dataset's folder; "" if it is outside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""


def _file(video_id: str) -> str:
    return f"{video_id}.zip"
