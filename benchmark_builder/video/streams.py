"""Opens video files like ffmpeg's command line: which stream of a file is the video, and what its frame rate is."""

import errno
import re
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import av
from av.codec.context import Flags
from av.stream import Disposition

from benchmark_builder import MOST_PIXELS
from benchmark_builder.utils.errors import BenchError

# Formats that contain the video themselves. Other formats refer to further files (playlists, ffconcat, image patterns,
# DASH, SDP), are text or single pictures: such a file could show other files on the machine and the network.
FORMATS = (
    "apng", "asf", "av1", "avi", "dv", "flv", "gif", "gxf", "h261", "h263", "h264", "hevc", "ivf", "kux", "live_flv",
    "m4v", "matroska", "mjpeg", "mov", "mpeg", "mpegts", "mpegvideo", "mxf", "nsv", "nut", "obu", "ogg", "rm", "vc1",
    "vvc", "wtv", "yuv4mpegpipe",
)  # fmt: skip
# Exceptions of PyAV for damaged files; IndexError if a stream of MPEG-TS disappears.
BROKEN = (av.error.FFmpegError, OSError, ValueError, IndexError)
# No decoder is allowed while a file is opened, and none is waited for.
_QUICK = {"codec_whitelist": "none", "probesize": "32", "analyzeduration": "1", "fpsprobesize": "0"}
UNTIMED = 25.0  # frames per second of a stream without a rate, as in ffmpeg
MOST = 1000  # frames per second; a higher value is the rate of a clock


class Source:
    """An open file with a plain name: libav would read colons, leading dashes and ``%d`` in paths as protocols and
    patterns. Reading through Python costs no measurable time."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        self.name = f"video{suffix}" if suffix[1:].isascii() and suffix[1:].isalnum() else "video"
        self.read, self.tell, self._file = file.read, file.tell, file

    def seek(self, offset: int, whence: int = 0) -> int:
        """As for a file; if libav seeks before the start of a damaged file, the error that libav expects."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


@contextmanager
def opened(
    path: Path, threads: int = 1, first: bool = False, quick: bool = False
) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """Open a video file and its video stream (:func:`best`).

    Args:
        path: any name works.
        threads: number of decoder threads.
        first: use the first stream instead, as in protocols of version 1.
        quick: decode nothing to find out more about the streams, which takes up to 2 ms. Times of frames may then
            differ, and a stream may be chosen by other facts.

    Raises:
        BenchError: the file is missing, is not a video, or its format is not in :data:`FORMATS`. Frames of more than
            :data:`~benchmark_builder.MOST_PIXELS` are not decoded: they give an error.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such file; check the dataset's folder")
    try:
        file = open(path, "rb")
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from None
    with file:
        try:
            # Titles in old AVIs have invalid encodings; this must not be an error.
            options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"} | (_QUICK if quick else {})
            limits = {"max_pixels": str(MOST_PIXELS)}  # for all decoders, also the one that probes the file
            source = Source(file, path.suffix)
            # otherwise it is read as one picture
            known = "mjpeg" if path.suffix.lower() in (".mjpg", ".mjpeg") else None
            container = av.open(source, "r", known, metadata_errors="ignore", container_options=options, options=limits)
        except BROKEN as error:
            said = "its content is not a video" if isinstance(error, av.error.ArgumentError) else short(error)
            raise BenchError(f"{path}: not a readable video ({said}); replace the file") from None
        with container:
            stream = container.streams.video[0] if first and container.streams.video else best(container)
            if stream is None:
                cover = " (only a cover picture)" if container.streams.video else ""
                raise BenchError(f"{path}: contains no video stream{cover}; replace the file")
            if stream.codec_context is None:
                raise BenchError(f"{path}: PyAV cannot decode its codec; re-encode it, for example to H.264")
            stream.codec_context.options = limits
            stream.thread_count = threads
            stream.codec_context.flags |= Flags.unaligned  # crop exactly: by default some columns remain
            yield container, stream


def best(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The video stream that ffmpeg's command line uses: the one with the highest resolution; default streams are
    preferred.

    None if there is none. A cover picture is not a video, at any position in the file.
    """
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return max(videos, key=_score, default=None)


def _score(stream: av.video.stream.VideoStream) -> int:
    # map_auto_video() in fftools/ffmpeg_mux_init.c; of equal ones it uses the first, like max().
    pixels = stream.width * stream.height if stream.codec_context else 0
    return pixels + 5_000_000 * bool(stream.disposition & Disposition.default)


