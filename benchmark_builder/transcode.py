"""`bench data transcode`: writes a dataset's videos smaller and with frequent key frames; clips are then read faster.

OUT is a copy of the dataset's folder: the same folders and names with the suffix ``.mp4``, and the dataset's lists, in
which names of videos have the new suffix. It can be given as ``--root``. ``transcode.json`` records the settings, the
versions and a row per video, ``failures.csv`` what was not written. Frames are counted: a source is decoded before,
the result after.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.audit.check_video import Checked, Checker
from benchmark_builder.benchmark.manifest import paths_from, versions
from benchmark_builder.builders import Run, Subset
from benchmark_builder.datasets import Listing, dataset_root, read_dataset
from benchmark_builder.datasets.copied import copy_lists
from benchmark_builder.datasets.folder import CLASSES
from benchmark_builder.settings import TranscodeSettings
from benchmark_builder.utils import pool, runner
from benchmark_builder.utils.command_line import record_command
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json, remove, sha256_file, write_csv, write_json, write_text
from benchmark_builder.utils.journal import NOT_MADE, Entry, Journal, PlainRow, from_tables
from benchmark_builder.utils.options import setting_error
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LEFT_OUT, LOG, occupied
from benchmark_builder.utils.runner import Report
from benchmark_builder.utils.text import counted, read_records, shown
from benchmark_builder.video.binary import ffmpeg_version
from benchmark_builder.video.decode import scan_frames
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.record import Video, id_problem
from benchmark_builder.video.transcoding import SUFFIX, Coding, even_size, rate_of, transcode_file

FORMAT = 1
RECORD, WORK = "transcode.json", ".transcode"
FIX = "choose another --out or delete the folder"
IN_FRAMES = ("ucf-crime", "ucf-crime-recognition")  # datasets whose annotations count frames of the published videos
# Columns of a row, with the types of their values.
COLUMNS: dict[str, tuple[type, ...]] = {
    "id": (str,), "file": (str,), "source": (str,), "source_sha256": (str,), "source_frames": (int,),
    "source_fps": (float, int), "source_width": (int,), "source_height": (int,), "source_bytes": (int,),
    "frames": (int,), "fps": (float, int), "width": (int,), "height": (int,), "bytes": (int,), "sha256": (str,),
    "encoder": (str,),
}  # fmt: skip


@dataclass(frozen=True)
class TranscodeMaker:
    """Transcodes one video of the dataset in ``root`` to ``out``."""

    root: Path
    out: Path
    settings: TranscodeSettings

    def make(self, video: Video) -> runner.Made:
        """A row of :data:`COLUMNS`.

        Raises:
            BenchError: the source is a folder of frames, cannot be decoded completely, or the result does not have the
                expected frames.
        """
        if video.path.is_dir():
            raise BenchError(f"{video.path}: is a folder of frames, which has no rate and no key frames; use it as it "
                             "is")  # fmt: skip
        file = file_of(video, self.root)
        if problem := id_problem(file):
            raise BenchError(f"{video.path}: its place {file!r} {problem}; rename it")
        target = inside(self.out, file)
        source_bytes, digest = video.path.stat().st_size, known_digest(video.path)
        found = Checker(self.root).make(video)
        notes = self._checked(video, found)
        coding = self._coding(found)
        transcode_file(video.path, target, coding)
        try:
            frames = self._verified(video, target, found, coding)
        except BenchError:
            remove(target)
            raise
        row = {
            "id": video.id, "file": file, "source": _source(video, self.root), "source_sha256": digest,
            "source_frames": found.frames_decoded, "source_fps": found.fps, "source_width": found.width,
            "source_height": found.height, "source_bytes": source_bytes, "frames": frames,
            "fps": round(float(coding.rate or coding.source_rate or found.fps or 0), 6),
            "width": coding.width, "height": coding.height, "bytes": target.stat().st_size,
            "sha256": sha256_file(target), "encoder": ffmpeg_version(),
        }  # fmt: skip
        return runner.Made([row], notes)

    def _checked(self, video: Video, found: Checked) -> list[pool.Note]:
        """A note on damaged frames that are kept. Raises BenchError if the source is damaged."""
        if found.state == "unreadable":
            raise BenchError(f"{video.path}: {found.words('unreadable')}")
        if not found.words("damaged"):
            return []
        words = f"{found.words('damaged')}, as a decoder shows them"
        if not self.settings.keep_damaged:
            raise BenchError(f"{video.path}: {found.words('damaged')}, which the result would hide; replace the file, "
                             "or give --keep-damaged")  # fmt: skip
        return [pool.Note(video.id, "damaged", words)]

    def _coding(self, found: Checked) -> Coding:
        s = self.settings
        assert found.width and found.height and found.fps  # it was decoded
        own = None if found.variable_rate else rate_of(found.fps)
        wanted = rate_of(s.fps) if s.fps else None
        size = even_size(found.width, found.height, s.short, s.enlarge)
        return Coding(*size, own, None if wanted == own else wanted, s.keys, s.crf, s.preset, s.tune)

    def _verified(self, video: Video, target: Path, found: Checked, coding: Coding) -> int:
        """The number of frames of the result, decoded; as many as in the source, or as its duration times the rate.

        Raises:
            BenchError: the number is another, or the result cannot be decoded.
        """
        frames = sum(1 for _ in scan_frames(target))
        assert found.frames_decoded and found.fps
        if coding.rate is None:
            wanted, off = float(found.frames_decoded), 0.0
        else:
            # The filter rounds the start and the end to whole frames. Of a variable rate, how long the last frame is
            # shown is not known to within a frame of the source.
            wanted = float(found.frames_decoded / found.fps * coding.rate)
            off = 1.0 if coding.source_rate else 1.0 + float(coding.rate) / found.fps
        if abs(frames - wanted) > off + 1e-6:
            said = f"{found.frames_decoded} frames in the source at {found.fps:g} fps"
            raise BenchError(f"{video.path}: the result has {counted(frames, 'frame')} instead of {wanted:g} ({said}); "
                             "the source's times are damaged, replace it")  # fmt: skip
        return frames


def transcode(
    dataset: str,
    root: Path | None = None,
    split: str = "all",
    fold: int = 1,
    *,
    out: Path,
    settings: TranscodeSettings | None = None,
    subset: Subset | None = None,
    run: Run | None = None,
) -> Report:
    """Write a dataset's videos as H.264 with a smaller picture and frequent key frames.

    A second run writes only what is missing or has a changed source; another split is added. Sources are never changed.

    Args:
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        out: folder to write, outside of ``root``.

    Raises:
        BenchError: ``out`` holds something else or overlaps with ``root``, all videos are folders of frames, a rate is
            given for a dataset whose annotations count frames, or the result cannot be read as the dataset.
    """
    run, subset, settings = run or Run(), subset or Subset(), settings or TranscodeSettings()
    listing = read_dataset(dataset, root, split, fold)
    root = dataset_root(dataset, root)
    for note in listing.notes:
        run.say(note)
    _apart(root, out)
    if settings.fps and dataset in IN_FRAMES:
        raise setting_error("fps", settings.fps, f"would move the annotations of {dataset}, which count frames; give 0")
    missing = subset.missing(listing, run.say)
    videos = subset.of(listing.videos)
    if all(video.path.is_dir() for video in videos):
        raise BenchError(f"{root}: its videos are folders of frames, which need no transcoding; use them as they are")
    places = Counter(file_of(video, root) for video in videos)
    twice = [pool.Note(v.id, "failed", f"another video would also be written to {file_of(v, root)}; rename one of them")
             for v in videos if places[file_of(v, root)] > 1]  # fmt: skip
    videos = [video for video in videos if places[file_of(video, root)] == 1]
    record = {"format": FORMAT, "dataset": safe_name(dataset), "settings": settings.model_dump()}
    task = _Transcode(TranscodeMaker(root, out, settings), record, [*missing, *twice], dataset, listing)
    report = runner.fill(task, videos, run.workers or pool.default_workers(), run.progress)
    if report.made or report.kept:
        if lists := task.changed_lists:
            run.say(f"{counted(len(lists), 'list')}: names of videos have the suffix {SUFFIX} now; the first: "
                    f"{shown(lists[0])}")  # fmt: skip
        _check(dataset, out, split, fold, listing, {row["id"] for row in rows_of(out)})
    return report


def rows_of(out: Path) -> list[PlainRow]:
    """The rows of a folder that :func:`transcode` filled, sorted by id. Raises BenchError if it is none."""
    path = out / RECORD
    record = read_json(path, "record of `bench data transcode`", FIX)
    rows = record.get("videos", []) if isinstance(record, dict) else None
    if not isinstance(rows, list):
        raise BenchError(f"{path}: not a record of `bench data transcode`; {FIX}")
    for row in rows:
        _check_row(row, path, out)
    return rows


def file_of(video: Video, root: Path) -> str:
    """Where a video is written, relative to the folder: the place of its source."""
    if not video.path.is_relative_to(root):  # a reader of the user may look elsewhere
        return f"{video.id}{SUFFIX}"
    return video.path.relative_to(root).with_suffix(SUFFIX).as_posix()


def _source(video: Video, root: Path) -> str:
    return video.path.relative_to(root).as_posix() if video.path.is_relative_to(root) else ""


def _check_row(row: Any, path: Path, out: Path) -> None:
    """Raise BenchError if something is not a row, or names a file outside of the folder."""
    if not isinstance(row, dict) or row.keys() != COLUMNS.keys():
        raise BenchError(f"{path}: has a row that is not one of `bench data transcode`; {FIX}")
    for name, kinds in COLUMNS.items():
        if type(row[name]) not in kinds:
            raise BenchError(f"{path}: {name} of a row is {row[name]!r}, not {kinds[0].__name__}; {FIX}")
    inside(out, row["file"])


def _apart(root: Path, out: Path) -> None:
    one, other = root.resolve(), out.resolve()
    if one == other or one.is_relative_to(other) or other.is_relative_to(one):
        raise BenchError(f"--out {out}: overlaps with the dataset's folder {root}; give a folder outside of it")


def _check(dataset: str, out: Path, split: str, fold: int, listing: Listing, made: set[str]) -> None:
    """Raise BenchError if the folder, read as the dataset, lacks a written video or gives it another label."""
    fix = "give the missing lists to the folder by hand, or name the dataset with --dataset"
    try:
        found = {v.id: (v.label, v.class_name) for v in read_dataset(dataset, out, split, fold).videos}
    except BenchError as error:
        raise BenchError(f"{out}: the videos are written, but cannot be read as {dataset} ({error}); {fix}") from None
    written = [v for v in listing.videos if v.id in made]
    differ = [v.id for v in written if found.get(v.id) != (v.label, v.class_name)]
    if differ:
        raise BenchError(f"{out}: read as {dataset}, {len(differ)} of {len(written)} videos are missing or have "
                         f"another label, such as {differ[0]}; {fix}")  # fmt: skip


class _Transcode(runner.Filling[Video]):
    """The part of the runner for transcoding: transcode.json, the dataset's lists."""

    lock, journal = f"{WORK}/lock", f"{WORK}/journal.jsonl"
    busy, title = "another `bench data transcode` is running in this folder", "transcode"

    def __init__(
        self,
        maker: TranscodeMaker,
        record: dict[str, Any],
        missing: Sequence[pool.Note],
        dataset: str,
        listing: Listing,
    ) -> None:
        self.out, self.maker, self._record, self._missing = maker.out, maker, record, missing
        self._dataset, self._listing = dataset, listing
        self.changed_lists: list[str] = []
        self._claimed = self._finished = False
        self._rows = False  # whether the record has rows

    def claim(self) -> None:
        """Raise BenchError if the folder contains something else, or videos of other settings."""
        self._settle(self.out / RECORD)
        self._claimed = True

    def _settle(self, path: Path) -> None:
        if not path.is_file():
            if others := occupied(self.out):
                raise BenchError(f"{self.out}: is not empty and was not filled by `bench data transcode` "
                                 f"({others[0]}); {FIX}")  # fmt: skip
            write_json(path, self._record | {"videos": []})
            return
        old = read_json(path, "record of `bench data transcode`", FIX)
        if not isinstance(old, dict) or not isinstance(old.get("settings"), dict):
            raise BenchError(f"{path}: not a record of `bench data transcode`; {FIX}")
        differing = [f"{k} {old.get(k)!r}, now {self._record[k]!r}" for k in ("format", "dataset")
                     if old.get(k) != self._record[k]]  # fmt: skip
        there, here = {"tune": "none"} | old["settings"], self._record["settings"]  # earlier versions had no tune
        differing += [f"{k} {there.get(k)}, now {here[k]}" for k in here if there.get(k) != here[k]]
        self._rows = bool(old.get("videos"))
        if not differing:
            return
        if self._rows or runner.has_rows(self):
            raise BenchError(f"{self.out}: holds videos of another run ({'; '.join(differing)}); {FIX}")
        for name in (FAILURES, LOG, self.journal):  # of a run that wrote no videos
            (self.out / name).unlink(missing_ok=True)
        write_json(path, self._record | {"videos": []})

    def earlier(self) -> Iterator[Entry]:
        rows = {row["id"]: [row] for row in rows_of(self.out)}
        if (self.out / FAILURES).is_file():
            yield from from_tables(self.out, rows, FIX)
        else:
            yield from (Entry(name, "made", made) for name, made in rows.items())

    def check_row(self, row: object) -> None:
        _check_row(row, self.out / self.journal, self.out)

    def current(self, video: Video, rows: list[PlainRow]) -> bool:
        row = rows[0] if rows else {}
        return (
            row.get("file") == file_of(video, self.maker.root)
            and (self.out / row["file"]).stat().st_size == row["bytes"]
            and row["source_sha256"] == known_digest(video.path)
        )

    def finish(self, journal: Journal, items: Sequence[Video], made: int, changed: Sequence[str]) -> Report:
        out, root = self.out, self.maker.root
        rows = {row["id"]: row for row in journal.all_rows() if journal.is_there(row)}
        failures = [
            failure
            for failure in journal.failures(self._missing, rows)
            if (failure["id"] in rows) != (failure["kind"] in NOT_MADE)
        ]
        if rows:
            stems = {video.path.stem for video in self._listing.videos} | {
                Path(r["source"]).stem for r in rows.values()
            }
            leave = (RECORD, FAILURES, LOG, LEFT_OUT)
            self.changed_lists = copy_lists(self._dataset, root, out, stems, SUFFIX, leave)
            if self._dataset == "folder" and not (root / CLASSES).is_file():
                # Folders without a written video would be no class, and the others would get other labels.
                write_text(out / CLASSES, "".join(f"{name}\n" for name in self._listing.classes))
        journal.write_reasons()
        write_csv(out / FAILURES, FAILURE_COLUMNS, failures)
        self._finished, self._rows = True, bool(rows)
        facts = {"paths": paths_from(out, root=root), "versions": versions()}
        write_json(out / RECORD, self._record | facts | {"videos": [rows[name] for name in sorted(rows)]})
        record_command(out / RECORD)
        asked = {video.id for video in items}
        named = asked | {note.id for note in self._missing}
        told = [failure for failure in failures if failure["id"] in named]
        return Report(out, made, len(asked & rows.keys()) - made, told, changed)

    def tidy(self) -> None:
        """If no video was written, keep the list of failures, and nothing that would prevent another try."""
        out = self.out
        if not self._claimed:  # refused: nothing of the folder is changed, but for the lock's own folder
            if not (out / RECORD).is_file():
                shutil.rmtree(out / WORK, ignore_errors=True)
            return
        empty = not self._rows if self._finished else not (self._rows or runner.has_rows(self))
        if self._finished or empty:
            shutil.rmtree(out / WORK, ignore_errors=True)
        if not empty:
            return
        for name in (RECORD, LEFT_OUT):
            (out / name).unlink(missing_ok=True)
        table = out / FAILURES
        if not table.is_file() or not read_records(table, FAILURE_COLUMNS, "table of failures", FIX):
            table.unlink(missing_ok=True)
        for path in sorted(out.rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):
                    path.rmdir()
