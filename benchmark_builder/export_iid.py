"""A split's ordinary videos as another project's loader reads them: `bench export iid:DATASET --for NAME`.

Where a loader opens video files, they stay where they are: OUT gets a link to each (a copy where the system allows no
links) under a name that the loader's lists can hold. Where it opens frames, and for videos that are folders of frames,
they are decoded once and written anew. A second run does what is missing or whose source has changed.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark_builder.benchmark.export import write_lists
from benchmark_builder.benchmark.manifest import FAILURE_COLUMNS, FAILURES, lists_failures
from benchmark_builder.benchmark.peers import Item, Task, layout_for, names_csv, peer_of
from benchmark_builder.datasets import read_dataset, scored_as
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import copy_whole, read_json, remove, remove_leftovers, write_csv, write_json
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import LOG, held, logged, sole_run, write_log
from benchmark_builder.video.decode import probe, read_frames
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.record import Video

RECORD, WORK = "export.json", ".export"


@dataclass(frozen=True)
class Exported:
    """What an export of ordinary videos did.

    Attributes:
        folder: where it is.
        made, kept: counts of videos.
        failures: dicts of id, kind (``left out``, ``failed``) and reason, as in failures.csv.
        settings: lines that tell the user what to set in the other project.
    """

    folder: Path
    made: int
    kept: int
    failures: list[dict[str, str]]
    settings: list[str]


@dataclass(frozen=True)
class DecodeMaker:
    """Decodes one video into ``layout`` below ``out``. An item is (video, file to write)."""

    out: Path
    layout: layouts.Layout

    def make(self, item: tuple[Video, str]) -> tuple[int, str]:
        """(frames written, SHA-256 of the source). Raises BenchError if it cannot be read or written."""
        video, file = item
        info, count = probe(video.path), 0
        with self.layout.open(self.out / file, info.width, info.height, info.fps) as sink:
            for frame in read_frames(video.path):
                sink.write(frame)
                count += 1
        return count, known_digest(video.path)


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
) -> Exported:
    """Write a split's ordinary videos, or links to them, with the lists that a loader reads.

    Args:
        name: a key of :data:`benchmark_builder.benchmark.peers.PEERS`.
        dataset, root, split, fold: as :func:`~benchmark_builder.datasets.read_dataset` takes them.
        out: the folder to write.
        layout: ``video`` for the dataset's own files or ``frames``, as the loader reads them; None for its usual one.
        quality: of JPEGs, 1..100.

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
        Item(v.id, v.id, v.label, v.class_name, 0, None, _suffix(v.path, chosen)) for v in listing.videos
    ]  # sorted by id
    task = Task(known_as, "iid", "", listing.split, listing.classes, chosen.name, out.resolve(), items)
    peer.check(task)
    names, top = peer.named(task), peer.folder(task)
    files = {item.id: f"{top}/{names[item.id]}{item.suffix}" for item in items}
    record = {"for": name, "dataset": safe_name(dataset), "split": listing.split, "layout": chosen.name,
              "frame": chosen.frame, "jpeg_quality": quality}  # fmt: skip
    failures = [{"id": called, "kind": "left out", "reason": reason} for _, called, reason in listing.left_out]
    with sole_run(out, out / WORK / "lock", "another export is running in this folder"):
        _claim(out, record)
        remove_leftovers(out)
        counts, made, failed = _write(out, listing.videos, files, chosen, workers, progress)
        for video in listing.videos:
            if peer.least and video.id in counts and (out / files[video.id]).stat().st_size < peer.least:
                failed[video.id] = BenchError(f"has fewer than {peer.least} bytes, and {name} passes over such files")
                del counts[video.id]
        crashed = {i: error.details for i, error in failed.items() if isinstance(error, Crashed)}
        reasons = {i: logged(str(error)) if i in crashed else str(error) for i, error in failed.items()}
        failures += [{"id": i, "kind": "failed", "reason": reason} for i, reason in reasons.items()]
        write_log(out, crashed)
        write_csv(out / FAILURES, FAILURE_COLUMNS, sorted(failures, key=lambda f: f["id"]))
        done = [(replace(i, frames=counts[i.id]), names[i.id], files[i.id]) for i in items if i.id in counts]
        _clear(out, top, {file for _, _, file in done})
        if done:
            write_lists(out, peer.lists(task, done), names_csv(done))
    return Exported(out, made, len(counts) - made, failures, peer.settings(task))


