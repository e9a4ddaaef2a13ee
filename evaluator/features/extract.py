"""`bench features`: runs a network on every window of long videos, and fills a folder with the features.

The command can be killed at any moment; the same command continues, and gives the same bytes as a run that was not
killed.
"""

import json
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark_builder.benchmark.manifest import paths_from, versions
from benchmark_builder.datasets import data_root
from benchmark_builder.untrimmed import UNTRIMMED, LongVideo, UntrimmedListing, read
from benchmark_builder.untrimmed.record import SPLITS
from benchmark_builder.utils import runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json, write_csv, write_json
from benchmark_builder.utils.journal import Entry, Journal, from_tables
from benchmark_builder.utils.pool import Note, default_workers
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LEFT_OUT, LOG, occupied
from benchmark_builder.utils.runner import Report
from benchmark_builder.utils.text import counted, shown
from benchmark_builder.video.digest_cache import known_digest
from evaluator.evaluate import describe_model
from evaluator.features.annotations import after_the_end, segment_row
from evaluator.features.companions import NAMES, write_companions
from evaluator.features.folder import SEGMENT_COLUMNS, SEGMENTS, VIDEO_COLUMNS, VIDEOS, FeatureFolder, read_video_rows
from evaluator.features.formats import FORMATS
from evaluator.features.groups import CLASSES, FeatureNetwork, GroupMaker, device_of_processes, features_of, groups
from evaluator.features.options import FeaturesOptions
from evaluator.features.record import RECORD, FeaturesRecord
from evaluator.features.windows import Plan, clip_offsets
from evaluator.inference.pooled import HEAD
from evaluator.metrics.figures import file_tag
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import ModelOptions, apply_options

FIX = "choose another --out or delete the folder"
LOCK, JOURNAL = ".features/lock", ".features/journal.jsonl"
# What may differ between two runs that fill one folder.
_FREE = frozenset(("format", "splits", "tasks", "versions", "paths", "preset", "offsets", "resampled", "batch"))
Say = Callable[[str], None]


@dataclass(frozen=True)
class Extracted:
    """The result of :func:`extract_features`.

    Attributes:
        report: what was made, kept and left out. path: the folder. videos, windows: number of videos with features, and
            of their windows. missing: videos without a file.
    """

    report: Report
    path: Path
    videos: int
    windows: int
    missing: int


def extract_features(
    spec: "Path | str | ScoredModel",
    dataset: str,
    root: Path | None = None,
    split: str = "all",
    out: Path | None = None,
    options: FeaturesOptions | None = None,
    model_options: ModelOptions | None = None,
    say: Say = lambda line: None,
) -> Extracted:
    """Extract the features of every window of a dataset's long videos. A second run makes missing ones.

    Args:
        spec: a model, or a text for :func:`~evaluator.models.load_model`.
        dataset, root: as in :func:`benchmark_builder.untrimmed.read`.
        split: ``train``, ``validation``, ``test`` or ``all``; a folder of other splits gets this one, too.
        out: the folder; None for ``features/DATASET-MODEL``.
        options: all other options.
        model_options: the user's options for the model.
        say: function that shows lines to the user.

    Raises:
        BenchError: the model or dataset is missing, the model gives no features, or ``out`` contains something else.
    """
    options, model_options = options or FeaturesOptions(), model_options or ModelOptions()
    model = apply_options(spec, model_options) if isinstance(spec, ScoredModel) else load_model(spec, model_options)
    if model.zero_shot is not None:  # its features do not depend on the classes
        model = model.with_classes(CLASSES, "")
    out = out or Path("features") / f"{safe_name(UNTRIMMED.kind(dataset))}-{file_tag(model.method, model.digest)}"
    splits = _splits(split, out)
    listings = {
        task: _first(listing, options.limit) for task, listing in _listings(dataset, root, splits, options.task).items()
    }
    listing = next(iter(listings.values()))
    for note in dict.fromkeys(note for one in listings.values() for note in one.notes):
        say(shown(note))
    device = device_of_processes(options.device, say)
    bf16 = options.precision == "bf16" or (options.precision == "auto" and device.startswith("cuda"))
    for line in describe_model(model, "bf16" if bf16 else "float32"):
        say(line)
    plan = Plan(
        options.value("window"), options.value("stride"), options.value("last"), options.value("fps"),
        model.clips.replaced({"views": 1, "crops": 1}), options.value("crops"), options.value("crop"),
    )  # fmt: skip
    for line in _described(plan):
        say(line)
    network = FeatureNetwork(spec, model_options, model, plan.sampling, device, bf16, options.batch, options.layer)
    record = _record(model, plan, network, dataset, listings, options)
    base = root or data_root() / safe_name(UNTRIMMED.kind(dataset))
    task = _Features(out, network, record, listings, plan, options, base, say)
    videos = [video for video in listing.videos if video.path is not None]
    workers = options.workers
    if workers is None:  # each process has a copy of the network; one that was made in Python stays in this process
        workers = 1 if device.startswith("cuda") or isinstance(spec, ScoredModel) else default_workers()
    report = runner.fill(task, videos, workers, options.progress)
    rows = [row for _, row in read_video_rows(out) if row["file"]] if (out / VIDEOS).is_file() else []
    missing = sum(video.path is None for video in listing.videos)
    return Extracted(report, out, len(rows), sum(int(row["windows"]) for row in rows), missing)


