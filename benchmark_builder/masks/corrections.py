"""Manual corrections of masks: single frames replaced, masks that are not used, videos left out.

``--corrections`` takes csv files and folders:

- FILE.csv with the columns ``id`` and ``verdict`` (``keep``, ``leave out`` or empty), and, if there are any, ``frames``
  (frames whose mask is wrong and is not used, such as ``3 7-9``) and ``reason``. Other columns are ignored, so a table
  of ``bench segment --review`` can be filled in and given.
- FOLDER/ID/00012.png: the corrected mask of frame 12, as in the mask source ``folder``; only corrected frames are
  there. An empty mask says that there is no actor on the frame.

A frame whose mask is not used counts as one without a mask, unless a folder has another one for it. A video that is
left out stays so, whatever else is corrected in it.
"""

import hashlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError

from benchmark_builder.masks.base import MaskSource, MaskTrack, confidence_of, correction_of, reads_of
from benchmark_builder.masks.folder import PictureTrack
from benchmark_builder.settings import CorrectionSettings
from benchmark_builder.utils.errors import BenchError, LeftOut
from benchmark_builder.utils.files import inside, sha256_file
from benchmark_builder.utils.folders import PICTURE_SUFFIXES, files_below, series
from benchmark_builder.utils.records import Record, Says, Text, wrong
from benchmark_builder.utils.text import composed, counted, letters, read_table, shown
from benchmark_builder.video.decode import VideoInfo, coded_length, png_size, probe
from benchmark_builder.video.record import Video
from benchmark_builder.video.selection import count_frames, indices, ranges

FIX = "fix it and run the same command again"
MOST_FRAMES = 1_000_000  # of a video whose length is unknown
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def _are_ranges(value: object) -> bool:
    try:
        return isinstance(value, str) and count_frames(value) >= 0
    except ValueError:
        return False


Count = Annotated[int, Field(ge=0), Says("a whole number from 0")]
Ranges = Annotated[str, Says("ranges of frames, such as 3-5 9-9", _are_ranges)]


class CorrectedVideo(Record):
    """What was corrected in one video: a digest of everything, and ranges of frames from 0.

    ``frames``: frames with another mask; ``removed``: frames whose mask is not used.
    """

    sha256: Text
    frames: Ranges = ""
    removed: Ranges = ""
    left_out: Annotated[str | None, Says("text")] = None  # the reason


class CorrectionsRecord(Record):
    """What protocol.json and segment.json say of corrections.

    Attributes:
        files: names of the csv files and folders, with their SHA-256.
        frames, removed: how many masks were replaced; how many were not used and not replaced.
        left_out: ids of videos that were left out.
        videos: id -> what was corrected.
    """

    files: dict[str, str] = Field(default_factory=dict[str, str])
    frames: Count = 0
    removed: Count = 0
    left_out: list[str] = Field(default_factory=list[str])
    videos: dict[str, CorrectedVideo] = Field(default_factory=dict[str, CorrectedVideo])

    @classmethod
    def read(cls, document: object, path: Path, fix: str) -> Self:
        """The record that a file holds. Raises BenchError, which names the file, if it is none."""
        if not isinstance(document, dict):
            raise BenchError(f"{path}: corrections are not a table; {fix}")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise BenchError(f"{path}: corrections: {wrong(error)}; {fix}") from None

    @property
    def digests(self) -> dict[str, str]:
        """id -> the digest of its corrections."""
        return {name: video.sha256 for name, video in self.videos.items()}


def corrections_record(files: Mapping[str, str], videos: Mapping[str, CorrectedVideo]) -> CorrectionsRecord:
    """The record of corrections, with their counts."""
    kept = [video for video in videos.values() if video.left_out is None]
    return CorrectionsRecord(
        files=dict(sorted(files.items())),
        frames=sum(count_frames(video.frames) for video in kept),
        removed=sum(count_frames(video.removed) for video in kept),
        left_out=sorted(name for name, video in videos.items() if video.left_out is not None),
        videos=dict(sorted(videos.items())),
    )


def joined(records: Sequence[CorrectionsRecord]) -> CorrectionsRecord:
    """The record of several parts of a dataset; the later one is right where two name the same video."""
    files, videos = dict[str, str](), dict[str, CorrectedVideo]()
    for record in records:
        files |= record.files
        videos |= record.videos
    return corrections_record(files, videos)


