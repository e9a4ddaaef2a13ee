"""Finds problems of one video file or folder of frames: it is decoded completely and compared with its header."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import entries, series
from benchmark_builder.utils.text import counted
from benchmark_builder.video.decode import coded_length, probe, scan_frames
from benchmark_builder.video.record import Video
from benchmark_builder.video.streams import variable_rate

COLUMNS = [
    "id", "file", "label", "class", "frames_decoded", "frames_header", "fps", "width", "height", "rotation",
    "variable_rate", "state", "problem",
]  # fmt: skip
BAD = ("missing", "unreadable", "unusable")  # problems that make a copy unusable; all others are notes
KINDS = {
    "missing": "missing",
    "unreadable": "unreadable, or incomplete",
    "unusable": "with a name that cannot be used",
    "damaged": "damaged frames",
    "count": "frame count differs from the header",
    "gap": "frames missing in between",
    "rotated": "rotated or mirrored",
    "variable rate": "variable frame rate",
    "no times": "frames without times",
    "odd size": "odd width or height",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of checking one video. None and "" for unknown values.

    Attributes:
        id, label, class_name: from the dataset's reader. file: relative to the dataset's folder; "" if it is missing.
        frames_decoded: number of decoded frames. frames_header: number of frames according to the file. fps: frames per
            second, as used in a build. width, height: of the upright picture. rotation: rotation specified by the file,
            in degrees counter-clockwise. variable_rate: whether the time steps between frames are uneven; None also if
            frames are damaged or lost. state: ``ok``, ``note`` (unusual, but a build can use it), ``missing``,
            ``unreadable`` or ``unusable`` (because of its name; it is not decoded).
        problems: the problems found, as (kind, words); kinds are the keys of :data:`KINDS`.
    """

    id: str
    file: str = ""
    label: int | None = None
    class_name: str = ""
    frames_decoded: int | None = None
    frames_header: int | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    rotation: int | None = None
    variable_rate: bool | None = None
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def state(self) -> str:
        kinds = {kind for kind, _ in self.problems}
        return next((bad for bad in BAD if bad in kinds), "note" if kinds else "ok")

    def words(self, kind: str) -> str:
        """The problems of ``kind``."""
        return "; ".join(words for k, words in self.problems if k == kind)

    def row(self) -> dict[str, str]:
        """The video's line of the CSV; keys are :data:`COLUMNS`."""
        problem = "; ".join(words for _, words in self.problems)
        values: dict[str, Any] = {n: getattr(self, n) for n in COLUMNS if n not in ("class", "problem")}
        return {k: _text(v) for k, v in {**values, "class": self.class_name, "problem": problem}.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _known(video: Video, root: Path) -> dict[str, Any]:
    """The facts known before a video is opened, as fields of :class:`Checked`."""
    file = (video.path.relative_to(root) if video.path.is_relative_to(root) else video.path).as_posix()
    return {"id": video.id, "file": file, "label": video.label, "class_name": video.class_name}


def not_checked(video: Video, root: Path, error: BenchError) -> Checked:
    """The record of a video whose check itself failed: a video that crashes the decoder is unreadable."""
    return Checked(
        **_known(video, root), frames_decoded=0, problems=(("unreadable", f"could not be checked: {error}"),)
    )


@dataclass(frozen=True)
class Checker:
    """Checks one video. ``root``: file names are relative to this folder."""

    root: Path

    def make(self, video: Video) -> Checked:
        """Decode the whole video; never raises, even for a badly damaged one."""
        known = _known(video, self.root)
        try:
            info = probe(video.path)
        except (BenchError, OSError) as error:
            return Checked(**known, frames_decoded=0, problems=(("unreadable", _words(video, error)),))
        problems: list[tuple[str, str]] = []
        times: list[int | None] = []
        damaged = 0
        try:
            for frame in scan_frames(video.path):
                times.append(frame.time)
                damaged += frame.damaged
        except (BenchError, OSError) as error:
            problems.append(("unreadable", _words(video, error)))
        if not problems:
            problems += _count(video.path, len(times), info.frames)
        if damaged:
            problems.append(("damaged", f"{damaged} damaged frames"))
        if video.path.is_dir():
            problems += _gaps(video.path)
        if info.turning:
            problems.append(("rotated", f"{info.turning}, as the file specifies"))
        broken = {kind for kind, _ in problems} & {"unreadable", "damaged"}
        uneven = None if broken else variable_rate(times)  # lost frames cause uneven steps
        if uneven:
            problems.append(("variable rate", f"variable frame rate; a build uses the mean, {info.fps:g} fps"))
        if times and all(time is None for time in times):
            problems.append(("no times", f"its frames have no times; a build uses {info.fps:g} fps"))
        if info.width % 2 or info.height % 2:
            problems.append(("odd size", f"odd size {info.width}x{info.height}; a build uses 4:4:4"))
        return Checked(
            **known,
            frames_decoded=len(times),
            frames_header=info.frames or None,
            fps=round(info.fps, 6),
            width=info.width,
            height=info.height,
            rotation=info.rotation,
            variable_rate=uneven,
            problems=tuple(problems),
        )


def _words(video: Video, error: Exception) -> str:
    """The error in one line, without the path, which has its own column."""
    return " ".join(str(error).removeprefix(f"{video.path}: ").replace(f"{video.path}/", "").split())


def _count(path: Path, decoded: int, header: int) -> list[tuple[str, str]]:
    """Compares header and decoder.

    A difference alone is harmless: edit lists hide frames. Packed AVIs, like most of HMDB51's, contain one empty packet
    that the header counts; this is not reported. A file with less than nine tenths of the frames in its header was
    truncated.
    """
    if not header or decoded == header:
        return []
    coded = coded_length(path) if decoded < header else decoded
    if path.suffix.lower() == ".avi" and coded == header == decoded + 1:
        return []
    if coded < 0.9 * header:
        return [("unreadable", f"incomplete: {decoded} of the header's {counted(header, 'frame')}; replace the file")]
    return [("count", f"{counted(decoded, 'frame')}, but its header says {header}")]


def _gaps(folder: Path) -> list[tuple[str, str]]:
    """Missing pictures, by the numbers at the end of the names."""
    numbers = [number or 0 for number, _ in series((p.name for p in entries(folder)), folder)]
    lost = numbers[-1] - numbers[0] + 1 - len(numbers)
    return [("gap", f"{counted(lost, 'frame is', 'frames are')} missing in between")] if lost > 0 else []