def _suffix(path: Path, layout: layouts.Layout) -> str:
    """Of the file to write: the source's own where it is linked, else the layout's."""
    linked = layout.name == "video" and not path.is_dir()
    return path.suffix if linked else layout.suffix_of()


def _claim(out: Path, record: dict[str, Any]) -> None:
    """Refuse a folder that holds something else."""
    path, fix = out / RECORD, "choose another --out or delete the folder"
    if not path.is_file():
        others = held(out, (FAILURES, LOG) if lists_failures(out / FAILURES) else ())
        if others:
            raise BenchError(f"{out}: is not empty and no export of ordinary videos ({others[0]}); {fix}")
    elif read_json(path, "record of an export", fix) != record and held(out, (RECORD, FAILURES, LOG)):
        raise BenchError(f"{out}: holds another export; {fix}")
    write_json(path, record)


def _write(
    out: Path, videos: Sequence[Video], files: dict[str, str], layout: layouts.Layout, workers: int, progress: bool
) -> tuple[dict[str, int], int, dict[str, BenchError]]:
    """Link or decode what is missing. Returns id -> frames of what is there (0 where nobody counted), how many are new,
    and what failed."""
    journal, counts, made, failed = out / WORK / "done.jsonl", dict[str, int](), 0, dict[str, BenchError]()
    before = _journal(journal)
    todo: list[tuple[Video, str]] = []
    for video in videos:
        file = files[video.id]
        if layout.name == "video" and not video.path.is_dir():
            made += _link(video.path, out / file)
            counts[video.id] = 0
        elif (out / file).exists() and before.get(file, {}).get("sha256") == known_digest(video.path):
            counts[video.id] = int(before[file]["frames"])
        else:
            todo.append((video, file))
    bar = tqdm(total=len(videos), initial=len(videos) - len(todo), desc="export", unit="video", disable=not progress)
    with bar, open(journal, "a", encoding="utf-8") as handle:
        with closing(pool.run(DecodeMaker(out, layout), todo, workers)) as results:
            for (video, file), result in results:
                if isinstance(result, BenchError):
                    failed[video.id] = result
                else:
                    counts[video.id], sha256 = result
                    made += 1
                    handle.write(json.dumps({"file": file, "frames": result[0], "sha256": sha256}) + "\n")
                    handle.flush()
                bar.update()
    return counts, made, failed


def _journal(path: Path) -> dict[str, dict[str, Any]]:
    """file -> what was written of it: its frames, and the digest of its source."""
    entries: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            entry = json.loads(line)
            entries[entry["file"]] = {"frames": int(entry["frames"]), "sha256": str(entry["sha256"])}
        except (KeyError, TypeError, ValueError):  # the line that a kill cut short
            continue
    return entries


def _link(source: Path, target: Path) -> bool:
    """A link to ``source``, or a copy where there can be none; whether it is new."""
    source = source.resolve()
    if target.is_symlink() and target.readlink() == source:
        return False
    if target.is_file() and not target.is_symlink() and known_digest(target) == known_digest(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(target)
    try:
        target.symlink_to(source)
    except (NotImplementedError, OSError):  # Windows without the right to make links, or a disk that has none
        copy_whole(source, target)
    return True


def _clear(out: Path, top: str, kept: set[str]) -> None:
    """Delete what an earlier run wrote and this one does not name: loaders such as ALBAR's read all that is there."""
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