def updated(before: CorrectionsRecord | None, now: CorrectionsRecord | None, asked: Collection[str], out: Path) -> Any:
    """The record of a folder after a run: of the videos that the run was asked for, what it was given; of others, what
    was there. None if there are no corrections.

    Raises:
        BenchError: the folder was made with corrections, and the run has none.
    """
    if now is None:
        if before is None or not before.videos:
            return None
        raise BenchError(
            f"{out}: was made with --corrections ({counted(before.frames, 'mask')} replaced, "
            f"{counted(len(before.left_out), 'video')} left "
            "out); give them again, a csv with only the columns id,verdict to take them back, or another --out"
        )
    videos = {} if before is None else {k: v for k, v in before.videos.items() if k not in asked}
    return corrections_record(now.files, videos | {k: v for k, v in now.videos.items() if k in asked})


@dataclass(frozen=True)
class Correction:
    """What is corrected in one video.

    Attributes:
        files: frame, from 0 -> PNG of its mask.
        removed: frames whose mask is not used, without those in ``files``.
        left_out: the reason why the video is left out; None if it is not.
        sha256: digest of all this, of the PNGs their content.
    """

    files: Mapping[int, Path]
    removed: frozenset[int]
    left_out: str | None
    sha256: str

    def record(self) -> CorrectedVideo:
        said: dict[str, Any] = {"sha256": self.sha256}
        if self.files:
            said["frames"] = ranges(sorted(self.files))
        if self.removed:
            said["removed"] = ranges(sorted(self.removed))
        if self.left_out is not None:
            said["left_out"] = self.left_out
        return CorrectedVideo(**said)


@dataclass(frozen=True)
class Corrections:
    """Corrections of a dataset's videos: ``videos`` by id; ``files``: what was read, with its SHA-256."""

    videos: Mapping[str, Correction]
    files: Mapping[str, str]

    def record(self) -> CorrectionsRecord:
        return corrections_record(self.files, {name: found.record() for name, found in self.videos.items()})


class CorrectedTrack:
    """The masks of a video with its corrections.

    Attributes:
        covered: bool (T,).
        confidence: float32 (T,), the source's, nan on frames that were corrected; None if the source gives none.
    """

    def __init__(self, track: MaskTrack | None, correction: Correction, height: int, width: int) -> None:
        """track: the source's; None if it has none for the video."""
        self._track, self._files = track, correction.files
        self._pictures = PictureTrack(dict(correction.files), height, width) if correction.files else None
        length = 0 if track is None else len(track.covered)
        self.covered = np.zeros(max(length, max(correction.files, default=-1) + 1), bool)
        if track is not None:
            self.covered[:length] = track.covered
        changed = sorted(correction.removed | correction.files.keys())
        self.covered[[k for k in changed if k < len(self.covered)]] = False
        self.covered[list(correction.files)] = True
        sure = None if track is None else confidence_of(track)
        if sure is not None:
            sure = np.concatenate([sure, np.full(max(0, len(self.covered) - len(sure)), np.nan, np.float32)])
            sure[[k for k in changed if k < len(sure)]] = np.nan
        self.confidence = sure

    def mask(self, index: int) -> np.ndarray:
        """Mask of covered frame ``index``: bool (H, W)."""
        if index in self._files:
            assert self._pictures is not None
            return self._pictures.mask(index)
        assert self._track is not None
        return self._track.mask(index)


class CorrectedMasks:
    """A mask source with manual corrections."""

    def __init__(self, source: MaskSource, corrections: Corrections) -> None:
        self.source, self._videos = source, corrections.videos

    def track(self, video: Video, height: int, width: int) -> MaskTrack:
        """The corrected masks.

        Raises:
            LeftOut: the video is left out by hand, or the source leaves it out and no frame has a corrected mask.
            BenchError: the masks cannot be used.
        """
        correction = self._videos.get(video.id)
        if correction is None:
            return self.source.track(video, height, width)
        if correction.left_out is not None:
            raise LeftOut(correction.left_out)
        try:
            track = self.source.track(video, height, width)
        except LeftOut:
            if not correction.files:
                raise
            track = None
        found = CorrectedTrack(track, correction, height, width)
        if not found.covered.any():
            raise LeftOut(f"--corrections: no frame of {video.id} has a mask that is used")
        return found

    def reads(self, video: Video) -> list[Path] | None:
        """The files that the source reads; corrections count by :meth:`correction`."""
        return reads_of(self.source, video)

    def correction(self, video_id: str) -> str:
        """A digest of the corrections of a video, also those of the source; "" for none."""
        own, inner = self._videos.get(video_id), correction_of(self.source, video_id)
        return _both(inner, "" if own is None else own.sha256)

    def describe(self) -> dict[str, object]:
        """The description of the source."""
        return self.source.describe()


