"""Finds problems in a copy of a dataset before any work starts: every file is decoded, nothing is changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_builder.audit.check_video import BAD, COLUMNS, KINDS, Checked, Checker, not_checked
from benchmark_builder.datasets import Listing, NoVideos, Unusable, dataset_root, read_dataset
from benchmark_builder.datasets.common import told
from benchmark_builder.utils import pool
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.runner import work
from benchmark_builder.utils.text import shown

SPLITS = ("train", "test", "val")
OR_ALL = ", or give --split all"  # the end of a reader's message on missing split files
SHOWN = 4  # maximum number of sizes, rates and empty classes in a table


@dataclass(frozen=True)
class Inspection:
    """The result of :func:`inspect_dataset`.

    Attributes:
        dataset, root, split: as inspected. classes: the dataset's class names in label order. videos: one record for
        every video, existing, missing or unusable, sorted by id. notes: messages of the reader for the user.
    """

    dataset: str
    root: Path
    split: str
    classes: list[str]
    videos: list[Checked]
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> list[Checked]:
        """The videos with a problem of ``kind``, a key of :data:`KINDS`."""
        return [v for v in self.videos if any(k == kind for k, _ in v.problems)]

    @property
    def found(self) -> list[Checked]:
        """The existing videos, readable or not."""
        return [v for v in self.videos if v.file]

    @property
    def empty_classes(self) -> list[str]:
        """Classes without an existing video."""
        filled = {v.class_name for v in self.found}
        return [c for c in self.classes if c not in filled]

    @property
    def fine(self) -> bool:
        """Whether nothing is missing, unreadable or unusable; there may be notes."""
        return not any(v.state in BAD for v in self.videos)

    def write(self, path: Path) -> None:
        """Write a CSV with a row per video, completely or not at all; columns are :data:`COLUMNS`."""
        write_csv(path, COLUMNS, (v.row() for v in self.videos))


def inspect_dataset(
    dataset: str,
    root: Path | None = None,
    split: str = "all",
    fold: int = 1,
    workers: int | None = None,
    progress: bool = True,
) -> Inspection:
    """Decode every video of a dataset and report problems of the copy.

    Args:
        dataset, root, fold: as in :func:`~benchmark_builder.datasets.read_dataset`. split: one split, or ``all``: every
        existing video, and every video in the split files of ``fold``. If no video of a split exists, this is only a
        note, since the user may not need the split. workers: processes; None for one per core. progress: show a
        progress bar.

    Raises:
        BenchError: the dataset is unknown, or ``root`` contains none of its videos.
    """
    root = dataset_root(dataset, root)
    listing = _whole(dataset, root, fold) if split == "all" else _read(dataset, root, split, fold)
    checked = [_missing(video_id, listing.classes) for video_id in listing.missing]
    checked += [_unusable(video) for video in listing.unusable]
    done = work(Checker(root), listing.videos, lambda video: video.id, workers or pool.default_workers(),
                title="inspect", progress=progress)  # fmt: skip
    checked += [result for _, result in done.made]
    checked += [not_checked(video, root, error) for video, error in done.failed]
    checked.sort(key=lambda v: v.id)
    notes = (*listing.notes, *filter(None, [done.log]))
    return Inspection(dataset, root, listing.split, listing.classes, checked, notes)


def table(found: Inspection) -> list[tuple[str, int, str]]:
    """An inspection as lines of (what, number of videos, the first of them or a list), for the screen."""
    empty = found.empty_classes
    lines = [
        ("classes with videos", len(found.classes) - len(empty), f"of {len(found.classes)}" + _without(empty)),
        ("found", len(found.found), ""),
    ]
    for kind, words in KINDS.items():
        videos = found.of(kind)
        if videos or kind in BAD:
            first = next((f"{v.file or v.id}: {v.words(kind)}" for v in videos), "")
            lines.append((words, len(videos), first))
    sizes = Counter(f"{v.width}x{v.height}" for v in found.videos if v.width)
    rates = Counter(f"{v.fps:g} fps" for v in found.videos if v.fps)
    for counts in (sizes, rates):
        lines += [(name, count, "") for name, count in counts.most_common(SHOWN)]
        if len(counts) > SHOWN:
            rest = counts.most_common()[SHOWN:]
            lines.append((f"{len(rest)} more", sum(count for _, count in rest), ", ".join(n for n, _ in rest[:SHOWN])))
    return lines


def _without(empty: Sequence[str]) -> str:
    if not empty:
        return ""
    return f"; without: {', '.join(map(shown, empty[:SHOWN]))}" + (", …" if len(empty) > SHOWN else "")


def _whole(dataset: str, root: Path, fold: int) -> Listing:
    """Every video that exists or is in a split's list. Missing videos are found only by reading the split."""
    listings: list[Listing] = []
    errors: dict[str, list[str]] = {}
    for split in ("all", *SPLITS):
        try:
            listings.append(_read(dataset, root, split, fold))
        except BenchError as error:
            errors.setdefault(str(error), []).append(split)
    if not listings:
        raise BenchError(next(iter(errors)))
    notes = [note for found in listings for note in found.notes]
    for words, splits in errors.items():
        if splits != ["all"] and not words.startswith("--split"):  # an unknown split needs no note
            notes.append(f"{', '.join(splits)} not checked for missing videos: {words.removesuffix(OR_ALL)}")
    videos = {v.id: v for found in reversed(listings) for v in found.videos}
    missing = {i for found in listings for i in found.missing} - videos.keys()
    unusable = {u.file: u for found in listings for u in found.unusable}
    for video in videos.values():  # a list may distinguish two files with the same name
        unusable.pop(told(video.path, root), None)
    ordered = sorted(videos.values(), key=lambda v: v.id)
    return Listing(
        ordered,
        listings[0].classes,
        "all",
        tuple(dict.fromkeys(notes)),
        tuple(sorted(missing)),
        tuple(unusable[file] for file in sorted(unusable)),
    )


def _read(dataset: str, root: Path, split: str, fold: int) -> Listing:
    """A split, also if all of its existing videos are unusable."""
    try:
        return read_dataset(dataset, root, split, fold)
    except NoVideos as error:
        if not error.listing.unusable:
            raise
        return error.listing


def _unusable(video: Unusable) -> Checked:
    return Checked(
        id=shown(video.id),
        file=video.file,
        label=video.label,
        class_name=video.class_name,
        problems=(("unusable", video.reason),),
    )


def _missing(video_id: str, classes: Sequence[str]) -> Checked:
    class_name = video_id.rpartition("/")[0]
    known = class_name in classes
    return Checked(
        id=video_id,
        label=classes.index(class_name) if known else None,
        class_name=class_name if known else "",
        problems=(("missing", "missing: it is in the split's list, but not in the folder"),),
    )
