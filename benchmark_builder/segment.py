"""`bench segment`: any source's masks written to disk once, so that builds reuse them (``--masks stored:OUT``).

OUT holds ``ID.zip`` for every video (:mod:`benchmark_builder.masks.stored`), ``segment.json`` (the source and its
settings, the dataset, versions), ``masks.csv`` (one row per video) and ``failures.csv``. A zip under its final name is
whole, so a killed run goes on where it stopped.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark_builder.benchmark.manifest import FAILURE_COLUMNS, FAILURES, lists_failures, versions
from benchmark_builder.builders import Run, Subset
from benchmark_builder.datasets import data_root, dataset_root, read_dataset
from benchmark_builder.masks import KINDS, MaskSource
from benchmark_builder.masks.stored import ORIGIN, MaskWriter, StoredTrack
from benchmark_builder.masks.treatment import full_masks
from benchmark_builder.protocols import differing, protocol_masks, resolve
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed, LeftOut, system_error
from benchmark_builder.utils.files import inside, read_json, remove_leftovers, sha256_file, write_csv, write_json
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import (
    LEFT_OUT,
    LOG,
    held,
    logged,
    read_left_out,
    read_log,
    sole_run,
    write_left_out,
    write_log,
)
from benchmark_builder.utils.text import read_records
from benchmark_builder.video.decode import probe
from benchmark_builder.video.digest_cache import depends_on
from benchmark_builder.video.record import Video

FORMAT = 1
TABLE, WORK = "masks.csv", ".segment"
# frames: length of the track; covered: how many of its frames have a mask; coverage: the mean share of the picture
# inside those masks, 0..1.
COLUMNS = ["id", "file", "frames", "covered", "coverage", "sha256"]


@dataclass(frozen=True)
class Report:
    """What a run did. ``made`` and ``kept`` count videos; ``failures``: dicts of id, kind, reason, as in a build."""

    folder: Path
    made: int
    kept: int
    failures: list[dict[str, str]]

    @property
    def failed(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "failed"]

    @property
    def left_out(self) -> list[dict[str, str]]:
        return [f for f in self.failures if f["kind"] == "left out"]


@dataclass(frozen=True)
class SegmentMaker:
    """Writes the masks of one video below ``out``; returns its row of masks.csv, whether it was new, and notes."""

    out: Path
    masks: MaskSource

    def make(self, video: Video) -> tuple[dict[str, str], bool, list[pool.Note]]:
        """Keep the video's zip if it is there and can be read, else write it.

        Raises:
            LeftOut: the source has nothing on the video, or all its masks are empty.
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
        with MaskWriter(path, len(track.covered)) as writer:
            shown = False
            for index in np.flatnonzero(track.covered).tolist():
                mask = track.mask(index)
                shown = shown or bool(mask.any())
                writer.write(index, mask)
            if not shown:
                raise LeftOut(f"the mask of {video.id} is empty on every frame")
        return self._described(video, path, StoredTrack(path, info.height, info.width), True)

    @staticmethod
    def _described(
        video: Video, path: Path, track: StoredTrack, new: bool
    ) -> tuple[dict[str, str], bool, list[pool.Note]]:
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
        }
        return row, new, full_masks(video.id, shares)

    def depends(self, video: Video) -> str | None:
        """A digest of what decides whether a video is left out; None where the mask source does not say."""
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
) -> Report:
    """Write a source's masks of a dataset's videos. A second run does what is missing; another split adds to it.

    Args:
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        protocol: a named protocol; its mask source and the settings of that are taken where the user names no other.
        masks: ``KIND`` or ``KIND:PATH``; None for the protocol's.
        options: the source's settings, as :func:`~benchmark_builder.masks.mask_source` takes them.
        out: folder to write; None for ``$BENCH_DATA/masks/DATASET-KIND``.

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
    settings, named = resolve(protocol, dataset, chosen)
    asked = {k for k, v in chosen.items() if v is not None}
    others = {k: v for k, v in (options or {}).items() if k not in chosen}
    source = protocol_masks(settings, named, dataset_root(dataset, root), asked, others)
    if differing(named):
        run.say(differing(named))
    record = {"masks": source.describe(), "dataset": safe_name(dataset), "format": FORMAT}
    videos = subset.of(listing.videos)
    missing = {name: reason for i, name, reason in listing.left_out if subset.named([i])}
    out = out or data_root() / "masks" / f"{safe_name(dataset)}-{safe_name(KINDS.kind(settings.masks))}"
    new = not out.exists()
    try:
        with sole_run(out, out / WORK / "lock", "another `bench segment` is running in this folder"):
            try:
                _refuse_other_source(out, record)
                try:
                    remove_leftovers(out)
                    write_json(out / ORIGIN, record | {"versions": versions()})
                    return _run(SegmentMaker(out, source), videos, missing, run)
                finally:
                    remove_leftovers(out)
                    _tidy(out)
            finally:
                shutil.rmtree(out / WORK, ignore_errors=True)
    except OSError as error:
        raise system_error(error, out) from None
    finally:
        if new:  # and nothing came of it
            with suppress(OSError):
                out.rmdir()


def _run(maker: SegmentMaker, videos: Sequence[Video], missing: dict[str, str], run: Run) -> Report:
    out, asked = maker.out, {v.id for v in videos}
    rows = {r["id"]: r for r in _table(out / TABLE, COLUMNS) if inside(out, r["file"]).is_file()}
    # What an earlier run of another split could not do stays listed; what this one is asked for is tried again, but
    # what was left out for something that has not changed since.
    listed = _table(out / FAILURES, FAILURE_COLUMNS)
    failures = {r["id"]: r for r in listed if r["id"] not in rows}
    noted = {r["id"]: r for r in listed if r["id"] in rows and r["kind"] not in ("failed", "left out")}
    details, depended = read_log(out), read_left_out(out)
    tried = [v for v in videos if v.id in failures and depended.get(v.id)]
    same = {v.id for v in tried if depended[v.id] == maker.depends(v)}
    for i in asked - same:
        for known in (failures, details, depended):
            known.pop(i, None)
    failures |= {i: {"id": i, "kind": "left out", "reason": reason} for i, reason in missing.items() if i not in rows}
    todo = [v for v in videos if v.id not in rows and v.id not in same]
    made, kept = 0, len(asked & rows.keys())
    bar = tqdm(total=len(videos), initial=len(videos) - len(todo), desc="segment", unit="video",
               disable=not run.progress)  # fmt: skip
    with bar, closing(pool.run(maker, todo, run.workers or pool.default_workers())) as results:
        for video, result in results:
            if isinstance(result, BenchError):
                kind = "left out" if isinstance(result, LeftOut) else "failed"
                reason = str(result)
                if isinstance(result, Crashed):
                    reason, details[video.id] = logged(reason), result.details
                elif kind == "left out":
                    depended[video.id] = maker.depends(video) or ""
                failures[video.id] = {"id": video.id, "kind": kind, "reason": reason}
            else:
                rows[video.id], new, notes = result
                noted |= {n.id: {"id": n.id, "kind": n.kind, "reason": n.reason} for n in notes}
                made, kept = made + new, kept + (not new)
            bar.update()
    write_log(out, {i: text for i, text in details.items() if failures.get(i, {}).get("kind") == "failed"})
    write_left_out(out, {i: on for i, on in depended.items() if failures.get(i, {}).get("kind") == "left out"})
    failures |= noted
    write_csv(out / FAILURES, FAILURE_COLUMNS, sorted(failures.values(), key=lambda f: f["id"]))
    write_csv(out / TABLE, COLUMNS, sorted(rows.values(), key=lambda r: r["id"]))
    return Report(out, made, kept, [failures[i] for i in sorted(failures) if i in asked | missing.keys()])


def _has_masks(out: Path) -> bool:
    """Whether a run has written masks into ``out``, which may stand in no table yet."""
    return any(not path.name.startswith(".") for path in out.rglob("*.zip"))


def _tidy(out: Path) -> None:
    """Where no masks were written, leave a list of what went wrong, and nothing that would refuse another try."""
    if _has_masks(out):
        return
    for path in (out / TABLE, out / LEFT_OUT, out / ORIGIN):
        path.unlink(missing_ok=True)
    if not (out / FAILURES).is_file() or not _table(out / FAILURES, FAILURE_COLUMNS):
        (out / FAILURES).unlink(missing_ok=True)
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir() and path.name != WORK:
            with suppress(OSError):
                path.rmdir()


def _file(video_id: str) -> str:
    return f"{video_id}.zip"


def _refuse_other_source(out: Path, record: dict[str, Any]) -> None:
    path = out / ORIGIN
    fix = "choose another --out or delete the folder"
    if not path.is_file():
        others = held(out, (FAILURES, LOG) if lists_failures(out / FAILURES) else ())
        if others:
            raise BenchError(f"{out}: is not empty and holds no masks of `bench segment` ({others[0]}); {fix}")
        _forget(out)
        return
    old = read_json(path, "record of `bench segment`", fix)
    if not isinstance(old, dict):
        raise BenchError(f"{path}: not a record of `bench segment`; {fix}")
    for key, now in json.loads(json.dumps(record)).items():
        if old.get(key) != now:
            if not _has_masks(out):  # nothing came of that run
                _forget(out)
                return
            before, after = (json.dumps(value, sort_keys=True) for value in (old.get(key), now))
            raise BenchError(f"{out}: holds masks of another run ({key}: {before}, now {after}); {fix}")


def _forget(out: Path) -> None:
    """Delete the tables of a run that wrote no masks."""
    for name in (TABLE, FAILURES, LOG, LEFT_OUT):
        (out / name).unlink(missing_ok=True)


def _table(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """Rows of a table that an earlier run wrote; none where there is none."""
    if not path.is_file():
        return []
    fix = "delete it and run `bench segment` again"
    return read_records(path, columns, "table of `bench segment`", fix)