def _both(one: str, other: str) -> str:
    """The digest of two corrections, one after the other; "" stands for none."""
    return hashlib.sha256(f"{one} {other}".encode()).hexdigest() if one and other else one or other


def corrected(
    source: MaskSource,
    paths: Sequence[Path | str],
    numbering: str,
    videos: Sequence[Video],
    others: Callable[[], Collection[str]],
    say: Callable[[str], None],
) -> tuple[MaskSource, CorrectionsRecord | None]:
    """A source with the user's corrections, and their record; the source itself, and the record of the corrections that
    its masks were stored with, if there are no paths.

    Args:
        source: the mask source.
        paths, numbering: as ``corrections`` and ``correction_numbering`` of
            :class:`~benchmark_builder.settings.CorrectionSettings`.
        videos: those of the split.
        others: gives ids of the dataset's other videos; called only if an id is not in ``videos``.
        say: prints a line for the user.

    Raises:
        BenchError: as :func:`read_corrections`.
    """
    settings = CorrectionSettings(corrections=tuple(paths), correction_numbering=numbering)  # type: ignore[arg-type]
    before = getattr(source, "corrections", None)  # of stored masks
    if not settings.corrections:
        return source, before
    found = read_corrections(settings, videos, others, say)
    record = found.record()
    say(
        f"corrections: {counted(record.frames, 'mask')} replaced, {record.removed} not used, "
        f"{counted(len(record.left_out), 'video')} "
        f"left out (frame numbers start at {settings.correction_numbering})"
    )
    if before is not None:
        both = dict(before.videos)
        for name, video in record.videos.items():
            one = before.videos.get(name)
            both[name] = video if one is None else _after(one, video)
        record = corrections_record(before.files | record.files, both)
    return CorrectedMasks(source, found), record


def _after(one: CorrectedVideo, other: CorrectedVideo) -> CorrectedVideo:
    """The record of a video that was corrected twice."""
    replaced, removed = set(indices(other.frames)), set(indices(other.removed))
    said: dict[str, Any] = {
        "sha256": _both(one.sha256, other.sha256),
        "frames": ranges(sorted((set(indices(one.frames)) - removed) | replaced)),
        "removed": ranges(sorted((set(indices(one.removed)) - replaced) | removed)),
        "left_out": one.left_out if other.left_out is None else other.left_out,
    }
    return CorrectedVideo(**{k: v for k, v in said.items() if v not in ("", None)})


# Reading what the user gives.


@dataclass
class _Reading:
    """What was read so far, and what is wrong with it."""

    videos: Mapping[str, Video]
    others: Callable[[], Collection[str]]
    first: int  # number of the first frame
    problems: list[str] = field(default_factory=list)
    files: dict[str, dict[int, Path]] = field(default_factory=lambda: defaultdict(dict))
    removed: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    verdicts: dict[str, tuple[Path, str, str]] = field(default_factory=dict)  # file, verdict, reason
    infos: dict[str, VideoInfo | None] = field(default_factory=dict)
    lengths: dict[str, int | None] = field(default_factory=dict)

    def id_of(self, name: str) -> str | None:
        """The id of a video named by its id, or by the last part of it if no other video has the same; else None."""
        return self._in_split.get(name) or self._in_dataset.get(name)

    @cached_property
    def _in_split(self) -> dict[str, str]:
        return _names_of(self.videos)

    @cached_property
    def _in_dataset(self) -> dict[str, str]:
        return _names_of(self.others())

    def length(self, video_id: str) -> int | None:
        """Number of frames of a video; None if it is unknown."""
        info = self._info(video_id)
        if info is not None and video_id not in self.lengths:  # some headers do not say it
            self.lengths[video_id] = info.frames or coded_length(self.videos[video_id].path) or None
        return self.lengths.get(video_id)

    def size(self, video_id: str) -> tuple[int, int] | None:
        """(height, width) of a video; None if it is unknown."""
        info = self._info(video_id)
        return (info.height, info.width) if info else None

    def _info(self, video_id: str) -> VideoInfo | None:
        if video_id not in self.infos and video_id in self.videos:  # those of another split are checked with that split
            self.infos[video_id] = None
            with suppress(BenchError):  # the video itself is the failure, which is reported when its turn comes
                self.infos[video_id] = probe(self.videos[video_id].path)
        return self.infos.get(video_id)