def _splits(split: str, out: Path) -> str:
    """The splits to read: those of the folder and the wanted one, as one word or ``all``."""
    path = out / RECORD
    if split == "all" or not path.is_file():
        return split
    before = read_json(path, "record of `bench features`", FIX)
    known = before.get("splits") if isinstance(before, dict) else None
    return split if known in ([], [split]) or not isinstance(known, list) else "all"


def _listings(dataset: str, root: Path | None, split: str, task: str | None) -> dict[str, UntrimmedListing]:
    """Task -> listing; the same videos in the same order in each. The task is "" without annotations."""
    first = read(dataset, root, split, task)
    found = {first.task: first}
    for other in first.also if task is None else ():
        found[other] = read(dataset, root, split, other)
        names = [[(v.id, v.split) for v in one.videos] for one in (first, found[other])]
        if names[0] != names[1]:
            raise BenchError(f"--dataset {dataset}: lists other videos for {other} than for {first.task}; give one of "
                             "them with --task")  # fmt: skip
    return found


def _first(listing: UntrimmedListing, limit: int | None) -> UntrimmedListing:
    """The first ``limit`` videos of each split."""
    if limit is None:
        return listing
    kept = [video for name in SPLITS for video in [v for v in listing.videos if v.split == name][:limit]]
    return replace(listing, videos=kept)


def _described(plan: Plan) -> Iterator[str]:
    offsets, resampled = clip_offsets(plan.window, plan.sampling)
    ends = "the last one repeats the last frame" if plan.last == "ceil" else "full ones only"
    rate = f" at {plan.fps:g} frames per second" if plan.fps else ""
    yield (
        f"windows: {counted(plan.window, 'frame')}, one every {plan.stride}{rate}, {ends}; "
        f"{counted(plan.crops, 'crop')} ({plan.crop})"
    )
    if resampled:
        span = (plan.sampling.frames - 1) * plan.sampling.stride + 1
        yield (f"the model's clip spans {counted(span, 'frame')}, more than a window: it gets "
               f"{counted(plan.sampling.frames, 'frame')} "
               f"spread evenly over the window ({_short(offsets)})")  # fmt: skip
    else:
        yield f"of each window, the network sees frames {_short(offsets)}"


def _short(offsets: np.ndarray) -> str:
    some = ", ".join(str(int(k)) for k in offsets[:4])
    return f"{some}, … {int(offsets[-1])}" if len(offsets) > 5 else ", ".join(str(int(k)) for k in offsets)


