"""How good stored masks look, without annotations: figures per video, and a sheet of the most doubtful videos.

Figures of one video, from its stored masks as they are; the motion of actor and camera is not compensated:

- ``share``: median over the frames with a mask of the share of the picture inside it, 0..1.
- ``neighbour_iou``: flicker. Mean IoU (intersection over union) of the masks of two neighbouring frames that both have
  one, 0..1; 1 means that nothing changes. Pairs across a camera cut do not count, if the cuts are known.
- ``worst_iou``, ``worst_frame``: the pair with the lowest IoU; the number, from 0, of its second frame.
- ``coverage``: share of all frames that have a mask, 0..1. A mask without any pixel is none.
- ``cuts``: camera cuts in the source video, found by :func:`benchmark_builder.masks.motion.camera.shots` on thumbnails.
- ``confidence``: the mask source's own, mean over the frames where it is known, 0..1.

A figure is None where it is unknown: cuts if the source video cannot be read, confidence if the mask source gives none.

``doubt`` sorts the videos, 0..1::

    doubt = 1 − coverage · neighbour_iou · size · confidence
    size  = min(1, share / 0.01, (1 − share) / 0.5)

``size`` is 1 for actors that fill between 1 % and 50 % of the picture. An unknown factor counts as 1, so doubt compares
videos of one mask source, not different sources.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark_builder.benchmark.masked import MaskedFolder, MaskedVideo, read_masked
from benchmark_builder.benchmark.sheets import check_pixels, frames_outlined, strip, write_sheet
from benchmark_builder.masks.base import mean_confidence
from benchmark_builder.masks.motion.camera import shots
from benchmark_builder.settings import MaskAuditSettings
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import write_csv
from benchmark_builder.utils.pictures import SHEETS, check_suffix
from benchmark_builder.utils.runner import work
from benchmark_builder.video.decode import read_frames

SMALL, LARGE = 0.01, 0.5  # shares of the picture between which the size of an actor raises no doubt
THUMBNAIL = (32, 24)  # width and height; the shot detector compares pictures of this size
FIGURES = ("doubt", "share", "neighbour_iou", "worst_iou", "coverage", "cuts", "confidence")
COLUMNS = [
    "id", "doubt", "share", "neighbour_iou", "worst_iou", "worst_frame", "coverage", "frames", "cuts", "confidence",
    "reason",
]  # fmt: skip


@dataclass(frozen=True)
class MaskFigures:
    """The figures of one video; see the module for what they mean.

    ``frames``: of the source video, or, if it cannot be read, up to the last mask. ``reason``: why cuts are unknown.
    """

    id: str
    frames: int
    share: float
    neighbour_iou: float | None
    worst_iou: float | None
    worst_frame: int | None
    coverage: float
    cuts: int | None
    confidence: float | None
    reason: str = ""

    @property
    def size(self) -> float:
        """The factor of :attr:`doubt` for the size of the actor, 0..1."""
        return min(1.0, self.share / SMALL, (1 - self.share) / LARGE)

    @property
    def doubt(self) -> float:
        """0 (none) to 1."""
        known = [1.0 if value is None else value for value in (self.neighbour_iou, self.confidence)]
        return 1 - self.coverage * self.size * known[0] * known[1]


@dataclass(frozen=True)
class MaskAudit:
    """What :func:`audit_masks` found.

    Attributes:
        masked: the folder.
        videos: figures, most doubtful first.
        failed: (id, reason) of videos whose masks cannot be read.
        log: where the tracebacks of unexpected errors are; empty without any.
    """

    masked: MaskedFolder
    videos: list[MaskFigures]
    failed: list[tuple[str, str]]
    log: str = ""

    @property
    def left_out(self) -> list[dict[str, str]]:
        """Entries of failures.csv: videos that have no masks, with the reason."""
        return [f for f in self.masked.failures if f["kind"] in ("left out", "failed")]

    def values(self, figure: str) -> np.ndarray:
        """The known values of a figure, one per video: float (N,)."""
        found = (getattr(video, figure) for video in self.videos)
        return np.array([value for value in found if value is not None], float)

    def worst(self, figure: str) -> MaskFigures | None:
        """The video whose value raises the most doubt: the highest doubt or number of cuts, the lowest other figure;
        for the share, the one that is least like an actor, then the smallest. None if the figure is known of none."""
        known = [video for video in self.videos if getattr(video, figure) is not None]
        if figure == "share":
            return min(known, key=lambda v: (v.size, v.share, v.id), default=None)
        sign = -1 if figure in ("doubt", "cuts") else 1
        return min(known, key=lambda v: (sign * getattr(v, figure), v.id), default=None)


@dataclass(frozen=True)
class MaskMeter:
    """Measures one video."""

    def make(self, video: MaskedVideo) -> MaskFigures:
        """Raises BenchError if its masks cannot be read."""
        track = video.track()
        starts, reason = None, video.why
        if video.source is not None:
            try:
                starts, length = find_shots(video.source)
            except BenchError as error:
                starts, reason = None, str(error)
        frames = max(len(track.covered), length if starts is not None else 0)
        first = set(starts or ())
        areas, pairs = list[float](), list[tuple[float, int]]()
        before: tuple[int, np.ndarray] | None = None
        for index in np.flatnonzero(track.covered).tolist():
            mask = track.mask(index)
            if not mask.any():
                continue
            areas.append(float(mask.mean()))
            if before is not None and before[0] == index - 1 and index not in first:
                pairs.append((iou(before[1], mask), index))
            before = index, mask
        worst = min(pairs, default=(None, None))
        return MaskFigures(
            id=video.id,
            frames=frames,
            share=float(np.median(areas)) if areas else 0.0,
            neighbour_iou=float(np.mean([value for value, _ in pairs])) if pairs else None,
            worst_iou=worst[0],
            worst_frame=worst[1],
            coverage=len(areas) / max(1, frames),
            cuts=None if starts is None else max(0, len(starts) - 1),
            confidence=mean_confidence(track.confidence),
            reason=reason,
        )


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks, bool (H, W), that are not both empty: 0..1."""
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


