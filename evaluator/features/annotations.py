"""Annotated segments of videos as rows of segments.csv: in seconds, and in frames at the rate of the features."""

import math
from typing import Any

from benchmark_builder.untrimmed.record import Segment


def segment_row(
    video_id: str, task: str, segment: Segment, unit: str, frames: int, fps: float, source_fps: float
) -> dict[str, Any] | None:
    """A row of segments.csv; None if the segment starts after the end of the video.

    Seconds stay as they are annotated, also after the end of the video. Frames are the nearest ones, at least one of
    the video's.

    Args:
        video_id, task: columns of the row.
        segment: in ``unit``: ``seconds``, or ``frames`` of the file.
        frames, fps: of the video as its windows count them.
        source_fps: frames per second of the file.
    """
    if unit == "frames":
        start, end = segment.start / source_fps, segment.end / source_fps
        exact = 1.0 if fps == source_fps else fps / source_fps
        first, last = segment.start * exact, segment.end * exact
    else:
        start, end = segment.start, segment.end
        first, last = start * fps, end * fps
    start_frame = nearest(first)
    if start_frame >= frames:
        return None
    end_frame = min(max(nearest(last), start_frame + 1), frames)
    return {
        "video": video_id, "task": task, "label": segment.label, "start": repr(float(start)), "end": repr(float(end)),
        "start_frame": start_frame, "end_frame": end_frame,
    }  # fmt: skip


def nearest(value: float) -> int:
    """The nearest whole number, halves upwards; times such as 1/3 · 30 that are off by rounding give the exact one."""
    return math.floor(value + 0.5)