def _record(
    model: ScoredModel, plan: Plan, network: FeatureNetwork, dataset: str, listings: dict[str, UntrimmedListing],
    options: FeaturesOptions,
) -> FeaturesRecord:  # fmt: skip
    layout = FORMATS[options.value("format")]
    merged = plan.crops if layout.merges else 1
    offsets, resampled = clip_offsets(plan.window, plan.sampling)
    videos = next(iter(listings.values())).videos
    return FeaturesRecord.made(
        {
            "format": FeaturesRecord.FORMAT, "dataset": safe_name(dataset),
            "splits": [name for name in SPLITS if any(v.split == name for v in videos)],
            "tasks": {task: one.classes for task, one in listings.items() if task},
            "model": {
                "source": model.source, "kind": model.kind, "method": model.method, "model": model.model,
                "digest": model.digest, "dataset": model.dataset, "trained_on": model.trained_on,
            },
            "sampling": plan.sampling.to_dict(),
            "layer": "input of the head" if options.layer == HEAD else options.layer,
            "precision": "bf16" if network.bf16 else "float32", "preset": options.preset, "window": plan.window,
            "stride": plan.stride, "last": plan.last, "offsets": offsets.tolist(), "resampled": resampled,
            "fps": plan.fps, "crops": plan.crops // merged, "crop": plan.crop, "merged": merged, "batch": options.batch,
            "dimension": network.dimension, "layout": layout.name,
            "versions": versions() | {"torch": torch.__version__},
        },
        RECORD,
    )  # fmt: skip


