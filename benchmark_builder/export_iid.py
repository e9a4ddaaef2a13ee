"""Exports a split's ordinary videos in the format of another project's loader: `bench export iid:DATASET --for NAME`.

If a loader opens video files, they are not moved: OUT gets a link to each (a copy if the system does not allow links),
with a name that is valid in the loader's lists. If it opens frames, and for videos that are folders of frames, they are
decoded once and written again. A second run writes only what is missing or has a changed source.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark_builder.benchmark.export import write_lists
from benchmark_builder.benchmark.peers import Item, Peer, Task, layout_for, names_csv, peer_of
from benchmark_builder.datasets import read_dataset, scored_as
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.utils import pool, runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import copy_whole, inside, read_json, remove, write_csv, write_json
from benchmark_builder.utils.journal import Entry, Journal, PlainRow
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES, LOG, held, occupied
from benchmark_builder.utils.runner import Report
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.record import Video

RECORD, WORK = "export.json", ".export"


@dataclass(frozen=True)
class VideoMaker:
    """Links to a video below ``out``, or decodes it into ``layout``. ``files``: video's id -> relative name."""

    out: Path
    layout: layouts.Layout
    files: Mapping[str, str]
    peer: str
    least: int  # minimum size of a file in bytes

    def make(self, video: Video) -> runner.Made:
        """A row of ``link``, or of ``file``, ``frames`` and ``sha256`` of the source.

        Raises:
            BenchError: it cannot be read or written, or is smaller than its loader takes.
        """
        file, new = self.files[video.id], True
        path = self.out / file
        if linked(video, self.layout):
            new = _link(video.path, path)
            row: dict[str, object] = {"link": file}
        else:
            row = {"file": file, "frames": self._decode(video, path), "sha256": known_digest(video.path)}
        if self.least and path.stat().st_size < self.least:
            remove(path)
            raise BenchError(f"has fewer than {self.least} bytes, and {self.peer} passes over such files")
        return runner.Made([row], new=new)

    def _decode(self, video: Video, path: Path) -> int:
        info, count = probe(video.path), 0
        with self.layout.open(path, info.width, info.height, info.fps) as sink:
            for frame in read_frames(video.path):
                sink.write(frame)
                count += 1
        return count


def linked(video: Video, layout: layouts.Layout) -> bool:
    """Whether the export only links to a video."""
    return layout.takes_files and not video.path.is_dir()


