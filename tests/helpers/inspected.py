"""Videos for `bench data inspect`."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from tiny_videos import moving_square
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.utils.errors import BenchError


def encode(path: Path, frames: int = 40, codec: str = "mpeg4", steps: Callable[[int], int] | None = None) -> None:
    """Write a moving square into a file of any container, 25 fps; with ``steps``, frame k lasts ``steps(k)`` ms."""
    video, _ = moving_square(8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if steps else Fraction(1, 25)
        time = 0
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(video[k % 8], format="rgb24")
            frame.pts, frame.time_base = time, stream.codec_context.time_base
            time += steps(k) if steps else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def run(*arguments: object) -> tuple[object, str]:
    """The command's error (None if its exit status is 0) and its output."""
    result = CliRunner().invoke(app, ["data", "inspect", *map(str, arguments)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, BenchError), result.output
    return result.exception, result.output