def _names_of(ids: Iterable[str]) -> dict[str, str]:
    """The id for every id, and for the last part of ids where only one has it."""
    found, twice = dict[str, str](), set[str]()
    for one in ids:
        name = PurePosixPath(one).name
        if found.setdefault(name, one) != one:
            twice.add(name)
    return {name: one for name, one in found.items() if name not in twice} | {one: one for one in ids}


def read_corrections(
    settings: CorrectionSettings,
    videos: Sequence[Video],
    others: Callable[[], Collection[str]],
    say: Callable[[str], None],
) -> Corrections:
    """Read csv files and folders of corrections, and check them against the dataset.

    Args:
        settings: the paths and the numbering of frames.
        videos: those of the split; frame numbers and sizes are checked against them.
        others: gives ids of the dataset's other videos.
        say: prints a line per problem if there are many.

    Raises:
        BenchError: a file is missing or cannot be read; or ids, verdicts, frame numbers or sizes of masks are wrong.
            All problems are listed.
    """
    by_id = {video.id: video for video in videos}
    reading = _Reading(by_id, others, int(settings.correction_numbering))
    digests: dict[str, str] = {}
    for path in settings.corrections:
        if path.is_dir():
            _read_folder(path, reading)
        elif path.suffix.lower() == ".csv":
            _read_table(path, reading)
            digests[_free(path, digests)] = sha256_file(path)
        else:
            problem = "is neither a folder nor a .csv file" if path.exists() else "no such file or folder"
            raise BenchError(f"--corrections {path}: {problem}; give FILE.csv, or a FOLDER with ID/00012.png")
    _check_frames(reading)
    if reading.problems:
        raise _all_listed(reading.problems, say)
    found = {name: _correction(name, reading) for name in {*reading.files, *reading.removed, *reading.verdicts}}
    found = {name: one for name, one in found.items() if one.files or one.removed or one.left_out is not None}
    for path in settings.corrections:
        if path.is_dir():
            own = [(name, k, f) for name, one in found.items() for k, f in one.files.items() if f.is_relative_to(path)]
            lines = (f"{name} {k} {sha256_file(file)}\n" for name, k, file in sorted(own))
            digests[_free(path, digests)] = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Corrections(dict(sorted(found.items())), digests)


def _free(path: Path, taken: Collection[str]) -> str:
    """The name of a file or folder in the record; numbered if another one has the same."""
    name = shown(path.resolve().name)
    return next(n for k in itertools.count(1) if (n := f"{name} ({k})" if k > 1 else name) not in taken)


def _all_listed(problems: Sequence[str], say: Callable[[str], None]) -> BenchError:
    """The error for all problems; what one line cannot hold is printed."""
    if len(problems) == 1:
        return BenchError(f"{problems[0]}; {FIX}")
    text = "; ".join(problems)
    if len(text) < 1200:
        return BenchError(f"--corrections: {len(problems)} problems: {text}; {FIX}")
    for problem in problems:
        say(problem)
    return BenchError(f"--corrections: {len(problems)} problems, listed above; the first: {problems[0]}; {FIX}")