def export_dataset(
    name: str,
    dataset: str,
    out: Path,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    layout: str | None = None,
    quality: int = layouts.JPEG_QUALITY,
    workers: int = 1,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> tuple[Report, list[str]]:
    """Write a split's ordinary videos, or links to them, with the lists that a loader reads.

    Args:
        name: a key of :data:`benchmark_builder.benchmark.peers.PEERS`.
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        out: the folder to write.
        layout: ``video`` for the dataset's own files or ``frames``, as the loader reads them; None for its usual one.
        quality: of JPEGs, 1..100.

    Returns:
        The report, and lines that tell the user what to set in that project.

    Raises:
        BenchError: the loader does not read the layout or the data set, two videos would have one name, or ``out``
            holds something else.
    """
    listing = read_dataset(dataset, root, split, fold)
    for line in (*listing.notes, *listing.summary()):
        say(line)
    peer, known_as = peer_of(name), scored_as(safe_name(dataset))
    chosen = layouts.Layout(layout_for(peer, "iid", known_as, layout), quality, peer.frame_name(known_as))
    items = [
        Item(v.id, v.id, v.label, v.class_name, 0, None, v.path.suffix if linked(v, chosen) else chosen.suffix_of())
        for v in listing.videos
    ]  # sorted by id
    task = Task(known_as, "iid", "", listing.split, listing.classes, chosen.name, out.resolve(), items)
    peer.check(task)
    names, top = peer.named(task), peer.folder(task)
    files = {item.id: f"{top}/{names[item.id]}{item.suffix}" for item in items}
    record = {"for": name, "dataset": safe_name(dataset), "split": listing.split, "layout": chosen.name,
              "frame": chosen.frame, "jpeg_quality": quality}  # fmt: skip
    missing = [pool.Note(called, "left out", reason) for _, called, reason in listing.left_out]
    maker = VideoMaker(out, chosen, files, name, peer.least)
    report = runner.fill(_Export(out, maker, record, peer, task, names, missing), listing.videos, workers, progress)
    return report, peer.settings(task)


class _Export(runner.Filling[Video]):
    """What is an export's own: its record, the lists of a loader. The journal stays, since no table says from which
    source a video was decoded."""

    lock, journal = f"{WORK}/lock", f"{WORK}/journal.jsonl"
    busy, title = "another export is running in this folder", "export"

    def __init__(
        self,
        out: Path,
        maker: VideoMaker,
        record: dict[str, object],
        peer: Peer,
        task: Task,
        names: Mapping[str, str],
        missing: Sequence[pool.Note],
    ) -> None:
        self.out, self.maker, self._record = out, maker, record
        self._peer, self._task, self._names, self._missing = peer, task, names, missing

    def claim(self) -> None:
        """Raise BenchError if the folder contains something else."""
        out, path, fix = self.out, self.out / RECORD, "choose another --out or delete the folder"
        if not path.is_file():
            if others := occupied(out):
                raise BenchError(f"{out}: is not empty and no export of ordinary videos ({others[0]}); {fix}")
        elif read_json(path, "record of an export", fix) != self._record and held(out, (RECORD, FAILURES, LOG)):
            raise BenchError(f"{out}: holds another export; {fix}")
        write_json(path, self._record)

    def earlier(self) -> Iterator[Entry]:
        """What earlier releases noted of decoded videos."""
        ids = {file: name for name, file in self.maker.files.items()}
        path = self.out / WORK / "done.jsonl"
        for line in path.read_bytes().split(b"\n") if path.is_file() else ():
            try:
                found = json.loads(line)
                row = {"file": found["file"], "frames": int(found["frames"]), "sha256": str(found["sha256"])}
                if row["file"] in ids:
                    yield Entry(ids[row["file"]], "made", [row])
            except (KeyError, TypeError, ValueError):  # the line that a kill cut short
                continue

    def check_row(self, row: Any) -> None:
        kinds = {name: type(value) for name, value in row.items()} if isinstance(row, dict) else {}
        if kinds not in ({"link": str}, {"file": str, "frames": int, "sha256": str}):
            raise BenchError(f"{self.out / self.journal}: not a line of an export; delete it")
        inside(self.out, row.get("file", ""))

    def begin(self, journal: Journal) -> None:
        for name in [name for name in journal.entries if name not in self.maker.files]:  # gone from the dataset
            del journal.entries[name]

    def current(self, video: Video, rows: list[PlainRow]) -> bool:
        file, row = self.maker.files[video.id], (rows or [{}])[0]
        if linked(video, self.maker.layout):
            return row.get("link") == file and _is_link(video.path, self.out / file)
        return row.get("file") == file and row["sha256"] == known_digest(video.path)

    def finish(self, journal: Journal, items: Sequence[Video], made: int, changed: Sequence[str]) -> Report:
        out, task, files = self.out, self._task, self.maker.files
        counts = {name: entry.rows[0].get("frames", 0) for name, entry in journal.entries.items() if entry.rows}
        failures = journal.failures(self._missing, ())
        journal.write_reasons()
        write_csv(out / FAILURES, FAILURE_COLUMNS, failures)
        done = [(replace(i, frames=counts[i.id]), self._names[i.id], files[i.id]) for i in task.items if i.id in counts]
        _clear(out, self._peer.folder(task), {file for _, _, file in done})
        if done:
            write_lists(out, self._peer.lists(task, done), names_csv(done))
        return Report(out, made, len(done) - made, failures, changed)


def _is_link(source: Path, target: Path) -> bool:
    """Whether ``target`` is a link to ``source``, or a copy of it."""
    source = source.resolve()
    if target.is_symlink():
        return target.readlink() == source
    return target.is_file() and known_digest(target) == known_digest(source)


def _link(source: Path, target: Path) -> bool:
    """A link to ``source``, or a copy where there can be none; whether it is new."""
    source = source.resolve()
    if _is_link(source, target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(target)
    try:
        target.symlink_to(source)
    except (NotImplementedError, OSError):  # Windows without the right to make links, or a disk that has none
        copy_whole(source, target)
    return True


def _clear(out: Path, top: str, kept: set[str]) -> None:
    """Delete files of an earlier run that are not in this one: loaders such as ALBAR's read all files in a folder."""
    places = {out / file for file in kept}
    holders = {parent for place in places for parent in place.parents}
    todo = [out / top]
    while todo:
        folder = todo.pop()
        for path in folder.iterdir() if folder.is_dir() else ():
            if path in places:
                continue
            if path in holders:
                todo.append(path)
            else:
                remove(path)
