"""The ffmpeg that writes videos, and its version; nothing else is imported for this."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from benchmark_builder.utils.errors import BenchError


@functools.cache
def ffmpeg_binary() -> str:
    """Path of the ffmpeg to run: ``$BENCH_FFMPEG``, otherwise the one of imageio-ffmpeg, otherwise the system's."""
    own = os.environ.get("BENCH_FFMPEG")
    if own:
        return str(Path(own).absolute()) if Path(own).name != own else own  # since it runs in other folders
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
        if found is None:
            raise BenchError("no ffmpeg found; run `pip install imageio-ffmpeg` or set BENCH_FFMPEG") from None
        return found


@functools.cache
def ffmpeg_version() -> str:
    """The version of this ffmpeg, e.g. ``7.0.2-static``; the bytes of a file depend on it."""
    command = [ffmpeg_binary(), "-version"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError as error:
        said = f"cannot be run as ffmpeg ({error.strerror or error})"
        raise BenchError(f"{command[0]}: {said}; set BENCH_FFMPEG to an ffmpeg, or unset it") from None
    words = done.stdout.decode(errors="replace").split()
    return words[2] if words[:2] == ["ffmpeg", "version"] else "unknown"
