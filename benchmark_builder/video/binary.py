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
    if (bundled := _bundled()) is not None:
        return bundled[0]
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
    binary = ffmpeg_binary()
    bundled = None if os.environ.get("BENCH_FFMPEG") else _bundled()
    return bundled[1] if bundled is not None else _asked(binary)[1]


@functools.cache
def _bundled() -> tuple[str, str] | None:
    """Path and version of the ffmpeg that comes with imageio-ffmpeg; None if there is none, or it does not run here.

    It is asked once, and again after its file has changed: starting it takes as long as making a short video.
    """
    if os.environ.get("IMAGEIO_FFMPEG_EXE"):  # that package uses this one
        return None
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    from benchmark_builder.utils.digests import known_digest

    found = [*(Path(imageio_ffmpeg.__file__).parent / "binaries").glob("ffmpeg-*")]
    try:
        return (str(found[0]), known_digest(found[0], _runs)) if len(found) == 1 else None
    except BenchError:
        return None


def _runs(path: Path) -> str:
    """The version of an ffmpeg. Raises BenchError if it does not run."""
    status, version = _asked(str(path))
    if status or version == "unknown":
        raise BenchError(f"{path}: does not run as ffmpeg")
    return version


def _asked(binary: str) -> tuple[int, str]:
    """The exit status of ``ffmpeg -version``, and the version. Raises BenchError if it cannot be run."""
    try:
        done = subprocess.run([binary, "-version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError as error:
        said = f"cannot be run as ffmpeg ({error.strerror or error})"
        raise BenchError(f"{binary}: {said}; set BENCH_FFMPEG to an ffmpeg, or unset it") from None
    words = done.stdout.decode(errors="replace").split()
    return done.returncode, words[2] if words[:2] == ["ffmpeg", "version"] else "unknown"
