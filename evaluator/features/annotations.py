"""Annotated segments of videos as rows of segments.csv: in seconds, and in frames at the rate of the features."""

import math
from typing import Any

from benchmark_builder.untrimmed.record import Segment
from benchmark_builder.utils.text import counted


def segment_row(
    video_id: str, task: str, segment: Segment, unit: str, frames: int, fps: float, source_fps: float
) -> dict[str, Any] | None:
    """A row of segments.csv; None if the segment starts after the end of the video.

    Seconds stay as they are annotated, also after the end of the video. Frames are the nearest ones, at least one of
    the video's; those after its end are cut off (:func:`after_the_end` says so).

    Args:
        video_id, task: columns of the row.
        segment: in ``unit``: ``seconds``, or ``frames`` of the file.
        frames, fps: of the video as its windows count them.
        source_fps: frames per second of the file.
    """
    start_frame, end_frame = _frames(segment, unit, fps, source_fps)
    if start_frame >= frames:
        return None
    scale = source_fps if unit == "frames" else 1.0
    return {
        "video": video_id, "task": task, "label": segment.label, "start": repr(float(segment.start / scale)),
        "end": repr(float(segment.end / scale)), "start_frame": start_frame, "end_frame": min(end_frame, frames),
    }  # fmt: skip


def after_the_end(segment: Segment, unit: str, frames: int, fps: float, source_fps: float) -> str:
    """What is annotated after the end of the video, in words for the user; "" if nothing is.

    Arguments as in :func:`segment_row`. Times in seconds, which are rounded, may be up to a second late.
    """
    start, end = _frames(segment, unit, fps, source_fps)
    if start < frames and end <= frames + (0 if unit == "frames" else fps):
        return ""
    said = (
        f"{segment.label} is annotated in frames {start} to {end - 1} (from 0), the video ends with frame {frames - 1}"
    )
    if start >= frames:
        return f"{said}: left out"
    return f"{said}: {counted(end - frames, 'frame')} cut off"


def _frames(segment: Segment, unit: str, fps: float, source_fps: float) -> tuple[int, int]:
    """First frame of a segment, and the one after it, as windows count them; also after the end of the video."""
    if unit == "frames":
        exact = 1.0 if fps == source_fps else fps / source_fps
        first, last = segment.start * exact, segment.end * exact
    else:
        first, last = segment.start * fps, segment.end * fps
    start = nearest(first)
    return start, max(nearest(last), start + 1)


def nearest(value: float) -> int:
    """The nearest whole number, halves upwards; times such as 1/3 · 30 that are off by rounding give the exact one."""
    return math.floor(value + 0.5)
