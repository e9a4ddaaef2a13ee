"""ffmpeg in a process of its own, for H.264 with loss; ffmpeg-python writes its command line."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.files import whole_file
from benchmark_builder.video.binary import ffmpeg_binary

if sys.platform == "linux":
    import fcntl


class Process:
    """Sends frames to one ffmpeg process. Use it through :func:`open_animation`."""

    def __init__(
        self, path: Path, width: int, height: int, fps: float, codec: Mapping[str, object], pixels: str
    ) -> None:
        self.shape = (height, width, 3) if pixels == "rgb24" else (height * 3 // 2, width)
        # All players support 4:2:0, but it needs even sides.
        stored = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
        tags = {"pix_fmt": stored, "colorspace": "smpte170m", "color_range": "tv"}
        source = ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt=pixels, s=f"{width}x{height}", framerate=f"{fps:.6f}", threads=1
        )
        # Run in the file's folder, so that ffmpeg never sees the folder's name and cannot read it as an option or a
        # protocol.
        exact = {"fflags": "+bitexact", "flags:v": "+bitexact"}
        target = source.output(f"file:{path.name}", threads=1, **exact, **codec, **tags)
        command = target.global_args("-loglevel", "error", "-nostdin").overwrite_output()
        self.process = subprocess.Popen(
            command.compile(cmd=ffmpeg_binary()),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=path.parent,
        )
        self.path = path
        _widen(self.process.stdin)

    def write(self, frame: np.ndarray) -> None:
        """Append one frame: uint8 (H, W, 3) RGB, or (H·3/2, W) planes if it takes yuv420p."""
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}, the encoder takes uint8 {self.shape}")
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError:
            self._fail()

    def close(self) -> None:
        """Finish the file; raises BenchError if ffmpeg could not write it (for example, the disk is full)."""
        assert self.process.stdin is not None and self.process.stderr is not None
        try:
            self.process.stdin.close()
        except OSError:
            self._fail()
        message = self.process.stderr.read()
        if self.process.wait() != 0:
            self._fail(message)
        self.process.stderr.close()

    def kill(self) -> None:
        """Stop without finishing."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr):
            try:
                if pipe:
                    pipe.close()
            except OSError:  # buffered data cannot be flushed to a dead process
                pass

    def _fail(self, message: bytes = b"") -> None:
        try:
            code = self.process.wait(1)  # a pipe closes shortly before its process ends
        except subprocess.TimeoutExpired:
            code = 0
        self.process.kill()
        if not message and self.process.stderr and not self.process.stderr.closed:
            message = self.process.stderr.read()
        reason = message.decode(errors="replace").strip().split("\n")[-1] or "the encoder stopped"
        reason = re.sub(r"^\[[^]]* @ 0x[0-9a-f]+\] *", "", reason)  # a memory address, different in every run
        if code < 0:
            raise Crashed(
                f"{self.path.parent}: the encoder was ended by signal {-code} (out of memory?)", reason, again=True
            )
        raise BenchError(
            f"{self.path.parent}: could not write a video here ({reason}); free space or choose another --out"
        )


def _widen(pipe: Any) -> None:
    """Make a pipe's buffer at least one frame large, so that writes rarely wait for the encoder. This uses less CPU."""
    if sys.platform == "linux":
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:  # the system does not allow this size; the default works too
            pass


@contextmanager
def open_animation(
    path: Path, width: int, height: int, fps: float, codec: Mapping[str, object], pixels: str = "rgb24"
) -> Iterator[Process]:
    """A :class:`Process` whose file appears at ``path`` only when it is complete.

    Args:
        path: final name, ``.mp4``.
        width, height: pixels.
        fps: frames per second.
        codec: options of ffmpeg's command line, with ``vcodec``.
        pixels: the input format of :meth:`Process.write`, ``rgb24`` or ``yuv420p``.

    Raises:
        BenchError: ffmpeg is missing, or could not write the file.
        Crashed: ffmpeg was ended by a signal.
    """
    with whole_file(path) as temporary:
        process = Process(temporary, width, height, fps, codec, pixels)
        try:
            yield process
            process.close()
        except BaseException:
            process.kill()
            raise
