"""Decoded frames as they are displayed: rotated and mirrored as the file specifies, in RGB.

Uses the filters that ffmpeg's command line inserts, so that the pixels are equal to those of `ffmpeg -i FILE -pix_fmt
rgb24`.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter

Filters = tuple[tuple[str, str], ...]  # (filter, arguments), in the order of application


def _unnamed(cls: type[Type], value: object) -> Type:
    """Side data of a type that PyAV does not know, such as EXIF: otherwise, up to version 18, it lists no side data at
    all."""
    member: Any = object.__new__(cls)
    member._name_, member._value_ = f"UNKNOWN_{value}", value
    return member


Type._missing_ = classmethod(_unnamed)  # type: ignore[method-assign,assignment]


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers of a frame's display matrix (rows; 16.16 and, in the last column, 2.30 fixed point), or None."""
    if not frame.side_data:  # true for nearly every frame, and cheaper to ask
        return None
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else tuple(int(n) for n in np.frombuffer(bytes(data), np.int32)[:9])


def turning(matrix: Sequence[int] | None) -> Filters:
    """The filters that make a picture upright: get_rotation() and configure_input_video_filter() in ffmpeg's fftools.

    An angle that is not within a degree of a multiple of 90 degrees is rotated in place, on black.
    """
    theta = _angle(matrix)
    if matrix is None or math.isnan(theta):
        return ()
    if abs(theta - 90) < 1:
        return (("transpose", "cclock_flip" if matrix[3] > 0 else "clock"),)
    if abs(theta - 180) < 1:
        return (("hflip", ""),) * (matrix[0] < 0) + (("vflip", ""),) * (matrix[4] < 0)
    if abs(theta - 270) < 1:
        return (("transpose", "clock_flip" if matrix[3] < 0 else "cclock"),)
    if abs(theta) > 1:
        return (("rotate", f"{theta:f}*PI/180"),)
    return (("vflip", ""),) if abs(theta) < 1 and matrix[4] < 0 else ()


def _angle(matrix: Sequence[int] | None) -> float:
    """Degrees clockwise, from 0 to 359; NaN for a singular matrix."""
    if matrix is None:
        return 0.0
    across, down = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if not across or not down:
        return math.nan
    turned = math.degrees(math.atan2(matrix[1] / down, matrix[0] / across))
    theta = math.copysign(math.floor(abs(turned) + 0.5), turned)  # C's round()
    return theta - 360 * math.floor(theta / 360 + 0.9 / 360)


def swaps_sides(filters: Filters) -> bool:
    """Whether width and height are swapped."""
    return any(name == "transpose" for name, _ in filters)


# The filters in words; other rotations are described by their angle.
_WORDS = {
    (): "",
    ("hflip",): "mirrored left to right",
    ("vflip",): "mirrored top to bottom",
    ("hflip", "vflip"): "rotated by 180 degrees",
    ("clock",): "rotated by 90 degrees clockwise",
    ("cclock",): "rotated by 90 degrees counter-clockwise",
    ("cclock_flip",): "rotated by 90 degrees counter-clockwise and mirrored top to bottom",
    ("clock_flip",): "rotated by 90 degrees clockwise and mirrored top to bottom",
}


def in_words(filters: Filters) -> str:
    """How a picture is changed, for a table; "" if it is not changed."""
    if filters and filters[0][0] == "rotate":
        angle = float(filters[0][1].split("*")[0])
        way = f"{angle:g} degrees clockwise" if angle < 180 else f"{360 - angle:g} degrees counter-clockwise"
        return f"rotated by {way}, on black"
    return _WORDS[tuple(arguments or name for name, arguments in filters)]


# For these formats, swscale's plain conversion gives the same pixels as the filters, if the number of lines fits the
# chroma subsampling.
_PLAIN = ("yuv420p", "yuvj420p", "bgr0", "rgb24")


class Converter:
    """Converts decoded frames to upright RGB pictures. Use one per video: it is initialised with the first frame.

    ``crop``: the crop in the container (:func:`~benchmark_builder.video.streams.cropping`).
    """

    def __init__(self, crop: str = "") -> None:
        self._crop: Filters = (("crop", crop),) if crop else ()
        self._for: tuple[object, ...] | None = None
        self._graph: av.filter.Graph | None = None
        self._plain = VideoReformatter()  # one for all frames: creating a converter costs more than using it

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """One frame as it is displayed: uint8 (H, W, 3) RGB."""
        matrix = display_matrix(frame)
        plain = frame.format.name in _PLAIN and frame.height % 2 == 0 and not frame.interlaced_frame
        if plain and matrix is None and not self._crop:  # true for nearly every video, and a quarter faster
            return _reformatted(self._plain, frame)
        now = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, matrix)
        if self._graph is None or now != self._for:
            self._for, self._graph = now, _graph(frame, self._crop + turning(matrix))
        self._graph.push(frame)
        return self._graph.pull().to_ndarray()


class FormerConverter:
    """:class:`Converter` for protocols of version 1: no mirroring, and only rotations by multiples of 90 degrees."""

    def __init__(self) -> None:
        self._plain = VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """One frame: uint8 (H, W, 3) RGB."""
        image = _reformatted(self._plain, frame)
        turns = round(int(frame.rotation) / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _reformatted(reformatter: VideoReformatter, frame: av.VideoFrame) -> np.ndarray:
    # One thread: for a frame of this size more threads are slower, and workers already use all cores.
    return reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()


def _graph(frame: av.VideoFrame, filters: Filters) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1  # as above
    clock = frame.time_base or Fraction(1, 1000)
    start = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=clock)
    chain = [start, *(graph.add(name, arguments or None) for name, arguments in filters)]
    chain += [graph.add("format", "pix_fmts=rgb24"), graph.add("buffersink")]
    graph.link_nodes(*chain)
    graph.configure()
    return graph