def cropping(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> str:
    """The crop that a container specifies (Matroska's PixelCrop, mp4's clean aperture): arguments of ffmpeg's filter
    ``crop``; "" if none."""
    # Only the listing of libav shows it; PyAV would write that to its log, which is off.
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        listed = container.dumps_format()  # type: ignore[attr-defined]
    finally:
        av.logging.set_level(level)
    ours = re.search(rf"^  Stream #0:{stream.index}\D.*?(?=^  Stream #|\Z)", listed, re.DOTALL | re.MULTILINE)
    found = re.search(r"^      Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", ours[0] if ours else "", re.MULTILINE)
    if found is None:
        return ""
    left, right, top, bottom = found.groups()
    return f"w=iw-{left}-{right}:h=ih-{top}-{bottom}:x={left}:y={top}"


def decode(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[tuple[av.Packet | None, list[av.VideoFrame]]]:
    """Each coded frame of a stream with the frames that the decoder returns for it; at the end None with the delayed
    frames.

    Empty packets, which repeat a frame in Ogg, are skipped as in ffmpeg's command line: PyAV would read one as the end.
    """
    for packet in container.demux(stream):
        if packet.size:
            yield packet, stream.decode(packet)
    yield None, stream.decode(None)


def even_times(stream: av.video.stream.VideoStream) -> list[int] | None:
    """The decoding time of each frame (ticks of the stream's clock), from an index of the whole file.

    None if there is no such index, or it has uneven steps or hidden frames: then only the packets show when frames are
    displayed. mp4 and AVI have an index, so their rate is known without reading the file. If frames are reordered,
    times at both ends may be missing; this matters only in short files, which are read quickly.
    """
    entries = stream.index_entries
    least = 200 if stream.codec_context.has_b_frames else 3
    if len(entries) < max(least, stream.frames - 1):  # packed AVIs count one frame that was never coded
        return None
    times = [e.timestamp for e in entries]
    return times if variable_rate(times) is False and not any(e.is_discard for e in entries) else None


def frame_rate(stream: av.video.stream.VideoStream, times: Sequence[int | None]) -> float:
    """Frames per second: from the file if the frame times agree with it, otherwise (n - 1) / (last - first).

    Args:
        stream: for its nominal rate, its average rate and its clock.
        times: of every frame, in ticks, in any order; None for a frame without a time.
    """
    known = sorted(t for t in times if t is not None)
    # a higher value is the rate of a clock
    said = [r for r in (stream.guessed_rate, stream.average_rate) if r and r <= MOST]
    if len(known) < max(2, len(times)) or known[0] == known[-1]:
        # For a single frame, the nominal rate is meaningless.
        return float(next(iter(said[::-1] if len(times) < 2 else said), UNTIMED))
    clock = stream.time_base or Fraction(1)
    mean = (len(known) - 1) / ((known[-1] - known[0]) * clock)
    agreed = [r for r in said if _agrees(known, clock, r)] if not variable_rate(times) else []
    return float(next(iter(agreed), mean if mean <= MOST else UNTIMED))


def _agrees(times: Sequence[int], clock: Fraction, rate: Fraction) -> bool:
    """Whether sorted times follow a rate, except for rounding to ticks and at most one lost frame in fifty."""
    step = statistics.median(b - a for a, b in pairwise(times)) * clock * rate
    lost = (times[-1] - times[0]) * clock * rate - (len(times) - 1)
    return (
        abs(step - 1) <= max(Fraction(1, 10), clock * rate)
        and abs(lost - round(lost)) <= 2 * clock * rate + Fraction(1, 100)
        # in packed AVIs, such as HMDB51's, one is missing at the start
        and 0 <= round(lost) <= max(1, len(times) // 50)
    )


def variable_rate(times: Sequence[int | None]) -> bool | None:
    """Whether the time steps between frames are uneven; None if the times do not show it.

    Args:
        times: of every frame, in ticks of the file's clock. Their order is ignored: AVI returns the frames of a stream
            with B-frames in order, but not their times.

    A step is uneven if it differs from the median by more than a tenth of it and, if the clock is much finer than the
    frames (at least 3 ticks per frame), by more than the tick of rounding. One uneven step, or one in fifty, is a lost
    frame, not a variable rate: packed AVIs, such as HMDB51's, have one at the start.
    """
    known = sorted(t for t in times if t is not None)
    if len(known) < max(3, len(times)):
        return None
    steps = [b - a for a, b in pairwise(known)]
    median = statistics.median(steps)
    if median <= 0:
        return None
    allowed = max(median / 10, 1 if median >= 3 else 0)
    uneven = sum(abs(step - median) > allowed for step in steps)
    return uneven > max(1, len(steps) // 50)


def short(error: BaseException) -> str:
    """The reason of an error, in one line."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0]