def _correction(name: str, reading: _Reading) -> Correction:
    files = reading.files.get(name, {})
    removed = frozenset(reading.removed.get(name, ())) - files.keys()
    path, verdict, reason = reading.verdicts.get(name, (Path(), "", ""))
    left_out = None
    if verdict == "leave out":
        left_out = f"left out by hand in {shown(path.name)}" + (f": {reason}" if reason else "")
    content = {
        "files": {str(k): sha256_file(file) for k, file in sorted(files.items())},
        "removed": sorted(removed),
        "left_out": left_out,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Correction(dict(sorted(files.items())), removed, left_out, digest)


VERDICTS = {"": "", "keep": "keep", "leaveout": "leave out"}  # by their letters


def _read_table(path: Path, reading: _Reading) -> None:
    what, fix = "table of corrections", "give a csv with the columns id and verdict, as `bench segment --review` writes"
    names, rows = read_table(path, what, fix)
    for needed in ("id", "verdict"):
        if names.count(needed) != 1:
            raise BenchError(f"{path}: has no column {needed!r}; {fix}" if needed not in names else
                             f"{path}: has the column {needed!r} twice; {fix}")  # fmt: skip
    seen: dict[str, int] = {}
    for number, cells in enumerate(rows, 2):
        where = f"{path}, row {number}"
        if len(cells) != len(names):
            reading.problems.append(f"{where}: {len(cells)} cells instead of {len(names)}")
            continue
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
        name, verdict = composed(row["id"]), VERDICTS.get(letters(row["verdict"]))
        video_id = reading.id_of(name) if name else None
        if video_id is None:
            reading.problems.append(f"{where}: {shown(name)!r} is no video of the dataset")
            continue
        where = f"{where} ({shown(video_id)})"
        if video_id in seen:
            reading.problems.append(f"{where}: is in row {seen[video_id]}, too")
            continue
        seen[video_id] = number
        if verdict is None:
            reading.problems.append(f"{where}: verdict is {shown(row['verdict'])!r}; write keep or leave out")
            continue
        other = reading.verdicts.get(video_id)
        if verdict:
            if other is not None and other[1] != verdict:
                reading.problems.append(f"{where}: verdict is {verdict!r}, but {other[1]!r} in {other[0]}")
            reading.verdicts[video_id] = path, verdict, " ".join(shown(row.get("reason", "")).split())
        frames = _parsed(row.get("frames", ""))
        if frames is None:
            reading.problems.append(f"{where}: frames is {shown(row['frames'])!r}; write numbers such as 3 7-9")
        elif frames:
            if said := _wrong_numbers(frames, video_id, reading):
                reading.problems.append(f"{where}: {said}")
                continue
            reading.removed[video_id] |= {k - reading.first for low, high in frames for k in range(low, high + 1)}


def _parsed(text: str) -> list[tuple[int, int]] | None:
    """Numbers in a text such as ``3 7-9`` or ``3, 7-9`` as inclusive ranges; None if it is no such text."""
    found = []
    for part in filter(None, re.split(r"[,;\s]+", re.sub(r"\s*-\s*", "-", text.strip()))):
        match = _RANGE.fullmatch(part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            return None
        found.append((int(match[1]), int(match[2] or match[1])))
    return found


def _wrong_numbers(numbers: Collection[tuple[int, int]], video_id: str, reading: _Reading) -> str:
    """What is wrong with ranges of frames as the user counts them; "" if nothing is."""
    length, first = reading.length(video_id), reading.first
    last = (MOST_FRAMES if length is None else length) - 1 + first
    wrong = [f"{low}-{high}" if low < high else f"{low}" for low, high in numbers if low < first or high > last]
    if not wrong:
        return ""
    said = f"has no frame {', '.join(wrong[:5])}{' …' if len(wrong) > 5 else ''}; its frames are {first} to {last}"
    off = first == 0 and max(high for _, high in numbers) == last + 1
    return said + (" (if your numbers start at 1, give --correction-numbering 1)" if off else "")


def _read_folder(folder: Path, reading: _Reading) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in files_below(folder, PICTURE_SUFFIXES):
        name = path.relative_to(folder)
        if path.suffix.lower() != ".png":
            reading.problems.append(f"{path}: is no PNG; write corrected masks as PNG")
        elif name.parent == Path():
            reading.problems.append(f"{path}: is in no folder of a video; put it into {folder}/ID/")
        else:
            groups[name.parent.as_posix()].append(name.name)
    if not groups and not reading.problems:
        reading.problems.append(f"{folder}: contains no corrected masks; they are named ID/00012.png")
    for place, names in groups.items():
        video_id = reading.id_of(composed(place))
        if video_id is None:
            reading.problems.append(f"{folder / place}: {shown(place)!r} is no video of the dataset")
            continue
        try:
            pictures = series(names, folder / place)
            files = {number: inside(folder, f"{place}/{name}") for number, name in pictures}
        except BenchError as error:
            reading.problems.append(str(error))
            continue
        for number, file in files.items():
            if number is None:
                reading.problems.append(f"{file}: its name has no frame number; name corrected masks like 00012.png")
                continue
            if said := _wrong_numbers([(number, number)], video_id, reading):
                reading.problems.append(f"{file}: {shown(video_id)} {said}")
                continue
            other = reading.files[video_id].setdefault(number - reading.first, file)
            if other != file:
                reading.problems.append(f"{file}: {other} is a mask of the same frame; keep one of them")


def _check_frames(reading: _Reading) -> None:
    """Check the sizes of corrected masks, from their headers."""
    for video_id, files in reading.files.items():
        size = reading.size(video_id)
        for file in files.values():
            try:
                with open(file, "rb") as handle:
                    found = png_size(handle.read(32))
            except (OSError, ValueError):
                reading.problems.append(f"{file}: is not a readable PNG (mask of {shown(video_id)}); write it again")
                continue
            if size is not None and found != size:
                reading.problems.append(
                    f"{file}: mask is {found[1]}x{found[0]}, the video {shown(video_id)} is {size[1]}x{size[0]}"
                )
