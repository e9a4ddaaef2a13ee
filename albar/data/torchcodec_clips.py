"""Training clips decoded by torchcodec instead of this toolkit's decoder: on the GPU, if the training runs on one.

Its pixels differ: by rounding, and in videos whose time stamps are out of order it returns other frames
(docs/speed.md). So it is for training only; validation, evaluation and test videos are always decoded exactly.
"""

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from albar.clips.clips import Cut, ShortVideo
from benchmark_builder.utils.errors import BenchError


def problem() -> str | None:
    """Why torchcodec cannot be used here, in one line; None if it can."""
    try:
        import torchcodec.decoders  # noqa: F401
    except ModuleNotFoundError:
        return "the library torchcodec is not installed; pip install 'albar-bench[torchcodec]', or --decode exact"
    except (ImportError, OSError, RuntimeError) as error:  # FFmpeg's libraries are missing, or another torch
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        fix = "it needs FFmpeg's shared libraries (Debian: apt-get install ffmpeg); or use --decode exact"
        return f"torchcodec cannot be imported ({line.strip()[:100]}); {fix}"
    return None


def decoded(path: Path, cut: Cut, height: int, width: int, device: torch.device) -> torch.Tensor:
    """The frames of a clip, as torchcodec numbers them: uint8 (T, H, W, 3) RGB on ``device``.

    Args:
        path: a video file.
        cut: the clip.
        height, width: of the upright picture, as this toolkit sees it.
        device: where it is decoded.

    Raises:
        ShortVideo: it has fewer frames.
        BenchError: torchcodec cannot decode it, or shows it in another size.
    """
    from torchcodec.decoders import VideoDecoder

    last = int(cut.indices.max())
    try:
        decoder = VideoDecoder(
            str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact", device=str(device)
        )
        count = len(decoder)
        frames: Any = decoder.get_frames_at([int(k) for k in cut.indices]).data if last < count else None
    except (RuntimeError, ValueError, IndexError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BenchError(
            f"{path}: torchcodec cannot decode it ({line.strip()[:150]}); replace the file, or use --decode exact"
        ) from None
    if frames is None:
        raise ShortVideo(count, last)
    if tuple(frames.shape[1:]) != (height, width, 3):
        found = "x".join(map(str, frames.shape[2:0:-1]))
        raise BenchError(f"{path}: torchcodec shows {found} pixels instead of {width}x{height}; use --decode exact")
    return frames


def cut_there(frames: torch.Tensor, cut: Cut, size: int) -> torch.Tensor:
    """A clip cut from frames, on their device: uint8 (T, H, W, 3) -> uint8 (3, T, size, size).

    As :func:`~albar.clips.clips.cut_frame`, but in float32 and rounded once: GPUs have no such scaling of uint8.
    """
    top, left, height, width = cut.box
    part = frames[:, top : top + height, left : left + width].permute(0, 3, 1, 2)
    if part.shape[-2:] != (size, size):
        scaled = functional.interpolate(
            part.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        part = scaled.round_().clamp_(0, 255).to(torch.uint8)
    clip = part.transpose(0, 1)
    return (clip.flip(-1) if cut.flip else clip).contiguous()
