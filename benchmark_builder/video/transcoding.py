"""Transcodes one video file to H.264 in a process of ffmpeg; ffmpeg-python writes its command line.

The process decodes as :mod:`~benchmark_builder.video.decode` does: the same stream, upright, every frame. It has one
thread, since workers already use all cores.
"""

import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import whole_file
from benchmark_builder.video.binary import ffmpeg_binary
from benchmark_builder.video.streams import FORMATS

SUFFIX = ".mp4"


@dataclass(frozen=True, slots=True)
class Coding:
    """How one file is written.

    Attributes:
        width, height: of the upright picture, in pixels; even numbers.
        crop: leave out the last column or row of an odd size, instead of scaling to the size.
        source_rate: frames per second of a source with a constant rate: its frames are numbered at this rate, whatever
            its time stamps; None: its time stamps are kept.
        rate: frames per second of the result, by which frames are repeated or left out; None: every frame is kept.
        keys: at most so many frames from one key frame to the next.
        crf, preset, tune: of x264; tune may be ``none``.
    """

    width: int
    height: int
    crop: bool
    source_rate: Fraction | None
    rate: Fraction | None
    keys: int
    crf: int
    preset: str
    tune: str = "none"


def even_size(width: int, height: int, short: int, enlarge: bool = False) -> tuple[int, int, bool]:
    """The size of a transcoded picture: even sides, the short one ``short``.

    Args:
        width, height: of the source, in pixels.
        short: wanted short side, even; 0: that of the source.
        enlarge: whether smaller pictures are enlarged.

    Returns:
        (width, height, crop); if the size only becomes even, crop is True: one column or row is left out.

    Raises:
        BenchError: a side is only one pixel long and is not scaled.
    """
    small, long = min(width, height), max(width, height)
    if short and (small > short or (enlarge and small < short)):
        scaled = 2 * ((long * short + small) // (2 * small))  # the nearest even number, as ffmpeg's scale=-2 takes it
        return (scaled, short, False) if width > height else (short, scaled, False)
    if small < 2:
        raise BenchError(f"its picture of {width}x{height} pixels is too small for H.264; give --short and --enlarge")
    even = width - width % 2, height - height % 2
    return *even, even != (width, height)


def rate_of(fps: float) -> Fraction:
    """A frame rate as a fraction: 29.97003 → 30000/1001."""
    near = Fraction(fps).limit_denominator(1001)
    return near if abs(near - Fraction(fps)) <= Fraction(fps) / 10**6 else Fraction(fps).limit_denominator(10**5)


def transcode_file(source: Path, target: Path, coding: Coding) -> None:
    """Write ``source`` as H.264 (yuv420p, no audio) to ``target``, which appears when it is complete.

    Raises:
        BenchError: ffmpeg is missing or too old, or cannot read or write the file.
        Crashed: ffmpeg was ended by a signal.
    """
    with whole_file(target) as temporary:
        command = _command(source, temporary.name, coding)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=target.parent,
                check=False,
            )
        except OSError as error:
            said = f"cannot be run as ffmpeg ({error.strerror or error})"
            raise BenchError(f"{command[0]}: {said}; set BENCH_FFMPEG to an ffmpeg, or unset it") from None
        if done.returncode == 0:
            return
        lines = done.stderr.decode(errors="replace").strip().split("\n")
        reason = re.sub(r"^\[[^]]* @ 0x[0-9a-f]+\] *", "", lines[-1]) or "no reason given"
        if done.returncode < 0:
            said = f"ffmpeg was ended by signal {-done.returncode} (out of memory?)"
            raise Crashed(f"{source}: {said}", "\n".join(lines[-20:]), again=True)
        raise BenchError(f"{source}: ffmpeg could not transcode it ({reason}); look at the file, and at the space in "
                         f"{target.parent}")  # fmt: skip


def _command(source: Path, name: str, coding: Coding) -> list[str]:
    # An absolute name after "file:", so that ffmpeg reads it neither as an option nor as a protocol. The lists are
    # those of the decoder: no playlist or other file that names further files is opened.
    reading: dict[str, object] = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file", "threads": 1}
    if source.suffix.lower() in (".mjpg", ".mjpeg"):
        reading["f"] = "mjpeg"
    if coding.source_rate is not None:
        reading["r"] = _text(coding.source_rate)
    filters = [f"fps=fps={_text(coding.rate)}"] if coding.rate is not None else []
    size = f"{coding.width}:{coding.height}"
    filters.append(f"crop={size}:0:0:exact=1" if coding.crop else f"scale={size}:flags=bicubic")
    writing = {
        "vf": ",".join(filters), "fps_mode": "passthrough", "vcodec": "libx264", "preset": coding.preset,
        "crf": coding.crf, "g": coding.keys, "pix_fmt": "yuv420p", "threads": 1, "filter_threads": 1,
        "map_metadata": -1, "map_chapters": -1, "an": None, "sn": None, "dn": None,
        "fflags": "+bitexact", "flags:v": "+bitexact",
    }  # fmt: skip
    if coding.tune != "none":
        writing["tune"] = coding.tune
    if coding.source_rate is None and coding.rate is None:
        writing["enc_time_base"] = "demux"  # times of a variable rate stay as they are
    opened = ffmpeg.input(f"file:{source.absolute()}", **reading)
    command = opened.output(f"file:{name}", **writing).global_args("-loglevel", "error", "-nostdin")
    return list(command.overwrite_output().compile(cmd=ffmpeg_binary()))


def _text(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"
