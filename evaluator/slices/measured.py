"""Attributes measured from the benchmarks themselves: area of the mask, number of actors, motion of the camera."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row
from benchmark_builder.masks.motion.camera import background_motion
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.selection import indices
from evaluator.slices.attributes import Attribute, Segment
from evaluator.slices.numbers import by_quantile
from evaluator.slices.table import Request

FRAMES = 16  # of a video that are looked at, evenly in time
SMALLEST = 0.05  # a part of a mask smaller than this share of its largest part is no actor of its own
APART = 4  # frames, between the two that are compared for the motion of the camera
WIDTH = 320  # pixels; camera motion is measured on frames of at most this width


def mask_area(request: Request) -> list[Attribute]:
    """``mask-area``: the mean share of the picture inside the mask, percent, as the manifests say; quantile groups.

    Raises:
        BenchError: no benchmark has masks, or a word follows the name.
    """
    _no_argument(request)
    found: dict[str, list[float]] = {}
    for s in request.sets:
        for item in s.items if s.benchmark else ():
            coverage = s.benchmark.by_id[item.id].mask_coverage if s.benchmark else None
            if coverage is not None:
                found.setdefault(item.source_id, []).append(100 * coverage)
    numbers = {video_id: float(np.mean(values)) for video_id, values in found.items()}
    if not numbers:
        raise BenchError(f"--slices {request.word}: no benchmark says how large its masks are; name a SCUBA benchmark")
    return [by_quantile("mask area", numbers, "manifests", _digest(numbers), request, " %")]


def actors(request: Request) -> list[Attribute]:
    """``actors``: separate parts of the SCUBA benchmarks' masks: the median over up to 16 frames with a mask.

    Actors that touch or hide each other count as one, and an actor in two parts as two, if the smaller part has at
    least 5 % of the area of the largest.

    Raises:
        BenchError: no benchmark has stored masks, or a word follows the name.
    """
    _no_argument(request)
    rows: dict[str, Callable[[], float]] = {}
    for s in request.sets:
        for item in s.items if s.benchmark else ():
            row = s.benchmark.by_id[item.id] if s.benchmark else None
            if row is not None and row.mask_file and s.benchmark:
                rows.setdefault(item.source_id, partial(_actors, s.benchmark, row))
    if not rows:
        raise BenchError(f"--slices {request.word}: no benchmark has masks; name a SCUBA benchmark")
    counts, unusable = _each(rows)
    segments = {i: (Segment("3 or more" if n >= 3 else f"{n:.0f}"),) for i, n in counts.items()}
    attribute = Attribute("actors", segments, "masks of SCUBA", _digest(counts), unusable=unusable)
    return [attribute]


def camera_motion(request: Request) -> list[Attribute]:
    """``camera-motion``: how far the background moves per frame, percent of the frame's width; quantile groups.

    The motion of the background is estimated in 16 to 31 pairs of frames of the source video, as the mask source
    ``motion`` does; the figure is the median over the pairs of the mean displacement of the four corners.

    Raises:
        BenchError: no source video is on this machine, or a word follows the name.
    """
    _no_argument(request)
    places: dict[str, Callable[[], float]] = {}
    for s in request.sets:
        for item in s.items:
            if s.benchmark is None:
                places.setdefault(item.source_id, partial(camera_speed, item.path))
            elif s.benchmark.by_id[item.id].source_file:
                row = s.benchmark.by_id[item.id]
                places.setdefault(item.source_id, partial(_source_speed, s.benchmark, row))
    numbers, unusable = _each(places)
    if not numbers:
        first = f"; the first: {unusable[0][1]}" if unusable else ""
        raise BenchError(f"--slices {request.word}: no source video can be read{first}; give the dataset with --root")
    made = by_quantile("camera motion", numbers, "source videos", _digest(numbers), request, " % per frame", unusable)
    return [made]


def _source_speed(benchmark: Benchmark, row: Row) -> float:
    return camera_speed(benchmark.source(row))


def camera_speed(path: Path, pairs: int = FRAMES) -> float:
    """How far the background moves per frame, percent of the frame's width.

    Frames that are four apart are compared, since a slow camera moves less than a pixel between neighbours; the figure
    is the median over at least ``pairs`` such pairs, evenly in time (fewer than twice as many; all of a shorter video).

    Raises:
        BenchError: the video is damaged or has one frame.
    """
    chosen: list[tuple[int, np.ndarray, np.ndarray]] = []  # index of the first frame, and both frames
    waiting: dict[int, np.ndarray] = {}
    step, index, grey = 1, 0, np.zeros((0, 0), np.uint8)
    for index, frame in enumerate(read_frames(path)):  # the length is not known before, and may not fit in memory
        first = waiting.pop(index - APART, None)
        if first is None and index % step:
            continue
        scale = min(1.0, WIDTH / frame.shape[1])
        size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
        grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        if first is not None:
            chosen.append((index - APART, first, grey))
        if index % step == 0:
            waiting[index] = grey
        if len(chosen) == 2 * pairs:
            step *= 2
            chosen = [pair for pair in chosen if pair[0] % step == 0]
            waiting = {k: kept for k, kept in waiting.items() if k % step == 0}
    apart = APART
    if not chosen:  # a video of at most four frames: its first and its last
        if index == 0:
            raise BenchError(f"{path}: has one frame, so nothing moves; leave it out")
        chosen, apart = [(0, waiting[0], grey)], index
    speeds = []
    for _, first, second in chosen:
        height, width = first.shape
        matrix, _ = background_motion(first, second)
        corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
        moved = corners @ matrix.T
        shift = moved[:, :2] / moved[:, 2:] - corners[:, :2]
        speeds.append(100 * float(np.linalg.norm(shift, axis=1).mean()) / width / apart)
    return float(np.median(speeds))


def _actors(benchmark: Benchmark, row: Row) -> float:
    """The median number of parts of the masks of a SCUBA video."""
    track = benchmark.masks(row)
    shown = [k for k in indices(row.source_frames) if k < len(track.covered) and track.covered[k]]
    if not shown:
        raise BenchError(f"{row.mask_file}: has no mask in the frames that {row.id} shows; build the benchmark again")
    chosen = np.unique(np.linspace(0, len(shown) - 1, min(FRAMES, len(shown))).round().astype(int))
    return float(np.floor(np.median([parts_of(track.mask(shown[k])) for k in chosen])))


def parts_of(mask: np.ndarray) -> int:
    """Number of separate parts of a mask, bool (H, W), with at least 5 % of the area of the largest part."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    return int((areas >= SMALLEST * areas.max()).sum()) if len(areas) else 0


def _each(measures: Mapping[str, Callable[[], float]]) -> tuple[dict[str, float], tuple[tuple[str, str], ...]]:
    """What is measured of every video, and (id, why) of those where it cannot be."""
    found: dict[str, float] = {}
    unusable = []
    for video_id, measure in measures.items():
        try:
            found[video_id] = measure()
        except BenchError as error:
            unusable.append((video_id, str(error)))
    return found, tuple(unusable)


def _no_argument(request: Request) -> None:
    if request.argument is not None:
        raise BenchError(
            f"--slices {request.word}: takes nothing after the colon; give {request.word.partition(':')[0]}"
        )


def _digest(numbers: Mapping[str, float]) -> str:
    return hashlib.sha256("\n".join(f"{i}\t{v!r}" for i, v in sorted(numbers.items())).encode()).hexdigest()