class _Features(runner.Filling[LongVideo]):
    """The part of the runner for features: features.json, the tables, the files for others' code."""

    lock, journal = LOCK, JOURNAL
    busy, title = "another `bench features` is running in this folder", "features"
    maker = None

    def __init__(
        self, out: Path, network: FeatureNetwork, record: FeaturesRecord,
        listings: dict[str, UntrimmedListing], plan: Plan, options: FeaturesOptions, root: Path, say: Say,
    ) -> None:  # fmt: skip
        self.out, self.record, self.listings, self.plan = out, record, listings, plan
        self.options, self.root, self.say = options, root, say
        self.group_maker = GroupMaker(out, network, plan, options.batch, options.value("format"), root)
        self.layout = FORMATS[options.value("format")]
        self.listing = next(iter(listings.values()))

    # The folder.

    def claim(self) -> None:
        path = self.out / RECORD
        if path.is_file():
            old = FeaturesRecord.of(read_json(path, "record of `bench features`", FIX), path, FIX).plain()
            now = json.loads(json.dumps(self.record.plain()))
            for name in sorted({*old, *now} - _FREE):
                before, here = old.get(name), now.get(name)
                if isinstance(before, dict) and name == "model":  # the same weights may be at another place
                    before, here = before["digest"], now["model"]["digest"]
                if before != here and self._has_features():
                    said = json.dumps(before, sort_keys=True)[:200], json.dumps(here, sort_keys=True)[:200]
                    raise BenchError(f"{self.out}: holds features of another run ({name}: {said[0]}, now {said[1]}); "
                                     f"{FIX}")  # fmt: skip
        elif others := occupied(self.out):
            raise BenchError(f"{self.out}: is not empty and holds no features of `bench features` ({others[0]}); {FIX}")

    def earlier(self) -> Iterator[Entry]:
        if not (self.out / VIDEOS).is_file():
            return
        rows = {row["video"]: [row] for _, row in read_video_rows(self.out) if row["file"]}
        if (self.out / FAILURES).is_file():
            yield from from_tables(self.out, rows, FIX)
        else:
            yield from (Entry(name, "made", made) for name, made in rows.items())

    def check_row(self, row: object) -> None:
        if not isinstance(row, dict) or row.keys() != set(VIDEO_COLUMNS):
            raise BenchError(f"{self.out / JOURNAL}: not a row of {VIDEOS}; {FIX}")
        inside(self.out, row["file"])

    def begin(self, journal: Journal) -> None:
        known = {video.id for video in self.listing.videos}
        others = sorted(journal.made() - known)
        if others:
            with_limit = " without --limit" if self.options.limit is not None else ""
            raise BenchError(
                f"{self.out}: holds features of {counted(len(others), 'video that is', 'videos that are')} not listed "
                f"now, such as {others[0]}; run "
                f"the command{with_limit} on the folder that has them, choose another --out, or delete their files"
            )
        for name in (VIDEOS, SEGMENTS, *NAMES):  # they would not fit what follows; the journal has what they say
            (self.out / name).unlink(missing_ok=True)
        write_json(self.out / RECORD, self.record.plain() | {"paths": paths_from(self.out, root=self.root)})

    def current(self, item: LongVideo, rows: list[dict[str, Any]]) -> bool:
        if not rows or item.path is None:
            return False
        files = self.layout.files(item.id, self.plan.crops)
        if not all((self.out / name).is_file() for name in files):
            return False
        try:
            return known_digest(item.path) == rows[0]["source_sha256"]
        except BenchError:
            return False

    # The features.

    def results(self, items: Sequence[LongVideo], workers: int) -> Generator[tuple[LongVideo, Any], None, None]:
        """Features of the items; the others of their groups go through the network, too, and are not written."""
        videos = [video for video in self.listing.videos if video.path is not None]
        wanted = groups(videos, {video.id for video in items})
        if self.options.workers is None:  # do not start a process for a single group
            workers = min(workers, len(wanted))
        return features_of(wanted, self.group_maker, workers)

    # The tables.

    def finish(self, journal: Journal, items: Sequence[LongVideo], made: int, changed: Sequence[str]) -> Report:
        rows, segments, notes = [], list[dict[str, Any]](), list[Note]()
        for place, video in enumerate(self.listing.videos):
            own = [listing.videos[place] for listing in self.listings.values()]
            label = next((v.label for v in own if v.label is not None), "")
            found = [row for row in journal.rows(video.id) if journal.is_there(row)]
            if not found:
                entry = journal.entries.get(video.id)
                reason = video.missing or (entry.reason if entry else "") or "there is no file"
                rows.append({"video": video.id, "split": video.split, "label": label, "reason": reason})
                if video.path is None:
                    notes.append(Note(video.id, "missing", reason))
                continue
            row = found[0] | {"split": video.split, "label": label}
            rows.append(row)
            frames, rates, late = int(row["frames"]), (float(row["fps"]), float(row["source_fps"])), list[str]()
            for task, listing in self.listings.items():
                unit = listing.videos[place].unit
                for segment in listing.videos[place].segments if task else ():
                    late += filter(None, [after_the_end(segment, unit, frames, *rates)])
                    if made_row := segment_row(video.id, task, segment, unit, frames, *rates):
                        segments.append(made_row)
            if late:
                notes.append(Note(video.id, "annotation", "; ".join(dict.fromkeys(late))))
        failures = journal.failures(notes, {row["video"] for row in rows if row.get("file")})
        known = {video.id for video in self.listing.videos}
        failures = [failure for failure in failures if failure["id"] in known]
        failures += [{"id": shown(u.file), "kind": "failed", "reason": u.reason} for u in self.listing.unusable]
        failures.sort(key=lambda failure: (failure["id"], failure["kind"]))
        journal.write_reasons()
        write_csv(self.out / FAILURES, FAILURE_COLUMNS, failures)
        write_csv(self.out / SEGMENTS, SEGMENT_COLUMNS, segments)
        self._write_companions(rows, segments)
        write_csv(self.out / VIDEOS, VIDEO_COLUMNS, rows)  # last: with it the folder is finished
        return Report(self.out, made, sum(bool(row.get("file")) for row in rows) - made, failures, changed)

    def _write_companions(self, rows: list[dict[str, Any]], segments: list[dict[str, Any]]) -> None:
        prefix = self.options.prefix
        if prefix is None:
            prefix = self.out.resolve().as_posix()
        prefix += "/" if prefix and not prefix.endswith("/") else ""
        tables = [
            [(k, {c: str(row.get(c, "")) for c in columns}) for k, row in enumerate(table, 2)]
            for table, columns in ((rows, VIDEO_COLUMNS), (segments, SEGMENT_COLUMNS))
        ]
        folders = {task: FeatureFolder.of(self.out, self.record, task, *tables) for task in self.listings}
        for note in write_companions(self.out, folders, self.record.splits, prefix):
            self.say(note)

    def tidy(self) -> None:
        there = self._has_features()
        whole = (self.out / VIDEOS).is_file()  # the tables say everything
        if whole or not there or not (self.out / JOURNAL).is_file():
            shutil.rmtree(self.out / ".features", ignore_errors=True)
        if there:
            return
        for name in (LOG, LEFT_OUT, RECORD, VIDEOS, SEGMENTS, *NAMES):
            (self.out / name).unlink(missing_ok=True)

    def _has_features(self) -> bool:
        return any((self.out / "features").glob("[!.]*.npy"))
