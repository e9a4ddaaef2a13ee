"""Encoding of videos in this process (PyAV), which saves the start of a process of ffmpeg.

One thread per encoder: the bytes of x264 depend on its thread count, and workers already use all cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import whole_file
from benchmark_builder.utils.malloc import can_zero, zeroed
from benchmark_builder.video.binary import ffmpeg_version

if TYPE_CHECKING:
    from benchmark_builder.video.ffmpeg import Process

# CRF 10 keeps luma PSNR near 45 dB on real clips (perf/encode_quality.py), where no change is visible.
H264 = {"vcodec": "libx264", "preset": "veryfast", "crf": 10}
# QP 0 codes the planes without loss, so a still does not change over time and equals the frame from which it was taken.
H264_EXACT = {"vcodec": "libx264", "preset": "veryfast", "qp": 0}
FFV1 = {"vcodec": "ffv1", "level": 3, "g": 1, "slices": 4, "slicecrc": 1}

_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi", ".mov": "mov"}
_BT601, _LIMITED = 6, 1  # AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG
_FAILURES = (OSError, av.FFmpegError)  # most errors of libav are both, but not those of x264 and of the file's trailer
_CLOCK = 1_001_000  # ffmpeg's largest numerator and denominator of a frame rate


def encoder_version() -> str:
    """The encoders of videos here, for records: the bytes of a file depend on them."""
    own = f"PyAV {av.__version__}, libavcodec " + ".".join(map(str, av.library_versions["libavcodec"]))
    return f"{own}, libx264 in process" if can_zero() else f"{own}, H.264 by ffmpeg {ffmpeg_version()}"


def in_process(codec: dict, width: int, height: int) -> bool:
    """Whether a file is encoded in this process; otherwise by a process of ffmpeg, in new memory."""
    return not _needs_zeroed(codec, width, height) or can_zero()


def _needs_zeroed(codec: dict, width: int, height: int) -> bool:
    """Whether the encoder gives equal files for equal frames only in zeroed memory: x264 with rate control or 4:4:4."""
    return codec["vcodec"] != "ffv1" and ("qp" not in codec or width % 2 == 1 or height % 2 == 1)


class Encoder:
    """Writes one file. Use it through :func:`open_video`."""

    def __init__(self, path: Path, width: int, height: int, fps: float, codec: dict, pixels: str) -> None:
        self.path, self.pixels, self._count = path, pixels, 0
        self.shape = (height, width, 3) if pixels == "rgb24" else (height * 3 // 2, width)
        options = {name: str(value) for name, value in codec.items() if name != "vcodec"} | {"flags": "+bitexact"}
        self._memory = zeroed if _needs_zeroed(codec, width, height) else nullcontext
        if codec["vcodec"] == "ffv1":
            self.stored = "bgr0"
            if min(width, height) == 1:  # four slices need two rows and two columns
                options = {k: v for k, v in options.items() if not k.startswith("slice")} | {"level": "1"}
        else:
            # All players support 4:2:0, but it needs even sides.
            self.stored = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        if path.suffix not in _FORMATS:
            raise self._failed(f"{path.suffix!r} is none of {', '.join(_FORMATS)}")
        self._clock = 1 / Fraction(f"{fps:.6f}").limit_denominator(max(1, int(_CLOCK / max(1.0, fps))))
        self._reformatter = VideoReformatter()
        self._picture = av.VideoFrame(width, height, pixels)  # filled again for each frame
        # An open file and not its name: libav would read colons and ``%d`` in paths as protocols and patterns.
        self._file = open(path, "wb")
        try:
            self._container = av.open(self._file, "w", _FORMATS[path.suffix], options={"fflags": "+bitexact"})
            self._stream = self._container.add_stream(codec["vcodec"], rate=1 / self._clock, options=options)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, self.stored
            self._stream.thread_count = 1
            if codec["vcodec"] != "ffv1":
                self._stream.codec_context.colorspace = _BT601
                self._stream.codec_context.color_range = _LIMITED
        except BaseException:
            self._file.close()
            raise

    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB, or (H·3/2, W) planes if the encoder takes yuv420p."""
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}, the encoder takes uint8 {self.shape}")
        picture = self._picture
        self._fill(frame)
        if self.pixels != self.stored:
            picture = self._reformatter.reformat(picture, format=self.stored, interpolation="BICUBIC", threads=1)
        picture.pts, picture.time_base = self._count, self._clock
        self._count += 1
        self._mux(picture)

    def _fill(self, frame: np.ndarray) -> None:
        """Copy a frame to libav's memory, in a tenth of the time of ``av.VideoFrame.from_ndarray``."""
        self._picture.make_writable()  # new memory if the encoder still needs the old one
        if self.pixels == "rgb24":
            parts = [frame.reshape(len(frame), -1)]
        else:
            height, width = len(frame) * 2 // 3, frame.shape[1]
            parts = [frame[:height], *np.ascontiguousarray(frame[height:]).reshape(2, height // 2, width // 2)]
        for part, plane in zip(parts, self._picture.planes, strict=True):
            rows = np.asarray(memoryview(plane)).reshape(-1, plane.line_size)  # longer than the picture is wide
            rows[: len(part), : part.shape[1]] = part

    def close(self) -> None:
        """Finish the file; raises BenchError if it could not be written (for example, the disk is full)."""
        self._mux(None)
        try:
            self._container.close()
            self._file.close()
        except _FAILURES as error:
            raise self._failed(error.strerror or str(error)) from None

    def stop(self) -> None:
        """Close without finishing."""
        for opened in (self._container, self._file):
            try:
                opened.close()
            except _FAILURES:  # what is left cannot be written either
                pass

    def _mux(self, picture: av.VideoFrame | None) -> None:
        try:
            # The first frame opens the encoder; its buffers of frames are allocated with the first few.
            with self._memory():
                packets = self._stream.encode(picture)
            self._container.mux(packets)
        except _FAILURES as error:
            raise self._failed(error.strerror or str(error)) from None

    def _failed(self, reason: str) -> BenchError:
        return BenchError(
            f"{self.path.parent}: could not write a video here ({reason}); free space or choose another --out"
        )


@contextmanager
def open_video(
    path: Path, width: int, height: int, fps: float, codec: dict | None = None, pixels: str = "rgb24"
) -> "Iterator[Encoder | Process]":
    """An :class:`Encoder` whose file appears at ``path`` only when it is complete.

    Args:
        path: final name; ``.mp4`` for H.264, ``.mkv`` for FFV1.
        width, height: pixels.
        fps: frames per second.
        codec: :data:`H264` (default), :data:`H264_EXACT` or :data:`FFV1`.
        pixels: the input format of :meth:`Encoder.write`, ``rgb24`` or ``yuv420p``.
    """
    codec = codec or H264
    if not in_process(codec, width, height):
        from benchmark_builder.video.ffmpeg import open_animation

        with open_animation(path, width, height, fps, codec, pixels) as process:
            yield process
        return
    with whole_file(path) as temporary:
        encoder = Encoder(temporary, width, height, fps, codec, pixels)
        try:
            yield encoder
            encoder.close()
        except BaseException:
            encoder.stop()
            raise
