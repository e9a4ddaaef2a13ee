"""The quality of the near-lossless H.264 of the default layout: PSNR against the original frames, bytes per frame.

    python perf/encode_quality.py

It encodes a real clip (see :mod:`sources`) as the layout ``video`` does, and with the same encoder from RGB frames that
ffmpeg converts. Nearly all of the loss in the RGB figure comes from chroma at half the resolution.
"""

import tempfile
from pathlib import Path

import numpy as np
from sources import clip

from benchmark_builder.layouts.layout import Layout
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.encode import H264, open_video


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB of two videos with values 0..255."""
    return float(10 * np.log10(255**2 / ((a.astype(np.float64) - b) ** 2).mean()))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = np.stack(list(read_frames(clip(folder))))
        height, width = frames.shape[1:3]
        writers = {
            "layout": Layout("video").open(folder / "layout.mp4", width, height, 30),
            "ffmpeg's planes": open_video(folder / "rgb.mp4", width, height, 30, H264),
        }
        for (what, writer), file in zip(writers.items(), ("layout.mp4", "rgb.mp4"), strict=True):
            with writer as sink:
                for frame in frames:
                    sink.write(frame)
            back = np.stack(list(read_frames(folder / file)))
            luma = np.array([0.299, 0.587, 0.114])
            size = (folder / file).stat().st_size / len(frames) / 1000
            print(f"{what}: luma {psnr(frames @ luma, back @ luma):.1f} dB, RGB {psnr(frames, back):.1f} dB, "
                  f"{size:.1f} kB per frame")  # fmt: skip


if __name__ == "__main__":
    main()