def find_shots(path: Path) -> tuple[list[int], int]:
    """The first frame of every shot of a video, from 0, and its number of frames. Raises BenchError as decoding."""
    small = (cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA) for frame in read_frames(path))
    starts, at = list[int](), 0
    for piece, fresh in shots(small):
        if fresh:
            starts.append(at)
        at += len(piece)
    return starts, at


def audit_masks(folder: Path, root: Path | None = None, workers: int = 1, progress: bool = False) -> MaskAudit:
    """Measure the stored masks of a SCUBA benchmark, or of a folder that `bench segment` wrote.

    Args:
        folder: its place.
        root: the dataset's folder, if it has moved. Without the source videos, camera cuts are unknown.
        workers: processes.
        progress: show a progress bar.

    Raises:
        BenchError: the folder is neither, has no masks, or none of its masks can be read.
    """
    masked = read_masked(folder, root)
    done = work(MaskMeter(), masked.videos, lambda v: v.id, workers, title="audit masks", progress=progress)
    failed = [(v.id, f"crashed: {why}" if isinstance(why, Crashed) else str(why)) for v, why in done.failed]
    if not done.made:
        first = f": {failed[0][0]}: {failed[0][1]}" if failed else ""
        raise BenchError(f"{folder}: has no masks that can be read{first}")
    videos = sorted((found for _, found in done.made), key=lambda v: (-v.doubt, v.id))
    return MaskAudit(masked, videos, sorted(failed), done.log)


def table_rows(audit: MaskAudit) -> list[dict[str, Any]]:
    """Rows of the table, most doubtful first; unknown figures are empty."""
    rows = []
    for video in audit.videos:
        row = {**asdict(video), "doubt": video.doubt}
        rows.append({k: round(v, 4) if isinstance(v, float) else "" if v is None else v for k, v in row.items()})
    return rows


def write_table(out: Path, audit: MaskAudit) -> None:
    """Write the figures as csv, one row per video, most doubtful first; columns are :data:`COLUMNS`."""
    write_csv(out, COLUMNS, table_rows(audit))


def draw_sheet(audit: MaskAudit, out: Path, **settings: Any) -> Path:
    """Draw the most doubtful videos: a title with the figures, then a few frames with the outline of the mask.

    Frames are spread over the covered ones; the one with the lowest IoU to its neighbour is always among them. Without
    the source video, the mask is drawn on grey.

    Args:
        audit: what :func:`audit_masks` returns.
        out: the picture, PNG or JPEG by its suffix.
        settings: ``videos``, ``columns`` and ``height`` of :class:`~benchmark_builder.settings.MaskAuditSettings`.

    Raises:
        BenchError: a wrong setting, another suffix, or the sheet is too large.
    """
    s = MaskAuditSettings(sheet=out, **settings)
    check_suffix(out, SHEETS, "--sheet")
    known = {video.id: video for video in audit.masked.videos}
    shown = audit.videos[: s.videos]
    check_pixels(s.height, [known[v.id].track().size for v in shown], s.columns)
    return write_sheet(out, [strip(_title(v), _pictures(known[v.id], v, s.columns, s.height)) for v in shown])


def _title(video: MaskFigures) -> str:
    def said(name: str, value: float | None, places: int = 2) -> str:
        return f"{name} {'?' if value is None else f'{value:.{places}f}'}"

    parts = (
        said("doubt", video.doubt),
        said("share", video.share, 3),
        said("IoU", video.neighbour_iou),
        said("coverage", video.coverage),
        said("cuts", video.cuts, 0),
        said("confidence", video.confidence),
    )
    return f"{video.id}   {'  '.join(parts)}"


def _pictures(video: MaskedVideo, found: MaskFigures, columns: int, height: int) -> list[tuple[str, np.ndarray]]:
    """Numbers of frames, and the frames with the outline of their mask: uint8 (height, W, 3) RGB."""
    return frames_outlined(video, chosen_frames(video.track().covered, columns, found.worst_frame), height)


def chosen_frames(covered: np.ndarray, count: int, worst: int | None = None) -> list[int]:
    """Up to ``count`` frames, spread over the covered ones, in order; ``worst`` replaces the nearest of them."""
    frames = np.flatnonzero(covered)
    picks: list[int] = frames[np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)].tolist()
    if worst is not None and picks and worst not in picks:
        picks[min(range(len(picks)), key=lambda k: abs(picks[k] - worst))] = worst
    return picks


def summary(audit: MaskAudit) -> Sequence[tuple[str, float, float, float, MaskFigures]]:
    """For every figure that is known: its name, lower quartile, median, upper quartile, and the worst video."""
    lines = []
    for figure in FIGURES:
        values, worst = audit.values(figure), audit.worst(figure)
        if worst is not None:
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
            lines.append((figure, low, middle, high, worst))
    return lines
